//! What members write for others to read.

use crate::interface::schema;
use crate::names::bounded;
use utoipa::openapi::Object;

/// No control characters but line breaks and tabs, and one that can be seen.
const PATTERN: &str = concat!(
    r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*",
    r"[^\s\x00-\x1f\x7f-\x9f]",
    r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prose(String);

impl Prose {
    /// 1 to `most_chars` characters of which one can be seen; kept as written.
    pub fn parse(text: &str, most_chars: usize) -> Result<Prose, String> {
        bounded(text, 1..=most_chars)?;
        if text.trim().is_empty() {
            return Err("must not be blank".to_owned());
        }
        if let Some(control) = text
            .chars()
            .find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        {
            return Err(format!(
                "must not hold control characters such as U+{:04X}",
                u32::from(control)
            ));
        }
        Ok(Prose(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn schema(most_chars: usize) -> Object {
        schema::text(1..=most_chars).pattern(Some(PATTERN)).build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_has_a_character_that_can_be_seen_and_no_more_than_allowed() {
        let longest = "🌸".repeat(100);
        for good in ["a", "두 줄\n🍣\t!", " spaces are kept ", &longest] {
            assert_eq!(Prose::parse(good, 100), Ok(Prose(good.to_owned())));
        }
        for bad in ["", "  \n ", "a\0b", "a\u{1b}[0m", &format!("{longest}x")] {
            assert!(Prose::parse(bad, 100).is_err(), "accepted {bad:?}");
        }
    }
}
