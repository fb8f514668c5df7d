//! Where each request of an HTTP/1 connection begins and ends, read from the bytes as the client wrote them. Pure.
//!
//! The parser behind sees the same bytes and shows only what it made of them. Here every head is judged as it was
//! written, also one that came in the same read as the request before it: that is where a smuggled one would be.

use crate::head::{self, Body};
use crate::limits::HEAD_BYTES;

/// How every HTTP/2 connection begins. What comes after is not text and is framed unmistakably.
pub const HTTP_2: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Debug)]
pub struct Framing {
    place: Place,
    /// What there is of the first bytes, or of a head that has not come whole.
    partial: Vec<u8>,
    /// Heads that were found sound and whose requests have not begun.
    sound: usize,
    /// Of the head after those; nothing is followed beyond it.
    flaw: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the first bytes, while they may still be those of HTTP/2.
    First,
    Between,
    Head,
    Content(u64),
    Chunks(Chunk),
    /// Whatever is spoken from here on, it is not HTTP/1.
    Unread,
    /// Where the next request begins cannot be told.
    Lost,
}

/// Inside of a body in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    Size { value: u64, digits: u8 },
    Extension { size: u64 },
    SizeEnd { size: u64 },
    Data { left: u64 },
    DataReturn,
    DataEnd,
    TrailerStart,
    Trailer,
    TrailerEnd,
    LastEnd,
    Over,
}

impl Default for Framing {
    fn default() -> Self {
        Self {
            place: Place::First,
            partial: Vec::new(),
            sound: 0,
            flaw: None,
        }
    }
}

impl Framing {
    /// Takes in what the client sent next.
    pub fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.place {
                Place::First => self.first(bytes),
                Place::Between => self.between(bytes),
                Place::Head => self.head(bytes),
                Place::Content(left) => self.content(left, bytes),
                Place::Chunks(chunk) => self.chunks(chunk, bytes),
                Place::Unread | Place::Lost => return,
            };
        }
    }

    /// A head has begun and has not come to its end.
    pub fn is_inside_head(&self) -> bool {
        !self.partial.is_empty()
    }

    /// The parser hands over the next request; returns why it must be refused, if it must.
    pub fn begin_request(&mut self) -> Option<&'static str> {
        if self.place == Place::Unread {
            return None;
        }
        match self.sound.checked_sub(1) {
            Some(left) => {
                self.sound = left;
                None
            }
            None => Some(self.flaw.unwrap_or("a request where none was seen to begin")),
        }
    }

    /// From here on it is another protocol.
    pub fn leave(&mut self) {
        self.place = Place::Unread;
        self.partial = Vec::new();
    }

    fn lose(&mut self, why: &'static str) {
        self.flaw = self.flaw.or(Some(why));
        self.place = Place::Lost;
        self.partial = Vec::new();
    }

    fn first<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let known = self.partial.len();
        let expected = &HTTP_2[known..];
        let length = expected.len().min(bytes.len());
        if bytes[..length] != expected[..length] {
            // What was held back is looked at once more, as text.
            let held = std::mem::take(&mut self.partial);
            self.place = Place::Between;
            self.follow(&held);
            return bytes;
        }
        self.partial.extend_from_slice(&bytes[..length]);
        if self.partial.len() == HTTP_2.len() {
            self.leave();
        }
        &bytes[length..]
    }

    /// Empty lines before a request are allowed.
    fn between<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let is_empty_line = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let begin = bytes
            .iter()
            .position(|byte| !is_empty_line(byte))
            .unwrap_or(bytes.len());
        if begin < bytes.len() {
            self.place = Place::Head;
        }
        &bytes[begin..]
    }

    fn head<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        // Most heads come whole and need no copy.
        if self.partial.is_empty()
            && let Some(end) = head::end(bytes, 0)
        {
            self.judge(head::judge(&bytes[..end]));
            return &bytes[end..];
        }
        let seen = self.partial.len();
        // The parser refuses a head longer than this.
        if seen + bytes.len() > 2 * HEAD_BYTES {
            self.lose("a head that is too long");
            return &[];
        }
        self.partial.extend_from_slice(bytes);
        let Some(end) = head::end(&self.partial, seen) else {
            return &[];
        };
        let whole = std::mem::take(&mut self.partial);
        self.judge(head::judge(&whole[..end]));
        &bytes[end - seen..]
    }

    fn judge(&mut self, verdict: Result<Body, &'static str>) {
        self.place = match verdict {
            Err(flaw) => return self.lose(flaw),
            Ok(Body::Length(0)) => Place::Between,
            Ok(Body::Length(length)) => Place::Content(length),
            Ok(Body::Chunked) => Place::Chunks(Chunk::FIRST),
        };
        self.sound += 1;
    }

    fn content<'a>(&mut self, left: u64, bytes: &'a [u8]) -> &'a [u8] {
        let (taken, left) = take(left, bytes);
        self.place = if left == 0 {
            Place::Between
        } else {
            Place::Content(left)
        };
        &bytes[taken..]
    }

    fn chunks<'a>(&mut self, mut chunk: Chunk, mut bytes: &'a [u8]) -> &'a [u8] {
        while let Some((byte, rest)) = bytes.split_first() {
            if let Chunk::Data { left } = chunk {
                let (taken, left) = take(left, bytes);
                bytes = &bytes[taken..];
                chunk = if left == 0 {
                    Chunk::DataReturn
                } else {
                    Chunk::Data { left }
                };
                continue;
            }
            bytes = rest;
            chunk = match chunk.after(*byte) {
                Some(Chunk::Over) => {
                    self.place = Place::Between;
                    return bytes;
                }
                Some(next) => next,
                None => {
                    self.lose("a body in chunks that are none");
                    return &[];
                }
            };
        }
        self.place = Place::Chunks(chunk);
        bytes
    }
}

impl Chunk {
    const FIRST: Self = Self::Size { value: 0, digits: 0 };

    /// The place after one more byte that is not data; `None` where no such byte may be.
    fn after(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (
                Self::Size {
                    value,
                    digits: digits @ 0..16,
                },
                b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F',
            ) => Self::Size {
                value: value << 4 | u64::from(char::from(byte).to_digit(16)?),
                digits: digits + 1,
            },
            (
                Self::Size {
                    value: size,
                    digits: 1..,
                },
                b';',
            ) => Self::Extension { size },
            (
                Self::Size {
                    value: size,
                    digits: 1..,
                }
                | Self::Extension { size },
                b'\r',
            ) => Self::SizeEnd { size },
            (Self::Extension { .. }, b'\n') => return None,
            (Self::Extension { .. }, _) => self,
            (Self::SizeEnd { size: 0 }, b'\n') => Self::TrailerStart,
            (Self::SizeEnd { size }, b'\n') => Self::Data { left: size },
            (Self::DataReturn, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::FIRST,
            (Self::TrailerStart, b'\r') => Self::LastEnd,
            (Self::LastEnd, b'\n') => Self::Over,
            (Self::Trailer, b'\r') => Self::TrailerEnd,
            (Self::TrailerEnd, b'\n') => Self::TrailerStart,
            (Self::TrailerStart, b' ' | b'\t') => return None,
            (Self::TrailerStart | Self::Trailer, byte) if byte != b'\n' => Self::Trailer,
            _ => return None,
        })
    }
}

/// How many of the bytes belong to what has `left` to come, and what is left then.
fn take(left: u64, bytes: &[u8]) -> (usize, u64) {
    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    (taken, left - taken as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const BOTH: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";

    /// What each of `requests` is met with after these reads.
    fn verdicts<'a>(reads: impl IntoIterator<Item = &'a [u8]>, requests: usize) -> Vec<Option<&'static str>> {
        let mut framing = Framing::default();
        reads.into_iter().for_each(|bytes| framing.follow(bytes));
        (0..requests).map(|_| framing.begin_request()).collect()
    }

    /// However the bytes are cut into reads, the first `sound` requests pass and the next one does not.
    fn check(bytes: &[u8], sound: usize, why: &str) {
        let is_right = |found: Vec<Option<&str>>| {
            found[..sound].iter().all(Option::is_none) && found[sound].is_some_and(|found| found.contains(why))
        };
        let cuts = (0..=bytes.len()).map(|cut| vec![&bytes[..cut], &bytes[cut..]]);
        let one_by_one = bytes.chunks(1).collect();
        for reads in cuts.chain([one_by_one]) {
            let found = verdicts(reads.iter().copied(), sound + 1);
            assert!(
                is_right(found.clone()),
                "{:?}: {found:?}",
                String::from_utf8_lossy(reads[0])
            );
        }
    }

    const NONE_LEFT: &str = "where none was seen";

    #[test]
    fn a_head_is_judged_however_it_arrives() {
        check(BOTH, 0, "both");
        check(&[b"\r\n\r\n", BOTH].concat(), 0, "both");
    }

    #[test]
    fn a_head_behind_another_is_judged_as_the_first_one_is() {
        check(&[GET, GET, BOTH, GET].concat(), 2, "both");
        let upload = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";
        check(&[upload, BOTH].concat(), 1, "both");
        let chunks = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n";
        check(&[chunks, BOTH].concat(), 1, "both");
        check(&[chunks, GET, chunks].concat(), 3, NONE_LEFT);
    }

    #[test]
    fn a_body_is_not_taken_for_a_head() {
        let body = b"a: b\n\nContent-Length: 1\r\n\r\n";
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
        check(&[head.as_bytes(), body, GET].concat(), 2, NONE_LEFT);
    }

    #[test]
    fn after_chunks_that_are_none_no_request_is_taken() {
        let head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for chunks in [
            &b"zz\r\nx\r\n"[..],
            b"1\nx\n0\n\n",
            b"-1\r\nx\r\n",
            b"11111111111111111\r\n",
            b"1\r\nxy\r\n",
            b"0\r\n folded\r\n\r\n",
            b"0\r\nX: a\n\r\n",
            b";\r\n",
            b"1;a\nb\r\nx\r\n",
        ] {
            check(&[head, chunks, GET].concat(), 1, "chunks");
        }
    }

    #[test]
    fn what_begins_as_http_2_is_not_judged_and_what_only_seems_to_is() {
        for cut in 0..HTTP_2.len() {
            let reads = [&HTTP_2[..cut], &HTTP_2[cut..], b"\0\0\0\x04"];
            assert_eq!(verdicts(reads, 2), [None, None], "cut at {cut}");
        }
        check(&[b"PRI * HTTP/2.0\r\n\r\n", BOTH].concat(), 1, "both");
    }

    #[test]
    fn a_head_without_an_end_is_given_up_and_not_kept() {
        let mut framing = Framing::default();
        (0..3 * HEAD_BYTES / 1_000).for_each(|_| framing.follow(&[b'x'; 1_000]));
        assert!(!framing.is_inside_head() && framing.begin_request().is_some());
    }
}
