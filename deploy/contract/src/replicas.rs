//! How many containers of a version one host runs.

use serde::{Deserialize, Serialize};

/// 1 to 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Replicas(u8);

impl Replicas {
    pub const ONE: Self = Self(1);
    /// The ports of a host hold two versions of so many, and some to spare.
    pub const MOST: Self = Self(8);
    pub const EXPECTED: &str = "a number of containers, 1 to 8";

    pub fn new(count: u8) -> Option<Self> {
        (Self::ONE.0..=Self::MOST.0).contains(&count).then_some(Self(count))
    }

    pub fn count(self) -> u8 {
        self.0
    }
}

impl Default for Replicas {
    fn default() -> Self {
        Self::ONE
    }
}

impl TryFrom<u8> for Replicas {
    type Error = String;

    fn try_from(count: u8) -> Result<Self, String> {
        Self::new(count).ok_or_else(|| format!("expected {}, found {count}", Self::EXPECTED))
    }
}

impl From<Replicas> for u8 {
    fn from(replicas: Replicas) -> Self {
        replicas.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_and_more_than_eight_are_refused() {
        for good in [1, 8] {
            assert_eq!(
                serde_json::from_str::<Replicas>(&good.to_string()).unwrap().count(),
                good
            );
        }
        for bad in ["0", "9", "256", "-1", "1.5", "null", "\"1\""] {
            assert!(serde_json::from_str::<Replicas>(bad).is_err(), "{bad} was accepted");
        }
    }
}
