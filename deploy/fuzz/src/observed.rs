//! What the controller finds where a host's report should be. It adds up what all of them say, and judges by it.

use contract::judge::{Thresholds, judge};
use contract::{Counts, Observed};

const THRESHOLDS: Thresholds = Thresholds {
    max_error_per_mille: 10,
    min_requests: 20,
};

pub fn check(bytes: &[u8]) {
    let Ok(observed) = serde_json::from_slice::<Observed>(bytes) else {
        return;
    };
    let again = serde_json::to_vec(&observed).expect("a report can be written");
    assert_eq!(serde_json::from_slice::<Observed>(&again).expect("and read"), observed);
    let counts = observed.versions.iter().map(|version| version.counts);
    let all = counts.fold(Counts::default(), |sum, counts| sum + counts + (counts - sum));
    for version in &observed.versions {
        let _ = judge(all, version.counts, THRESHOLDS).to_string();
        let quantile = |per_mille| version.latency.quantile_us(per_mille);
        let (half, nearly_all) = (quantile(500), quantile(999));
        assert!(half <= nearly_all, "{half:?} and {nearly_all:?}");
        assert_eq!(half.is_some(), version.latency.total() > 0);
        assert!(observed.version(version.release).is_some());
    }
}
