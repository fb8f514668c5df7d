//! One release mutates an environment at a time.
//!
//! A lease is a document: who holds it, until when, and how often it has changed hands (the fence). It is renewed while it is
//! held, given back when done, and taken over once it has run out. Whoever was too late finds its generations too low:
//! hosts accept only what rises, and every acquisition raises the fence.

use super::records::{Records, lease_key};
use crate::clock;
use crate::context::Context;
use crate::failure::{Exit, Failure, OrFail, Result};
use contract::{Desired, EnvironmentName, Fence, ReleaseId};
use jiff::{SignedDuration, Timestamp};
use pipeline::model::Environment;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

const TTL: SignedDuration = SignedDuration::from_secs(15);
const RENEW_EVERY: Duration = Duration::from_secs(4);
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(5);
/// Several who want the same lease in one moment; each attempt of theirs lets one of them through.
const ATTEMPTS: u32 = 20;
const RETRY_AFTER: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseFile {
    pub fence: Fence,
    pub holder: Option<Holder>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    pub release: ReleaseId,
    /// `user@machine, process 123`.
    pub who: String,
    pub since: Timestamp,
    pub expires_at: Timestamp,
}

/// Held until given back, or until it runs out because its process has ended; the fence it was acquired with goes into
/// every generation published under it.
#[derive(Debug)]
pub struct Lease {
    records: Records,
    environment: EnvironmentName,
    pub fence: Fence,
    lost: Arc<AtomicBool>,
    renewal: JoinHandle<()>,
}

impl Lease {
    /// Takes an environment, with a fence above that of the document its hosts follow: state that was lost here must not
    /// make them refuse us.
    pub async fn acquire_above(context: &Context, environment: &Environment, release: ReleaseId) -> Result<Self> {
        let name = &environment.name;
        let current = context.channel(name)?.read_desired().await;
        let current = current.or_fail(|| format!("the channel of `{name}` cannot be read"))?;
        let generation = current.and_then(|(envelope, _)| serde_json::from_str::<Desired>(&envelope.document).ok());
        let published = generation.map(|desired| desired.generation.fence()).unwrap_or_default();
        Self::acquire(&context.records, name, published, release).await
    }

    /// Takes the environment, or says who has it.
    async fn acquire(
        records: &Records,
        environment: &EnvironmentName,
        above: Fence,
        release: ReleaseId,
    ) -> Result<Self> {
        let who = holder_name();
        let take = |file: &mut LeaseFile, now| {
            if let Some(holder) = file.holder.as_ref().filter(|holder| holder.expires_at > now) {
                return Err(locked(environment, holder, now));
            }
            file.fence = file.fence.max(above).next();
            file.holder = Some(Holder {
                release,
                who: who.clone(),
                since: now,
                expires_at: now + TTL,
            });
            Ok(file.fence)
        };
        let fence = update(records, environment, take).await?;
        let lost = Arc::new(AtomicBool::new(false));
        let renewal = tokio::spawn(renew(records.clone(), environment.clone(), fence, lost.clone()));
        Ok(Self {
            records: records.clone(),
            environment: environment.clone(),
            fence,
            lost,
            renewal,
        })
    }

    /// Before anything is written that others would see. Whoever is not told in time is refused by what it writes to.
    pub fn expect_held(&self) -> Result<()> {
        if self.is_held() {
            return Ok(());
        }
        let environment = &self.environment;
        Err(Failure::new(
            Exit::Locked,
            format!("the lease of `{environment}` was lost to another release"),
        )
        .why("it was not renewed in time, or `unlock` took it away")
        .next("cargo xtask status"))
    }

    pub fn is_held(&self) -> bool {
        !self.lost.load(Ordering::Relaxed)
    }

    /// Takes the lease from whoever has it. The fence rises, so that nothing they still write counts.
    pub async fn take_away(records: &Records, environment: &EnvironmentName) -> Result<Option<Holder>> {
        let free = |file: &mut LeaseFile, _| {
            let holder = file.holder.take();
            if holder.is_some() {
                file.fence = file.fence.next();
            }
            Ok(holder)
        };
        update(records, environment, free).await
    }

    /// One that cannot be given back runs out by itself.
    pub async fn give_back(self) {
        self.renewal.abort();
        let free = |file: &mut LeaseFile, _| {
            if file.fence == self.fence {
                file.holder = None;
            }
            Ok(())
        };
        let given_back = update(&self.records, &self.environment, free);
        let _ = tokio::time::timeout(GIVE_BACK_WITHIN, given_back).await;
    }

    pub async fn read(records: &Records, environment: &EnvironmentName) -> Result<LeaseFile> {
        let found = records.read(&lease_key(environment)).await?;
        Ok(found.map(|(file, _)| file).unwrap_or_default())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn renew(records: Records, environment: EnvironmentName, fence: Fence, lost: Arc<AtomicBool>) {
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        let prolong = |file: &mut LeaseFile, now| {
            let own = file.holder.as_mut().filter(|_| file.fence == fence);
            let is_ours = own.is_some();
            if let Some(holder) = own {
                holder.expires_at = now + TTL;
            }
            Ok(is_ours)
        };
        match update(&records, &environment, prolong).await {
            Ok(true) => {}
            Ok(false) => return lost.store(true, Ordering::Relaxed),
            Err(failure) => tracing::warn!("the lease could not be renewed: {failure}"),
        }
    }
}

/// Reads, changes and writes the lease; again from the beginning if somebody else was quicker.
async fn update<T>(
    records: &Records,
    environment: &EnvironmentName,
    change: impl Fn(&mut LeaseFile, Timestamp) -> Result<T>,
) -> Result<T> {
    let key = lease_key(environment);
    for _ in 0..ATTEMPTS {
        let (before, revision) = match records.read::<LeaseFile>(&key).await? {
            Some((file, revision)) => (file, Some(revision)),
            None => (LeaseFile::default(), None),
        };
        let mut file = before.clone();
        let result = change(&mut file, clock::now())?;
        if file == before || records.write(&key, &file, revision.as_ref()).await?.is_some() {
            return Ok(result);
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
    Err(
        Failure::new(Exit::Locked, format!("the lease of `{environment}` cannot be changed"))
            .why(format!("it was changed by others {ATTEMPTS} times in a row"))
            .next("cargo xtask status"),
    )
}

fn locked(environment: &EnvironmentName, holder: &Holder, now: Timestamp) -> Failure {
    let held = now.duration_since(holder.since).as_secs();
    let left = holder.expires_at.duration_since(now).as_secs();
    Failure::new(
        Exit::Locked,
        format!("`{environment}` is being changed by release {}", holder.release),
    )
    .why(format!(
        "held by {} for {held} s; runs out in {left} s unless renewed",
        holder.who
    ))
    .world("nothing was touched")
    .next(format!(
        "wait for it to end (`cargo xtask status`), then run the command again; if its machine is gone for good: cargo xtask unlock {environment}"
    ))
}

fn holder_name() -> String {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{}@{machine}, process {}", crate::user::identity(), std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::places::places;
    use futures_util::future::join_all;

    fn release(number: u64) -> ReleaseId {
        ReleaseId::from_parts(number, 0)
    }

    fn production() -> EnvironmentName {
        EnvironmentName::parse("production").unwrap()
    }

    async fn acquire(records: &Records, number: u64) -> Result<Lease> {
        Lease::acquire(records, &production(), Fence(0), release(number)).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_of_two_gets_the_lease_and_the_other_is_told_who_has_it() {
        for place in places().await {
            let records = &place.records;
            let held = acquire(records, 1).await.unwrap();
            let refused = acquire(records, 2).await.unwrap_err();
            assert_eq!(refused.exit, Exit::Locked, "in {}", place.name);
            assert!(refused.to_string().contains(&release(1).to_string()), "{refused}");
            held.give_back().await;
            assert_eq!(acquire(records, 2).await.unwrap().fence, Fence(2));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_many_at_once_exactly_one_gets_the_lease() {
        for place in places().await {
            let racers = (1..=8).map(|number| {
                let records = place.records.clone();
                tokio::spawn(async move { acquire(&records, number).await })
            });
            let mut held = Vec::new();
            for racer in racers.collect::<Vec<_>>() {
                match racer.await.unwrap() {
                    Ok(lease) => held.push(lease),
                    Err(failure) => assert_eq!(failure.exit, Exit::Locked),
                }
            }
            assert_eq!(held.len(), 1, "in {}", place.name);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_lease_that_ran_out_is_taken_over_with_a_higher_fence() {
        for place in places().await {
            let records = &place.records;
            let lost = acquire(records, 1).await.unwrap();
            lost.renewal.abort();
            let end = |file: &mut LeaseFile, now| {
                file.holder.as_mut().unwrap().expires_at = now;
                Ok(())
            };
            update(records, &production(), end).await.unwrap();
            let taken = acquire(records, 2).await.unwrap();
            assert!(taken.fence > lost.fence);
            // The one that lost it gives nothing back that is not its own.
            lost.give_back().await;
            let holder = Lease::read(records, &production()).await.unwrap().holder;
            assert_eq!(holder.unwrap().release, release(2), "in {}", place.name);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_lease_that_was_taken_away_is_found_lost_and_its_fence_is_too_low() {
        let places = places().await;
        join_all(places.iter().map(|place| is_taken_away(&place.records))).await;
    }

    async fn is_taken_away(records: &Records) {
        let held = acquire(records, 1).await.unwrap();
        let holder = Lease::take_away(records, &production()).await.unwrap();
        assert_eq!(holder.unwrap().release, release(1));
        assert!(Lease::read(records, &production()).await.unwrap().fence > held.fence);
        assert!(held.is_held(), "it has not looked yet");
        tokio::time::sleep(RENEW_EVERY + Duration::from_secs(1)).await;
        assert_eq!(held.expect_held().unwrap_err().exit, Exit::Locked);
        let next = acquire(records, 2).await.unwrap();
        assert_eq!(next.fence, held.fence.next().next());
        let staging = EnvironmentName::parse("staging").unwrap();
        assert!(Lease::take_away(records, &staging).await.unwrap().is_none());
    }
}
