//! What a container printed, and prints.

use crate::Docker;
use anyhow::{Context, Result};
use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;
use std::time::Duration;

const LINE_LIMIT_CHARS: usize = 2_000;
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Which lines of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinesWanted {
    /// So many of the last; all where none is given.
    pub tail: Option<u32>,
    /// In seconds since 1970; nothing that was printed before.
    pub since: Option<i32>,
    /// And those to come, until the container ends.
    pub follow: bool,
}

impl Docker {
    /// Hands over each line with the time at which the engine got it, as text in RFC 3339. Each is cut at 2,000 characters.
    /// How long that may take is the caller's to say.
    pub async fn lines(&self, id: &str, wanted: LinesWanted, mut each: impl FnMut(&str, &str)) -> Result<()> {
        let options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .follow(wanted.follow)
            .since(wanted.since.unwrap_or_default())
            .tail(&wanted.tail.map_or("all".to_owned(), |lines| lines.to_string()))
            .build();
        let mut output = std::pin::pin!(self.api().logs(id, Some(options)));
        // The streams come in turns, and a turn may end in the middle of a line.
        let (mut stdout, mut stderr) = (Timed::default(), Timed::default());
        while let Some(part) = output.next().await {
            let part = part.with_context(|| format!("reading the log of container `{id}`"))?;
            let stream = match part {
                LogOutput::StdErr { .. } => &mut stderr,
                _ => &mut stdout,
            };
            stream.lines.push(&part.into_bytes());
            stream.hand_over(&mut each);
        }
        for mut stream in [stdout, stderr] {
            stream.lines.close_rest();
            stream.hand_over(&mut each);
        }
        Ok(())
    }

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

/// Lines of one stream, each behind its time. Those times rise; but when the engine puts a full file aside while it is
/// followed, it may hand over lines of that file again, by the ten thousands.
#[derive(Default)]
struct Timed {
    lines: Lines,
    /// Of the line handed over last. The engine writes all of one length, so that they compare as text.
    latest: String,
}

impl Timed {
    fn hand_over(&mut self, each: &mut impl FnMut(&str, &str)) {
        for line in self.lines.whole.drain(..) {
            let Some((at, text)) = line.split_once(' ').filter(|(at, _)| *at > self.latest.as_str()) else {
                continue;
            };
            each(at, text);
            at.clone_into(&mut self.latest);
        }
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

    fn close_rest(&mut self) {
        if !self.open.is_empty() {
            self.close();
        }
    }

    fn finish(mut self, lines: usize) -> Vec<String> {
        self.close_rest();
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

    #[test]
    fn lines_that_are_handed_over_again_are_told_once() {
        let (mut stream, mut told) = (Timed::default(), Vec::new());
        for part in ["1 one\n2 two words\n", "1 one\n2 two words\n3 ", "three\nwithout\n"] {
            stream.lines.push(part.as_bytes());
            stream.hand_over(&mut |at, text| told.push(format!("{text} at {at}")));
        }
        assert_eq!(told, ["one at 1", "two words at 2", "three at 3"]);
    }
}
