//! How often, and how long after, a failed request is made again.

use super::{Problem, RegistryError, Result};
use std::time::Duration;

/// The longest wait a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Failures in a row that end an operation. An upload that got further begins to count anew.
    pub attempts: u32,
    /// Doubled with each failure.
    pub first_delay: Duration,
    pub max_delay: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_delay: Duration::from_millis(200),
            max_delay: Duration::from_secs(5),
        }
    }
}

impl Retry {
    /// Runs something harmless to repeat until it succeeds, fails for good, or has failed too often.
    pub(super) async fn run<T, F: Future<Output = Result<T>>>(self, mut attempt: impl FnMut() -> F) -> Result<T> {
        let mut failures = Failures::new(self);
        loop {
            match attempt().await {
                Err(error) if error.is_transient() => failures.wait_after(error).await?,
                outcome => return outcome,
            }
        }
    }
}

/// The failures of one operation so far.
pub(super) struct Failures {
    retry: Retry,
    in_a_row: u32,
}

impl Failures {
    pub(super) fn new(retry: Retry) -> Self {
        Self { retry, in_a_row: 0 }
    }

    pub(super) fn forget(&mut self) {
        self.in_a_row = 0;
    }

    /// Waits as long as is fit after this failure, or gives it back if it was one too many.
    pub(super) async fn wait_after(&mut self, error: RegistryError) -> Result<()> {
        self.in_a_row += 1;
        if self.in_a_row >= self.retry.attempts {
            return Err(error);
        }
        tracing::debug!(failure = self.in_a_row, %error, "trying again");
        tokio::time::sleep(self.delay(&error)).await;
        Ok(())
    }

    fn delay(&self, error: &RegistryError) -> Duration {
        let doubled = self.retry.first_delay.saturating_mul(1 << (self.in_a_row - 1).min(16));
        // Clients that failed together should not come back together.
        let jittered = doubled.min(self.retry.max_delay).mul_f64(rand::random_range(0.5..1.0));
        match *error.problem {
            Problem::Refused {
                retry_after: Some(asked),
                ..
            } => asked.min(RETRY_AFTER_MAX).max(jittered),
            _ => jittered,
        }
    }
}
