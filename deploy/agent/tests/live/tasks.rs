//! One-shot tasks: before anything else, and once.

use crate::host::{Host, release};
use contract::{Desired, FailureKind, TaskResult};
use std::time::{Duration, Instant};

async fn result(host: &Host) -> TaskResult {
    host.sees("the task has a result", |seen| !seen.tasks.is_empty())
        .await
        .tasks[0]
        .clone()
}

#[tokio::test]
async fn a_task_runs_before_its_document_is_acknowledged_and_leaves_what_serves_alone() {
    let mut host = Host::start().await;
    let before = host.bring(host.settled()).await;
    let seen = host.bring(host.with_task(&["migrate", "0"], 10_000)).await;
    let task = &seen.tasks[0];
    assert_eq!((task.exit_code, task.timed_out), (0, false));
    assert_eq!(
        task.output,
        [format!("migrating as {}", release(2)), "migrated".to_owned()]
    );
    assert_eq!(
        host.of_version(1).await,
        [before.versions[0].replicas[0].container.clone()]
    );
    host.sees_containers(1).await;
}

#[tokio::test]
async fn a_task_that_fails_is_a_result_and_one_that_takes_too_long_is_stopped() {
    let mut host = Host::start().await;
    host.publish(Desired {
        release: None,
        ..host.with_task(&["break"], 10_000)
    })
    .await;
    let broken = result(&host).await;
    assert_eq!((broken.exit_code, broken.timed_out), (7, false));
    assert_eq!(broken.output, ["table `members` cannot be altered"]);

    let mut host = Host::start().await;
    let since = Instant::now();
    host.publish(Desired {
        release: None,
        ..host.with_task(&["migrate", "60"], 500)
    })
    .await;
    let stopped = result(&host).await;
    assert!(stopped.timed_out && stopped.exit_code != 0, "{stopped:?}");
    assert!(since.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_task_that_outlives_its_agent_is_not_run_again() {
    let mut host = Host::start().await;
    let generation = host.publish(host.with_task(&["migrate", "60"], 60_000)).await;
    host.sees_containers(1).await;
    let id = host.containers().await[0].id.clone();
    // On a busy machine a process that runs has not said anything yet.
    host.eventually_prints(&id).await;
    host.kill_agent();
    host.start_agent();
    // The new agent waits for what the old one started: its end becomes the result.
    host.sees("the new agent follows", |seen| {
        seen.router.is_some() && seen.tasks.is_empty()
    })
    .await;
    host.docker.stop(&id, Duration::ZERO).await.unwrap();
    let seen = result(&host).await;
    assert_eq!((seen.exit_code, seen.timed_out), (137, false));
    assert_eq!(seen.output, [format!("migrating as {}", release(2))]);

    // Nor by an agent that has also lost its memory: its own report still knows.
    let acknowledged = |seen: &contract::Observed| seen.generation == generation;
    host.sees("it has gone on to the release", acknowledged).await;
    host.kill_agent();
    std::fs::write(host.path("agent/state.json"), b"{\"version\":1,\"high").unwrap();
    let before = host.observed().await.unwrap().at;
    host.start_agent();
    let again = host.sees("it found its way back", |found| {
        found.at > before && acknowledged(found)
    });
    assert_eq!(again.await.tasks, [seen]);
    let log = host.agent_log();
    let since_restart = log.split("is kept as").nth(1).unwrap();
    assert!(!since_restart.contains("running a task"), "{since_restart}");
}

#[tokio::test]
async fn a_task_that_cannot_be_run_is_a_failure() {
    let mut host = Host::start().await;
    let mut desired = host.with_task(&["migrate", "0"], 10_000);
    desired.task.as_mut().unwrap().version.image = host.registry.missing_image();
    host.publish(desired).await;
    assert_eq!(host.sees_failure().await.kind, FailureKind::Pull);
    assert!(host.containers().await.is_empty());
}
