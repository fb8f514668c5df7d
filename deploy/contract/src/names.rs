//! Names that people choose: of the app, its environments, hosts and secrets.

use crate::{ParseError, text_type};
use std::fmt;

/// Lower-case letters, digits and inner hyphens, at most 40: safe in file names, host names, labels and object keys.
fn is_plain_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty()
        && text.len() <= 40
        && text.chars().all(inner)
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
}

macro_rules! plain_name {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            pub fn parse(text: &str) -> Result<Self, ParseError> {
                if is_plain_name(text) { Ok(Self(text.to_owned())) } else { Err(ParseError::new($expected, text)) }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        text_type!($name);
    };
}

plain_name!(
    /// The service being released.
    AppName,
    "an app name (lower-case letters, digits and hyphens, starting with a letter, at most 40)"
);
plain_name!(
    /// A place the app runs in: `staging`, `production`.
    EnvironmentName,
    "an environment name (lower-case letters, digits and hyphens, starting with a letter, at most 40)"
);
plain_name!(
    /// A machine with an agent.
    HostName,
    "a host name (lower-case letters, digits and hyphens, starting with a letter, at most 40)"
);

/// The name of a secret, which is also the environment variable that carries it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(String);

impl SecretName {
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if text.len() <= 80 && text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError::new(
                "a secret name (upper-case letters, digits and underscores, at most 80)",
                text,
            ))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_type!(SecretName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_safe_in_paths_and_labels() {
        for good in ["a", "staging", "production-2", "web3"] {
            assert_eq!(HostName::parse(good).map(|n| n.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "-a", "a-", "A", "a/b", "..", "a b", "3a", &"a".repeat(41)] {
            assert!(HostName::parse(bad).is_err(), "`{bad}` was accepted");
        }
    }

    #[test]
    fn an_error_does_not_repeat_an_endless_name() {
        assert!(AppName::parse(&"x".repeat(1_000_000)).unwrap_err().to_string().len() < 300);
    }
}
