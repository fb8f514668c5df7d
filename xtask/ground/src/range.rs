//! The `Range` request header, of which one range of bytes is understood.

use std::ops::Range;

#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// No range, or one of a kind that may be ignored: several ranges, other units, malformed.
    Whole,
    Part(Range<u64>),
    /// Beyond the end.
    Unsatisfiable,
}

pub fn parse(header: Option<&str>, size: u64) -> Asked {
    let Some((first, last)) = header
        .and_then(|text| text.strip_prefix("bytes="))
        .and_then(|text| text.split_once('-'))
    else {
        return Asked::Whole;
    };
    let number = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse::<u64>().ok())
            .flatten()
    };
    let range = match (first, last) {
        ("", last) => number(last).map(|length| size.saturating_sub(length)..size),
        (first, "") => number(first).map(|first| first..size),
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Some(first..size.min(last.saturating_add(1))),
            _ => None,
        },
    };
    match range {
        None => Asked::Whole,
        Some(range) if range.start >= range.end => Asked::Unsatisfiable,
        Some(range) => Asked::Part(range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_of_bytes_is_understood() {
        assert_eq!(parse(Some("bytes=0-3"), 10), Asked::Part(0..4));
        assert_eq!(parse(Some("bytes=4-"), 10), Asked::Part(4..10));
        assert_eq!(parse(Some("bytes=-3"), 10), Asked::Part(7..10));
        assert_eq!(parse(Some("bytes=-99"), 10), Asked::Part(0..10));
        assert_eq!(parse(Some("bytes=8-99"), 10), Asked::Part(8..10));
    }

    #[test]
    fn a_range_beyond_the_end_cannot_be_satisfied() {
        assert_eq!(parse(Some("bytes=10-"), 10), Asked::Unsatisfiable);
        assert_eq!(parse(Some("bytes=-0"), 10), Asked::Unsatisfiable);
        assert_eq!(parse(Some("bytes=0-0"), 0), Asked::Unsatisfiable);
    }

    #[test]
    fn what_is_not_one_range_is_ignored() {
        for odd in [
            None,
            Some("bytes=0-1,3-4"),
            Some("lines=0-1"),
            Some("bytes=3-1"),
            Some("bytes=+1-2"),
            Some("bytes=-"),
        ] {
            assert!(matches!(parse(odd, 10), Asked::Whole | Asked::Unsatisfiable), "{odd:?}");
        }
        assert_eq!(parse(Some("bytes=0-1,3-4"), 10), Asked::Whole);
    }
}
