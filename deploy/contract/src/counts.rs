//! What a version answered.

use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};

/// Requests answered by one version since its router's epoch began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    pub requests: u64,
    /// Answers of 500 and above, and requests the version never answered.
    pub errors: u64,
}

impl Add for Counts {
    type Output = Self;
    /// Never more than there are numbers for: one host that reports nonsense must not end whoever adds it up.
    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            errors: self.errors.saturating_add(other.errors),
        }
    }
}

impl Sub for Counts {
    type Output = Self;
    /// What came since `earlier`; a counter that fell was reset, and counts from zero.
    fn sub(self, earlier: Self) -> Self {
        Self {
            requests: self.requests.checked_sub(earlier.requests).unwrap_or(self.requests),
            errors: self.errors.checked_sub(earlier.errors).unwrap_or(self.errors),
        }
    }
}
