//! What a file is, how long it may be cached, and how it travels.

use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use std::io::{self, Write as _};

/// An asset's name changes with its content, so that a copy of it never grows old.
pub const CACHE_ASSET: &str = "public, max-age=31536000, immutable";

/// The entry document is asked for anew on every visit; CDNs and browsers may keep it only to compare.
pub const CACHE_ENTRY: &str = "no-cache";

/// Below this, the gzip header eats what compression saves.
const WORTH_COMPRESSING_BYTES: usize = 1024;

/// The language a file is searched for references in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Html,
    Css,
    Script,
}

pub fn language(path: &str) -> Option<Language> {
    match extension(path) {
        "html" | "htm" => Some(Language::Html),
        "css" => Some(Language::Css),
        "js" | "mjs" => Some(Language::Script),
        _ => None,
    }
}

pub fn content_type(path: &str) -> &'static str {
    match extension(path) {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "txt" | "md" => "text/plain; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "xml" => "text/xml; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "pdf" => "application/pdf",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        _ => "application/octet-stream",
    }
}

/// The bytes as stored: gzip where it pays, else `None`.
///
/// What is stored compressed is served compressed to everyone. Every browser since the nineties accepts gzip; an edge
/// may decode for a client that says it does not.
pub fn compressed(content_type: &str, bytes: &Bytes) -> Option<Bytes> {
    if bytes.len() <= WORTH_COMPRESSING_BYTES || !is_text(content_type) {
        return None;
    }
    let small = gzip(bytes, None).ok()?;
    (small.len() < bytes.len()).then_some(small)
}

/// Gzip with the same output for the same input: no time, no system in the header. `comment` goes into the header, where
/// it changes the stored bytes and not what is read from them.
pub fn gzip(bytes: &[u8], comment: Option<String>) -> io::Result<Bytes> {
    const OS_UNKNOWN: u8 = 255;
    let mut header = GzBuilder::new().mtime(0).operating_system(OS_UNKNOWN);
    if let Some(comment) = comment {
        header = header.comment(comment);
    }
    let mut encoder = header.write(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.into())
}

fn is_text(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.starts_with("text/")
        || matches!(
            essence,
            "application/json" | "application/manifest+json" | "application/wasm" | "image/svg+xml" | "font/ttf"
        )
}

fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_script_gets_the_only_type_browsers_run() {
        assert_eq!(content_type("views/feed.mjs"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("a.b/LICENSE"), "application/octet-stream");
    }

    #[test]
    fn only_long_text_is_compressed_and_always_to_the_same_bytes() {
        let text = Bytes::from("a { color: red }\n".repeat(200));
        let small = compressed("text/css; charset=utf-8", &text).expect("long text compresses");
        assert!(small.len() < text.len() / 4);
        assert_eq!(compressed("text/css; charset=utf-8", &text), Some(small));
        assert_eq!(compressed("image/png", &text), None);
        assert_eq!(compressed("text/css; charset=utf-8", &text.slice(..1024)), None);
    }

    #[test]
    fn a_comment_changes_the_stored_bytes_and_nothing_else() {
        use std::io::Read as _;
        let one = gzip(b"<html>", Some("1.0".to_owned())).expect("in memory");
        let two = gzip(b"<html>", Some("1.1".to_owned())).expect("in memory");
        assert_ne!(one, two);
        for stored in [one, two] {
            let mut read = Vec::new();
            flate2::read::GzDecoder::new(&stored[..])
                .read_to_end(&mut read)
                .expect("valid gzip");
            assert_eq!(read, b"<html>");
        }
    }
}
