//! What a release did under load, in a few numbers. Pure.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Of errors; what else comes is counted together.
const MOST_KINDS: usize = 5;
const OTHER_KINDS: &str = "other errors";

/// What became of one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// From when it was due to when its answer was read, or to when it was given up.
    pub took: Duration,
    pub error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    pub requests: u64,
    pub errors: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    pub longest_us: u64,
    /// How often each of the first few kinds of errors came.
    pub kinds: BTreeMap<String, u64>,
}

impl Figures {
    pub fn of(samples: &[Sample]) -> Self {
        // There are few enough to keep them all, and a limit is then judged by a number and not by a bucket's bound.
        let mut took_us: Vec<u64> = samples.iter().map(|sample| sample.took.as_micros() as u64).collect();
        took_us.sort_unstable();
        let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
        for error in samples.iter().filter_map(|sample| sample.error.as_deref()) {
            let is_shown = kinds.len() < MOST_KINDS || kinds.contains_key(error);
            let kind = if is_shown { error } else { OTHER_KINDS };
            *kinds.entry(kind.to_owned()).or_default() += 1;
        }
        Self {
            requests: samples.len() as u64,
            errors: kinds.values().sum(),
            p50_us: quantile(&took_us, 50),
            p99_us: quantile(&took_us, 99),
            longest_us: took_us.last().copied().unwrap_or_default(),
            kinds,
        }
    }
}

/// What so many per cent took at most.
fn quantile(sorted: &[u64], per_cent: usize) -> u64 {
    let rank = (sorted.len() * per_cent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, longest] = [self.p50_us, self.p99_us, self.longest_us].map(latency);
        let (errors, requests) = (self.errors, self.requests);
        write!(
            f,
            "p50 {p50}, p99 {p99}, longest {longest}, {errors} errors in {requests} requests"
        )?;
        if self.kinds.is_empty() {
            return Ok(());
        }
        let kinds: Vec<String> = self
            .kinds
            .iter()
            .map(|(kind, count)| format!("{count} × {kind}"))
            .collect();
        write!(f, " ({})", kinds.join(", "))
    }
}

/// `2.1 ms`, `312 ms`.
pub fn latency(us: u64) -> String {
    match us {
        0..10_000 => format!("{:.1} ms", us as f64 / 1e3),
        // Rounded up, so that what is over a limit does not look as if it were not.
        _ => format!("{} ms", us.div_ceil(1000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(took_ms: u64, error: Option<&str>) -> Sample {
        Sample {
            took: Duration::from_millis(took_ms),
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn a_quantile_is_what_so_many_took_at_most() {
        let samples: Vec<Sample> = (1..=200).rev().map(|ms| sample(ms, None)).collect();
        let figures = Figures::of(&samples);
        assert_eq!(
            [figures.p50_us, figures.p99_us, figures.longest_us],
            [100_000, 198_000, 200_000]
        );
        assert_eq!((figures.requests, figures.errors), (200, 0));
        let one = Figures::of(&[sample(7, None)]);
        assert_eq!([one.p50_us, one.p99_us, one.longest_us], [7_000; 3]);
        assert_eq!(Figures::of(&[]).p99_us, 0);
    }

    #[test]
    fn errors_are_counted_by_what_they_are_and_there_are_few_kinds_of_them() {
        let mut samples = vec![sample(1, None)];
        samples.extend((0..9).map(|number| sample(1, Some(&format!("error {}", number % 8)))));
        let figures = Figures::of(&samples);
        assert_eq!(figures.errors, 9);
        let kinds: Vec<(&str, u64)> = figures
            .kinds
            .iter()
            .map(|(kind, count)| (kind.as_str(), *count))
            .collect();
        let expected = [
            ("error 0", 2),
            ("error 1", 1),
            ("error 2", 1),
            ("error 3", 1),
            ("error 4", 1),
        ];
        assert_eq!(kinds, [&expected[..], &[("other errors", 3)]].concat());
    }
}
