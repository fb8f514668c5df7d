//! Whether somebody this host depends on answers: the engine, the router, the channel.

use crate::world::Moment;
use std::time::Duration;

/// A restart takes seconds and is nobody's business; longer is worth a report.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, Default)]
pub struct Contact {
    lost: Option<(Moment, String)>,
}

impl Contact {
    pub fn found(&mut self, who: &str) {
        if self.lost.take().is_some() {
            tracing::info!("{who} answers again");
        }
    }

    /// Said once, not with every attempt.
    pub fn lost(&mut self, who: &str, why: String, now: Moment) {
        if self.lost.is_none() {
            tracing::warn!("{who} does not answer; what runs goes on running: {why}");
            self.lost = Some((now, why));
        }
    }

    /// Why, if it has been away for long.
    pub fn trouble(&self, now: Moment) -> Option<&str> {
        let (since, why) = self.lost.as_ref()?;
        (now.saturating_sub(*since) >= PATIENCE).then_some(why)
    }
}
