//! `test`: the tiers, each with its seconds, and what was skipped and why.

use crate::cli::TestArgs;
use crate::command;
use crate::failure::{Failure, Result};
use crate::project::tool_workspace;
use crate::report::{Report, seconds};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::Command;

/// A tier: what it runs, and the Debian packages it needs.
struct Tier {
    name: &'static str,
    runs: &'static [&'static str],
    /// A program that must be there, or a command that must end well, and the package that brings it.
    needs: &'static [(&'static str, &'static str)],
    /// Run only where it is named: it takes long, and what it looks for is looked for in short by another.
    is_long: bool,
}

/// Debian's Python comes without what `-m venv` needs.
const VENV: (&str, &str) = ("python3 -m ensurepip --version", "python3-venv");
const REGISTRIES: [(&str, &str); 2] = [("docker-registry", "docker-registry"), ("openssl", "openssl")];

/// Engines of the tests' own, each in a network of its own. Who is not root is told so by the tests.
const ENGINES: [(&str, &str); 3] = [("ip", "iproute2"), ("iptables", "iptables"), ("dockerd", "docker.io")];

const FAKETIME: (&str, &str) = ("faketime", "faketime");

/// In this order. Where none is named, all but the long ones.
const TIERS: [Tier; 8] = [
    Tier {
        name: "unit",
        runs: &[
            "cargo fmt --all --check",
            "cargo clippy --workspace --all-targets -- --deny warnings",
            // Test targets that `cargo test --workspace` leaves out are left out by `--all-targets`, too.
            "cargo clippy --workspace --test * -- --deny warnings",
            "cargo test --quiet --workspace",
        ],
        needs: &[
            ("git", "git"),
            REGISTRIES[1],
            ("skopeo", "skopeo"),
            ("systemd-analyze", "systemd"),
            ("shellcheck", "shellcheck"),
        ],
        is_long: false,
    },
    Tier {
        name: "registries",
        runs: &["cargo test --quiet --package oci --test registries"],
        needs: &[REGISTRIES[0], REGISTRIES[1], ("skopeo", "skopeo")],
        is_long: false,
    },
    Tier {
        name: "stores",
        runs: &[
            "cargo test --quiet --package store --test servers",
            "cargo test --quiet --package aws --test servers",
        ],
        needs: &[VENV],
        is_long: false,
    },
    Tier {
        name: "release",
        runs: &["cargo test --quiet --package xtask --test release -- --test-threads=1 --nocapture --skip this_app::"],
        needs: &[("git", "git"), REGISTRIES[0], REGISTRIES[1], VENV],
        is_long: false,
    },
    Tier {
        name: "api",
        runs: &["cargo test --quiet --package xtask --test release -- --test-threads=1 --nocapture this_app::"],
        needs: &[
            ("git", "git"),
            REGISTRIES[1],
            VENV,
            ("docker-compose", "docker-compose"),
            ("chromium", "chromium"),
            ("chromedriver", "chromium-driver"),
        ],
        is_long: false,
    },
    Tier {
        name: "faults",
        runs: &[
            "cargo test --quiet --package agent --test faults -- --test-threads=1 --nocapture",
            "cargo test --quiet --package agent --test engines -- --test-threads=1 --nocapture",
        ],
        needs: &[FAKETIME, ENGINES[0], ENGINES[1], ENGINES[2]],
        is_long: false,
    },
    Tier {
        name: "soak",
        runs: &[
            "env SOAK=1 cargo test --quiet --package agent --test faults -- --test-threads=1 --nocapture",
            // Each in a process of its own: one of them counts that process's memory.
            "env FLEET_HOSTS=1000 cargo test --quiet --package xtask --bin xtask simulation::fleet::a_fleet -- --nocapture",
            "env FLEET_HOSTS=1000 cargo test --quiet --package xtask --bin xtask simulation::fleet::a_controller -- --nocapture",
            "cargo xtask fuzz --seconds 120",
            "env SOAK_RELEASES=50 cargo test --quiet --package xtask --test release -- --test-threads=1 --nocapture release_after_release",
            "env SOAK=1 cargo test --quiet --package agent --test engines -- --test-threads=1 --nocapture",
        ],
        needs: &[("g++", "g++"), FAKETIME, ENGINES[0], ENGINES[1], ENGINES[2]],
        is_long: true,
    },
    Tier {
        name: "hosts",
        runs: &["cargo test --quiet --package ec2 --test machine -- --nocapture"],
        needs: &[("mmdebstrap", "mmdebstrap")],
        is_long: true,
    },
];

/// Their names.
pub fn tiers() -> impl Iterator<Item = &'static str> {
    TIERS.iter().map(|tier| tier.name)
}

pub async fn test(args: TestArgs, report: &Report) -> Result<()> {
    let known: Vec<&str> = tiers().collect();
    if let Some(unknown) = args.tiers.iter().find(|tier| !known.contains(&tier.as_str())) {
        return Err(Failure::bad_input(format!("there is no test tier `{unknown}`"))
            .why(format!("known: {}", known.join(", "))));
    }
    let (mut ran, mut skipped) = (Vec::new(), Vec::new());
    for tier in TIERS.iter().filter(|tier| is_chosen(tier, &args.tiers)) {
        let missing = missing(tier, args.install).await?;
        if !missing.is_empty() {
            let what = format!("{}: needs {}", tier.name, missing.join(", "));
            report.note(&format!("skipped {what}; with --install it is installed"));
            skipped.push(what);
            continue;
        }
        let since = Instant::now();
        for run in tier.runs {
            run_step(tier.name, run, report).await?;
        }
        report.note(&format!("tier {} passed in {}", tier.name, seconds(since.elapsed())));
        ran.push((tier.name, since.elapsed()));
    }
    conclude(&ran, &skipped, report)
}

fn is_chosen(tier: &Tier, named: &[String]) -> bool {
    match named.is_empty() {
        true => !tier.is_long,
        false => named.iter().any(|name| name == tier.name),
    }
}

async fn run_step(tier: &str, step: &str, report: &Report) -> Result<()> {
    let words: Vec<&str> = step.split_whitespace().collect();
    let [program, args @ ..] = words.as_slice() else {
        return Ok(());
    };
    report.note(&format!("tier {tier}: {}", words.join(" ")));
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(tool_workspace())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command::forget_own_cargo(&mut command);
    let status = command.status().await;
    let status = status.map_err(|error| Failure::failed(format!("`{program}` cannot be started: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::failed(format!("tier {tier}: `{}` failed", words.join(" "))).next(format!("cargo xtask test {tier}")))
}

/// Packages still missing, after installing them where that was asked for.
async fn missing(tier: &Tier, install: bool) -> Result<Vec<String>> {
    let packages = lacking(tier).await;
    if packages.is_empty() || !install {
        return Ok(packages);
    }
    crate::install::packages(&packages).await?;
    Ok(lacking(tier).await)
}

async fn lacking(tier: &Tier) -> Vec<String> {
    let mut packages = Vec::new();
    for (need, package) in tier.needs {
        if !is_there(need).await {
            packages.push((*package).to_owned());
        }
    }
    packages
}

async fn is_there(need: &str) -> bool {
    match need.split_once(' ') {
        None => command::is_on_path(need),
        Some((program, args)) => {
            let mut command = Command::new(program);
            command.args(args.split(' ')).stdin(Stdio::null()).kill_on_drop(true);
            command.output().await.is_ok_and(|output| output.status.success())
        }
    }
}

fn conclude(ran: &[(&str, Duration)], skipped: &[String], report: &Report) -> Result<()> {
    let tiers: Vec<String> = ran
        .iter()
        .map(|(name, took)| format!("{name} {}", seconds(*took)))
        .collect();
    let text = format!(
        "{} tiers passed ({}), {} skipped",
        ran.len(),
        tiers.join(", "),
        skipped.len()
    );
    report.data(
        "tested",
        &text,
        serde_json::json!({ "tiers": tiers, "skipped": skipped }),
    );
    let strict = std::env::var("CI").is_ok_and(|value| value == "true");
    if strict && !skipped.is_empty() {
        return Err(
            Failure::failed(format!("skipped with CI=true: {}", skipped.join("; "))).next("cargo xtask test --install")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(named: &[&str]) -> Vec<&'static str> {
        let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        let tiers = TIERS.iter().filter(|tier| is_chosen(tier, &named));
        tiers.map(|tier| tier.name).collect()
    }

    #[test]
    fn what_takes_long_is_run_only_where_it_is_named() {
        assert_eq!(
            chosen(&[]),
            ["unit", "registries", "stores", "release", "api", "faults"]
        );
        assert_eq!(chosen(&["soak"]), ["soak"]);
        assert_eq!(chosen(&["soak", "unit"]), ["unit", "soak"]);
    }
}
