//! A status in plain text. Pure.

use super::{Status, Told, Version};
use crate::commands::seen::Answer;
use contract::{Failure, Generation, Health, Refusal, RouterReport};
use jiff::Timestamp;
use std::fmt::Write as _;

pub fn show(status: &Status) -> String {
    let mut text = format!("{} of {} on {}\n\n", status.environment, status.app, status.host);
    let mut line = |name: &str, what: &str| {
        let _ = writeln!(text, "{name:<10}{what}");
    };
    line("agent", &agent(status));
    line("router", &router(&status.router));
    let engine = match &status.engine {
        Answer::Given(()) => "answers".to_owned(),
        Answer::Silent(why) => indented(why),
    };
    line("engine", &engine);
    match &status.told {
        Answer::Given(Some(told)) => told_lines(told, status.at, &mut line),
        Answer::Given(None) => line("told", "nothing yet"),
        Answer::Silent(why) => line("told", &format!("unknown: {why}")),
    }
    line(
        "in force",
        &status.in_force.map_or("nothing yet".to_owned(), generation),
    );
    text.push_str(&table(&status.versions));
    if let Some(failure) = &status.failure {
        text.push_str(&failed(failure));
    }
    if let Some(Refusal { reason, at }) = &status.refused {
        let _ = write!(text, "\nrefused   {reason}\n          at {}\n", time(*at));
    }
    text
}

fn agent(status: &Status) -> String {
    let version = status.agent_version;
    match status.agent_pid {
        Some(pid) => format!("{version}, process {pid}"),
        None => format!(
            "{version}, NOT RUNNING: what serves goes on serving, but nothing new is followed and nothing is reported\n\
             {:10}start it: systemctl start release-agent",
            ""
        ),
    }
}

fn router(router: &Answer<RouterReport>) -> String {
    match router {
        Answer::Given(router) => {
            let lapsed = router.lapsed.map(|rollout| format!(", last lapse: rollout {rollout}"));
            format!(
                "{}, epoch {}, {}{}",
                router.version,
                router.epoch,
                generation(router.generation),
                lapsed.unwrap_or_default()
            )
        }
        Answer::Silent(why) => format!("{}\n{:10}start it: systemctl start release-router", indented(why), ""),
    }
}

/// Errors bring their hints on lines of their own.
fn indented(text: &str) -> String {
    text.replace('\n', &format!("\n{:10}", ""))
}

fn told_lines(told: &Told, now: Timestamp, line: &mut impl FnMut(&str, &str)) {
    line(
        "told",
        &format!("{}, rollout {}", generation(told.generation), told.rollout),
    );
    match (told.release, &told.commit) {
        (Some(release), Some(commit)) => line("", &format!("release {release} (commit {commit}) at {}", told.weight)),
        _ => line("", "that nothing runs"),
    }
    if let Some(fallback) = told.fallback {
        line("", &format!("beside {fallback}, which is kept warm"));
    }
    if told.lapsed {
        line(
            "",
            "its lease lapsed here: this host is back on the fallback and never follows it again",
        );
    } else if let Some(ttl_ms) = told.lease_ttl_ms {
        let heard = now.duration_since(told.accepted_at).as_secs().max(0);
        line("", &format!("lease of {} s, heard {heard} s ago", ttl_ms / 1_000));
    }
}

fn table(versions: &[Version]) -> String {
    if versions.is_empty() {
        return "\nno version runs here\n".to_owned();
    }
    let mut text = format!(
        "\n{:<10}{:<28}{:>7}  {:<9}{:>10}{:>8}{:>10}{:>9}  container\n",
        "version", "release", "weight", "health", "requests", "errors", "in flight", "restarts"
    );
    for version in versions {
        let container = version.container.as_ref();
        let _ = writeln!(
            text,
            "{:<10}{:<28}{:>7}  {:<9}{:>10}{:>8}{:>10}{:>9}  {}",
            version.part.name(),
            version.release.to_string(),
            version.weight.to_string(),
            container.map_or("-", |container| health(container.health)),
            version.counts.requests,
            version.counts.errors,
            version.in_flight,
            container.map_or(0, |container| container.restarts),
            container.map_or("none", |container| &container.name),
        );
        let Some(container) = container.filter(|container| container.health != Health::Ready) else {
            continue;
        };
        let ended = container.exit_code.map(|code| format!("exited with code {code}"));
        let memory = container
            .out_of_memory
            .then(|| "killed for using more memory than it may".to_owned());
        for why in [memory, ended, container.last_probe.clone()].into_iter().flatten() {
            let _ = writeln!(text, "{:10}{why}", "");
        }
    }
    text
}

fn health(health: Health) -> &'static str {
    match health {
        Health::Starting => "starting",
        Health::Ready => "ready",
        Health::Unready => "unready",
        Health::Exited => "exited",
    }
}

fn failed(failure: &Failure) -> String {
    let evidence = &failure.evidence;
    let mut text = format!(
        "\nfailed    {}\n          in rollout {}\n",
        failure.summary, failure.rollout
    );
    let mut line = |what: &str| {
        let _ = writeln!(text, "{:10}{what}", "");
    };
    if let Some(probe) = &evidence.last_probe {
        line(&format!("last probe: {probe}"));
    }
    if !evidence.listening.is_empty() {
        line(&format!("listens on: {}", evidence.listening.join(", ")));
    }
    evidence
        .log_tail
        .iter()
        .for_each(|printed| line(&format!("| {printed}")));
    text
}

fn generation(generation: Generation) -> String {
    format!("generation {generation}")
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests;
