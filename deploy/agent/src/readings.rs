//! What the probes of one container say, taken together. Pure.

use std::fmt;

/// Misses in a row after which a version takes no traffic.
const UNREADY_AFTER: u32 = 2;
/// Misses in a row of readiness after which a candidate has failed.
const HOPELESS_AFTER: u32 = 5;
/// Misses in a row of liveness after which a container is restarted.
const DEAD_AFTER: u32 = 5;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Readings {
    pub passes: u32,
    ready_misses: u32,
    live_misses: u32,
    /// Some answer came, even if a bad one: something listens.
    pub answered: bool,
    /// The last probe for readiness, in words.
    pub last: Option<String>,
}

/// One round of probes.
#[derive(Debug, Clone)]
pub struct Reading {
    pub ready: Outcome,
    pub live: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub passed: bool,
    /// An HTTP response came.
    pub answered: bool,
    /// `GET http://…: 503 Service Unavailable: no database`.
    pub text: String,
}

impl Readings {
    /// Of a container that this agent has not watched until now. What runs proven is believed to be ready until seen
    /// otherwise, so that a restarted agent takes no traffic away from it; all else has yet to show it.
    pub fn unknown(believed_ready: bool) -> Self {
        Self {
            ready_misses: if believed_ready { 0 } else { UNREADY_AFTER },
            ..Self::default()
        }
    }

    /// It stopped: all there is to know is what its last probe said.
    pub fn forget(&mut self) {
        *self = Self {
            last: self.last.take(),
            ..Self::unknown(false)
        };
    }

    /// Returns whether this may change a decision.
    pub fn note(&mut self, reading: &Reading) -> bool {
        let before = (self.is_ready(), self.is_hopeless(), self.is_dead());
        if reading.ready.passed {
            self.passes = self.passes.saturating_add(1);
            self.ready_misses = 0;
        } else {
            self.passes = 0;
            self.ready_misses = self.ready_misses.saturating_add(1);
        }
        self.live_misses = if reading.live.passed {
            0
        } else {
            self.live_misses.saturating_add(1)
        };
        self.answered |= reading.ready.answered;
        self.last = Some(reading.ready.text.clone());
        before != (self.is_ready(), self.is_hopeless(), self.is_dead())
    }

    /// One miss is forgiven.
    pub fn is_ready(&self) -> bool {
        self.ready_misses < UNREADY_AFTER
    }

    pub fn is_hopeless(&self) -> bool {
        self.ready_misses >= HOPELESS_AFTER
    }

    pub fn is_dead(&self) -> bool {
        self.live_misses >= DEAD_AFTER
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(ready: bool, live: bool) -> Reading {
        let outcome = |passed| Outcome {
            passed,
            answered: true,
            text: String::new(),
        };
        Reading {
            ready: outcome(ready),
            live: outcome(live),
        }
    }

    fn after(mut readings: Readings, seen: &[(bool, bool)]) -> Readings {
        for (ready, live) in seen {
            readings.note(&reading(*ready, *live));
        }
        readings
    }

    #[test]
    fn one_missed_probe_is_forgiven_and_the_second_is_not() {
        let ready = after(Readings::unknown(true), &[(true, true), (false, true)]);
        assert!(ready.is_ready());
        assert!(!after(ready.clone(), &[(false, true)]).is_ready());
        assert!(after(ready, &[(false, true), (true, true)]).is_ready());
    }

    #[test]
    fn passes_count_only_in_a_row() {
        let seen = [(true, true), (true, true), (false, true), (true, true)];
        assert_eq!(after(Readings::unknown(false), &seen).passes, 1);
    }

    #[test]
    fn unready_alone_is_never_dead() {
        let unready = after(Readings::unknown(true), &[(false, true); 50]);
        assert!(unready.is_hopeless() && !unready.is_dead());
        assert!(after(unready, &[(false, false); 5]).is_dead());
    }

    #[test]
    fn only_what_changes_something_is_worth_a_turn() {
        let mut readings = Readings::unknown(true);
        assert!(!readings.note(&reading(true, true)));
        assert!(!readings.note(&reading(false, true)));
        assert!(readings.note(&reading(false, true)));
    }
}
