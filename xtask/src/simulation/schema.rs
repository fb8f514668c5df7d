//! A release comes back only to a schema that it was seen running on.

use super::cut::Cut;
use super::simulate;
use super::world::{Ended, World};
use crate::engine::{Past, Proof, Release, Unproven};
use crate::failure::{Exit, Failure};
use crate::user;
use contract::{Counts, ReleaseId};

/// Three releases, each live after the other; the last one applies a migration.
async fn migrated_by_the_third() -> (World, [Release; 3]) {
    let world = World::new();
    let releases = [1, 2, 3].map(|number| world.release_of(&format!("commit {number}"), number));
    for (release, schema) in releases.iter().zip([1, 1, 2]) {
        world.bring(release, schema);
        live(&world, release).await;
    }
    (world, releases)
}

async fn live(world: &World, release: &Release) {
    let ended = world.release(release, &Cut::never()).await;
    assert!(matches!(ended, Ended::Done), "{ended:?}");
}

async fn past(world: &World) -> Past {
    let production = &world.pipeline.production.name;
    Past::load(&world.records(), production).await.expect("a past")
}

async fn expect_serving(world: &World, release: &Release) {
    for host in &world.hosts["production"] {
        assert_eq!(host.serves().await, [format!("{} 100%", release.id)]);
    }
}

fn failed(ended: Ended) -> Failure {
    match ended {
        Ended::Failed(failure) => failure,
        ended => panic!("{ended:?}"),
    }
}

/// Releases, the schema each is proven on, and how.
async fn proofs(world: &World) -> Vec<(ReleaseId, u64, Proof)> {
    let proofs = past(world).await.schema.compatible;
    assert!(
        proofs.iter().all(|proof| proof.counts == Counts::default()),
        "nobody asked anything"
    );
    proofs
        .iter()
        .map(|proof| (proof.release, proof.schema.0, proof.proven_by))
        .collect()
}

#[test]
fn what_ran_beside_a_migration_can_come_back_and_what_went_before_cannot() {
    simulate(async {
        let (world, [first, second, third]) = migrated_by_the_third().await;
        assert_eq!(
            proofs(&world).await,
            [
                (first.id, 1, Proof::Live),
                (second.id, 1, Proof::Live),
                (third.id, 2, Proof::Live),
                (second.id, 2, Proof::Beside(third.id)),
            ]
        );

        let failure = failed(world.roll_back(&first, &Cut::never()).await);
        assert_eq!(failure.exit, Exit::BadInput, "{failure}");
        let said = failure.to_string();
        assert!(
            said.contains(&format!("migration 2 change 2 (by release {}", third.id)),
            "{said}"
        );
        assert!(
            said.contains(&format!("rollback production --to {}", second.id)),
            "{said}"
        );
        expect_serving(&world, &third).await;
        assert_eq!(
            past(&world).await.target(None, false).unwrap().0.version.release,
            second.id
        );

        let ended = world.roll_back(&second, &Cut::never()).await;
        assert!(matches!(ended, Ended::Done), "{ended:?}");
        expect_serving(&world, &second).await;
        assert!(
            past(&world).await.target(None, false).is_err(),
            "the first one still cannot"
        );
    });
}

#[test]
fn what_was_not_ready_beside_a_migration_is_not_proven() {
    simulate(async {
        let world = World::new();
        let [first, second] = [1, 2].map(|number| world.release_of(&format!("commit {number}"), number));
        world.bring(&first, 1);
        world.bring(&second, 2);
        live(&world, &first).await;
        for host in &world.hosts["production"] {
            host.containers.break_release(first.id);
        }
        live(&world, &second).await;
        let failure = failed(world.roll_back(&first, &Cut::never()).await);
        assert!(
            failure.to_string().contains("no release before is proven on it"),
            "{failure}"
        );
    });
}

#[test]
fn one_that_is_not_proven_comes_back_if_somebody_says_why_and_is_proven_then() {
    simulate(async {
        let (world, [first, _, third]) = migrated_by_the_third().await;
        let unproven = Unproven {
            reason: "the shop is on fire".to_owned(),
            by: user::identity(),
        };
        let ended = world.return_to(&first, Some(&unproven), &Cut::never()).await;
        assert!(matches!(ended, Ended::Done), "{ended:?}");
        expect_serving(&world, &first).await;
        let past = past(&world).await;
        assert_eq!(past.history.latest().unwrap().unproven, Some(unproven.clone()));
        assert_eq!(proofs(&world).await.last(), Some(&(first.id, 2, Proof::Returned)));

        // The reason is that of one rollback; what is proven now needs none.
        live(&world, &world.release_of("commit 4", 4)).await;
        let ended = world.return_to(&first, Some(&unproven), &Cut::never()).await;
        assert!(matches!(ended, Ended::Done), "{ended:?}");
        assert_eq!(self::past(&world).await.history.latest().unwrap().unproven, None);
        assert!(
            past.history
                .settled
                .iter()
                .any(|settled| settled.version.release == third.id)
        );
    });
}

#[test]
fn the_migration_of_a_release_that_is_rolled_back_stays_and_counts() {
    simulate(async {
        let world = World::new();
        let releases = [1, 2, 3].map(|number| world.release_of(&format!("commit {number}"), number));
        for (release, schema) in releases.iter().zip([1, 1, 2]) {
            world.bring(release, schema);
        }
        let [first, second, third] = releases;
        live(&world, &first).await;
        live(&world, &second).await;
        for host in &world.hosts["production"] {
            host.containers.break_release(third.id);
        }
        failed(world.release(&third, &Cut::never()).await);
        expect_serving(&world, &second).await;

        let failure = failed(world.roll_back(&first, &Cut::never()).await);
        assert!(
            failure.to_string().contains(&format!("by release {}", third.id)),
            "{failure}"
        );
        // What runs is no proof of anything yet, but needs none to run on.
        let ended = world.roll_back(&second, &Cut::never()).await;
        assert!(matches!(ended, Ended::Done), "{ended:?}");
    });
}

#[test]
fn a_migration_that_was_cut_off_may_have_done_anything_until_another_one_ends() {
    simulate(async {
        let (world, [_, second, third]) = migrated_by_the_third().await;
        let fourth = world.release_of("commit 4", 4);
        world.bring(&fourth, 3);
        // That of staging was written down before.
        let cut = Cut::named("after writing environments/production/schema.json");
        let ended = world.release(&fourth, &cut).await;
        assert!(matches!(ended, Ended::CutOff), "{ended:?}");
        world.wait_out().await;
        let failure = failed(world.roll_back(&second, &Cut::never()).await);
        let said = failure.to_string();
        assert!(
            said.contains(&format!("the migration of release {} was begun", fourth.id)),
            "{said}"
        );
        assert!(
            said.contains(&format!("cargo xtask release --resume {}", fourth.id)),
            "{said}"
        );

        live(&world, &fourth).await;
        let ended = world.roll_back(&third, &Cut::never()).await;
        assert!(matches!(ended, Ended::Done), "{ended:?}");
    });
}
