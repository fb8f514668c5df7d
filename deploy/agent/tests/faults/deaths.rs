//! The agent is killed wherever it can be, and the router: what serves goes on, and the next one carries on.

use crate::cut::Cuts;
use crate::ground::{Ground, eventually};
use crate::host::{Host, release, rollout};
use crate::is_soak;
use crate::load::{CLIENTS, Load};
use contract::{Desired, Fallback, ImageConfig, Keep, Observed};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An agent that dies at every boundary once.
struct Mortal {
    ground: Ground,
    cuts: Arc<Cuts>,
    variables: Vec<(&'static str, String)>,
    deaths: usize,
}

impl Mortal {
    /// Brings a document, or waits for what follows from the one before.
    async fn reaches(&mut self, what: &str, desired: Option<Desired>, holds: impl Fn(&Observed) -> bool) {
        let generation = match desired {
            Some(desired) => Some(self.ground.host.publish(desired).await),
            None => None,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if self.cuts.take() {
                self.deaths += 1;
                self.ground.host.kill_agent();
                self.ground.host.start_agent_told("agent.json", &self.variables);
            }
            let seen = self.ground.host.observed().await;
            if let Some(seen) = &seen {
                assert!(seen.failure.is_none(), "{:#?}", seen.failure);
                if generation.is_none_or(|generation| seen.generation == generation) && holds(seen) {
                    return;
                }
            }
            let (at, log) = (self.cuts.at(), self.ground.host.agent_log());
            assert!(
                Instant::now() < deadline,
                "not within a minute: {what}; died {at:#?}\n{seen:#?}\n{log}"
            );
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }
}

#[tokio::test]
async fn an_agent_killed_before_and_after_each_of_its_effects_brings_its_rollout_to_the_end() {
    // Nothing but what is needed is kept, so that something has to be pruned.
    let host = Host::lay_out(ImageConfig {
        budget_mb: 0,
        ..ImageConfig::default()
    })
    .await;
    let (cuts, variables) = Cuts::between(&host);
    let mut ground = Ground::start_on(host).await;
    ground.host.bring(ground.host.settled()).await;
    ground.host.bring(ground.host.canary(1000, "well")).await;
    ground.host.bring(ground.host.promoted()).await;
    ground
        .host
        .sees("version 1 is gone", |seen| seen.versions.len() == 1)
        .await;
    ground.host.kill_agent();

    let load = Load::on(ground.host.listen);
    ground.host.start_agent_told("agent.json", &variables);
    let mut mortal = Mortal {
        ground,
        cuts,
        variables,
        deaths: 0,
    };
    let third = mortal.ground.host.third();
    for per_mille in [0, 100, 500, 1000] {
        let canary = Desired {
            fallback: Some(Fallback {
                version: mortal.ground.host.version(2, "well"),
                keep: Keep::Warm,
            }),
            weight: contract::Weight::per_mille(per_mille).unwrap(),
            lease_ttl_ms: Some(60_000),
            ..third.clone()
        };
        assert_eq!(canary.rollout, rollout(3));
        mortal.reaches("a step", Some(canary), |_| true).await;
        load.flows(50).await;
    }
    mortal
        .reaches("the end", Some(third), |seen| {
            seen.versions.len() == 1 && seen.version(release(3)).is_some()
        })
        .await;
    let image = mortal.ground.host.registry.image(1).to_string();
    let deadline = Instant::now() + Duration::from_secs(60);
    while mortal.ground.host.docker.has_image(&image).await.unwrap() {
        mortal.reaches("the image of version 1 is pruned", None, |_| true).await;
        assert!(
            Instant::now() < deadline,
            "the image of version 1 stays\n{}",
            mortal.ground.host.agent_log()
        );
    }
    // It may have been cut off after that, too.
    mortal
        .reaches("the same in the end", None, |seen| seen.versions.len() == 1)
        .await;
    let at = mortal.cuts.at();
    let deaths = mortal.deaths;
    load.end()
        .print_unharmed(&format!("agent killed at {} boundaries ({deaths} deaths)", at.len()));
    for effect in ["pull", "create", "start", "prove", "stop", "remove", "prune"] {
        for when in ["before", "after"] {
            assert!(at.contains(&format!("{when} {effect}")), "not {when} {effect}: {at:#?}");
        }
    }
    // The table that was in force at first, and one for each document: before and after each.
    assert!(at.iter().filter(|at| at.contains("table")).count() >= 10, "{at:#?}");
    assert_eq!(mortal.ground.host.of_version(3).await.len(), 1);
}

#[tokio::test]
async fn a_router_killed_again_and_again_costs_what_it_had_in_hand_and_users_queue() {
    let mut ground = Ground::on_trial(250).await;
    let load = Load::on(ground.host.listen);
    load.flows(200).await;
    let kills = if is_soak() { 12 } else { 4 };
    for kill in 0..kills {
        ground.kill_router().await;
        load.flows(200).await;
        // A rollout goes on through it.
        ground.host.bring(ground.host.canary(300 + kill * 20, "well")).await;
    }
    let (keys, times) = (ground.written(1).await, ground.written(2).await);
    let report = load.end().print(&format!("router killed {kills} times"));
    let most = u64::from(kills) * CLIENTS;
    assert!(
        report.failed.len() as u64 <= most,
        "more than were in hand: {:#?}",
        report.reasons()
    );
    let refused = report.failed.iter().find(|failed| failed.why.starts_with("connecting"));
    assert!(refused.is_none(), "connections queue: {refused:?}");
    for (keys, times) in [keys, times] {
        assert_eq!(keys, times, "nothing was written twice");
    }
}

#[tokio::test]
async fn a_router_replaced_by_its_supervisor_in_a_canary_loses_nothing() {
    let mut ground = Ground::on_trial(100).await;
    let load = Load::on(ground.host.listen);
    let times = if is_soak() { 12 } else { 3 };
    for time in 1..=times {
        ground.replace_router().await;
        ground.host.bring(ground.host.canary(100 + time * 50, "well")).await;
        load.flows(200).await;
    }
    load.end()
        .print_unharmed(&format!("router replaced by its supervisor {times} times in a canary"));
    eventually("no router is left behind", || ground.router().is_some()).await;
}
