//! Two engines that want the same environment.

use super::cut::Cut;
use super::simulate;
use super::world::{Ended, World};
use crate::engine::Release;
use crate::failure::{Exit, Failure};

/// The boundary of an undisturbed second release whose name is this, the nth time.
fn boundary(name: &str, nth: usize) -> usize {
    simulate(async {
        let (world, _, second) = World::with_first().await;
        world.stage(&world.release_of("third", 3)).await.unwrap();
        let cut = Cut::never();
        world.release(&second, &cut).await.expect_done();
        let lived = cut.boundaries();
        let mut numbered = lived.iter().enumerate().filter(|(_, lived)| *lived == name);
        numbered
            .nth(nth)
            .map(|(at, _)| at + 1)
            .unwrap_or_else(|| panic!("no {name} in {lived:#?}"))
    })
}

fn locked_by(ended: Ended, release: &Release) -> Failure {
    let Ended::Failed(failure) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(failure.exit, Exit::Locked, "{failure}");
    assert!(failure.to_string().contains(&release.id.to_string()), "{failure}");
    failure
}

#[test]
fn of_two_at_once_one_goes_on_and_the_other_is_told_who_holds_it() {
    simulate(async {
        let (world, _, second) = World::with_first().await;
        let third = world.release_of("third", 3);
        let (one, other) = (Cut::never(), Cut::never());
        let (one, other) = tokio::join!(world.release(&second, &one), world.release(&third, &other));
        let failure = match (one, other) {
            (Ended::Done, other) => locked_by(other, &second),
            (one, Ended::Done) => locked_by(one, &third),
            both => panic!("{both:?}"),
        };
        assert!(failure.next.is_some_and(|next| next.contains("cargo xtask status")));
    });
}

#[test]
fn one_that_died_is_followed_once_its_lease_has_run_out_and_revived_is_refused_what_it_writes() {
    for (name, nth) in [
        ("after writing channel/production/desired.json", 2),
        ("before writing channel/production/desired.json", 3),
        ("after flipping", 0),
        ("before writing environments/production/history.json", 0),
    ] {
        let at = boundary(name, nth);
        simulate(async {
            let (world, first, second) = World::with_first().await;
            // It is at production's door before the lease of the one that dies runs out.
            let third = world.release_of("third", 3);
            world.stage(&third).await.unwrap();
            let cut = Cut::at(at);
            let suspended = world.suspend(&second, &cut).await;
            locked_by(world.release(&third, &Cut::never()).await, &second);
            world.wait_out().await;
            world.release(&third, &Cut::never()).await.expect_done();
            let expected = world.outcome(&[&first, &third]).await;

            cut.revive();
            let failure = suspended.await.expect_failed();
            assert_eq!(failure.exit, Exit::Locked, "revived {name}: {failure}");
            let after = world.outcome(&[&first, &third]).await;
            assert_eq!(after, expected, "revived {name}");
        });
    }
}

impl World {
    /// Where the first release is live, and a second one waits to be made.
    async fn with_first() -> (Self, Release, Release) {
        let world = Self::new();
        let (first, second) = (world.release_of("first", 1), world.release_of("second", 2));
        world.release(&first, &Cut::never()).await.expect_done();
        (world, first, second)
    }
}
