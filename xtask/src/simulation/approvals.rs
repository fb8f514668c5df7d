//! A yes counts for what it was said to, by whom it may be said, as long as it lasts.

use super::cut::Cut;
use super::simulate;
use super::world::{Ended, TOO_LATE, World};
use crate::engine::{Event, Journal, Release, reject};
use crate::failure::{Exit, Failure};
use crate::user;
use pipeline::{Identity, Kind};

/// The first release is live; the second waits to be approved.
async fn parked() -> (World, Release, Release) {
    let world = World::new();
    let (first, second) = (world.release_of("first", 1), world.release_of("second", 2));
    let ended = world.release(&first, &Cut::never()).await;
    assert!(matches!(ended, Ended::Done), "{ended:?}");
    park(&world, &second).await;
    (world, first, second)
}

async fn park(world: &World, release: &Release) {
    let parked = world.go(release, &Cut::never()).await.unwrap_err();
    assert_eq!(parked.exit, Exit::Parked, "{parked}");
}

fn expect_refused(failure: &Failure, reason: &str) {
    assert_eq!(failure.exit, Exit::Refused, "{failure}");
    assert!(failure.to_string().contains(reason), "expected `{reason}` in {failure}");
}

async fn expect_untouched(world: &World, first: &Release) {
    for host in &world.hosts["production"] {
        assert_eq!(host.serves().await, [format!("{} 100%", first.id)]);
    }
}

#[test]
fn an_approval_replayed_for_another_release_is_void() {
    simulate(async {
        let (world, first, second) = parked().await;
        world.approve(&second, &Cut::never()).await.unwrap();
        let given = world.journal(second.id).await.pop().expect("an approval").event;
        assert!(matches!(given, Event::Approved { .. }), "{given:?}");
        let third = world.release_of("third", 3);
        park(&world, &third).await;
        let mut journal = Journal::open(&world.records(), third.id).await.unwrap();
        journal.append(given).await.unwrap();
        let failure = world.go(&third, &Cut::never()).await.unwrap_err();
        expect_refused(&failure, "the approval is void");
        expect_untouched(&world, &first).await;
    });
}

#[test]
fn a_question_and_an_answer_expire() {
    simulate(async {
        let (world, first, second) = parked().await;
        tokio::time::sleep(TOO_LATE).await;
        let failure = world.approve(&second, &Cut::never()).await.unwrap_err();
        expect_refused(&failure, "asked 5m1s ago; it waits for 5m");

        // Asked again, and answered; but then nothing is done about it.
        park(&world, &second).await;
        world.approve(&second, &Cut::never()).await.unwrap();
        tokio::time::sleep(TOO_LATE).await;
        park(&world, &second).await;
        expect_untouched(&world, &first).await;
    });
}

#[test]
fn an_answer_that_expires_before_the_lease_is_had_counts_no_more() {
    simulate(async {
        let (world, first, second) = parked().await;
        world.approve(&second, &Cut::never()).await.unwrap();
        // The engine is suspended with the answer in hand.
        let cut = Cut::named("before writing environments/production/lease.json");
        let suspended = world.suspend(&second, &cut).await;
        tokio::time::sleep(TOO_LATE).await;
        cut.revive();
        let failure = suspended.await.expect_failed();
        expect_refused(&failure, "has expired");
        expect_untouched(&world, &first).await;
    });
}

#[test]
fn a_newer_candidate_makes_an_older_one_void_before_and_after_its_approval() {
    simulate(async {
        let (world, first, second) = parked().await;
        world.approve(&second, &Cut::never()).await.unwrap();
        let third = world.release_of("third", 3);
        park(&world, &third).await;
        let superseded = format!("release {} reached approval after it", third.id);
        let failure = world.approve(&second, &Cut::never()).await.unwrap_err();
        expect_refused(&failure, &superseded);
        let failure = world.go(&second, &Cut::never()).await.unwrap_err();
        expect_refused(&failure, &superseded);
        expect_untouched(&world, &first).await;
    });
}

#[test]
fn who_is_not_listed_may_not_approve_not_even_by_the_same_name() {
    simulate(async {
        let (mut world, first, second) = parked().await;
        let own = user::identity();
        let kind = if own.kind == Kind::Aws { Kind::GitHub } else { Kind::Aws };
        let other = Identity { kind, ..own.clone() };
        world.approvers(std::slice::from_ref(&other));
        let failure = world.approve(&second, &Cut::never()).await.unwrap_err();
        expect_refused(&failure, &format!("`{own}` may not approve release {}", second.id));
        expect_refused(&failure, &format!("approvers: {other}"));
        expect_untouched(&world, &first).await;

        world.approvers(&[other, own.clone()]);
        world.approve(&second, &Cut::never()).await.unwrap();
        let given = world.journal(second.id).await.pop().expect("an approval").event;
        assert!(matches!(given, Event::Approved { by, .. } if by == own));
    });
}

#[test]
fn what_was_rejected_stays_rejected() {
    simulate(async {
        let (world, first, second) = parked().await;
        reject(&world.records(), &second, "not today").await.unwrap();
        let failure = world.approve(&second, &Cut::never()).await.unwrap_err();
        expect_refused(&failure, "not today");
        let failure = world.go(&second, &Cut::never()).await.unwrap_err();
        expect_refused(&failure, "not today");
        expect_untouched(&world, &first).await;
    });
}

#[test]
fn an_approval_is_void_once_production_runs_another_release() {
    simulate(async {
        let (world, _, second) = parked().await;
        world.approve(&second, &Cut::never()).await.unwrap();
        // It has its approval in hand when it is suspended; meanwhile another goes live.
        let cut = Cut::named("before writing environments/production/lease.json");
        let suspended = world.suspend(&second, &cut).await;
        let other = world.release_of("other", 0);
        world.settle_production_on(&other).await;
        cut.revive();
        let failure = suspended.await.expect_failed();
        expect_refused(&failure, &format!("is: replaces  {}", other.id));
    });
}

#[test]
fn an_approval_is_void_once_the_configuration_is_another() {
    simulate(async {
        let (mut world, first, second) = parked().await;
        world.approve(&second, &Cut::never()).await.unwrap();
        world
            .pipeline
            .production
            .env
            .clear
            .insert("GREETING".to_owned(), "hello".to_owned());
        let failure = world.go(&second, &Cut::never()).await.unwrap_err();
        expect_refused(&failure, "is: config");
        expect_untouched(&world, &first).await;
    });
}

impl World {
    fn approvers(&mut self, approvers: &[Identity]) {
        let asked = self.pipeline.production.approval.as_mut().expect("an approval");
        asked.approvers = approvers.to_vec();
    }

    /// As another release would have, in the time that the one in question lost.
    async fn settle_production_on(&self, release: &Release) {
        use crate::engine::{History, Settled};
        let records = self.records();
        let production = &self.pipeline.production.name;
        let history = History::load(&records, production).await.unwrap();
        let latest = history.latest().expect("a release").clone();
        let mut version = latest.version.clone();
        version.release = release.id;
        let settled = Settled { version, ..latest };
        History::settle(&records, production, settled).await.unwrap();
    }
}
