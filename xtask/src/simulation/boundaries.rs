//! An engine cut off at every boundary there is, before and after each of its effects on the world, and what it left carried
//! on by another: the end is the same as if nothing had happened.

use super::cut::Cut;
use super::simulate;
use super::world::{Ended, Outcome, World};
use crate::engine::Release;
use crate::failure::Exit;
use contract::ReleaseId;
use std::sync::Arc;

/// What is under way when the engine dies.
#[derive(Debug, Clone, Copy)]
enum Work {
    /// The first of all: nothing to compare with, nothing to return to.
    FirstRelease,
    /// One that replaces another.
    Release,
    /// One that never becomes ready in production, which returns to what it replaces.
    FailingRelease,
    /// One that staging sees fail under load, which returns to what it replaces.
    SlowRelease,
    /// Back to the one before.
    Rollback,
    /// Production is to run nothing.
    Stop,
    /// And then the same again.
    Start,
}

/// When somebody carries on.
#[derive(Debug, Clone, Copy)]
enum Resumed {
    /// While the dead engine's lease and its rollout are still believed in.
    AtOnce,
    /// After all that runs out by itself has.
    Later,
}

struct Scene {
    world: World,
    releases: [Release; 2],
}

impl Scene {
    async fn before(work: Work) -> Self {
        let world = World::new();
        let releases = [world.release_of("first", 1), world.release_of("second", 2)];
        for (release, schema) in releases.iter().zip([1, 2]) {
            world.bring(release, schema);
        }
        let mut scene = Self { world, releases };
        let settled = match work {
            Work::FirstRelease => 0,
            Work::Release | Work::FailingRelease | Work::SlowRelease | Work::Stop | Work::Start => 1,
            Work::Rollback => 2,
        };
        for release in &scene.releases[..settled] {
            let ended = scene.world.release(release, &Cut::never()).await;
            assert!(matches!(ended, Ended::Done), "{ended:?}");
        }
        if matches!(work, Work::Start) {
            let ended = scene.world.stop(&Cut::never()).await;
            assert!(matches!(ended, Ended::Done), "{ended:?}");
        }
        if matches!(work, Work::FailingRelease) {
            for host in &scene.world.hosts["production"] {
                host.containers.break_release(scene.releases[1].id);
            }
        }
        if matches!(work, Work::SlowRelease) {
            scene.world.slow = Some(scene.releases[1].id);
        }
        scene
    }

    async fn attempt(&self, work: Work, cut: &Arc<Cut>) -> Ended {
        let [first, second] = &self.releases;
        match work {
            Work::FirstRelease => self.world.release(first, cut).await,
            Work::Release | Work::FailingRelease | Work::SlowRelease => self.world.release(second, cut).await,
            Work::Rollback => self.world.roll_back(first, cut).await,
            Work::Stop => self.world.stop(cut).await,
            Work::Start => self.world.start(cut).await,
        }
    }

    /// As whoever finds it would: again if somebody else seems to be at it.
    async fn carry_on(&self, work: Work, resumed: Resumed) {
        if matches!(resumed, Resumed::Later) {
            self.world.wait_out().await;
        }
        let mut ended = self.attempt(work, &Cut::never()).await;
        let is_locked = |ended: &Ended| matches!(ended, Ended::Failed(failure) if failure.exit == Exit::Locked);
        if matches!(resumed, Resumed::AtOnce) && is_locked(&ended) {
            self.world.wait_out().await;
            ended = self.attempt(work, &Cut::never()).await;
        }
        expect_end(work, &ended);
    }

    async fn outcome(&self) -> Outcome {
        let [first, second] = &self.releases;
        self.world.outcome(&[first, second]).await
    }
}

fn expect_end(work: Work, ended: &Ended) {
    match (work, ended) {
        (Work::FailingRelease, Ended::Failed(failure)) => {
            assert_eq!(failure.exit, Exit::Failed, "{failure}");
            assert!(failure.what.contains("was not ready within"), "{failure}");
        }
        (Work::SlowRelease, Ended::Failed(failure)) => {
            assert_eq!(failure.exit, Exit::Failed, "{failure}");
            assert_eq!(failure.what, "the load check of `staging` failed");
        }
        (_, ended) => assert!(matches!(ended, Ended::Done), "{ended:?}"),
    }
}

fn undisturbed(work: Work) -> Outcome {
    simulate(async {
        let scene = Scene::before(work).await;
        expect_end(work, &scene.attempt(work, &Cut::never()).await);
        scene.outcome().await
    })
}

/// The name of the boundary it was cut off at, and what came of it in the end; `None` if there are not so many.
fn cut_off(work: Work, boundary: usize, resumed: Resumed) -> Option<(String, Outcome)> {
    simulate(async {
        let scene = Scene::before(work).await;
        let cut = Cut::at(boundary);
        match scene.attempt(work, &cut).await {
            Ended::CutOff => {}
            ended => {
                expect_end(work, &ended);
                return None;
            }
        }
        let name = cut.boundaries().pop().unwrap_or_default();
        scene.carry_on(work, resumed).await;
        Some((name, scene.outcome().await))
    })
}

fn holds_at_every_boundary(work: Work, resumed: Resumed) {
    let expected = undisturbed(work);
    let mut covered = 0;
    while let Some((name, outcome)) = cut_off(work, covered + 1, resumed) {
        covered += 1;
        assert_eq!(outcome, expected, "cut off {name} (boundary {covered})");
    }
    eprintln!("{work:?} cut off at {covered} boundaries, resumed {resumed:?}");
    assert!(covered > 5, "{covered}");
}

/// Asked to end at every boundary there is, it finishes or undoes what it has in hand and leaves nothing that has to run
/// out: whoever carries on can do so at once.
fn ends_cleanly_at_every_boundary(work: Work) {
    let expected = undisturbed(work);
    let (mut cancelled, mut finished) = (0, 0);
    for boundary in 1.. {
        let is_there = simulate(async {
            let scene = Scene::before(work).await;
            let cut = Cut::asking(boundary);
            match scene.attempt(work, &cut).await {
                Ended::Failed(failure) if failure.exit == Exit::Cancelled => cancelled += 1,
                ended => {
                    expect_end(work, &ended);
                    finished += 1;
                }
            }
            let lived = cut.boundaries();
            if lived.len() < boundary {
                return false;
            }
            let name = &lived[boundary - 1];
            scene.world.expect_at_rest(name).await;
            expect_end(work, &scene.attempt(work, &Cut::never()).await);
            assert_eq!(
                scene.outcome().await,
                expected,
                "asked to end {name} (boundary {boundary})"
            );
            true
        });
        if !is_there {
            break;
        }
    }
    eprintln!(
        "{work:?} asked to end at {} boundaries: {cancelled} times cancelled",
        cancelled + finished
    );
    assert!(cancelled > 5, "{cancelled}");
}

#[test]
fn a_release_asked_to_end_anywhere_leaves_nothing_that_has_to_run_out() {
    ends_cleanly_at_every_boundary(Work::Release);
}

#[test]
fn a_rollback_asked_to_end_anywhere_leaves_nothing_that_has_to_run_out() {
    ends_cleanly_at_every_boundary(Work::Rollback);
}

#[test]
fn the_first_release_cut_off_anywhere_ends_as_if_it_had_not_been() {
    holds_at_every_boundary(Work::FirstRelease, Resumed::Later);
}

#[test]
fn a_release_cut_off_anywhere_and_resumed_at_once_ends_as_if_it_had_not_been() {
    holds_at_every_boundary(Work::Release, Resumed::AtOnce);
}

#[test]
fn a_release_cut_off_anywhere_and_resumed_later_ends_as_if_it_had_not_been() {
    holds_at_every_boundary(Work::Release, Resumed::Later);
}

#[test]
fn a_rollback_cut_off_anywhere_ends_as_if_it_had_not_been() {
    holds_at_every_boundary(Work::Rollback, Resumed::AtOnce);
    holds_at_every_boundary(Work::Rollback, Resumed::Later);
}

#[test]
fn a_release_that_fails_and_is_cut_off_anywhere_leaves_production_as_it_was() {
    holds_at_every_boundary(Work::FailingRelease, Resumed::AtOnce);
}

#[test]
fn a_release_that_fails_under_load_and_is_cut_off_anywhere_leaves_staging_as_it_was() {
    let outcome = undisturbed(Work::SlowRelease);
    let first = ReleaseId::from_parts(1, 0);
    assert_eq!(outcome.serving["staging-1"], [format!("{first} 100%")]);
    assert_eq!(outcome.histories["staging"], [first.to_string()]);
    holds_at_every_boundary(Work::SlowRelease, Resumed::AtOnce);
}

#[test]
fn production_stopped_and_started_and_cut_off_anywhere_is_stopped_and_started() {
    for work in [Work::Stop, Work::Start] {
        holds_at_every_boundary(work, Resumed::AtOnce);
        holds_at_every_boundary(work, Resumed::Later);
    }
    let stopped = undisturbed(Work::Stop);
    assert_eq!(stopped.running["production-1"], Vec::<String>::new());
    assert_eq!(stopped.desired["production"], "nothing 100%");
    let started = undisturbed(Work::Start);
    assert_eq!(started.running["production-1"].len(), 1);
}
