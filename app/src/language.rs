//! The languages that problems are told in, chosen by `Accept-Language`.

use axum::http::{HeaderMap, HeaderValue, header};
use std::cmp::Reverse;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    English,
    Korean,
}

/// One of the ranges of an `Accept-Language`, such as `ko-KR;q=0.8`.
struct Range<'a> {
    primary: &'a str,
    per_mille: u16,
}

impl Language {
    /// The one that the client likes best, of two liked alike the one it names first, and English if it likes neither.
    pub fn choose(headers: &HeaderMap) -> Language {
        let ranges: Vec<Range<'_>> = headers
            .get_all(header::ACCEPT_LANGUAGE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(Range::parse)
            .collect();
        [Language::Korean, Language::English]
            .into_iter()
            .filter_map(|language| Some((language.liking(&ranges)?, language)))
            // `max_by_key` takes the last of equals: English, when `*` stands for both.
            .max_by_key(|(liking, _)| *liking)
            .map_or(Language::English, |(_, language)| language)
    }

    pub fn tag(self) -> HeaderValue {
        HeaderValue::from_static(self.primary())
    }

    fn primary(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Korean => "ko",
        }
    }

    /// How much, and how early in the list; `None` for not at all. `*` stands for what is not named.
    fn liking(self, ranges: &[Range<'_>]) -> Option<(u16, Reverse<usize>)> {
        let likings = |primary: &str| {
            let named = ranges.iter().enumerate();
            named
                .filter(|(_, range)| range.primary.eq_ignore_ascii_case(primary))
                .map(|(position, range)| (range.per_mille, Reverse(position)))
                .max()
        };
        likings(self.primary())
            .or_else(|| likings("*"))
            .filter(|(per_mille, _)| *per_mille > 0)
    }
}

impl Range<'_> {
    fn parse(text: &str) -> Option<Range<'_>> {
        let mut parts = text.split(';').map(str::trim);
        let primary = parts.next()?.split('-').next()?;
        let per_mille = match parts.next() {
            None => 1_000,
            Some(weight) => per_mille(weight.strip_prefix("q=").or(weight.strip_prefix("Q="))?)?,
        };
        Some(Range { primary, per_mille })
    }
}

/// `0.8` is 800; a quality has at most three digits after its point.
fn per_mille(quality: &str) -> Option<u16> {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(values: &[&str]) -> &'static str {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT_LANGUAGE, HeaderValue::from_str(value).expect("a value"));
        }
        Language::choose(&headers).primary()
    }

    #[test]
    fn the_language_liked_best_is_chosen_by_its_quality_and_then_by_its_place() {
        for (values, expected) in [
            (&["ko"][..], "ko"),
            (&["ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7"], "ko"),
            (&["en-US,en;q=0.9,ko;q=0.8"], "en"),
            (&["en;q=0.5, ko;q=0.501"], "ko"),
            (&["KO ; q=1.000"], "ko"),
            (&["en,ko"], "en"),
            (&["ko,en"], "ko"),
            (&["fr,ko;q=0.1"], "ko"),
            (&["fr", "ko"], "ko"),
            (&["ko;q=0.5,*"], "en"),
            (&["en;q=0,*;q=0.1"], "ko"),
        ] {
            assert_eq!(chosen(values), expected, "{values:?}");
        }
    }

    #[test]
    fn english_is_for_who_asks_for_nothing_that_there_is_or_that_is_understood() {
        for values in [
            &[][..],
            &[""],
            &["*"],
            &["fr-FR, de;q=0.5"],
            &["ko;q=0"],
            &["ko;q=2"],
            &["ko;q=0.1234"],
            &["ko;q=-1"],
            &["ko;q=0.+5"],
            &["ko;q"],
            &["korean"],
            &[";;;,,,===", "q=1"],
        ] {
            assert_eq!(chosen(values), "en", "{values:?}");
        }
    }
}
