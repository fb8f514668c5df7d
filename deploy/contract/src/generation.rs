//! The order of desired documents.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How often an environment's lease has changed hands. Every acquisition raises it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Fence(pub u32);

impl Fence {
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// `(fence << 32) | sequence`: a host accepts only what rises, so that a holder whose lease was taken over is harmless
/// even while it still believes in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Generation(pub u64);

impl Generation {
    pub fn new(fence: Fence, sequence: u32) -> Self {
        Self((u64::from(fence.0) << 32) | u64::from(sequence))
    }

    pub fn fence(self) -> Fence {
        Fence((self.0 >> 32) as u32)
    }

    pub fn sequence(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.fence().0, self.sequence())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_fence_outranks_any_sequence_of_an_older_one() {
        assert!(Generation::new(Fence(2), 0) > Generation::new(Fence(1), u32::MAX));
        assert_eq!(Generation::new(Fence(3), 7).to_string(), "3.7");
    }
}
