//! How long an object may be served without asking the bucket again.

use std::time::Duration;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Not to be kept at all.
    Unstorable,
    /// Zero: kept, but the bucket is asked each time whether it changed.
    For(Duration),
}

/// What a `Cache-Control` header lets a shared cache do. Without one the bucket is always asked: serving something stale
/// would have to be asked for.
pub fn of(cache_control: Option<&str>) -> Freshness {
    let mut shared = None;
    let mut private = None;
    let mut immutable = false;
    let mut revalidate = false;
    for directive in cache_control.unwrap_or_default().split(',') {
        let directive = directive.trim().to_ascii_lowercase();
        let (name, value) = directive.split_once('=').unwrap_or((&directive, ""));
        // A number too large to hold is a long time; no number at all is none.
        let seconds = || match value.trim_matches('"') {
            digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_or(YEAR, Duration::from_secs)
            }
            _ => Duration::ZERO,
        };
        match name {
            "no-store" | "private" => return Freshness::Unstorable,
            "no-cache" => revalidate = true,
            "s-maxage" => shared = Some(seconds()),
            "max-age" => private = Some(seconds()),
            "immutable" => immutable = true,
            _ => {}
        }
    }
    let stated = shared.or(private).or(immutable.then_some(YEAR)).unwrap_or_default();
    Freshness::For(if revalidate { Duration::ZERO } else { stated.min(YEAR) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control_is_respected() {
        let check = |header: &str, seconds: u64| {
            assert_eq!(
                of(Some(header)),
                Freshness::For(Duration::from_secs(seconds)),
                "{header}"
            );
        };
        check("max-age=60", 60);
        check("public, s-maxage=10, max-age=60", 10);
        check("max-age=60, s-maxage=0", 0);
        check("max-age=31536000, immutable", 31_536_000);
        check("immutable", 31_536_000);
        check("no-cache", 0);
        check("no-cache, max-age=60", 0);
        check("Max-Age=\"5\"", 5);
        check("max-age=99999999999999999999999", 31_536_000);
        check("max-age=-1", 0);
        check("", 0);
        assert_eq!(of(None), Freshness::For(Duration::ZERO));
        assert_eq!(of(Some("max-age=60, no-store")), Freshness::Unstorable);
        assert_eq!(of(Some("private, max-age=60")), Freshness::Unstorable);
    }
}
