//! The last words of a container.

use crate::Docker;
use anyhow::{Context, Result};
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;
use std::time::Duration;

const LINE_LIMIT_CHARS: usize = 2_000;
const READ_TIMEOUT: Duration = Duration::from_secs(10);

impl Docker {
    /// The last lines of stdout and stderr, in the order they were written; each is cut at 2,000 characters.
    pub async fn logs_tail(&self, id: &str, lines: usize) -> Result<Vec<String>> {
        let options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .tail(&lines.to_string())
            .build();
        let read = async {
            let mut output = std::pin::pin!(self.api().logs(id, Some(options)));
            let mut collected = Lines::default();
            while let Some(part) = output.next().await {
                let part = part.with_context(|| format!("reading the log of container `{id}`"))?;
                collected.push(&part.into_bytes());
            }
            Ok(collected.finish(lines))
        };
        let late = || {
            format!(
                "the log of container `{id}` could not be read within {} s",
                READ_TIMEOUT.as_secs()
            )
        };
        tokio::time::timeout(READ_TIMEOUT, read).await.with_context(late)?
    }
}

/// Bytes cut into lines of bounded length. The engine hands long lines over in parts.
#[derive(Default)]
struct Lines {
    whole: Vec<String>,
    open: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            // Four bytes a character at most: more can never be shown.
            let room = (LINE_LIMIT_CHARS * 4).saturating_sub(self.open.len());
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            self.open.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < part.len() {
                self.close();
            }
        }
    }

    fn close(&mut self) {
        let text = String::from_utf8_lossy(&self.open);
        self.whole
            .push(text.trim_end_matches('\r').chars().take(LINE_LIMIT_CHARS).collect());
        self.open.clear();
    }

    fn finish(mut self, lines: usize) -> Vec<String> {
        if !self.open.is_empty() {
            self.close();
        }
        self.whole.split_off(self.whole.len().saturating_sub(lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_and_long_lines_are_cut() {
        let mut lines = Lines::default();
        lines.push(b"one\ntw");
        lines.push(b"o\n");
        lines.push("é".repeat(3_000).as_bytes());
        let lines = lines.finish(2);
        assert_eq!(lines, ["two".to_owned(), "é".repeat(2_000)]);
    }
}
