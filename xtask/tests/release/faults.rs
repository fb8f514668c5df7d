//! Versions that are wrong in every way the tool must survive, released over a good one, under load.

use crate::ask::json;
use crate::load::{Load, LoadReport};
use crate::project::{Ended, Project, eventually};
use std::time::Duration;

/// Releases a faulty version over a good one, under load.
fn release_fault(fault: &str) -> (Ended, LoadReport) {
    let project = Project::fixture();
    let good = project.released();
    project.edit(
        "src/main.rs",
        "const FAULT: &str = \"none\"",
        &format!("const FAULT: &str = \"{fault}\""),
    );
    project.commit(fault);
    let load = Load::gets(&project.routers(), "/api/work");
    let ended = project.run(&["release", "--yes"]);
    // A little longer, so that what goes wrong after the end of the command is seen as well.
    std::thread::sleep(Duration::from_millis(500));
    let report = load.end();
    project.expect_serving(&good);
    eventually(
        "only staging's container and the two good ones are left",
        Duration::from_secs(20),
        || {
            project
                .docker(&["ps", "--all", "--quiet", "--filter", "label=xtask.release"])
                .lines()
                .count()
                == 3
        },
    );
    println!(
        "{fault}: exit {}, {} requests, {} failed",
        ended.code,
        report.sent,
        report.failures.len()
    );
    (ended, report)
}

#[track_caller]
fn expect_unharmed(fault: &str, evidence: &[&str]) {
    let (ended, load) = release_fault(fault);
    let ended = ended.expect(1);
    for words in evidence {
        assert!(ended.stderr.contains(words), "expected `{words}`: {}", ended.all());
    }
    assert!(
        ended.stderr.contains("now: `production` serves release"),
        "{}",
        ended.all()
    );
    assert_eq!(load.failures, Vec::<String>::new(), "{} requests", load.sent);
    assert!(load.sent > 500, "only {} requests: no load", load.sent);
}

#[test]
fn a_version_that_never_gets_ready_costs_no_request() {
    expect_unharmed("never-ready", &["503", "the cache is cold"]);
}

#[test]
fn a_version_that_exits_at_once_costs_no_request() {
    expect_unharmed("exit", &["exit code: 3", "no such table: members"]);
}

#[test]
fn a_version_that_listens_nowhere_costs_no_request() {
    expect_unharmed("deaf", &["8080"]);
}

#[test]
fn a_version_bound_to_loopback_is_told_so() {
    expect_unharmed("bind", &["127.0.0.1:8080"]);
}

#[test]
fn a_migration_that_fails_starts_no_new_version() {
    expect_unharmed("migration", &["exited with 7", "cannot be altered"]);
}

#[test]
fn a_version_that_answers_500_is_rolled_back_after_a_handful() {
    let (ended, load) = release_fault("500");
    let ended = ended.expect(1);
    assert!(ended.stderr.contains("the candidate failed at 5%"), "{}", ended.all());
    let share = load.failures.len() as f64 / load.sent as f64;
    assert!(
        share < 0.06,
        "{} of {} requests failed: it went further than its first step",
        load.failures.len(),
        load.sent
    );
    assert!(
        load.failures.iter().all(|failure| failure.contains("500")),
        "{:?}",
        load.failures.first()
    );
}

#[test]
fn a_version_that_cannot_bear_the_load_of_staging_never_reaches_approval() {
    let project = Project::fixture();
    project.edit(
        "pipeline.yaml",
        "  staging:\n",
        "  staging:\n    env: { clear: { FAULTY: \"yes\" } }\n    load: { rps: 50, duration: 2s, paths: [/api/work, /version], p99: 1s }\n",
    );
    project.commit("staging puts load on a version");
    let plan = project.run(&["plan"]).expect(0).stdout;
    assert!(
        plan.contains("put 50 requests/s on it for 2s: GET /api/work, /version"),
        "{plan}"
    );
    let good = project.released();

    let mut fault = "none".to_owned();
    let mut change = |to: &str| {
        let line = |fault: &str| format!("const FAULT: &str = \"{fault}\"");
        project.edit("src/main.rs", &line(&fault), &line(to));
        project.commit(to);
        fault = to.to_owned();
    };
    for (fault, evidence) in [
        ("500", "expected at most 1% errors, found 50 in 100 requests"),
        ("slow", "expected a p99 of at most 1s, found"),
    ] {
        change(fault);
        let load = Load::gets(&project.routers_of("staging"), "/api/work");
        let ended = project.run(&["release", "--yes"]);
        let load = load.end();
        println!("{fault}:\n{}", ended.all());
        let ended = ended.expect(1);
        for words in [
            "the load check of `staging` failed",
            evidence,
            "running release: p50",
            &format!("now: `staging` serves release {good}"),
            "next: cargo xtask show",
        ] {
            assert!(ended.stderr.contains(words), "expected `{words}`: {}", ended.all());
        }
        assert!(!ended.stderr.contains("approval"), "{}", ended.all());
        assert_eq!(load.failures, Vec::<String>::new(), "{} requests", load.sent);
        assert!(load.sent > 500, "only {} requests: no load", load.sent);
        for router in project.routers_of("staging") {
            assert_eq!(json(&format!("{router}/version"))["release"], *good);
        }
    }

    change("other");
    let parked = project.run(&["release"]).expect(3);
    println!("{}", parked.all());
    for words in [
        "100 requests at 50/s: p99",
        "load      candidate: p50",
        "running release: p50",
    ] {
        assert!(parked.stderr.contains(words), "expected `{words}`: {}", parked.all());
    }
}
