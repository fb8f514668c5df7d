//! A share of a machine's processors.

use crate::{ParseError, text_type};
use std::fmt;

/// Thousandths of one CPU, 100 to 64,000. Written as people write it, with at most three decimals: `0.5`, `2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus(u32);

impl Cpus {
    /// Less than a tenth of a CPU and no service answers its health check in time.
    pub const LEAST: Self = Self(100);
    pub const MOST: Self = Self(64_000);
    pub const EXPECTED: &str = "a number of CPUs (0.1 to 64, at most three decimals)";

    pub fn milli(value: u32) -> Option<Self> {
        (Self::LEAST.0..=Self::MOST.0).contains(&value).then_some(Self(value))
    }

    pub fn as_milli(self) -> u32 {
        self.0
    }

    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new(Self::EXPECTED, text);
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str, most: usize| {
            (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(whole, 2) || !digits(decimals, 3) {
            return Err(error());
        }
        let whole: u32 = whole.parse().map_err(|_| error())?;
        let thousandths: u32 = format!("{decimals:0<3}").parse().map_err(|_| error())?;
        Self::milli(whole * 1000 + thousandths).ok_or_else(error)
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, thousandths) = (self.0 / 1000, self.0 % 1000);
        match thousandths {
            0 => write!(f, "{whole}"),
            _ => write!(f, "{whole}.{}", format!("{thousandths:03}").trim_end_matches('0')),
        }
    }
}

text_type!(Cpus);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_cpus_reads_as_people_write_it() {
        for (text, milli) in [
            ("0.1", 100),
            ("0.25", 250),
            ("1", 1000),
            ("1.5", 1500),
            ("2.125", 2125),
            ("64", 64_000),
        ] {
            assert_eq!(Cpus::parse(text).unwrap().as_milli(), milli);
            assert_eq!(Cpus::parse(text).unwrap().to_string(), text);
        }
        for bad in [
            "",
            ".5",
            "1.",
            "0",
            "0.09",
            "64.001",
            "-1",
            "1e1",
            "+1",
            "1.0001",
            "100",
            "999999999999",
            "½",
        ] {
            assert!(Cpus::parse(bad).is_err(), "`{bad}` was accepted");
        }
    }

    #[test]
    fn what_comes_over_the_wire_is_held_to_the_same_bounds() {
        assert_eq!(serde_json::from_str::<Cpus>("\"0.5\"").unwrap().as_milli(), 500);
        for bad in ["\"65\"", "500", "0.5", "null"] {
            assert!(serde_json::from_str::<Cpus>(bad).is_err(), "{bad} was accepted");
        }
    }
}
