//! The cookie that keeps a user on one version while traffic is divided.

use crate::split::{BUCKETS, Sticky};
use contract::ReleaseId;
use http::{HeaderMap, HeaderValue, header};

const NAME: &str = "release-split";
/// Longer than any rollout; afterwards the cookie means nothing.
const MAX_AGE_SECONDS: u32 = 7 * 24 * 3600;

/// What the request's cookies say; anything that is not exactly of our form counts as no cookie.
pub fn read(headers: &HeaderMap) -> Option<Sticky> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(NAME)?.strip_prefix('='))
        .find_map(parse)
}

pub fn write(sticky: Sticky) -> Option<HeaderValue> {
    let Sticky { release, bucket } = sticky;
    let text = format!("{NAME}={release}.{bucket}; Path=/; Max-Age={MAX_AGE_SECONDS}; HttpOnly; SameSite=Lax");
    HeaderValue::from_str(&text).ok()
}

fn parse(value: &str) -> Option<Sticky> {
    let (release, bucket) = value.split_once('.')?;
    let release = ReleaseId::parse(release).ok()?;
    let bucket: u16 = bucket.parse().ok()?;
    (bucket < BUCKETS).then_some(Sticky { release, bucket })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_among_other_cookies() {
        let sticky = Sticky {
            release: ReleaseId::from_parts(1, 2),
            bucket: 999,
        };
        let written = write(sticky).unwrap();
        let pair = written.to_str().unwrap().split(';').next().unwrap();
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b"));
        headers.append(
            header::COOKIE,
            HeaderValue::from_str(&format!("session=1; {pair}; z")).unwrap(),
        );
        assert_eq!(read(&headers), Some(sticky));
    }

    #[test]
    fn a_cookie_that_is_not_ours_counts_as_none() {
        let release = ReleaseId::from_parts(1, 2);
        for bad in [
            format!("{release}.1000"),
            format!("{release}"),
            format!("{release}.-1"),
            "x.1".into(),
            "".into(),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(header::COOKIE, HeaderValue::from_str(&format!("{NAME}={bad}")).unwrap());
            assert_eq!(read(&headers), None, "`{bad}` was accepted");
        }
    }
}
