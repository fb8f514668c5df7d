//! `bench router`: the router as hosts get it, beside nginx and HAProxy of Debian; `bench rollout`: agent and router
//! beside a script that stops and starts; `bench idle`: what the two cost where nothing happens. What is measured, and
//! how, is in `deploy/router/benches` and `deploy/agent/benches`.

use crate::command;
use crate::failure::{Failure, OrFail, Result};
use crate::install;
use crate::project::tool_workspace;
use crate::report::Report;
use serde_json::Value;
use std::time::Duration;
use tokio::process::Command;

/// The program, and the package that brings it.
const PEERS: [(&str, &str); 2] = [("nginx", "nginx-light"), ("haproxy", "haproxy")];
const DEADLINE: Duration = Duration::from_secs(1_800);

pub async fn router(may_install: bool, report: &Report) -> Result<()> {
    let missing = PEERS.iter().filter(|(program, _)| !command::is_on_path(program));
    let missing: Vec<String> = missing.map(|(_, package)| (*package).to_owned()).collect();
    if !missing.is_empty() && may_install {
        install::packages(&missing).await?;
    } else if !missing.is_empty() {
        return Err(Failure::bad_input(format!("bench router needs {}", missing.join(", ")))
            .why("they are its peers; their packages start a service where an init system runs")
            .next("cargo xtask bench router --install"));
    }
    measure(["router", "peers"], "bench-router", report).await
}

pub async fn rollout(report: &Report) -> Result<()> {
    measure(["agent", "rollout"], "bench-rollout", report).await
}

pub async fn idle(report: &Report) -> Result<()> {
    measure(["agent", "idle"], "bench-idle", report).await
}

/// A benchmark of a package, built as hosts get it, that prints one JSON object with its `text` for people.
async fn measure([package, bench]: [&str; 2], event: &str, report: &Report) -> Result<()> {
    report.note(&format!("building the {package} as hosts get it"));
    let mut command = Command::new("cargo");
    command
        .args(["bench", "--quiet", "--package", package, "--bench", bench])
        .current_dir(tool_workspace());
    let stdout = command::show(command, DEADLINE).await?;
    let figures: Value = serde_json::from_str(&stdout).or_fail(|| {
        let start: String = stdout.chars().take(200).collect();
        format!("expected one JSON object of the benchmark, found `{start}`")
    })?;
    let text = figures["text"].as_str().unwrap_or_default().trim_end().to_owned();
    report.data(event, &text, figures);
    Ok(())
}
