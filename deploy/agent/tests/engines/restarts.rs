//! An engine that restarts, in order or killed, with one version and mid-canary.

use crate::fleet::Fleet;
use crate::host_json::Setup;
use crate::load::Load;
use crate::machine::{Machine, Serving};
use crate::wait::{PATIENCE, rounds, soon};

const SIGNALS: [&str; 2] = ["TERM", "KILL"];

#[tokio::test(flavor = "multi_thread")]
async fn with_live_restore_an_engine_that_restarts_or_is_killed_costs_no_request() {
    for _ in 0..rounds() {
        let mut fleet = one(true).await;
        let load = fleet.load();
        restart(&mut fleet, &load).await;
        begin_canary(&mut fleet).await;
        restart(&mut fleet, &load).await;
        end_canary(&mut fleet).await;
        load.flows(100).await;
        load.end()
            .await
            .expect_none_failed("an engine with live-restore, restarted twice and killed twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_live_restore_versions_addresses_and_weights_return_and_nobody_is_refused() {
    for _ in 0..rounds() {
        let mut fleet = one(false).await;
        for is_canary in [false, true] {
            if is_canary {
                begin_canary(&mut fleet).await;
            }
            for signal in SIGNALS {
                let before = fleet.machines[0].serving().await;
                let load = fleet.load();
                load.flows(50).await;
                let Fleet {
                    machines, controller, ..
                } = &mut fleet;
                let restarted = restart_once(&mut machines[0], signal, &load, &before);
                // With one version settled, nobody leads: it returns by itself.
                match is_canary {
                    true => controller.hold(restarted).await,
                    false => restarted.await,
                }
                let report = load.end().await;
                let phase = if is_canary { "mid-canary" } else { "settled" };
                report.say(&format!("an engine without live-restore, SIG{signal}, {phase}"));
                println!(
                    "  from the first failed request to the last: {:.1} s",
                    report.outage().as_secs_f64()
                );
                for failed in &report.failures {
                    let is_answered = [": 502 ", ": 503 "].iter().any(|status| failed.what.contains(status));
                    assert!(is_answered, "{failed:?}");
                }
                let after = fleet.load();
                let flows = after.flows(200);
                match is_canary {
                    true => fleet.controller.hold(flows).await,
                    false => flows.await,
                }
                after.end().await.expect_none_failed("  afterwards");
            }
        }
        end_canary(&mut fleet).await;
    }
}

async fn one(live_restore: bool) -> Fleet {
    let setup = Setup {
        live_restore,
        ..Setup::default()
    };
    Fleet::with(&[setup], 1).await
}

async fn begin_canary(fleet: &mut Fleet) {
    let second = fleet.version(2);
    fleet.controller.begin(second);
    for share in [0, 250] {
        fleet.controller.shift(share).await.unwrap();
    }
}

async fn end_canary(fleet: &mut Fleet) {
    fleet.controller.shift(1000).await.unwrap();
    fleet.controller.settle().await.unwrap();
    fleet.are_all_on(2).await;
}

/// Each way once, under load, while whoever leads a rollout goes on with it.
async fn restart(fleet: &mut Fleet, load: &Load) {
    for signal in SIGNALS {
        load.flows(100).await;
        let Fleet {
            machines, controller, ..
        } = &mut *fleet;
        let before = machines[0].serving().await;
        let restarted = async {
            restart_once(&mut machines[0], signal, load, &before).await;
            load.flows(100).await;
        };
        controller.hold(restarted).await;
    }
}

/// Until what ran before runs again, where it ran, with the traffic it had.
async fn restart_once(machine: &mut Machine, signal: &str, load: &Load, before: &[Serving]) {
    assert!(
        !before.is_empty() && before.iter().all(|found| found.running && found.weight.is_some()),
        "{before:#?}"
    );
    machine.end_engine(signal).await;
    load.flows(50).await;
    machine.start_engine().await;
    let mut last = Vec::new();
    let what = format!("all is as before SIG{signal}:\n{before:#?}");
    let returned = async {
        soon(PATIENCE, &what, async || {
            last = machine.serving().await;
            last == before
        })
        .await
    };
    returned.await;
}
