//! Is the candidate good enough to take more traffic? Pure: numbers in, verdict out.

use crate::Counts;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the candidate may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Errors per thousand requests that are still fine.
    pub max_error_per_mille: u16,
    /// Fewer requests than this prove nothing.
    pub min_requests: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Pass,
    Fail,
    NotEnoughData,
}

/// A verdict with the numbers it was reached on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    pub verdict: Verdict,
    pub stable: Counts,
    pub candidate: Counts,
}

/// Judges by the candidate's error rate, forgiving what the stable version suffers as well: a broken dependency that
/// fails both alike says nothing about the candidate.
pub fn judge(stable: Counts, candidate: Counts, thresholds: Thresholds) -> Judgement {
    let allowed = u128::from(thresholds.max_error_per_mille);
    let over_limit = u128::from(candidate.errors) * 1000 > allowed * u128::from(candidate.requests);
    let no_worse_than_stable = u128::from(candidate.errors) * u128::from(stable.requests)
        <= u128::from(stable.errors) * u128::from(candidate.requests);
    // A handful of failures among the first few requests is reason enough to stop, not to wait for more.
    let enough =
        candidate.requests >= thresholds.min_requests || candidate.errors >= thresholds.min_requests.div_ceil(4);
    let verdict = match (enough, over_limit && !(stable.errors > 0 && no_worse_than_stable)) {
        (false, _) => Verdict::NotEnoughData,
        (true, true) => Verdict::Fail,
        (true, false) => Verdict::Pass,
    };
    Judgement {
        verdict,
        stable,
        candidate,
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |counts: Counts| format!("{} errors in {} requests", counts.errors, counts.requests);
        let verdict = match self.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::NotEnoughData => "not enough data",
        };
        write!(
            f,
            "{verdict}: candidate {}, stable {}",
            side(self.candidate),
            side(self.stable)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds {
        max_error_per_mille: 10,
        min_requests: 20,
    };

    fn verdict(stable: (u64, u64), candidate: (u64, u64)) -> Verdict {
        let counts = |(requests, errors)| Counts { requests, errors };
        judge(counts(stable), counts(candidate), THRESHOLDS).verdict
    }

    #[test]
    fn silence_is_neither_success_nor_failure() {
        assert_eq!(verdict((10_000, 0), (0, 0)), Verdict::NotEnoughData);
        assert_eq!(verdict((10_000, 0), (19, 1)), Verdict::NotEnoughData);
    }

    #[test]
    fn a_candidate_without_errors_passes_beside_any_stable() {
        assert_eq!(verdict((0, 0), (20, 0)), Verdict::Pass);
        assert_eq!(verdict((100, 100), (20, 0)), Verdict::Pass);
    }

    #[test]
    fn a_failing_candidate_is_stopped_after_a_handful_of_requests() {
        assert_eq!(verdict((10_000, 0), (5, 5)), Verdict::Fail);
        assert_eq!(verdict((10_000, 0), (1_000, 11)), Verdict::Fail);
        assert_eq!(verdict((10_000, 0), (1_000, 10)), Verdict::Pass);
    }

    #[test]
    fn what_fails_both_alike_is_not_held_against_the_candidate() {
        assert_eq!(verdict((1_000, 500), (100, 50)), Verdict::Pass);
        assert_eq!(verdict((1_000, 500), (100, 51)), Verdict::Fail);
    }
}
