//! Which images are pruned.

use super::*;
use crate::world::PulledImage;

/// Of these versions, oldest first, each of 100 bytes.
fn pulled(versions: impl IntoIterator<Item = u64>) -> Vec<PulledImage> {
    let image = |n| PulledImage {
        image: version(n).image,
        bytes: 100,
    };
    versions.into_iter().map(image).collect()
}

/// Version 2 runs alone, version 1 is pinned.
fn promoted_with(versions: impl IntoIterator<Item = u64>, budget: u64) -> World {
    let mut world = after_promotion();
    world.containers.retain(|found| found.release == version(2).release);
    world.pulled = pulled(versions);
    world.image_budget_bytes = budget;
    world
}

fn prunes<const N: usize>(versions: [u64; N]) -> Action {
    Action::Prune(versions.map(|n| version(n).image).into())
}

#[test]
fn the_oldest_images_go_until_the_rest_is_within_the_budget() {
    let mut world = promoted_with(1..=7, 500);
    // 1 is pinned, 2 runs.
    assert_eq!(next(&promoted(8), &world, NOW), prunes([3, 4]));
    world.jobs.insert(Job::Prune);
    assert_eq!(next(&promoted(8), &world, NOW), Action::Wait);
    world.jobs.clear();
    world.image_budget_bytes = 700;
    assert_eq!(next(&promoted(8), &world, NOW), Action::Wait, "exactly the budget");
}

#[test]
fn release_and_fallback_stay_however_little_the_budget_is() {
    assert_eq!(next(&promoted(8), &promoted_with(1..=4, 0), NOW), prunes([3, 4]));
    assert_eq!(next(&promoted(8), &promoted_with(1..=2, 0), NOW), Action::Wait);
}

#[test]
fn what_a_container_is_made_of_stays() {
    let mut world = promoted_with(1..=4, 0);
    // It drains still, or was started by somebody of this host for another reason.
    world.containers.push(Container {
        draining_since: Some(NOW),
        ..container(3)
    });
    world.router.as_mut().unwrap().replicas.clear();
    let busy = Job::Retire(container(3).id);
    world.jobs.insert(busy.clone());
    assert_eq!(
        next(&promoted(8), &world, NOW),
        Action::Wait,
        "nothing is pruned meanwhile"
    );
    world.jobs.remove(&busy);
    assert_eq!(crate::tidy::excess(&promoted(8), &world), [version(4).image]);
}

#[test]
fn the_image_of_a_task_stays_until_its_release_is_published() {
    let mut world = settled();
    bring_into_force(&mut world, &with_task(2));
    world.results.insert(task().id);
    world.pulled = pulled([3, 2]);
    assert_eq!(next(&with_task(2), &world, NOW), prunes([3]));
}

#[test]
fn images_that_weigh_nothing_are_still_counted() {
    let mut world = promoted_with(1..=52, 0);
    for pulled in &mut world.pulled {
        pulled.bytes = 0;
    }
    assert_eq!(next(&promoted(8), &world, NOW), prunes([3, 4]));
}

#[test]
fn nothing_is_pruned_while_a_rollout_is_under_way() {
    let mut world = settled();
    world.jobs.insert(Job::Start(version(2).release));
    world.pulled = pulled(3..=7);
    assert_eq!(next(&canary(2, 0), &world, NOW), Action::Wait);
}
