//! What can be said of units and script without a machine to put them on.

mod shell;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub const UNITS: [&str; 3] = [
    "release-router.socket",
    "release-router.service",
    "release-agent.service",
];

pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn unit(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// Everything the unit says for this key, in order.
fn values(name: &str, key: &str) -> Vec<String> {
    let prefix = format!("{key}=");
    let text = unit(name);
    let lines = text.lines().filter_map(|line| line.strip_prefix(&prefix));
    lines.map(str::to_owned).collect()
}

/// A root that has what the units name, and this machine's own units for what they depend on.
fn root_with(change: impl Fn(&str, String) -> String) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let make = |path: &str| -> PathBuf {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    for name in UNITS {
        std::fs::write(make(&format!("etc/systemd/system/{name}")), change(name, unit(name))).unwrap();
    }
    for program in [
        "usr/local/lib/release/router",
        "usr/local/lib/release/agent",
        "bin/kill",
    ] {
        std::fs::copy("/bin/true", make(program)).unwrap();
    }
    // Of another package, which need not be on the machine that tests.
    std::fs::write(
        make("etc/systemd/system/docker.service"),
        "[Service]\nExecStart=/bin/kill\n",
    )
    .unwrap();
    // Copied: systemd follows no link out of the root that it is given.
    let copied = Command::new("cp")
        .args(["--recursive", "/lib/systemd"])
        .arg(make("lib/systemd"))
        .status();
    assert!(copied.unwrap().success());
    root
}

fn verify(root: &Path) -> Output {
    let mut command = Command::new("systemd-analyze");
    command
        .arg("verify")
        .arg("--man=no")
        .arg("--root")
        .arg(root)
        .args(UNITS);
    command
        .output()
        .expect("`systemd-analyze`, of Debian's package `systemd`")
}

fn complaints(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn systemd_understands_every_line() {
    let root = root_with(|_, text| text);
    let output = verify(root.path());
    assert!(
        output.status.success() && complaints(&output).is_empty(),
        "{}",
        complaints(&output)
    );
}

#[test]
fn a_line_that_systemd_does_not_understand_would_be_noticed() {
    for (good, bad) in [("Type=notify", "Type=notfy"), ("WatchdogSec=", "WatchDogSec=")] {
        let root = root_with(|_, text| text.replace(good, bad));
        let output = verify(root.path());
        let bad = bad.trim_end_matches('=');
        let word = bad.rsplit('=').next().unwrap();
        assert!(complaints(&output).contains(word), "{bad}: {}", complaints(&output));
    }
}

/// 0 is nothing at all, 10 is everything; a service without a line about it has 9.6.
#[test]
fn neither_service_may_do_more_than_it_needs() {
    for (name, at_most) in [("release-router.service", 1.5), ("release-agent.service", 1.7)] {
        let mut command = Command::new("systemd-analyze");
        command
            .args(["security", "--offline=true", "--no-pager"])
            .arg(folder().join(name));
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let last = text.lines().last().unwrap();
        let level: f64 = last
            .split_once(": ")
            .unwrap()
            .1
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        assert!(level <= at_most, "{last}");
    }
}

#[test]
fn a_router_has_longer_to_end_than_it_drains_and_is_always_started_again() {
    let name = "release-router.service";
    let seconds = |key: &str| -> u64 { values(name, key)[0].trim_end_matches('s').parse().unwrap() };
    let limits = std::fs::read_to_string(folder().join("../router/src/limits.rs")).unwrap();
    let drain = limits
        .split("pub const DRAIN: Duration = Duration::from_secs(")
        .nth(1)
        .unwrap();
    let drain: u64 = drain.split(')').next().unwrap().parse().unwrap();
    assert!(seconds("TimeoutStopSec") > drain, "it drains for {drain} s");
    for name in ["release-router.service", "release-agent.service"] {
        assert_eq!(values(name, "Restart"), ["always"]);
        assert_eq!(values(name, "StartLimitIntervalSec"), ["0"], "it would be left down");
        assert_eq!(values(name, "Type"), ["notify"]);
    }
}

#[test]
fn a_binary_that_cannot_begin_is_found_before_the_router_is_told_to_hand_over() {
    let reload = values("release-router.service", "ExecReload");
    assert!(
        reload[0].contains("--check") && reload[1].contains("USR2"),
        "{reload:?}"
    );
    assert_eq!(values("release-router.service", "NotifyAccess"), ["all"]);
}

#[test]
fn only_the_agent_may_use_the_engine_and_the_router_has_no_privilege_at_all() {
    assert_eq!(
        values("release-agent.service", "SupplementaryGroups"),
        ["docker release-router"]
    );
    assert!(values("release-router.service", "SupplementaryGroups").is_empty());
    assert_ne!(
        values("release-router.service", "User"),
        values("release-agent.service", "User")
    );
    for name in ["release-router.service", "release-agent.service"] {
        assert_eq!(values(name, "CapabilityBoundingSet"), [""]);
        assert_eq!(values(name, "NoNewPrivileges"), ["yes"]);
    }
    // What makes the router open its admin socket to the agent's group.
    assert_eq!(values("release-router.service", "RuntimeDirectoryMode"), ["0750"]);
}
