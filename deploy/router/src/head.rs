//! What two servers in a row might understand differently about where a request ends. Pure.
//!
//! The HTTP parser accepts some of these and makes one meaning of them (it drops `Content-Length` beside
//! `Transfer-Encoding`, say). A proxy in front of us may have made another, and what we take for a second request would
//! then come from whoever wrote the first one's body. So they are refused.

use memchr::{memchr, memchr_iter};

/// What follows a head before the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    Length(u64),
    Chunked,
}

/// Where the head in `bytes` ends, just past its empty line; `None` while it is incomplete. Nothing before `from` is
/// looked at again: a head that drips in byte by byte must not cost more than one that comes at once.
pub fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let ends_empty_line = |at: &usize| matches!(bytes[..*at], [.., b'\n'] | [.., b'\n', b'\r']);
    let mut newlines = memchr_iter(b'\n', &bytes[from..]).map(|at| from + at);
    newlines.find(ends_empty_line).map(|at| at + 1)
}

/// Where the request of a complete head goes on, or why it is refused.
pub fn judge(head: &[u8]) -> Result<Body, &'static str> {
    let mut length = None;
    let (mut is_chunked, mut is_old) = (false, false);
    let mut begin = 0;
    for newline in memchr_iter(b'\n', head) {
        let line = match &head[begin..newline] {
            [line @ .., b'\r'] => line,
            _ => return Err("a line that ends without a carriage return"),
        };
        if memchr(b'\r', line).is_some() {
            return Err("a carriage return inside a line");
        }
        match begin {
            0 => is_old = line.ends_with(b"HTTP/1.0"),
            _ => judge_header(line, &mut length, &mut is_chunked)?,
        }
        begin = newline + 1;
    }
    match (length, is_chunked) {
        (Some(_), true) => Err("both `Content-Length` and `Transfer-Encoding`"),
        // From before there were chunks.
        (None, true) if is_old => Err("a `Transfer-Encoding` in HTTP/1.0"),
        (None, true) => Ok(Body::Chunked),
        (length, false) => Ok(Body::Length(length.unwrap_or(0))),
    }
}

fn judge_header(line: &[u8], length: &mut Option<u64>, is_chunked: &mut bool) -> Result<(), &'static str> {
    if let [b' ' | b'\t', ..] = line {
        return Err("a header folded over two lines");
    }
    let Some(colon) = memchr(b':', line) else {
        return Ok(());
    };
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if name.eq_ignore_ascii_case(b"content-length") {
        let number = number(value).ok_or("a `Content-Length` that is not a number")?;
        if length.replace(number).is_some() {
            return Err("two `Content-Length` headers");
        }
    } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err("a `Transfer-Encoding` other than `chunked`");
        }
        if std::mem::replace(is_chunked, true) {
            return Err("two `Transfer-Encoding` headers");
        }
    }
    Ok(())
}

/// Digits and nothing else; `str::parse` would allow a sign.
fn number(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_its_first_empty_line() {
        assert_eq!(end(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody", 0), Some(27));
        assert_eq!(end(b"GET / HTTP/1.1\nHost: a\n\nbody", 0), Some(24));
        assert_eq!(end(b"GET / HTTP/1.1\r\nHost: a\r\n", 0), None);
        assert_eq!(end(b"", 0), None);
    }

    #[test]
    fn the_end_is_found_when_bytes_come_one_by_one() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for length in 1..head.len() {
            assert_eq!(end(&head[..length], length - 1), None);
        }
        assert_eq!(end(head, head.len() - 1), Some(head.len()));
    }

    #[test]
    fn a_head_says_how_long_its_body_is() {
        for (head, body) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Body::Length(0)),
            ("GET / HTTP/1.0\r\n\r\n", Body::Length(0)),
            (
                "POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 5\r\n\r\n",
                Body::Length(5),
            ),
            (
                "POST / HTTP/1.1\r\nHost: a:80\r\nTransfer-Encoding:  Chunked \r\n\r\n",
                Body::Chunked,
            ),
            (
                "GET /?q=a:b HTTP/1.1\r\nHost: a\r\nX-Content-Length: x\r\n\r\n",
                Body::Length(0),
            ),
        ] {
            assert_eq!(judge(head.as_bytes()), Ok(body), "{head:?}");
        }
    }

    #[test]
    fn a_head_that_can_be_read_two_ways_is_refused() {
        for (head, why) in [
            ("Content-Length: 1\r\nTransfer-Encoding: chunked", "both"),
            ("Transfer-Encoding: chunked\r\nContent-Length: 1", "both"),
            ("Content-Length: 1\r\nContent-Length: 1", "two `Content-Length`"),
            ("Content-Length: +1", "not a number"),
            ("Content-Length: 18446744073709551616", "not a number"),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                "two `Transfer-Encoding`",
            ),
            ("Transfer-Encoding: gzip", "other than"),
            ("X: a\r\n b", "folded"),
            ("X: a\nContent-Length: 1", "without a carriage return"),
            ("X: a\rb", "inside a line"),
        ] {
            let whole = format!("POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n");
            let found = judge(whole.as_bytes()).expect_err(head);
            assert!(found.contains(why), "{head:?}: {found}");
        }
        assert!(judge(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
    }
}
