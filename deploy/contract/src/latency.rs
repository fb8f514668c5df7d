//! A latency histogram small enough to send with every report.

use serde::{Deserialize, Serialize};

/// Four buckets to each doubling, from 64 µs to about two minutes: 12 % is the widest error of a quantile.
const FIRST_US: u64 = 64;
const PER_DOUBLING: usize = 4;
const BUCKETS: usize = 21 * PER_DOUBLING;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Counts a bucket, shortest first; trailing zeros are left out.
    pub buckets: Vec<u64>,
}

impl Latency {
    pub const BUCKETS: usize = BUCKETS;

    /// The bucket that a duration falls into.
    pub fn bucket(us: u64) -> usize {
        if us < FIRST_US {
            return 0;
        }
        let doublings = (us / FIRST_US).ilog2() as usize;
        let lower = FIRST_US << doublings;
        let quarter = ((us - lower) * PER_DOUBLING as u64 / lower) as usize;
        (1 + doublings * PER_DOUBLING + quarter).min(BUCKETS - 1)
    }

    /// The upper bound of a bucket, in microseconds. A bucket there is none of is taken for the last: what is read here was
    /// written elsewhere.
    pub fn upper_us(bucket: usize) -> u64 {
        if bucket == 0 {
            return FIRST_US;
        }
        let bucket = bucket.min(BUCKETS - 1);
        let (doublings, quarter) = ((bucket - 1) / PER_DOUBLING, (bucket - 1) % PER_DOUBLING);
        let lower = FIRST_US << doublings;
        lower + lower * (quarter as u64 + 1) / PER_DOUBLING as u64
    }

    /// From one count a bucket.
    pub fn from_counts(counts: impl IntoIterator<Item = u64>) -> Self {
        let mut buckets: Vec<u64> = counts.into_iter().take(BUCKETS).collect();
        while buckets.last() == Some(&0) {
            buckets.pop();
        }
        Self { buckets }
    }

    pub fn total(&self) -> u64 {
        let sum = |total: u64, count: &u64| total.saturating_add(*count);
        self.buckets.iter().fold(0, sum)
    }

    /// The duration that `per_mille` of all requests stayed under; `None` without requests.
    pub fn quantile_us(&self, per_mille: u64) -> Option<u64> {
        let total = self.total();
        let rank = (u128::from(total) * u128::from(per_mille)).div_ceil(1000).max(1);
        let mut seen: u128 = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= rank && total > 0 {
                return Some(Self::upper_us(bucket));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_under_its_buckets_bound() {
        for us in (0..5_000_000).step_by(37) {
            let bucket = Latency::bucket(us);
            assert!(us < Latency::upper_us(bucket), "{us} µs in bucket {bucket}");
            assert!(
                bucket == 0 || us >= Latency::upper_us(bucket - 1),
                "{us} µs in bucket {bucket}"
            );
        }
        assert_eq!(Latency::bucket(u64::MAX / 8), Latency::BUCKETS - 1);
    }

    #[test]
    fn quantiles_come_from_the_counts() {
        let mut counts = vec![0; Latency::BUCKETS];
        counts[Latency::bucket(1_000)] = 990;
        counts[Latency::bucket(50_000)] = 10;
        let latency = Latency::from_counts(counts);
        assert!(latency.quantile_us(500).unwrap() < 1_300);
        assert!(latency.quantile_us(999).unwrap() >= 50_000);
        assert_eq!(Latency::default().quantile_us(500), None);
    }

    #[test]
    fn counts_and_buckets_that_no_router_reports_are_borne() {
        let slowest = Latency::upper_us(Latency::BUCKETS - 1);
        let many = Latency {
            buckets: [vec![0; 400], vec![u64::MAX, u64::MAX]].concat(),
        };
        assert_eq!((many.total(), many.quantile_us(999)), (u64::MAX, Some(slowest)));
    }
}
