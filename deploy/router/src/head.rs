//! What two servers in a row might understand differently about where a request ends. Pure.
//!
//! The HTTP parser accepts some of these and makes one meaning of them (it drops `Content-Length` beside
//! `Transfer-Encoding`, say). A proxy in front of us may have made another, and what we take for a second request would
//! then come from whoever wrote the first one's body. So they are refused.

/// Where the head in `bytes` ends, just past its empty line; `None` while it is incomplete. Nothing before `from` is
/// looked at again: a head that drips in byte by byte must not cost more than one that comes at once.
pub fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let ends_empty_line = |at: usize| match bytes[..at] {
        [.., b'\n'] | [.., b'\n', b'\r'] => bytes[at] == b'\n',
        _ => false,
    };
    (from..bytes.len()).find(|at| ends_empty_line(*at)).map(|at| at + 1)
}

/// Why a complete head is refused, or `None`.
pub fn flaw(head: &[u8]) -> Option<&'static str> {
    if head
        .iter()
        .enumerate()
        .any(|(at, byte)| *byte == b'\n' && (at == 0 || head[at - 1] != b'\r'))
    {
        return Some("a line that ends without a carriage return");
    }
    if head.windows(2).any(|pair| pair[0] == b'\r' && pair[1] != b'\n') {
        return Some("a carriage return inside a line");
    }
    let (mut lengths, mut codings) = (0, 0);
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        if line.first().is_some_and(|byte| *byte == b' ' || *byte == b'\t') {
            return Some("a header folded over two lines");
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            lengths += 1;
            if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
                return Some("a `Content-Length` that is not a number");
            }
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            codings += 1;
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Some("a `Transfer-Encoding` other than `chunked`");
            }
        }
    }
    match (lengths, codings) {
        (0 | 1, 0) | (0, 1) => None,
        (0, _) => Some("two `Transfer-Encoding` headers"),
        (_, 0) => Some("two `Content-Length` headers"),
        _ => Some("both `Content-Length` and `Transfer-Encoding`"),
    }
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
    fn ordinary_heads_have_no_flaw() {
        for good in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 5\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a:80\r\nTransfer-Encoding:  Chunked \r\n\r\n",
            "GET /?q=a:b HTTP/1.1\r\nHost: a\r\nX-Content-Length: x\r\n\r\n",
        ] {
            assert_eq!(flaw(good.as_bytes()), None, "{good:?}");
        }
    }
}
