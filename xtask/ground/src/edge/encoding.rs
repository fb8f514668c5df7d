//! Published files are compressed once; a client that cannot read that gets them plain.

use super::origin::{Head, Object};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http::HeaderMap;
use http::header::ACCEPT_ENCODING;
use std::io::Read as _;

/// Text compresses well, and a file of zeroes far too well.
const MAX_PLAIN_BYTES: u64 = 64 << 20;

pub fn is_compressed(head: &Head) -> bool {
    head.content_encoding.as_deref() == Some("gzip")
}

/// Whether the client said that it reads gzip: by name or by `*`, unless with `q=0`.
pub fn reads_gzip(request: &HeaderMap) -> bool {
    let values = request.get_all(ACCEPT_ENCODING).iter();
    let texts: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    let codings = || texts.iter().flat_map(|text| text.split(',')).map(coding);
    let says = |name: &str| {
        codings()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, reads)| reads)
    };
    says("gzip").or_else(|| says("*")).unwrap_or(false)
}

/// `gzip;q=0.5` as its name and whether it is wanted at all.
fn coding(text: &str) -> (&str, bool) {
    let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
    let quality = parameters
        .trim()
        .strip_prefix("q=")
        .map(|quality| quality.trim().parse::<f32>());
    (
        name.trim(),
        quality.is_none_or(|quality| quality.is_ok_and(|quality| quality > 0.0)),
    )
}

/// The same file without its compression; `None` if it is not what it says, or too large to unpack.
pub fn plain(object: &Object) -> Option<Object> {
    let mut bytes = Vec::new();
    let mut decoder = GzDecoder::new(&object.bytes[..]).take(MAX_PLAIN_BYTES + 1);
    decoder.read_to_end(&mut bytes).ok()?;
    let fits = bytes.len() as u64 <= MAX_PLAIN_BYTES;
    fits.then(|| Object {
        bytes: Bytes::from(bytes),
        head: Head {
            // Not the same bytes, so no longer the same strong tag.
            etag: format!("W/{}", object.head.etag.trim_start_matches("W/")),
            content_encoding: None,
            ..object.head.clone()
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn gzip_is_sent_to_those_who_say_they_read_it() {
        for (says, reads) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("gzip; q=0.0", false),
            ("br", false),
            ("identity", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(says))]);
            assert_eq!(reads_gzip(&headers), reads, "{says}");
        }
        assert!(!reads_gzip(&HeaderMap::new()), "curl says nothing");
    }
}
