//! Lengths of time, as people write them.

use crate::form::Scalar;
use crate::node::Value;
use schemars::{Schema, json_schema};
use std::time::Duration;

pub const SECOND: u64 = 1_000;
pub const MINUTE: u64 = 60 * SECOND;
pub const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Largest first: `1h30m` is a time, `30m1h` is not.
const UNITS: [(&str, u64); 5] = [("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1)];

/// From `MIN` to `MAX` milliseconds, written as `500ms`, `10s`, `1m30s`, `24h`.
#[derive(Debug, Clone)]
pub enum Time<const MIN: u64, const MAX: u64> {}

impl<const MIN: u64, const MAX: u64> Time<MIN, MAX> {
    /// Also where it is typed, and not written in a file.
    pub fn parse(text: &str) -> Option<Duration> {
        let ms = parse_ms(text)?;
        (MIN..=MAX).contains(&ms).then(|| Duration::from_millis(ms))
    }

    pub fn bounds() -> String {
        format!("from {} to {}", in_words(MIN), in_words(MAX))
    }
}

impl<const MIN: u64, const MAX: u64> Scalar for Time<MIN, MAX> {
    type Value = Duration;

    fn expected() -> String {
        format!("a time {} (such as `10s`, `1m30s`, `24h`)", Self::bounds())
    }

    fn read(value: &Value) -> Option<Duration> {
        Self::parse(value.text()?)
    }

    fn schema() -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m(?!s))?([0-9]+s)?([0-9]+ms)?$",
        })
    }
}

fn parse_ms(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        // Going on from the unit used last keeps the order, and each unit to one use.
        let (_, scale) = units.find(|(name, _)| *name == unit)?;
        let part = number.parse::<u64>().ok()?.checked_mul(*scale)?;
        total = total.checked_add(part)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

fn in_words(ms: u64) -> String {
    // A day reads better as 24h here, so days are not used.
    match UNITS[1..]
        .iter()
        .find(|(_, scale)| ms >= *scale && ms.is_multiple_of(*scale))
    {
        Some((unit, scale)) => format!("{}{unit}", ms / scale),
        None => "0s".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_as_people_write_it() {
        for (text, ms) in [
            ("10s", 10_000),
            ("5m", 300_000),
            ("24h", 86_400_000),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("1s500ms", 1_500),
            ("7d", 604_800_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_ms(text), Some(ms), "{text}");
        }
        let endless = format!("{}s", "9".repeat(30));
        for bad in [
            "",
            "10",
            "s",
            "10 s",
            "-1s",
            "1.5s",
            "30s1m",
            "1s1s",
            "10S",
            "1min",
            "é",
            "1é",
            endless.as_str(),
        ] {
            assert_eq!(parse_ms(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_range_is_named_in_the_units_of_the_file() {
        assert_eq!(
            Time::<100, HOUR>::expected(),
            "a time from 100ms to 1h (such as `10s`, `1m30s`, `24h`)"
        );
        assert_eq!(in_words(90 * SECOND), "90s");
    }
}
