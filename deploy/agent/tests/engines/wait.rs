//! Waiting for what will be the case.

use std::time::{Duration, Instant};

/// For whatever a slow machine may take its time for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until it holds; returns how long that took.
pub async fn soon(patience: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let since = Instant::now();
    while !holds().await {
        assert!(since.elapsed() < patience, "not within {patience:?}: {what}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    since.elapsed()
}

/// Each test once, or, where `SOAK` says so, again and again on machines made anew.
pub fn rounds() -> u32 {
    if std::env::var("SOAK").is_ok_and(|value| value == "1") {
        6
    } else {
        1
    }
}
