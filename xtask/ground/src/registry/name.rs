//! Names in the registry, parsed so that none can be anything but a plain path below the registry's folder.

use super::refusal::Refusal;
use contract::Digest;
use std::fmt;
use std::path::PathBuf;

const MAX_REPOSITORY_BYTES: usize = 255;
const MAX_TAG_BYTES: usize = 128;

/// `shop` or `team/shop/api`: components of lower-case letters, digits and inner separators. None starts with `_`, which
/// is what sets our own folders apart, and none is `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repository(String);

impl Repository {
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() <= MAX_REPOSITORY_BYTES && text.split('/').all(is_component) {
            return Ok(Self(text.to_owned()));
        }
        let shown: String = text.chars().take(100).collect();
        let expected = "expected lower-case letters and digits, with single inner separators (`.`, `_`, `__`, `-`)";
        Err(Refusal::bad(
            "NAME_INVALID",
            format!("`{shown}` is not a repository name: {expected}"),
        ))
    }

    pub fn folder(&self) -> PathBuf {
        self.0.split('/').collect()
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` in the words of the specification.
fn is_component(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators_fit = text
        .split(is_plain)
        .filter(|run| !run.is_empty())
        .all(|run| run == "." || run == "_" || run == "__" || run.chars().all(|c| c == '-'));
    text.starts_with(is_plain) && text.ends_with(is_plain) && separators_fit
}

/// How a manifest is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    Tag(String),
    Digest(Digest),
}

impl Reference {
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.contains(':') {
            return parse_digest(text).map(Self::Digest);
        }
        let starts = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let fits = |c: char| starts(c) || c == '.' || c == '-';
        if text.len() <= MAX_TAG_BYTES && text.starts_with(starts) && text.chars().all(fits) {
            return Ok(Self::Tag(text.to_owned()));
        }
        let shown: String = text.chars().take(100).collect();
        Err(Refusal::bad(
            "TAG_INVALID",
            format!("`{shown}` is neither a tag nor a digest"),
        ))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

pub fn parse_digest(text: &str) -> Result<Digest, Refusal> {
    Digest::parse(text).map_err(|error| Refusal::bad("DIGEST_INVALID", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_name_may_be_nested() {
        for good in ["shop", "team/shop", "a/b/c/d", "a.b", "a_b", "a__b", "a---b", "0"] {
            assert!(Repository::parse(good).is_ok(), "`{good}` was refused");
        }
    }

    #[test]
    fn no_repository_name_leads_out_of_the_folder() {
        let long = "a".repeat(256);
        let bad = [
            "", "/", "a/", "/a", "a//b", "..", "a/../b", "a/.", "_tags", "a/_tags", "A", "a..b", "a___b", "-a",
        ];
        for bad in bad.into_iter().chain(["a\0", "a%2e", "ä", "a\\b", &long]) {
            assert!(Repository::parse(bad).is_err(), "`{bad}` was accepted");
        }
    }

    #[test]
    fn a_reference_is_a_tag_or_a_digest() {
        let digest = Digest::of(b"");
        assert_eq!(
            Reference::parse(&digest.to_string()).unwrap(),
            Reference::Digest(digest)
        );
        assert_eq!(
            Reference::parse("v1.2_3-rc").unwrap(),
            Reference::Tag("v1.2_3-rc".to_owned())
        );
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "-x",
            "a/b",
            "sha256:12",
            "md5:00",
            &"t".repeat(129),
        ] {
            assert!(Reference::parse(bad).is_err(), "`{bad}` was accepted");
        }
    }
}
