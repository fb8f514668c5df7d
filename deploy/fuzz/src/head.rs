//! The head of a request, as the router judges it before the parser does: what it lets through must mean one thing only.
//! The parser is the one that the router's HTTP library has within; what it understands is worked out here anew.

use httparse::{Request, Status};

/// As many as the router's HTTP library takes.
const HEADERS: usize = 100;

pub fn check(bytes: &[u8]) {
    check_one_head(bytes);
    let whole = router::fuzzing::follow([bytes]);
    let cut = bytes.len() / 2;
    for reads in [vec![&bytes[..cut], &bytes[cut..]], bytes.chunks(1).collect()] {
        assert_eq!(
            router::fuzzing::follow(reads),
            whole,
            "what is let through depends on how it arrives"
        );
    }
}

fn check_one_head(bytes: &[u8]) {
    // Empty lines before a request are allowed.
    let bytes = bytes.trim_ascii_start();
    let end = router::fuzzing::end(bytes, 0);
    let drip = (1..=bytes.len().min(512)).find_map(|length| router::fuzzing::end(&bytes[..length], length - 1));
    assert!(
        bytes.len() > 512 || drip == end,
        "found at {drip:?} byte by byte, at {end:?} at once"
    );
    let Some(end) = end else { return };
    let head = &bytes[..end];
    let Ok(body) = router::fuzzing::judge(head) else { return };
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = Request::new(&mut headers);
    let Ok(parsed) = request.parse(bytes) else { return };
    assert_eq!(parsed, Status::Complete(end), "two ends of one head");
    let values = |name: &str| -> Vec<&[u8]> {
        let named = request
            .headers
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value).collect()
    };
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    assert!(lengths.len() + codings.len() <= 1, "{lengths:?} and {codings:?}");
    let length = lengths
        .first()
        .map_or("0", |length| str::from_utf8(length).expect("digits"));
    assert!(length.bytes().all(|byte| byte.is_ascii_digit()), "{length:?}");
    let understood = codings.is_empty().then(|| length.parse::<u64>().expect("a number"));
    assert_eq!(understood, body, "two lengths of one body");
    for coding in codings {
        assert!(coding.trim_ascii().eq_ignore_ascii_case(b"chunked"), "{coding:?}");
    }
}
