//! `doctor`: what is in the way on this host, why that matters, and what to type. It changes nothing.

mod channel;
mod engine;
mod files;
mod sockets;

use crate::process;
use crate::reach::Reach;
use contract::HostConfig;
use serde::Serialize;
use std::fmt::Write as _;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub what: &'static str,
    pub state: State,
    /// What was found.
    pub found: String,
    /// Why it matters, unless it is fine.
    pub why: Option<&'static str>,
    /// What to do about it.
    pub next: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Fine,
    /// Works, but less well than it could.
    Weak,
    /// Something does not work.
    InTheWay,
}

impl Finding {
    fn fine(what: &'static str, found: impl Into<String>) -> Self {
        Self {
            what,
            state: State::Fine,
            found: found.into(),
            why: None,
            next: None,
        }
    }

    fn weak(what: &'static str, found: impl Into<String>, why: &'static str, next: impl Into<String>) -> Self {
        Self {
            state: State::Weak,
            why: Some(why),
            next: Some(next.into()),
            ..Self::fine(what, found)
        }
    }

    fn in_the_way(what: &'static str, found: impl Into<String>, why: &'static str, next: impl Into<String>) -> Self {
        Self {
            state: State::InTheWay,
            ..Self::weak(what, found, why, next)
        }
    }
}

pub async fn examine(config: &HostConfig, reach: Arc<dyn Reach>) -> Vec<Finding> {
    let mut findings = engine::examine(config, &*reach).await;
    findings.extend(sockets::examine(config, reach.clone()).await);
    findings.push(agent(config));
    findings.extend(channel::examine(config, &*reach).await);
    findings.push(files::secrets(config));
    findings.push(files::disk("disk of the agent", &config.agent_state));
    findings
}

pub fn is_anything_in_the_way(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.state == State::InTheWay)
}

pub fn show(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let mark = match finding.state {
            State::Fine => "ok",
            State::Weak => "weak",
            State::InTheWay => "BAD",
        };
        let found = finding.found.replace('\n', &format!("\n{:26}", ""));
        let _ = writeln!(text, "{mark:<6}{:<20}{found}", finding.what);
        let more = [
            finding.why.map(str::to_owned),
            finding.next.as_ref().map(|next| format!("next: {next}")),
        ];
        for line in more.into_iter().flatten() {
            let _ = writeln!(text, "{:26}{line}", "");
        }
    }
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let _ = match (count(State::InTheWay), count(State::Weak)) {
        (0, 0) => writeln!(text, "\nnothing is in the way"),
        (0, weak) => writeln!(text, "\nnothing is in the way; {weak} could be better"),
        (bad, weak) => writeln!(text, "\n{bad} in the way, {weak} could be better"),
    };
    text
}

fn agent(config: &HostConfig) -> Finding {
    match process::running(&config.agent_state) {
        Some(pid) => Finding::fine("agent", format!("process {pid}")),
        None => Finding::in_the_way(
            "agent",
            "not running",
            "what serves goes on serving, but nothing new is followed and this host falls silent to the controller",
            "systemctl start release-agent; why it ended: journalctl -u release-agent -n 50",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_says_what_why_and_what_to_type() {
        let findings = [
            Finding::fine("engine", "Docker 20.10.24, API 1.41"),
            Finding::weak("live-restore", "off", "containers end with the engine", "turn it on"),
            Finding::in_the_way("channel", "no answer\nwithin 5 s", "nothing new is heard", "look"),
        ];
        assert_eq!(
            show(&findings),
            "\
ok    engine              Docker 20.10.24, API 1.41
weak  live-restore        off
                          containers end with the engine
                          next: turn it on
BAD   channel             no answer
                          within 5 s
                          nothing new is heard
                          next: look

1 in the way, 1 could be better
"
        );
        assert!(is_anything_in_the_way(&findings));
        assert!(!is_anything_in_the_way(&findings[..2]));
    }
}
