//! Which images are pruned.

use super::*;

#[test]
fn old_images_are_pruned_beyond_release_fallback_and_the_latest_three() {
    let mut world = after_promotion();
    world.containers.retain(|found| found.release == version(2).release);
    world.pulled = [1, 2, 3, 4, 5, 6, 7].map(|n| version(n).image).into();
    // 1 is pinned, 2 runs, 5 to 7 are the latest.
    let excess = [3, 4].map(|n| version(n).image);
    assert_eq!(next(&promoted(8), &world, NOW), Action::Prune(excess.into()));
    world.jobs.insert(Job::Prune);
    assert_eq!(next(&promoted(8), &world, NOW), Action::Wait);
}

#[test]
fn nothing_is_pruned_while_a_rollout_is_under_way() {
    let mut world = settled();
    world.jobs.insert(Job::Start(version(2).release));
    world.pulled = [3, 4, 5, 6, 7].map(|n| version(n).image).into();
    assert_eq!(next(&canary(2, 0), &world, NOW), Action::Wait);
}
