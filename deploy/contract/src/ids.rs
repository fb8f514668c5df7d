//! Identifiers made once and never reused: ULIDs, so that they sort by the time they were made.

use crate::{ParseError, text_type};
use std::fmt;
use ulid::Ulid;

macro_rules! ulid_type {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// A new one. `entropy` comes from the caller, because this crate touches nothing outside itself.
            pub fn from_parts(unix_ms: u64, entropy: u128) -> Self {
                Self(Ulid::from_parts(unix_ms, entropy))
            }

            pub fn parse(text: &str) -> Result<Self, ParseError> {
                // Only the canonical upper-case form: one id has one spelling, also as a file name.
                match Ulid::from_string(text) {
                    Ok(ulid) if ulid.to_string() == text => Ok(Self(ulid)),
                    _ => Err(ParseError::new($expected, text)),
                }
            }

            /// When it was made, in milliseconds since 1970.
            pub fn unix_ms(&self) -> u64 {
                self.0.timestamp_ms()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        text_type!($name);
    };
}

ulid_type!(
    /// The object that is promoted: one image, one front end, one configuration.
    ReleaseId,
    "a release id (26 characters, such as `01JD8Q2M5T8W3V6Y9B2C4F7H0K`)"
);
ulid_type!(
    /// One attempt to bring a release to an environment. A lapsed rollout id is never used again.
    RolloutId,
    "a rollout id (26 characters)"
);
ulid_type!(
    /// A one-shot task, such as a migration.
    TaskId,
    "a task id (26 characters)"
);
ulid_type!(
    /// What somebody wants to hear from hosts, from the first ask to the last renewal.
    AskId,
    "an ask id (26 characters)"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_have_one_spelling() {
        let earlier = ReleaseId::from_parts(1_000, u128::MAX);
        let later = ReleaseId::from_parts(1_001, 0);
        assert!(earlier < later && earlier.to_string() < later.to_string());
        assert_eq!(ReleaseId::parse(&later.to_string()), Ok(later));
        assert!(ReleaseId::parse(&later.to_string().to_lowercase()).is_err());
        assert!(ReleaseId::parse("../../etc/passwd").is_err());
    }
}
