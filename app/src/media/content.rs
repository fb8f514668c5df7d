//! What came, told by its bytes alone: whatever it is called, and whatever was said of it before.

use super::{document, photo, video};

/// Files are held in memory while they are looked at, so that even a video may not be large.
pub const MOST_BYTES: usize = 20 * 1024 * 1024;
const PHOTO_MAX_BYTES: usize = 10 * 1024 * 1024;
const DOCUMENT_MAX_BYTES: usize = 10 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Jpeg,
    Png,
    Webp,
    Mp4,
    Pdf,
}

/// A file that may be shown.
#[derive(Debug, PartialEq, Eq)]
pub struct Content {
    pub kind: Kind,
    /// Width and height as shown, that is after a turn that the file asks for. A document has none.
    pub size: Option<(u32, u32)>,
    pub bytes: Vec<u8>,
}

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::Jpeg, Kind::Png, Kind::Webp, Kind::Mp4, Kind::Pdf];

    pub fn content_type(self) -> &'static str {
        match self {
            Kind::Jpeg => "image/jpeg",
            Kind::Png => "image/png",
            Kind::Webp => "image/webp",
            Kind::Mp4 => "video/mp4",
            Kind::Pdf => "application/pdf",
        }
    }

    pub fn of_content_type(content_type: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.content_type() == content_type)
    }

    pub fn is_photo(self) -> bool {
        matches!(self, Kind::Jpeg | Kind::Png | Kind::Webp)
    }

    pub fn max_bytes(self) -> usize {
        match self {
            Kind::Jpeg | Kind::Png | Kind::Webp => PHOTO_MAX_BYTES,
            Kind::Mp4 => MOST_BYTES,
            Kind::Pdf => DOCUMENT_MAX_BYTES,
        }
    }

    fn of(bytes: &[u8]) -> Option<Kind> {
        match bytes {
            [0xFF, 0xD8, 0xFF, ..] => Some(Kind::Jpeg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Kind::Webp),
            _ if bytes.starts_with(b"\x89PNG\r\n\x1A\n") => Some(Kind::Png),
            _ if bytes.starts_with(b"%PDF-") => Some(Kind::Pdf),
            _ if video::is_mp4(bytes) => Some(Kind::Mp4),
            _ => None,
        }
    }
}

impl Content {
    pub fn parse(bytes: Vec<u8>) -> Result<Content, String> {
        let kind = Kind::of(&bytes).ok_or("must be a JPEG, PNG or WebP photo, an MP4 video or a PDF document")?;
        let (content_type, most) = (kind.content_type(), kind.max_bytes());
        if bytes.len() > most {
            return Err(format!(
                "must have at most {most} bytes as {content_type}; it has {}",
                bytes.len()
            ));
        }
        let broken = |what| format!("is a broken {content_type} file: {what}");
        let (size, bytes) = match kind {
            Kind::Jpeg | Kind::Png | Kind::Webp => {
                let picture = photo::strip(kind, &bytes).map_err(broken)?;
                photo::check_pixels(picture.width, picture.height)?;
                (Some((picture.width, picture.height)), picture.bytes)
            }
            Kind::Mp4 => {
                let mut bytes = bytes;
                let size = video::strip(&mut bytes).map_err(broken)?;
                (Some(size), bytes)
            }
            Kind::Pdf => {
                document::check(&bytes).map_err(broken)?;
                (None, bytes)
            }
        };
        Ok(Content { kind, size, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_by_the_bytes_and_what_is_none_is_refused() {
        for (bytes, kind) in [
            (&b"\xFF\xD8\xFF\xE0"[..], Some(Kind::Jpeg)),
            (b"\x89PNG\r\n\x1A\n", Some(Kind::Png)),
            (b"RIFF\x04\0\0\0WEBP", Some(Kind::Webp)),
            (b"\0\0\0\x14ftypisom\0\0\0\0mp42", Some(Kind::Mp4)),
            (b"%PDF-1.7\n", Some(Kind::Pdf)),
            // QuickTime, HEIC and AVIF are boxes too.
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", None),
            (b"\0\0\0\x14ftypheic\0\0\0\0mif1", None),
            (b"\0\0\0\x14ftypavif\0\0\0\0mif1", None),
            (b"GIF89a", None),
            (b"<!doctype html>%PDF-1.7", None),
            (b"", None),
        ] {
            assert_eq!(Kind::of(bytes), kind, "{bytes:?}");
        }
    }

    #[test]
    fn each_kind_has_a_limit_of_its_own() {
        let mut large = b"%PDF-1.7\n".to_vec();
        large.resize(DOCUMENT_MAX_BYTES + 1, b' ');
        let refused = Content::parse(large).expect_err("too large");
        assert!(refused.contains("at most 10485760 bytes"), "{refused}");
    }
}
