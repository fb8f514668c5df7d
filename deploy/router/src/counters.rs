//! What each version was asked and answered, in atomics that requests write and status reads.

use crate::limits::CLIENT_PATIENCE;
use crate::pool::{Occupied, Pool};
use contract::{Counts, Latency, ReleaseId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst, fence};
use std::time::Instant;

#[derive(Debug)]
pub struct Counters {
    in_flight: AtomicU64,
    requests: AtomicU64,
    errors: AtomicU64,
    shielded: AtomicU64,
    latency: [AtomicU64; Latency::BUCKETS],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            in_flight: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            shielded: AtomicU64::new(0),
            latency: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Counters {
    /// Whoever puts a new table in force and then reads zero here knows that no request is on its way to a version which
    /// that table no longer names: a request first counts itself, then looks again whether its table is still the one.
    /// The two fences keep each side's write before its read.
    pub fn in_flight(&self) -> u64 {
        fence(SeqCst);
        self.in_flight.load(SeqCst)
    }

    pub fn counts(&self) -> Counts {
        // Errors first: a request finished between the two reads must not make them exceed the requests.
        let errors = self.errors.load(SeqCst);
        Counts {
            requests: self.requests.load(SeqCst),
            errors,
        }
    }

    pub fn shielded(&self) -> u64 {
        self.shielded.load(Relaxed)
    }

    pub fn latency(&self) -> Latency {
        Latency::from_counts(self.latency.iter().map(|bucket| bucket.load(Relaxed)))
    }
}

/// Counters by version. They outlive tables: a version keeps them until it is out of the table and has answered all.
#[derive(Debug, Default)]
pub struct Versions(BTreeMap<ReleaseId, Arc<Counters>>);

impl Versions {
    pub fn counters(&mut self, release: ReleaseId) -> Arc<Counters> {
        self.0.entry(release).or_default().clone()
    }

    pub fn forget_finished(&mut self, is_routed: impl Fn(&ReleaseId) -> bool) {
        self.0
            .retain(|release, counters| is_routed(release) || counters.in_flight() > 0);
    }

    pub fn iter(&self) -> impl Iterator<Item = (&ReleaseId, &Arc<Counters>)> {
        self.0.iter()
    }
}

/// One try to have one request answered by one version; in flight until dropped.
#[derive(Debug)]
pub struct Attempt {
    counters: Arc<Counters>,
    _place: Occupied,
    began: Instant,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Open,
    Good,
    Bad,
    /// Not the version's doing: not counted.
    Void,
}

impl Attempt {
    pub fn begin(counters: Arc<Counters>, pool: &Arc<Pool>) -> Self {
        counters.in_flight.fetch_add(1, SeqCst);
        let place = pool.occupy();
        fence(SeqCst);
        Self {
            counters,
            _place: place,
            began: Instant::now(),
            outcome: Outcome::Open,
        }
    }

    /// The head of the answer is here.
    pub fn answered(&mut self, status: http::StatusCode) {
        let us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.counters.latency[Latency::bucket(us)].fetch_add(1, Relaxed);
        self.counters.requests.fetch_add(1, SeqCst);
        self.outcome = Outcome::Good;
        if status.as_u16() >= 500 {
            self.broke();
        }
    }

    /// The version never answered, or stopped in the middle of its answer.
    pub fn broke(&mut self) {
        match self.outcome {
            Outcome::Open => self.counters.requests.fetch_add(1, SeqCst),
            Outcome::Good => 0,
            Outcome::Bad | Outcome::Void => return,
        };
        self.counters.errors.fetch_add(1, SeqCst);
        self.outcome = Outcome::Bad;
    }

    /// It failed, and the user will not know.
    pub fn shielded(&self) {
        self.counters.shielded.fetch_add(1, Relaxed);
    }

    /// The request itself fell through, for a reason that is not the version's; nothing more is counted.
    pub fn void(&mut self) {
        if self.outcome == Outcome::Open {
            self.outcome = Outcome::Void;
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // The client left without an answer. Whoever waited that long waited in vain: a version that hangs must not look
        // better than one that fails.
        if self.outcome == Outcome::Open && self.began.elapsed() >= CLIENT_PATIENCE {
            self.broke();
        }
        self.counters.in_flight.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn pool() -> Arc<Pool> {
        Arc::new(Pool::new(([127, 0, 0, 1], 1).into()))
    }

    #[test]
    fn an_attempt_is_counted_once_whatever_happens_to_it() {
        let run = |act: fn(&mut Attempt)| {
            let counters = Arc::new(Counters::default());
            let mut attempt = Attempt::begin(counters.clone(), &pool());
            assert_eq!(counters.in_flight(), 1);
            act(&mut attempt);
            drop(attempt);
            assert_eq!(counters.in_flight(), 0);
            let Counts { requests, errors } = counters.counts();
            (requests, errors, counters.latency().total())
        };
        assert_eq!(run(|attempt| attempt.answered(StatusCode::OK)), (1, 0, 1));
        assert_eq!(run(|attempt| attempt.answered(StatusCode::NOT_FOUND)), (1, 0, 1));
        assert_eq!(
            run(|attempt| attempt.answered(StatusCode::INTERNAL_SERVER_ERROR)),
            (1, 1, 1)
        );
        assert_eq!(run(Attempt::broke), (1, 1, 0));
        let breaks_off = |attempt: &mut Attempt| {
            attempt.answered(StatusCode::OK);
            attempt.broke();
            attempt.broke();
        };
        assert_eq!(run(breaks_off), (1, 1, 1));
        assert_eq!(run(Attempt::void), (0, 0, 0));
        // A client that left at once.
        assert_eq!(run(|_| ()), (0, 0, 0));
    }

    #[test]
    fn a_version_keeps_its_counters_until_it_has_answered_all() {
        let mut versions = Versions::default();
        let (old, new) = (ReleaseId::from_parts(1, 0), ReleaseId::from_parts(2, 0));
        let attempt = Attempt::begin(versions.counters(old), &pool());
        versions.counters(new);
        versions.forget_finished(|release| *release == new);
        assert_eq!(versions.iter().count(), 2);
        drop(attempt);
        versions.forget_finished(|release| *release == new);
        assert_eq!(versions.iter().map(|(release, _)| *release).collect::<Vec<_>>(), [new]);
    }
}
