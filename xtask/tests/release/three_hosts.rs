//! Three hosts of production, releases over releases, and a listener at each.

mod events;

use crate::ask::json;
use crate::cut_off::AT_A_QUARTER;
use crate::load::{Load, LoadReport};
use crate::project::{Project, eventually};
use events::Listeners;
use rustix::process::{Pid, Signal, kill_process};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Output;
use std::time::{Duration, Instant};

const HOSTS: usize = 3;

fn project() -> Project {
    let project = Project::fixture();
    project.edit(
        "pipeline.yaml",
        "  production:\n    approval:",
        "  production:\n    target: { hosts: [production-1, production-2, production-3] }\n    approval:",
    );
    project.commit("three hosts");
    project
}

fn releases() -> usize {
    let asked = std::env::var("SOAK_RELEASES").ok();
    asked.map_or(2, |asked| asked.parse().expect("SOAK_RELEASES is a number"))
}

/// Reads and writes, a megabyte in one of ten.
fn load(project: &Project) -> Load {
    let routers = project.routers();
    assert_eq!(routers.len(), HOSTS);
    let ask = |client: &reqwest::Client, router: &str, number: u64| match number % 10 {
        0..=2 => client.post(format!("{router}/api/work")).body(format!("{number}")),
        3 => client.post(format!("{router}/api/upload")).body(vec![b'x'; 1 << 20]),
        _ => client.get(format!("{router}/api/work")),
    };
    Load::start(&routers, 3, Duration::from_millis(15), std::sync::Arc::new(ask))
}

#[track_caller]
fn expect_none_failed(report: &LoadReport) {
    assert_eq!(report.failures, Vec::<String>::new(), "{} requests", report.sent);
    assert!(report.sent > 500, "only {} requests: no load", report.sent);
}

fn serves(router: &str, release: &str) -> bool {
    (0..20).all(|_| json(&format!("{router}/api/work"))["release"] == release)
}

#[test]
fn release_after_release_goes_live_and_no_request_and_no_event_is_lost() {
    let project = project();
    project.released();
    let load = load(&project);
    let listeners = Listeners::start(&project.routers());
    let began = Instant::now();
    for number in 0..releases() {
        project.edit(
            "web/style.css",
            &format!("{}px", 16 + number),
            &format!("{}px", 17 + number),
        );
        project.commit("another size");
        let since = Instant::now();
        project.released();
        println!(
            "release {}: {:.1} s, {} requests, {} failed",
            number + 1,
            since.elapsed().as_secs_f64(),
            load.sent(),
            load.failed()
        );
    }
    let took = began.elapsed();
    let heard = listeners.end();
    let report = load.end();
    println!(
        "{} releases on {HOSTS} hosts in {:.0} s: {} requests, {} failed; {} events heard over {} streams, {} lost, {} twice",
        releases(),
        took.as_secs_f64(),
        report.sent,
        report.failures.len(),
        heard.events,
        heard.streams,
        heard.lost,
        heard.twice,
    );
    expect_none_failed(&report);
    assert_eq!(heard.refused, Vec::<String>::new());
    assert_eq!((heard.lost, heard.twice), (0, 0));
    // Those on what the last release replaced may still be open.
    assert!(
        heard.streams >= HOSTS * releases(),
        "nobody had to come back: nothing was replaced"
    );
}

#[test]
fn one_host_that_cannot_run_the_candidate_takes_all_three_back() {
    let project = project();
    let good = project.released();
    let ground = project.ground();
    let ports = &ground["environments"]["production"]["hosts"]["production-2"]["containers"];
    let first = ports["first"].as_u64().unwrap() as u16;
    let range = first..first + ports["count"].as_u64().unwrap() as u16;
    // All that its container does not hold.
    let _taken: Vec<TcpListener> = range
        .filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())
        .collect();
    let load = load(&project);
    project.edit("web/style.css", "16px", "17px");
    project.commit("another size");
    let since = Instant::now();
    let ended = project.run(&["release", "--yes"]);
    let took = since.elapsed();
    let all_stable = || project.routers().iter().all(|router| serves(router, &good));
    eventually("all hosts are on the old release", Duration::from_secs(30), all_stable);
    let report = load.end();
    println!(
        "one of three hosts cannot run it: exit {} after {:.1} s, {} requests, {} failed\n{}",
        ended.code,
        took.as_secs_f64(),
        report.sent,
        report.failures.len(),
        ended.stderr
    );
    let ended = ended.expect(1);
    for words in [
        "production-2",
        "no port is free",
        &format!("`production` serves release {good}"),
    ] {
        assert!(ended.stderr.contains(words), "no `{words}`: {}", ended.all());
    }
    expect_none_failed(&report);
}

/// Kills the engine at a quarter of the traffic, for good, and says how long the hosts took to be back.
fn controller_killed(also: impl Fn(&Project), at_last: impl Fn(&Project)) {
    let project = project();
    let good = project.released();
    let load = load(&project);
    let mut engine = project.change_and_release();
    project.wait_for_journal("the canary reaches 25%", AT_A_QUARTER);
    engine.kill().unwrap();
    engine.wait().unwrap();
    also(&project);
    let since = Instant::now();
    let is_stable = || project.routers().iter().all(|router| serves(router, &good));
    // Its lease is 10 s.
    eventually(
        "hosts return to stable when the lease ends",
        Duration::from_secs(30),
        is_stable,
    );
    let took = since.elapsed();
    at_last(&project);
    project.run(&["unlock", "production", "--yes"]).expect(0);
    project.edit("web/style.css", "18px", "19px");
    project.commit("a later one");
    let later = project.released();
    project.expect_serving(&later);
    let report = load.end();
    println!(
        "back on stable {:.1} s after, then another release: {} requests, {} failed",
        took.as_secs_f64(),
        report.sent,
        report.failures.len()
    );
    expect_none_failed(&report);
}

#[test]
fn a_controller_that_is_gone_for_good_leaves_all_on_stable_within_its_lease() {
    controller_killed(|_| (), |_| ());
}

#[test]
fn so_it_does_when_no_agent_does_anything_either() {
    // A dead one is started again by its supervisor; one that hangs is not.
    let signal = |project: &Project, signal| {
        let agents = project.agents();
        assert_eq!(agents.len(), 1 + HOSTS);
        agents
            .into_iter()
            .for_each(|agent| kill_process(agent, signal).unwrap());
    };
    controller_killed(
        |project| signal(project, Signal::STOP),
        |project| signal(project, Signal::CONT),
    );
}

#[test]
fn a_release_taken_back_while_it_bakes_is_gone_within_a_second() {
    let project = project();
    let good = project.released();
    project.edit("pipeline.yaml", "    bake: 1s\n    lease", "    bake: 2m\n    lease");
    project.commit("a long bake");
    let load = load(&project);
    let engine = project.change_and_release();
    project.wait_for_journal("the canary reaches 25%", AT_A_QUARTER);
    project.wait_for_journal("the bake begins", "\"event\":\"stage-started\",\"stage\":\"bake\"");
    let since = Instant::now();
    kill_process(Pid::from_child(&engine), Signal::INT).unwrap();
    let is_back = |router: &String| json(&format!("{router}/api/work"))["release"] == good;
    eventually("all are on the old release", Duration::from_secs(20), || {
        project.routers().iter().all(is_back)
    });
    let took = since.elapsed();
    let Output { status, stderr, .. } = engine.wait_with_output().unwrap();
    assert!(project.routers().iter().all(|router| serves(router, &good)));
    let report = load.end();
    println!(
        "taken back in {:.3} s: {} requests, {} failed, exit {status}\n{}",
        took.as_secs_f64(),
        report.sent,
        report.failures.len(),
        String::from_utf8_lossy(&stderr)
    );
    expect_none_failed(&report);
}
