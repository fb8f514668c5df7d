//! Candidates that were ready and then are no good: their traffic returns by itself, and the report says why.

use crate::ground::{Ground, is_back};
use crate::is_soak;
use crate::load::{CLIENTS, Load, Report};
use contract::{Failure, FailureKind};
use std::time::{Duration, Instant};

/// What may be lost: each client has a request in hand when the candidate dies, and another few may reach the port of one
/// that the engine has started again and that does not listen yet.
const MOST_WRITES: usize = 5 * CLIENTS as usize;

/// A candidate of half the traffic that is told this once it has some; until it has failed, and is gone.
async fn gives_back(what: &str, behave: &str, told: Option<&str>) -> (Failure, Report) {
    let mut ground = Ground::settled().await;
    let load = Load::on(ground.host.listen);
    ground.host.bring(ground.host.canary(500, behave)).await;
    load.flows(100).await;
    if let Some(path) = told {
        ground.host.tell(2, path).await;
    }
    let failure = fails(&mut ground, behave).await;
    ground.host.sees("version 1 has everything, alone", is_back).await;
    load.flows(100).await;
    let report = load.end().print(what);
    let evidence = &failure.evidence;
    println!(
        "  {:?}: {}; exit code {:?}, out of memory: {}, last probe {:?}, last words {:?}",
        failure.kind,
        failure.summary,
        evidence.exit_code,
        evidence.out_of_memory,
        evidence.last_probe,
        evidence.log_tail.last()
    );
    assert_eq!(
        report.failed_of(false),
        0,
        "what is safe to ask twice is shielded: {:#?}",
        report.reasons()
    );
    (failure, report)
}

/// Waits for it for as long as it takes, renewing the lease meanwhile.
async fn fails(ground: &mut Ground, behave: &str) -> Failure {
    let began = Instant::now();
    let mut renewed = began;
    loop {
        if let Some(failure) = ground.host.observed().await.and_then(|seen| seen.failure) {
            return failure;
        }
        assert!(
            began.elapsed() < Duration::from_secs(200),
            "{}",
            ground.host.agent_log()
        );
        if renewed.elapsed() > Duration::from_secs(20) {
            renewed = Instant::now();
            ground.host.publish(ground.host.canary(500, behave)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_candidate_that_crashes_costs_the_writes_it_had_in_hand() {
    let (failure, report) = gives_back("candidate that crashes", "well", Some("/crash")).await;
    assert_eq!(
        (failure.kind, failure.evidence.exit_code),
        (FailureKind::Exited, Some(9))
    );
    assert!(
        failure.summary.contains("exited with code 9 while it was on trial"),
        "{failure:#?}"
    );
    assert!(
        failure
            .evidence
            .log_tail
            .iter()
            .any(|line| line == "the order book is damaged"),
        "{failure:#?}"
    );
    assert!(report.failed_of(true) <= MOST_WRITES, "{:#?}", report.reasons());
}

#[tokio::test]
async fn a_candidate_that_leaks_to_its_limit_is_told_so_by_name() {
    let (failure, report) = gives_back("candidate that leaks to its memory limit", "well", Some("/leak")).await;
    assert_eq!(failure.kind, FailureKind::Exited);
    assert!(failure.evidence.out_of_memory, "{failure:#?}");
    assert!(
        failure.summary.contains("killed for using more memory than it may"),
        "{failure:#?}"
    );
    assert!(report.failed_of(true) <= MOST_WRITES, "{:#?}", report.reasons());
}

#[tokio::test]
async fn a_candidate_that_hangs_costs_the_writes_it_had_in_hand() {
    let (failure, report) = gives_back("candidate that hangs", "well", Some("/hang")).await;
    assert_eq!(failure.kind, FailureKind::NotReady);
    assert!(failure.evidence.last_probe.is_some(), "{failure:#?}");
    // Each client has one request in hand, and the port is nobody's afterwards.
    assert!(report.failed_of(true) as u64 <= CLIENTS, "{:#?}", report.reasons());
}

#[tokio::test]
async fn a_candidate_that_starts_slowly_but_in_time_goes_live() {
    let mut ground = Ground::settled().await;
    let load = Load::on(ground.host.listen);
    ground.host.bring(ground.host.canary(500, "starts-after=2.5")).await;
    load.flows(100).await;
    load.end().print_unharmed("candidate that starts slowly, but in time");
}

/// Two minutes with `SOAK=1`.
#[tokio::test]
async fn a_candidate_that_is_unready_long_after_it_was_ready_costs_nothing() {
    let seconds = if is_soak() { 120 } else { 4 };
    let what = format!("candidate that becomes unready after {seconds} s");
    let (failure, report) = gives_back(&what, &format!("unready-after={seconds}"), None).await;
    assert_eq!(failure.kind, FailureKind::NotReady);
    let probe = failure.evidence.last_probe.unwrap_or_default();
    assert!(probe.contains("503") && probe.contains("no database"), "{probe}");
    assert!(report.failed.is_empty(), "{:#?}", report.reasons());
}
