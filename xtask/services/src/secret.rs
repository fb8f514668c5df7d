//! A value that must not be seen.

use std::fmt;

const LENGTH: usize = 32;
/// Nothing that a shell, a URL, an option file or SQL would read as anything but itself.
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A password or key. It prints as `[secret]`; whoever needs the value says so with [`expose`](Secret::expose).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// 32 letters and digits: 190 bits.
    pub fn random() -> Self {
        let letter = || char::from(ALPHABET[rand::random_range(0..ALPHABET.len())]);
        Self(std::iter::repeat_with(letter).take(LENGTH).collect())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_secret_is_long_new_each_time_and_never_printed() {
        let (one, two) = (Secret::random(), Secret::random());
        assert_ne!(one, two);
        assert!(one.expose().len() == 32 && one.expose().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(format!("{one:?}"), "[secret]");
    }
}
