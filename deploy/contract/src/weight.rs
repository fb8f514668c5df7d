//! A share of traffic.

use crate::{ParseError, text_type};
use std::fmt;

/// Per mille of traffic, 0 to 1000. Written as a percentage with at most one decimal: `2.5%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Weight(u16);

impl Weight {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(1000);

    pub fn per_mille(value: u16) -> Option<Self> {
        (value <= 1000).then_some(Self(value))
    }

    pub fn as_per_mille(self) -> u16 {
        self.0
    }

    /// What is left for the others.
    pub fn rest(self) -> Self {
        Self(1000 - self.0)
    }

    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new("a weight (0% to 100%, at most one decimal)", text);
        let number = text.strip_suffix('%').ok_or_else(error)?;
        let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit()) && !part.is_empty();
        if !digits(whole) || whole.len() > 3 || !digits(tenth) || tenth.len() != 1 {
            return Err(error());
        }
        let whole: u16 = whole.parse().map_err(|_| error())?;
        let tenth: u16 = tenth.parse().map_err(|_| error())?;
        Self::per_mille(whole * 10 + tenth).ok_or_else(error)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 10 {
            0 => write!(f, "{}%", self.0 / 10),
            tenth => write!(f, "{}.{tenth}%", self.0 / 10),
        }
    }
}

text_type!(Weight);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_reads_as_people_write_it() {
        for (text, per_mille) in [("0%", 0), ("5%", 50), ("2.5%", 25), ("100%", 1000), ("0.1%", 1)] {
            assert_eq!(Weight::parse(text).unwrap().as_per_mille(), per_mille);
            assert_eq!(Weight::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "%", "5", "101%", "100.1%", "-1%", "2.55%", "1e2%", "99999999999%"] {
            assert!(Weight::parse(bad).is_err(), "`{bad}` was accepted");
        }
    }
}
