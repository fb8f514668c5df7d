//! Commands that are run beside what an environment has settled on, and engines that are cut off meanwhile.

use super::cut::Cut;
use super::simulate;
use super::world::World;
use crate::engine::{Ended, Execution, Executions};
use crate::failure::Exit;
use contract::{Desired, Envelope};

const DESIRED: &str = "channel/production/desired.json";
const TOLD: &str = "after writing channel/production/desired.json";

/// Where the second of two releases is live.
async fn with_two() -> World {
    let world = World::new();
    for (commit, number) in [("first", 1), ("second", 2)] {
        let release = world.release_of(commit, number);
        world.release(&release, &Cut::never()).await.expect_done();
    }
    world
}

impl World {
    async fn executions(&self) -> Vec<Execution> {
        let name = &self.pipeline.production.name;
        Executions::load(&self.records(), name).await.unwrap().executions
    }

    /// What production's hosts were asked to run beside migrations.
    fn ran(&self) -> Vec<String> {
        let hosts = self.hosts["production"].iter();
        let mut ran: Vec<String> = hosts.flat_map(|host| host.containers.ran()).collect();
        ran.retain(|command| command != "migrate");
        ran
    }

    async fn desired(&self) -> Desired {
        let (bytes, _) = self.store.get(DESIRED).await.unwrap().unwrap();
        let envelope: Envelope = serde_json::from_slice(&bytes).unwrap();
        serde_json::from_str(&envelope.document).unwrap()
    }
}

#[test]
fn a_command_changes_nothing_but_the_generation_and_is_recorded_with_its_end() {
    simulate(async {
        let world = with_two().await;
        let (first, second) = (world.release_of("first", 1), world.release_of("second", 2));
        let (before, told) = (world.outcome(&[&first, &second]).await, world.desired().await);
        world.exec(&["exit", "7"], &Cut::never()).await.expect_done();
        assert_eq!(world.outcome(&[&first, &second]).await, before);
        let after = world.desired().await;
        assert!(after.generation > told.generation);
        let (generation, rollout, issued_at) = (told.generation, told.rollout, told.issued_at);
        let same = Desired {
            generation,
            rollout,
            issued_at,
            ..after
        };
        assert_eq!(same, told);
        assert_eq!(world.ran(), ["exit 7"]);
        let [execution] = world.executions().await.try_into().unwrap();
        assert_eq!((execution.release, execution.line().as_str()), (second.id, "exit 7"));
        assert!(
            matches!(
                execution.ended,
                Some(Ended {
                    exit_code: 7,
                    timed_out: false,
                    ..
                })
            ),
            "{execution:?}"
        );
    });
}

#[test]
fn cut_off_anywhere_a_command_is_run_once_or_never_and_the_next_goes_on() {
    let boundaries = simulate(async {
        let (world, cut) = (with_two().await, Cut::never());
        world.exec(&["one"], &cut).await.expect_done();
        cut.boundaries()
    });
    for at in 1..=boundaries.len() {
        let boundary = &boundaries[at - 1];
        simulate(async {
            let world = with_two().await;
            let second = world.release_of("second", 2);
            let before = world.outcome(&[&second]).await;
            let cut = Cut::at(at);
            world.exec(&["one"], &cut).await;
            world.wait_out().await;
            world.exec(&["two"], &Cut::never()).await.expect_done();
            assert_eq!(world.outcome(&[&second]).await, before, "cut off {boundary}");
            let mut ran = world.ran();
            assert_eq!(ran.pop().as_deref(), Some("two"), "cut off {boundary}");
            assert!(ran.is_empty() || ran == ["one"], "cut off {boundary}: {ran:?}");
            // What was run is on record, with its end, and nothing else has one.
            let known = world.executions().await;
            let ended = known
                .iter()
                .filter(|known| known.ended.is_some() && known.line() == "one");
            assert_eq!(ended.count(), ran.len(), "cut off {boundary}: {known:?}");
        });
    }
}

#[test]
fn after_a_command_that_was_cut_off_every_other_verb_goes_on_as_well() {
    simulate(async {
        let world = with_two().await;
        let (first, second) = (world.release_of("first", 1), world.release_of("second", 2));
        for number in 0..4 {
            let cut = Cut::named(TOLD);
            world.exec(&["one"], &cut).await;
            assert!(world.desired().await.task.is_some());
            world.wait_out().await;
            match number {
                // What runs already is only ended, without a share of traffic for what ran before it.
                0 => {
                    let cut = Cut::never();
                    world.roll_back(&second, &cut).await.expect_done();
                    let told = cut.boundaries().into_iter().filter(|name| name.ends_with(DESIRED));
                    assert_eq!(told.count(), 2, "told once, before and after");
                }
                1 => world.roll_back(&first, &Cut::never()).await.expect_done(),
                2 => {
                    let third = world.release_of("third", 3);
                    world.release(&third, &Cut::never()).await.expect_done();
                }
                _ => world.stop(&Cut::never()).await.expect_done(),
            }
            assert_eq!(world.desired().await.task, None);
        }
    });
}

#[test]
fn it_is_refused_where_nothing_runs_where_nothing_is_settled_and_while_a_release_is_under_way() {
    // Where the suspended release below goes on from: told of the migration before, of the candidate now.
    let beside = simulate(async {
        let (world, cut) = (World::new(), Cut::never());
        let (first, second) = (world.release_of("first", 1), world.release_of("second", 2));
        world.release(&first, &Cut::never()).await.expect_done();
        drop(world.suspend(&second, &Cut::named(TOLD)).await);
        world.wait_out().await;
        world.release(&second, &cut).await.expect_done();
        let lived = cut.boundaries();
        let mut told = lived.iter().enumerate().filter(|(_, name)| *name == TOLD);
        told.nth(1).map(|(at, _)| at + 1).expect("it is told twice")
    });
    simulate(async {
        let world = World::new();
        let refused = world.exec(&["one"], &Cut::never()).await.expect_failed();
        assert_eq!(refused.exit, Exit::BadInput, "{refused}");
        let (first, second) = (world.release_of("first", 1), world.release_of("second", 2));
        world.release(&first, &Cut::never()).await.expect_done();

        let cut = Cut::named(TOLD);
        let suspended = world.suspend(&second, &cut).await;
        let told = world.desired().await;
        let locked = world.exec(&["one"], &Cut::never()).await.expect_failed();
        assert_eq!(locked.exit, Exit::Locked, "{locked}");
        assert!(locked.to_string().contains(&second.id.to_string()), "{locked}");
        assert_eq!(world.desired().await, told);
        drop(suspended);

        // Dead once its candidate is beside the stable version: nobody has said since what the hosts should follow.
        world.wait_out().await;
        world.release(&second, &Cut::at(beside)).await;
        world.wait_out().await;
        assert!(world.desired().await.lease_ttl_ms.is_some());
        let unsettled = world.exec(&["one"], &Cut::never()).await.expect_failed();
        assert_eq!(unsettled.exit, Exit::BadInput, "{unsettled}");
        assert!(unsettled.to_string().contains("release --resume ID"), "{unsettled}");

        world.roll_back(&first, &Cut::never()).await.expect_done();
        world.stop(&Cut::never()).await.expect_done();
        let stopped = world.exec(&["one"], &Cut::never()).await.expect_failed();
        assert!(
            stopped.to_string().contains("cargo xtask start production"),
            "{stopped}"
        );
        assert_eq!(world.ran(), [""; 0]);
        assert_eq!(world.executions().await, []);
    });
}

#[test]
fn whoever_asked_may_leave_and_the_command_is_forgotten_by_hosts_but_not_by_the_record() {
    simulate(async {
        let world = with_two().await;
        let cut = Cut::asking_at(TOLD);
        let left = world.exec(&["one"], &cut).await.expect_failed();
        assert_eq!(left.exit, Exit::Cancelled, "{left}");
        assert!(left.to_string().contains("runs the command on to its end"), "{left}");
        world.expect_at_rest("while it waited").await;
        assert_eq!(world.desired().await.task, None);
        assert_eq!(world.executions().await.len(), 1);
    });
}
