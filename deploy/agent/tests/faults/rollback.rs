//! Somebody who is logged in on the host takes a rollout back.

use crate::ground::{Ground, is_back};
use crate::host::release;
use crate::load::Load;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_rollback_by_hand_takes_less_than_a_second_and_loses_nothing() {
    let ground = Ground::on_trial(1000).await;
    let load = Load::on(ground.host.listen);
    load.flows(200).await;
    assert!(load.latest(release(1)).is_none(), "all goes to version 2");

    let began = Instant::now();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_agent"));
    let output = command
        .arg("rollback")
        .arg(ground.host.path("host.json"))
        .output()
        .await
        .unwrap();
    let took = began.elapsed();
    assert!(output.status.success(), "{output:?}");
    load.flows(200).await;
    ground.host.sees("version 2 is gone", is_back).await;
    let last = load.latest(release(2)).unwrap();
    let turned = last.saturating_duration_since(began);
    println!(
        "  from the command's start, the last request that version 2 answered was sent after {} ms; the command took {} ms",
        turned.as_millis(),
        took.as_millis()
    );
    // Far less where nothing else runs.
    assert!(turned < Duration::from_secs(3), "{turned:?}");
    load.end().print_unharmed("rollback by hand");
}
