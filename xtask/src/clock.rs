//! The wall clock.

use jiff::Timestamp;

pub fn now() -> Timestamp {
    #[cfg(test)]
    if let Some(simulated) = crate::simulation::now() {
        return simulated;
    }
    Timestamp::now()
}
