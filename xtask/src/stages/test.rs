//! Integration tests against the very image that would be released, beside the services it needs.

use super::Outcome;
use crate::command;
use crate::context::Context;
use crate::engine::Release;
use crate::failure::{Failure, Result};
use crate::report::seconds;
use crate::stand::{Identity, LiveLog, Purpose, Stand, keep_log};
use contract::ImageRef;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::process::Command;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    pub passed: u32,
    pub failed: u32,
    pub substitutes: Vec<String>,
    pub services_ms: u64,
    pub tests_ms: u64,
}

impl Outcome for Tested {
    fn summary(&self) -> String {
        let substitutes = match self.substitutes.as_slice() {
            [] => String::new(),
            substitutes => format!(", with {}", substitutes.join(", ")),
        };
        format!(
            "{} passed in {}{substitutes}",
            self.passed,
            seconds(Duration::from_millis(self.tests_ms))
        )
    }
}

pub async fn test(context: &Context, release: &Release, image: &ImageRef) -> Result<Tested> {
    let identity = Identity {
        release: release.id.to_string(),
        commit: release.source.commit.clone(),
    };
    let stand = Stand::new(context, Purpose::Test, identity).await?;
    let logs = context.project.release(release.id).join("logs");
    let interrupt = &context.report.interrupt;
    let result = interrupt.cuts(test_on(&stand, context, image, &logs)).await;
    if result.is_err() {
        stand.keep_logs(&logs).await;
    }
    stand.tear_down().await;
    result.map_err(|failure| failure.next(format!("cargo xtask logs {} test", release.id)))
}

async fn test_on(stand: &Stand<'_>, context: &Context, image: &ImageRef, logs: &Path) -> Result<Tested> {
    let up = stand.up(image).await?;
    let since = Instant::now();
    let (passed, failed) = run_tests(context, &up.base_url, logs).await?;
    Ok(Tested {
        passed,
        failed,
        substitutes: up.substitutes(),
        services_ms: up.services_ms,
        tests_ms: since.elapsed().as_millis() as u64,
    })
}

async fn run_tests(context: &Context, base_url: &str, logs: &Path) -> Result<(u32, u32)> {
    let test = &context.pipeline.test;
    let [program, args @ ..] = test.command.as_slice() else {
        return Ok((0, 0));
    };
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(&context.project.root)
        .env("BASE_URL", base_url);
    let (mut output, mut live) = (String::new(), LiveLog::begin(logs, "test.log"));
    let finished = command::run(command, test.timeout, |line| {
        context.report.progress(line.to_owned());
        live.line(line);
        output.push_str(line);
        output.push('\n');
    })
    .await?;
    keep_log(logs, "test.log", &output);
    let (passed, failed) = count(&output);
    if finished.success {
        return Ok((passed, failed));
    }
    let failure = Failure::failed(format!(
        "`{}` failed: {failed} of {} tests",
        test.command.join(" "),
        passed + failed
    ));
    Err(finished
        .tail
        .iter()
        .fold(failure, |failure, line| failure.why(format!("| {line}"))))
}

/// Passed and failed, from the lines cargo's test harness prints; a harness that prints none counts none.
fn count(output: &str) -> (u32, u32) {
    let number = |line: &str, word: &str| -> Option<u32> {
        let words: Vec<&str> = line.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
        let at = words.iter().position(|found| *found == word)?;
        words.get(at.checked_sub(1)?)?.parse().ok()
    };
    output
        .lines()
        .filter(|line| line.starts_with("test result:"))
        .fold((0, 0), |(passed, failed), line| {
            (
                passed + number(line, "passed").unwrap_or(0),
                failed + number(line, "failed").unwrap_or(0),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_over_all_test_binaries() {
        let output = "running 2 tests\ntest result: ok. 25 passed; 0 failed; 0 ignored; finished in 1.2s\n\
                      test result: FAILED. 3 passed; 2 failed; 0 ignored\n";
        assert_eq!(count(output), (28, 2));
        assert_eq!(count("all good"), (0, 0));
    }
}
