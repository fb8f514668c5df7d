//! Background jobs: rows enqueued in the transaction of what causes them, and carried out by any process on the database.
//!
//! What is guaranteed: a job exists exactly when its cause was committed. It is carried out at least once; twice only
//! when a process dies, or loses the database, between doing it and saying so. A claim is a lease: `due_at` moves ahead
//! by `LEASE`, so that the jobs of a dead process come back by themselves.
//!
//! A job is claimed first by the release that enqueued it, which surely understands it; others wait for it to be
//! overdue by `OTHER_RELEASE_GRACE`. A process asks only for the kinds it has a worker for.

mod queue;

use crate::app::App;
use crate::database::patiently;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use queue::Claim;
use std::fmt;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use queue::enqueue;

/// Longer than any attempt may take, so that two processes never work on one job.
const LEASE: Duration = Duration::from_secs(90);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);
const OTHER_RELEASE_GRACE: Duration = Duration::from_secs(10);
/// How often the table is asked when nothing in this process enqueues anything.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// After the database has failed.
const TROUBLE_PAUSE: Duration = Duration::from_secs(3);
const COUNT_INTERVAL: Duration = Duration::from_secs(15);
/// How many jobs of one kind a process works on at once.
const MOST_AT_ONCE: usize = 4;
/// How long a stopping process waits for attempts that are under way before it gives their jobs back.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
const BACK_OFF_FIRST: Duration = Duration::from_secs(1);
const BACK_OFF_MOST: Duration = Duration::from_secs(15 * 60);
/// With the pauses above: a day.
const MOST_ATTEMPTS: u32 = 105;

/// The names are stored: never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Mail,
    Thumbnails,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Mail => "mail",
            Kind::Thumbnails => "thumbnails",
        }
    }
}

/// Why an attempt failed, and whether another may do better.
#[derive(Debug)]
pub enum Failure {
    Passing(String),
    Lasting(String),
}

impl Failure {
    pub fn passing(error: impl fmt::Display) -> Failure {
        Failure::Passing(error.to_string())
    }

    pub fn lasting(error: impl fmt::Display) -> Failure {
        Failure::Lasting(error.to_string())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    Done,
    Retry { after: Duration, error: String },
    GiveUp { error: String },
}

/// What becomes of a job after its attempt number `attempts`.
fn next(outcome: Result<(), Failure>, attempts: u32) -> Next {
    match outcome {
        Ok(()) => Next::Done,
        Err(Failure::Passing(error)) if attempts < MOST_ATTEMPTS => Next::Retry {
            after: back_off(attempts),
            error,
        },
        Err(Failure::Passing(error) | Failure::Lasting(error)) => Next::GiveUp { error },
    }
}

/// 1 s, 2 s, 4 s and so on, up to a quarter of an hour.
fn back_off(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    (BACK_OFF_FIRST * 2_u32.pow(doublings)).min(BACK_OFF_MOST)
}

/// Wakes the worker of this process for a kind, so that what it has just committed does not wait for its next look.
#[derive(Debug, Default)]
pub struct Bell {
    mail: Notify,
    thumbnails: Notify,
}

impl Bell {
    pub fn ring(&self, kind: Kind) {
        self.of(kind).notify_one();
    }

    fn of(&self, kind: Kind) -> &Notify {
        match kind {
            Kind::Mail => &self.mail,
            Kind::Thumbnails => &self.thumbnails,
        }
    }
}

/// The workers of this process; they stop by themselves when it drains.
#[derive(Debug, Default)]
pub struct Workers(JoinSet<()>);

impl Workers {
    /// `attempt` is given a job's payload and must be safe to repeat.
    pub fn start<F, R>(&mut self, app: &App, kind: Kind, attempt: F)
    where
        F: Fn(String) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let worker = Worker {
            app: app.clone(),
            kind,
            id: format!("{:032x}", rand::random::<u128>()),
        };
        self.0.spawn(async move { worker.run(attempt).await });
    }

    /// Ends once all have stopped and given back what they had not finished.
    pub async fn stopped(mut self) {
        while self.0.join_next().await.is_some() {}
    }
}

struct Worker {
    app: App,
    kind: Kind,
    id: String,
}

impl Worker {
    async fn run<F, R>(&self, attempt: F)
    where
        F: Fn(String) -> R,
        R: Future<Output = Result<(), Failure>>,
    {
        let mut under_way = FuturesUnordered::new();
        let mut counted = None;
        while !self.app.is_draining() {
            if counted.is_none_or(|at: Instant| at.elapsed() >= COUNT_INTERVAL) {
                alongside(&mut under_way, self.count()).await;
                counted = Some(Instant::now());
            }
            let room = MOST_AT_ONCE - under_way.len();
            let claims = alongside(&mut under_way, self.claim(room)).await;
            let may_be_more = claims.as_ref().is_ok_and(|claims| claims.len() == room);
            let pause = if claims.is_ok() { POLL_INTERVAL } else { TROUBLE_PAUSE };
            under_way.extend(
                claims
                    .unwrap_or_default()
                    .into_iter()
                    .map(|claim| self.work(claim, &attempt)),
            );
            if may_be_more && under_way.len() < MOST_AT_ONCE {
                continue;
            }
            tokio::select! {
                Some(()) = under_way.next() => {}
                () = self.app.bell.of(self.kind).notified(), if under_way.len() < MOST_AT_ONCE => {}
                () = tokio::time::sleep(pause), if under_way.len() < MOST_AT_ONCE => {}
                () = self.app.draining() => {}
            }
        }
        let rest = async { while under_way.next().await.is_some() {} };
        tokio::time::timeout(STOP_TIMEOUT, rest).await.ok();
        self.give_back().await;
    }

    /// For the metrics; that the database is away is told by whoever claims.
    async fn count(&self) {
        if let Ok((waiting, given_up)) = patiently(queue::depth(&self.app.database.pool, self.kind)).await {
            self.app.metrics.set_jobs(self.kind.name(), waiting, given_up);
        }
    }

    async fn claim(&self, room: usize) -> sqlx::Result<Vec<Claim>> {
        let claims = queue::claim(&self.app.database.pool, self.kind, &self.app.release, &self.id, room);
        let claims = patiently(claims).await;
        if let Err(error) = &claims {
            tracing::warn!(kind = self.kind.name(), cause = %error, "cannot ask for jobs");
        }
        claims
    }

    /// One attempt, and its outcome written down.
    async fn work<F, R>(&self, claim: Claim, attempt: &F)
    where
        F: Fn(String) -> R,
        R: Future<Output = Result<(), Failure>>,
    {
        let timed = tokio::time::timeout(ATTEMPT_TIMEOUT, attempt(claim.payload)).await;
        let outcome = timed.unwrap_or_else(|_| Err(Failure::passing("took too long")));
        let next = next(outcome, claim.attempts);
        let outcome = match &next {
            Next::Done => "done",
            Next::Retry { .. } => "retried",
            Next::GiveUp { .. } => "given_up",
        };
        self.app.metrics.count_job(self.kind.name(), outcome);
        match &next {
            Next::Done => tracing::info!(kind = self.kind.name(), job = claim.id, "job done"),
            Next::Retry { after, error } => {
                tracing::warn!(kind = self.kind.name(), job = claim.id, attempts = claim.attempts, again_in = ?after, cause = %error, "job failed");
            }
            Next::GiveUp { error } => {
                tracing::error!(kind = self.kind.name(), job = claim.id, attempts = claim.attempts, cause = %error, "job given up");
            }
        }
        let settled = patiently(queue::settle(&self.app.database.pool, claim.id, &self.id, &next)).await;
        if let Err(error) = settled {
            tracing::warn!(kind = self.kind.name(), job = claim.id, cause = %error, "job comes back: its outcome is not written");
        }
    }

    async fn give_back(&self) {
        match patiently(queue::give_back(&self.app.database.pool, &self.id)).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(kind = self.kind.name(), count, "jobs given back"),
            Err(error) => {
                tracing::warn!(kind = self.kind.name(), cause = %error, "jobs come back when their lease ends")
            }
        }
    }
}

/// Does `work` while what is under way goes on: that may be about to write down an outcome, and hold the very connection
/// that `work` waits for.
async fn alongside<T>(under_way: &mut FuturesUnordered<impl Future<Output = ()>>, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            Some(()) = under_way.next() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_job_is_retried_ever_more_slowly_for_about_a_day_and_then_given_up() {
        let failed = || Err(Failure::passing("the server is away"));
        let pauses: Vec<u64> = (1..=12)
            .map(|attempts| match next(failed(), attempts) {
                Next::Retry { after, .. } => after.as_secs(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        let total: Duration = (1..MOST_ATTEMPTS).map(back_off).sum();
        assert!((23..=25).contains(&(total.as_secs() / 3600)), "{total:?}");
        assert!(matches!(next(failed(), MOST_ATTEMPTS), Next::GiveUp { .. }));
    }

    #[test]
    fn a_lasting_failure_is_not_retried_and_a_success_is_done() {
        assert!(matches!(
            next(Err(Failure::lasting("no such mailbox")), 1),
            Next::GiveUp { .. }
        ));
        assert_eq!(next(Ok(()), MOST_ATTEMPTS), Next::Done);
    }
}
