//! Keeps users from a candidate's failures: what is safe to ask twice is asked of the stable version instead.
//!
//! Only before the first byte of an answer, never more than once for a request, and only while the budget lasts: a
//! candidate that fails on everything must not double what the stable version has to bear.

use crate::body::{Progress, Upload};
use http::{Method, Request};
use hyper::body::Body;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A tenth of what is asked in all, and a handful at once.
const FULL: u32 = 1_000;
const EARNED: u32 = 1;
const SPENT: u32 = 10;

/// How often failures may be shielded, in tenths of a request.
#[derive(Debug)]
pub struct Budget(AtomicU32);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicU32::new(FULL))
    }
}

impl Budget {
    /// For each request while traffic is divided.
    pub fn earn(&self) {
        let earn = |tenths| (tenths < FULL).then_some(tenths + EARNED);
        let _ = self.0.fetch_update(Relaxed, Relaxed, earn);
    }

    /// Returns whether there was enough left.
    pub fn spend(&self) -> bool {
        let spend = |tenths: u32| tenths.checked_sub(SPENT);
        self.0.fetch_update(Relaxed, Relaxed, spend).is_ok()
    }
}

/// The same request once more, for those that change nothing and have no body.
pub fn spare(request: &Request<Upload>, progress: &Arc<Progress>) -> Option<Request<Upload>> {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    // Whoever wants another protocol has a connection to give away, and only one.
    let is_upgrade = request.headers().contains_key(http::header::UPGRADE);
    if !is_safe || is_upgrade || !request.body().is_end_stream() {
        return None;
    }
    let mut spare = Request::new(Upload::empty(progress.clone()));
    *spare.method_mut() = request.method().clone();
    *spare.uri_mut() = request.uri().clone();
    *spare.headers_mut() = request.headers().clone();
    Some(spare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_all_requests_may_be_shielded_beyond_the_first_hundred() {
        let budget = Budget::default();
        let shielded = (0..10_000).filter(|_| {
            budget.earn();
            budget.spend()
        });
        let shielded = shielded.count();
        assert!((1_090..=1_115).contains(&shielded), "{shielded}");
    }
}
