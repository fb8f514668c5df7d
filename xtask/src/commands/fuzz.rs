//! `fuzz`: looks for inputs that break what agents and routers promise of whatever they read (`deploy/fuzz`), led by the
//! code that inputs reach. Bounded: each target gets its seconds.

use crate::cli::FuzzArgs;
use crate::command;
use crate::failure::{Failure, OrFail, Result};
use crate::project::tool_workspace;
use crate::report::{Report, counted};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

pub const TARGETS: [&str; 6] = ["admin", "agent-state", "desired", "head", "observed", "router-state"];
const BUILD_WITHIN: Duration = Duration::from_secs(1800);
/// Beside the seconds asked for: to read the corpus, and to end.
const MARGIN: Duration = Duration::from_secs(120);
/// For one input; any real one takes milliseconds.
const INPUT_SECONDS: u32 = 10;
const MEMORY_MB: u32 = 2048;
/// As long as the longest thing that one of them reads at once.
const INPUT_BYTES: u32 = 64 * 1024;

/// What one target's run came to.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
struct Figures {
    executions: u64,
    /// Places in the code that some input reached: before, and after.
    reached: (u64, u64),
    /// Inputs that reached something of their own.
    inputs: (u64, u64),
}

pub async fn fuzz(args: FuzzArgs, report: &Report) -> Result<()> {
    if let Some(unknown) = args.targets.iter().find(|target| !TARGETS.contains(&target.as_str())) {
        return Err(Failure::bad_input(format!("there is no fuzz target `{unknown}`"))
            .why(format!("known: {}", TARGETS.join(", "))));
    }
    let fuzzer = build(report).await?;
    let chosen = |target: &&str| args.targets.is_empty() || args.targets.iter().any(|name| name == target);
    let mut broken = Vec::new();
    for target in TARGETS.into_iter().filter(chosen) {
        report.progress(format!("fuzzing {target} for {} s", args.seconds));
        let (figures, finding) = run(&fuzzer, target, args.seconds).await?;
        let text = describe(target, &figures, finding.as_ref());
        report.data(
            "fuzzed",
            &text,
            serde_json::json!({ "target": target, "figures": figures }),
        );
        broken.extend(finding);
    }
    match broken.is_empty() {
        true => Ok(()),
        false => {
            let failure = Failure::failed(format!("{} found", counted(broken.len(), "input"))).next(
                "cp INPUT deploy/fuzz/corpus/TARGET/ && cargo test --package fuzz, which then shows it until it is harmless",
            );
            Err(broken
                .iter()
                .fold(failure, |failure, finding| failure.why(finding.to_string())))
        }
    }
}

/// An input that broke something, and what was said of it.
struct Finding {
    target: String,
    input: Option<PathBuf>,
    said: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let input = self
            .input
            .as_ref()
            .map_or("none was kept".to_owned(), |path| path.display().to_string());
        write!(f, "target {}: {}; input: {input}", self.target, self.said)
    }
}

/// The fuzzer with the workspace's crates instrumented, everything below them as it was compiled before.
async fn build(report: &Report) -> Result<PathBuf> {
    let instrument = cargo(&["build", "--package", "fuzz", "--bin", "instrument"], None, report).await?;
    let fuzzer = ["build", "--package", "fuzz", "--features", "engine", "--bin", "fuzz"];
    cargo(&fuzzer, Some(&instrument), report).await
}

/// Returns the program that was built.
async fn cargo(words: &[&str], instrument: Option<&Path>, report: &Report) -> Result<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(tool_workspace()).args(words);
    cargo.arg("--message-format=json-render-diagnostics");
    cargo.envs(instrument.map(|path| ("RUSTC_WORKSPACE_WRAPPER", path)));
    let finished = command::run(cargo, BUILD_WITHIN, |line| {
        if let Some(compiling) = line.trim_start().strip_prefix("Compiling ") {
            report.progress(format!("compiling the fuzzer: {compiling}"));
        }
    })
    .await?;
    if !finished.success {
        let failure = Failure::failed("the fuzzer does not compile; it needs a C++ compiler such as g++");
        return Err(finished
            .tail
            .iter()
            .fold(failure, |failure, line| failure.why(format!("| {line}"))));
    }
    let executable = |line: &str| -> Option<PathBuf> {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    };
    finished
        .stdout
        .lines()
        .rev()
        .find_map(executable)
        .ok_or_else(|| Failure::failed("cargo did not say where it put the fuzzer"))
}

async fn run(fuzzer: &Path, target: &str, seconds: u32) -> Result<(Figures, Option<Finding>)> {
    let seeds = tool_workspace().join("deploy/fuzz/corpus").join(target);
    let kept = tool_workspace().join("target/fuzz").join(target);
    let (corpus, findings) = (kept.join("corpus"), kept.join("findings"));
    for folder in [&corpus, &findings] {
        std::fs::create_dir_all(folder).or_fail(|| format!("cannot create the folder `{}`", folder.display()))?;
    }
    let mut command = Command::new(fuzzer);
    // What it finds on the way is kept in the first folder, for the next run to begin with.
    command.args([&corpus, &seeds]).env("FUZZ_TARGET", target);
    command.arg(format!("-artifact_prefix={}/", findings.display()));
    command.args([
        format!("-max_total_time={seconds}"),
        format!("-timeout={INPUT_SECONDS}"),
        format!("-rss_limit_mb={MEMORY_MB}"),
        format!("-max_len={INPUT_BYTES}"),
        "-print_final_stats=1".to_owned(),
    ]);
    let mut lines = Vec::new();
    let deadline = Duration::from_secs(u64::from(seconds)) + MARGIN;
    let finished = command::run(command, deadline, |line| {
        if is_of_interest(line) {
            lines.push(line.to_owned());
        }
    })
    .await?;
    let finding = (!finished.success).then(|| Finding {
        target: target.to_owned(),
        input: lines.iter().find_map(|line| written_to(line)),
        said: said(&lines).unwrap_or_else(|| finished.tail.join(" | ")),
    });
    Ok((figures(&lines), finding))
}

fn is_of_interest(line: &str) -> bool {
    let words = [
        "INITED",
        "DONE",
        "stat::",
        "Test unit written to",
        "panicked at",
        "ERROR: libFuzzer",
    ];
    words.iter().any(|word| line.contains(word)) || line.starts_with('#')
}

/// libFuzzer says `#42 DONE   cov: 345 ft: 900 corp: 20/3Kb …`, and each figure as `stat::NAME: NUMBER` in the end.
fn figures(lines: &[String]) -> Figures {
    let number = |line: &str, name: &str| -> Option<u64> {
        let rest = line.split_once(name)?.1.trim_start();
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse().ok()
    };
    let of = |name: &str| {
        let told: Vec<u64> = lines
            .iter()
            .filter(|line| line.starts_with('#'))
            .filter_map(|line| number(line, name))
            .collect();
        (
            told.first().copied().unwrap_or_default(),
            told.last().copied().unwrap_or_default(),
        )
    };
    let executions = lines
        .iter()
        .find_map(|line| number(line, "stat::number_of_executed_units:"));
    Figures {
        executions: executions.unwrap_or_default(),
        reached: of("cov:"),
        inputs: of("corp:"),
    }
}

fn written_to(line: &str) -> Option<PathBuf> {
    Some(PathBuf::from(line.split_once("Test unit written to ")?.1.trim()))
}

fn said(lines: &[String]) -> Option<String> {
    let panicked = lines.iter().find(|line| line.contains("panicked at"));
    let line = panicked.or_else(|| lines.iter().find(|line| line.contains("ERROR: libFuzzer")))?;
    Some(line.trim().to_owned())
}

fn describe(target: &str, figures: &Figures, finding: Option<&Finding>) -> String {
    let Figures {
        executions,
        reached,
        inputs,
    } = figures;
    let found = finding.map_or("nothing found".to_owned(), |finding| format!("FOUND: {}", finding.said));
    format!(
        "{target}: {executions} executions, {} places reached (from {}), {} of interest (from {}), {found}",
        reached.1,
        reached.0,
        counted(inputs.1 as usize, "input"),
        inputs.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_came_to_is_read_from_what_it_printed() {
        let lines = [
            "#14	INITED cov: 300 ft: 512 corp: 9/2096b exec/s: 0 rss: 60Mb",
            "#4096	NEW    cov: 345 ft: 900 corp: 20/3Kb lim: 48 exec/s: 900 rss: 61Mb",
            "thread '<unnamed>' panicked at deploy/contract/src/counts.rs:20:23:",
            "==1== ERROR: libFuzzer: deadly signal",
            "artifact_prefix='a/'; Test unit written to a/crash-1",
            "stat::number_of_executed_units: 4097",
        ]
        .map(str::to_owned);
        let expected = Figures {
            executions: 4097,
            reached: (300, 345),
            inputs: (9, 20),
        };
        assert_eq!(figures(&lines), expected);
        assert_eq!(
            lines.iter().find_map(|line| written_to(line)),
            Some(PathBuf::from("a/crash-1"))
        );
        assert!(said(&lines).unwrap().contains("counts.rs:20"));
        assert!(lines[..5].iter().all(|line| is_of_interest(line)));
    }

    #[test]
    fn every_target_has_a_corpus() {
        let corpus = tool_workspace().join("deploy/fuzz/corpus");
        let folders = std::fs::read_dir(&corpus).unwrap().flatten();
        let mut names: Vec<String> = folders
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, TARGETS);
    }
}
