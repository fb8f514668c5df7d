//! A stage that failed is begun again where pipeline.yaml says so, and as often.

use super::cut::Cut;
use super::simulate;
use super::world::{Ended, World};
use crate::engine::Event;
use crate::failure::Exit;
use crate::plan::StageName;
use pipeline::model::{Retry, Stage};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

const PAUSE: Duration = Duration::from_secs(10);

/// How a release ends whose tests fail so often, how often that was written down, and how long it took.
fn tested(retry: Option<u32>, failing: usize) -> (Ended, usize, Duration) {
    simulate(async {
        let mut world = World::new();
        let retry = retry.map(|times| (Stage::Test, Retry { times, pause: PAUSE }));
        world.pipeline.retry = retry.into_iter().collect();
        world.failing.store(failing, Ordering::Relaxed);
        let release = world.release_of("first", 1);
        let since = Instant::now();
        let ended = world.release(&release, &Cut::never()).await;
        let took = since.elapsed();
        let journal = world.journal(release.id).await;
        let is_failure = |event: &Event| {
            matches!(
                event,
                Event::StageFailed {
                    stage: StageName::Test,
                    ..
                }
            )
        };
        let failures = journal.iter().filter(|entry| is_failure(&entry.event)).count();
        (ended, failures, took)
    })
}

#[test]
fn a_stage_that_fails_is_tried_again_as_often_as_it_may_and_each_time_later() {
    let (ended, failures, undisturbed) = tested(None, 0);
    ended.expect_done();
    assert_eq!(failures, 0);
    let (ended, failures, took) = tested(Some(3), 3);
    ended.expect_done();
    assert_eq!(failures, 3);
    let pauses = PAUSE + 2 * PAUSE + 4 * PAUSE;
    assert!(
        took >= undisturbed + pauses && took < undisturbed + pauses + PAUSE,
        "{took:?}"
    );
}

#[test]
fn one_that_fails_more_often_or_may_not_be_tried_again_has_failed() {
    for (retry, failing, written) in [(Some(1), 2, 2), (None, 1, 1)] {
        let (ended, failures, _) = tested(retry, failing);
        let failure = ended.expect_failed();
        assert_eq!((failure.exit, failures), (Exit::Failed, written), "{failure}");
    }
}
