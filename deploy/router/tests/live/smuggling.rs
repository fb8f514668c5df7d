//! Requests whose end two servers could see in two places, and other malformed ones: all refused, none forwarded.

use crate::backend::Backend;
use crate::client;
use crate::host::Router;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What comes after `POST / HTTP/1.1\r\n`, and why it is refused.
const MALFORMED: [(&str, &str); 30] = [
    (
        "length before coding",
        "Host: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "coding before length",
        "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    ),
    (
        "two different lengths",
        "Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    ),
    (
        "two equal lengths",
        "Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    ),
    ("a list of lengths", "Host: a\r\nContent-Length: 1, 1\r\n\r\nx"),
    ("a signed length", "Host: a\r\nContent-Length: +1\r\n\r\nx"),
    ("a negative length", "Host: a\r\nContent-Length: -1\r\n\r\nx"),
    ("a hexadecimal length", "Host: a\r\nContent-Length: 0x1\r\n\r\nx"),
    (
        "an endless length",
        "Host: a\r\nContent-Length: 99999999999999999999999\r\n\r\nx",
    ),
    ("no length at all", "Host: a\r\nContent-Length: \r\n\r\nx"),
    (
        "an unknown coding",
        "Host: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "two codings",
        "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked twice",
        "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked, then identity",
        "Host: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ),
    (
        "a space before the colon",
        "Host: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a folded header",
        "Host: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a line without a carriage return",
        "Host: a\nContent-Length: 1\r\n\r\nx",
    ),
    (
        "a carriage return inside a value",
        "Host: a\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n",
    ),
    ("a null byte", "Host: a\r\nX: a\0b\r\n\r\n"),
    ("no host", "Content-Length: 0\r\n\r\n"),
    ("two hosts", "Host: a\r\nHost: b\r\n\r\n"),
    ("a header without a name", "Host: a\r\n: x\r\n\r\n"),
    ("a header without a colon", "Host: a\r\nContent-Length 1\r\n\r\nx"),
    (
        "a coding in quotes",
        "Host: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    ),
    (
        "a coding behind a vertical tab",
        "Host: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a coding with a parameter",
        "Host: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    ),
    ("an empty coding", "Host: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n"),
    (
        "a length hidden in a folded line",
        "Host: a\r\nX: y\r\n\tContent-Length: 1\r\n\r\nx",
    ),
    (
        "a length in two cases",
        "Host: a\r\nContent-Length: 1\r\ncONTENT-lENGTH: 2\r\n\r\nxx",
    ),
    (
        "a name with a null byte",
        "Host: a\r\nTransfer\0-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
];

#[tokio::test]
async fn ambiguous_requests_are_refused_and_nothing_of_them_is_forwarded() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    for (name, rest) in MALFORMED {
        // A request hidden behind it must not be answered either.
        let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
        let answer = client::raw(router.address, format!("POST / HTTP/1.1\r\n{rest}{hidden}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{name}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{name}: {answer:?}");
    }
    assert_eq!(backend.requests(), 0);
}

/// In one write, so that the parser finds both in one read: the first is answered, the second is not better for that.
#[tokio::test]
async fn behind_a_sound_request_they_are_refused_as_well() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    for (before, (name, rest)) in (0..).zip(MALFORMED) {
        for first in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ] {
            let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
            let both = format!("{first}POST / HTTP/1.1\r\n{rest}{hidden}");
            let answer = client::raw(router.address, both.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{name}: {answer:?}");
            assert_eq!(answer.matches("HTTP/1.1 400 ").count(), 1, "{name}: {answer:?}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 2, "{name}: {answer:?}");
        }
        assert_eq!(backend.requests(), 3 * (before + 1), "{name}");
    }
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    let many: String = (0..200).map(|number| format!("X-{number}: 1\r\n")).collect();
    for (name, head, status) in [
        (
            "too many headers",
            format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
            "431",
        ),
        (
            "a header too long",
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(100_000)),
            "431",
        ),
        (
            "a target too long",
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(66_000)),
            "4",
        ),
        ("no HTTP at all", "\x16\x03\x01\x02\0\x01\0\r\n\r\n".to_owned(), "400"),
        (
            "a tunnel",
            "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            "400",
        ),
        ("half of HTTP/2", "PRI * HTTP/2.0\r\n\r\n".to_owned(), ""),
    ] {
        let answer = client::raw(router.address, head.as_bytes()).await;
        let expected = if status.is_empty() {
            answer.is_empty()
        } else {
            answer.contains(&format!("HTTP/1.1 {status}"))
        };
        assert!(expected, "{name}: {answer:?}");
    }
    assert_eq!(backend.requests(), 0);
}

#[tokio::test]
async fn a_broken_chunk_ends_the_upload_and_is_not_the_backends_fault() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    let head = "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunk in ["zz\r\nx\r\n", "1\nx\n0\n\n", "-1\r\nx\r\n", "ffffffffffffffffff\r\nx"] {
        let answer = client::raw(router.address, format!("{head}{chunk}").as_bytes()).await;
        assert!(!answer.contains(" 200 "), "{chunk:?}: {answer:?}");
    }
    assert_eq!(router.status().await.versions[0].counts.errors, 0);
}

#[tokio::test]
async fn a_head_that_does_not_come_to_an_end_is_cut_off() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    let mut slow = TcpStream::connect(router.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").await.unwrap();
    let began = std::time::Instant::now();
    let mut drip = tokio::time::interval(std::time::Duration::from_millis(200));
    loop {
        drip.tick().await;
        if slow.write_all(b"X: y\r\n").await.is_err() {
            break;
        }
        assert!(
            began.elapsed() < std::time::Duration::from_secs(25),
            "the head is still being read"
        );
    }
    assert!(began.elapsed() >= std::time::Duration::from_secs(9), "cut off too soon");
}
