//! Who leads the machines. What it does about what they say is decided by the controller's own code, `next`; it publishes
//! as that does, and has no lease, journal or judge of its own.

use crate::bucket::BUCKET;
use crate::next::{Move, Reason, Watch, next};
use crate::versions::{LEASE, Phase, app, document, environment};
use crate::wait::PATIENCE;
use channel::{Channel, Reports};
use contract::{Fence, Generation, HostName, RolloutId, SigningKey, Version};
use jiff::Timestamp;
use std::time::{Duration, Instant};
use store::{Revision, S3Access};

/// Sooner than the real one, which waits for 20 s; a sign of life comes every 4 s.
const SILENT_AFTER: Duration = Duration::from_secs(15);
/// Of the channel, in its bucket.
pub const PREFIX: &str = "machines";
const TICK: Duration = Duration::from_millis(150);

pub struct Controller {
    pub hosts: Vec<HostName>,
    /// What has all traffic while no rollout is under way.
    pub stable: Option<Version>,
    channel: Channel,
    reports: Reports,
    key: SigningKey,
    revision: Option<Revision>,
    sequence: u32,
    rollout: u64,
    candidate: Option<Version>,
    published: Option<Published>,
}

struct Published {
    phase: Phase,
    generation: Generation,
    since: Instant,
    renewed: Instant,
}

impl Controller {
    pub fn new(access: &S3Access, key: SigningKey, hosts: Vec<HostName>) -> Self {
        let channel = Channel::s3(access, BUCKET.to_owned(), PREFIX, &app(), &environment());
        Self {
            hosts,
            stable: None,
            reports: channel.reports(),
            channel,
            key,
            revision: None,
            sequence: 0,
            rollout: 0,
            candidate: None,
            published: None,
        }
    }

    /// From beside to alone, or why not; then the machines are as the last document has them.
    pub async fn roll_out(&mut self, candidate: Version) -> Result<(), Reason> {
        self.begin(candidate);
        for share in [0, 250, 1000] {
            self.shift(share).await?;
        }
        self.settle().await
    }

    /// A rollout of its own, of which nobody has been told yet.
    pub fn begin(&mut self, candidate: Version) {
        self.rollout += 1;
        self.candidate = Some(candidate);
    }

    pub async fn shift(&mut self, share: u16) -> Result<(), Reason> {
        self.publish(Phase::Shift(share)).await;
        self.watch().await
    }

    pub async fn settle(&mut self) -> Result<(), Reason> {
        self.publish(Phase::Settled).await;
        self.watch().await?;
        self.stable = self.candidate.take();
        Ok(())
    }

    /// Under another id: one that lapsed is never followed again.
    pub async fn revert(&mut self) -> Result<(), Reason> {
        self.rollout += 1;
        self.tell_to_revert().await;
        self.watch().await
    }

    /// The same, and does not wait for those that cannot hear it.
    pub async fn tell_to_revert(&mut self) {
        self.publish(Phase::Reverted).await;
    }

    /// Keeps the rollout alive until there is a reason to give it up.
    pub async fn until_trouble(&mut self) -> Reason {
        loop {
            if let Err(reason) = self.turn(true).await {
                return reason;
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Keeps it alive while something else is done.
    pub async fn hold<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(TICK) => {
                    let turn = self.turn(true).await;
                    turn.unwrap_or_else(|reason| panic!("the rollout would be given up: {reason:#?}"));
                }
            }
        }
    }

    /// Until every host has said that it did.
    async fn watch(&mut self) -> Result<(), Reason> {
        while !self.turn(false).await? {
            tokio::time::sleep(TICK).await;
        }
        Ok(())
    }

    /// Returns whether what was published is in force everywhere.
    async fn turn(&mut self, is_holding: bool) -> Result<bool, Reason> {
        let fleet = self.reports.read().await.unwrap();
        let now = Timestamp::now();
        let age = |at: Timestamp| Duration::try_from(now.duration_since(at)).unwrap_or_default();
        let ages = fleet.iter().map(|(host, seen)| (host.clone(), age(seen.at))).collect();
        match next(&self.state(), &fleet, &ages) {
            Move::Revert(reason) => Err(reason),
            Move::Advance(_) if !is_holding => Ok(true),
            Move::Renew => {
                let phase = self.published.as_ref().unwrap().phase;
                self.tell(phase).await;
                self.published.as_mut().unwrap().renewed = Instant::now();
                Ok(false)
            }
            Move::Advance(_) | Move::Wait(_) => Ok(false),
        }
    }

    fn state(&self) -> Watch {
        let published = self.published.as_ref().unwrap();
        let release = |version: &Option<Version>| version.as_ref().map(|version| version.release);
        let is_leased = matches!(published.phase, Phase::Shift(_)) && self.stable.is_some();
        Watch {
            hosts: self.hosts.clone(),
            rollout: self.id(),
            candidate: release(&self.candidate),
            stable: release(&self.stable),
            generation: published.generation,
            since_published: published.since.elapsed(),
            since_renewed: published.renewed.elapsed(),
            acknowledge_within: PATIENCE,
            silent_after: SILENT_AFTER,
            renew_after: is_leased.then_some(LEASE / 3),
            step: None,
        }
    }

    fn id(&self) -> RolloutId {
        RolloutId::from_parts(self.rollout, 0)
    }

    async fn publish(&mut self, phase: Phase) {
        let generation = self.tell(phase).await;
        let now = Instant::now();
        self.published = Some(Published {
            phase,
            generation,
            since: now,
            renewed: now,
        });
    }

    async fn tell(&mut self, phase: Phase) -> Generation {
        self.sequence += 1;
        let generation = Generation::new(Fence(1), self.sequence);
        let candidate = self.candidate.as_ref().or(self.stable.as_ref()).unwrap();
        let mut desired = document(phase, candidate, self.stable.as_ref());
        (desired.generation, desired.rollout) = (generation, self.id());
        desired.hosts = self.hosts.clone();
        let envelope = self.key.seal(&desired).unwrap();
        self.revision = Some(self.channel.publish(&envelope, self.revision.as_ref()).await.unwrap());
        generation
    }
}
