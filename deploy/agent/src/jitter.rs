//! Keeps the agents of a fleet out of step. Machines that were started together, or that found the channel again in the
//! same moment, would otherwise all ask in the same moment for ever, and a store that answers few at once would answer some
//! of them late each time.
//!
//! What follows is the same for a host each time: it needs to differ between hosts, not to be a surprise.

use contract::{Digest, HostName};
use std::time::Duration;

#[derive(Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// One host asks and reports in two tasks; those are not in step either.
    pub fn of(host: &HostName, task: &str) -> Self {
        let digest = Digest::of(format!("{task} of {host}").as_bytes());
        Self(u64::from_str_radix(&digest.hex()[..16], 16).unwrap_or_default())
    }

    /// Between three and five quarters of it, as often shorter as longer.
    pub fn around(&mut self, pause: Duration) -> Duration {
        let share = (self.next() >> 40) as f64 / (1_u64 << 24) as f64;
        pause.mul_f64(0.75 + share / 2.0)
    }

    /// The generator known as splitmix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(1);

    fn pauses(host: &str, task: &str) -> Vec<Duration> {
        let mut jitter = Jitter::of(&HostName::parse(host).unwrap(), task);
        (0..1_000).map(|_| jitter.around(PAUSE)).collect()
    }

    #[test]
    fn a_pause_is_on_average_what_it_was_to_be_and_never_far_from_it() {
        let pauses = pauses("host-1", "polling");
        let (shortest, longest) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
        assert!(*shortest >= PAUSE.mul_f64(0.75) && *longest <= PAUSE.mul_f64(1.25));
        assert!(*shortest < PAUSE.mul_f64(0.76) && *longest > PAUSE.mul_f64(1.24));
        let mean = pauses.iter().sum::<Duration>() / 1_000;
        assert!(mean.abs_diff(PAUSE) < PAUSE / 50, "{mean:?}");
    }

    #[test]
    fn a_host_s_pauses_are_its_own_and_the_same_each_time() {
        assert_eq!(pauses("host-1", "polling"), pauses("host-1", "polling"));
        assert_ne!(pauses("host-1", "polling"), pauses("host-2", "polling"));
        assert_ne!(pauses("host-1", "polling"), pauses("host-1", "reporting"));
    }
}
