//! What agent and router remember is damaged, or cannot be written: they say so by name, and traffic goes on.

use crate::ground::{Ground, eventually, weights};
use crate::host::Host;
use crate::load::Load;
use crate::tmpfs::Tmpfs;
use contract::{Generation, ImageConfig};
use std::path::Path;

/// A canary with a quarter of the traffic; the router's state lies in a folder of its own.
async fn on_trial() -> (Ground, [Tmpfs; 2]) {
    let host = Host::lay_out(ImageConfig::default()).await;
    host.configure("host.json", |config| config.router_state = "routing/state.json".into());
    let disks = ["agent", "routing"].map(|folder| Tmpfs::on(host.path(folder)));
    let mut ground = Ground::start_on(host).await;
    ground.host.bring(ground.host.settled()).await;
    ground.host.bring(ground.host.canary(250, "well")).await;
    (ground, disks)
}

fn damage(path: &Path, how: &str) {
    let whole = std::fs::read(path).unwrap();
    let bytes = match how {
        "half" => whole[..whole.len() / 2].to_vec(),
        "garbage" => whole.iter().map(|byte| byte.wrapping_mul(31)).collect(),
        _ => Vec::new(),
    };
    std::fs::write(path, bytes).unwrap();
}

async fn restart_agent(ground: &mut Ground) {
    let before = ground.host.observed().await.unwrap();
    ground.host.kill_agent();
    ground.host.start_agent();
    let after = ground.host.sees("it is as before", |seen| {
        seen.at > before.at && seen.generation == before.generation && weights(seen) == weights(&before)
    });
    after.await;
}

#[tokio::test]
async fn state_files_that_are_cut_off_garbage_or_empty_are_named_and_cost_no_request() {
    let (mut ground, _disks) = on_trial().await;
    let load = Load::on(ground.host.listen);
    let agents = ground.host.path("agent/state.json");
    let routers = ground.host.path("routing/state.json");
    let as_before = |seen: &contract::Observed| weights(seen) == (750, 250);
    for (number, how) in (1..).zip(["half", "garbage", "empty"]) {
        ground.host.kill_agent();
        damage(&agents, how);
        ground.host.start_agent();
        restart_agent(&mut ground).await;
        assert_eq!(named(&ground.host.agent_log(), AGENTS), number, "{how}");

        damage(&routers, how);
        ground.replace_router().await;
        assert_eq!(named(&ground.router_log(), ROUTERS), number, "{how}");
        ground.host.sees("the weights are as before", as_before).await;
        load.flows(100).await;
        // The rollout goes on, with a new lease.
        ground.host.bring(ground.host.canary(250, "well")).await;
    }

    // Both: all that is left is what the channel says, and containers with their labels.
    let containers = ground.host.containers().await.len();
    ground.host.kill_agent();
    damage(&agents, "half");
    damage(&routers, "half");
    ground.begin_replacing_router();
    eventually("that it is lost is known", || named(&ground.router_log(), ROUTERS) == 4).await;
    ground.host.start_agent();
    eventually("by the agent, too", || named(&ground.host.agent_log(), AGENTS) == 4).await;
    ground.host.bring(ground.host.canary(250, "well")).await;
    ground.host.sees("the weights are as before", as_before).await;
    assert_eq!(
        ground.host.containers().await.len(),
        containers,
        "nothing was started anew"
    );
    load.flows(100).await;
    load.end()
        .print_unharmed("state files of agent and router cut off, garbage and empty");
}

const AGENTS: &str = "state.json.unusable";
const ROUTERS: &str = "the router's state is unreadable";

fn named(log: &str, words: &str) -> usize {
    log.matches(words).count()
}

/// What a new document meets while nothing can be written, first by the agent and then by the router; both can be started
/// again meanwhile.
async fn bears(what: &str, error: &str, spoil: fn(&Tmpfs), mend: fn(&Tmpfs)) {
    let (mut ground, [agents, routers]) = on_trial().await;
    let load = Load::on(ground.host.listen);

    spoil(&agents);
    let generation = ground.host.publish(ground.host.canary(500, "well")).await;
    let refused = ground.host.sees("it is refused", |seen| seen.refused.is_some()).await;
    let reason = refused.refused.unwrap().reason;
    for part in ["cannot be recorded here", "agent/state.json", error] {
        assert!(reason.contains(part), "`{part}` is not in `{reason}`");
    }
    println!("  {what}: {reason}");
    restart_agent(&mut ground).await;
    load.flows(300).await;
    let said = ground.host.agent_log().matches("refused: ").count();
    assert!(said <= 4, "said {said} times");
    mend(&agents);
    comes_into_force(&ground, generation).await;

    spoil(&routers);
    let generation = ground.host.publish(ground.host.canary(600, "well")).await;
    let words = "the table could not be made durable and is not in force";
    eventually("the agent hears of it", || ground.host.agent_log().contains(words)).await;
    assert!(ground.host.agent_log().contains(error), "{}", ground.host.agent_log());
    assert_eq!(weights(&ground.host.observed().await.unwrap()), (500, 500));
    ground.replace_router().await;
    load.flows(100).await;
    assert_eq!(weights(&ground.host.observed().await.unwrap()), (500, 500));
    mend(&routers);
    comes_into_force(&ground, generation).await;
    load.end().print_unharmed(what);
}

async fn comes_into_force(ground: &Ground, generation: Generation) {
    let in_force = |seen: &contract::Observed| {
        assert!(seen.failure.is_none(), "{:?}", seen.failure);
        seen.generation == generation && seen.refused.is_none()
    };
    ground.host.sees("the rollout goes on by itself", in_force).await;
}

#[tokio::test]
async fn on_a_full_disk_a_rollout_stands_still_and_traffic_does_not() {
    bears(
        "disk full to the last byte in a canary",
        "No space left on device",
        Tmpfs::fill,
        Tmpfs::free,
    )
    .await;
}

#[tokio::test]
async fn on_a_read_only_disk_a_rollout_stands_still_and_traffic_does_not() {
    let (spoil, mend) = (
        |disk: &Tmpfs| disk.set_read_only(true),
        |disk: &Tmpfs| disk.set_read_only(false),
    );
    bears("disk read-only in a canary", "Read-only file system", spoil, mend).await;
}
