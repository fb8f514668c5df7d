//! PDF: a header, and at the end where the table of its objects is.
//!
//! It is kept as it came, with what it says about its maker: to take that out, one would have to write it anew. It is
//! given out as a file to keep, never to be shown in the place of a page.

/// Readers look for the end within so many bytes.
const END_WITHIN_BYTES: usize = 1_024;
const OBJECT_HEAD_MAX_BYTES: usize = 32;

pub fn check(bytes: &[u8]) -> Result<(), &'static str> {
    let version = bytes.strip_prefix(b"%PDF-").and_then(|rest| rest.get(..3));
    if !matches!(version, Some([b'1' | b'2', b'.', b'0'..=b'9'])) {
        return Err("its version is not known");
    }
    let tail = &bytes[bytes.len().saturating_sub(END_WITHIN_BYTES)..];
    let end = position(tail, b"%%EOF").ok_or("its end is missing")?;
    let start = position(&tail[..end], b"startxref").ok_or("its end does not say where its table is")?;
    let table = tail[start + b"startxref".len()..end].trim_ascii();
    let table = str::from_utf8(table).ok().and_then(|offset| offset.parse().ok());
    let table = table.and_then(|offset: usize| bytes.get(offset..));
    if table.is_some_and(is_table) {
        Ok(())
    } else {
        Err("its table is not where it says")
    }
}

/// The last one.
fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).rposition(|window| window == wanted)
}

/// A table as such, or, in newer files, in an object: `12 0 obj`.
fn is_table(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    let head = &bytes[..bytes.len().min(OBJECT_HEAD_MAX_BYTES)];
    let is_object = || head.first().is_some_and(u8::is_ascii_digit) && position(head, b" obj").is_some();
    bytes.starts_with(b"xref") || is_object()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "%PDF-1.7\n1 0 obj <</Type/Catalog>> endobj\n";

    #[test]
    fn a_document_says_where_its_table_is_and_has_it_there() {
        for table in ["xref\n0 1\n", "12 0 obj <</Type/XRef>> stream"] {
            let document = format!("{HEAD}{table}\nstartxref\n{}\n%%EOF\n", HEAD.len());
            assert_eq!(check(document.as_bytes()), Ok(()), "{document}");
        }
    }

    #[test]
    fn what_only_begins_like_a_document_is_broken() {
        for bad in [
            "%PDF-".to_owned(),
            "%PDF-9.9\n".to_owned(),
            HEAD.to_owned(),
            format!("{HEAD}%%EOF"),
            format!("{HEAD}xref\nstartxref\n%%EOF"),
            format!("{HEAD}xref\nstartxref\n99999\n%%EOF"),
            format!("{HEAD}xref\nstartxref\n3\n%%EOF"),
            format!("{HEAD}xref\nstartxref\n-1\n%%EOF"),
            format!("{HEAD}xref\nstartxref\n18446744073709551616\n%%EOF"),
            format!(
                "{HEAD}xref\nstartxref\n{}\n%%EOF{}",
                HEAD.len(),
                " ".repeat(END_WITHIN_BYTES)
            ),
        ] {
            assert!(check(bad.as_bytes()).is_err(), "accepted {bad:?}");
        }
    }
}
