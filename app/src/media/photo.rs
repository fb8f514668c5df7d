//! Photos, recognised by their bytes and rid of everything that is not the picture.
//!
//! Nothing is decoded here: size and pixels are read from headers, so that a small file cannot unfold into a large one,
//! and the compressed picture itself is kept as it came. What cameras and editors add (where and when it was taken, with
//! what, thumbnails of it uncropped, and anything appended) is left out.

mod jpeg;
mod png;
mod webp;

pub const MAX_BYTES: usize = 10 * 1024 * 1024;
/// As decoded for showing, a photo of this many pixels takes 200 MB.
const MAX_PIXELS: u64 = 50_000_000;
const MAX_SIDE: u32 = 16_383;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Jpeg,
    Png,
    Webp,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Photo {
    pub format: Format,
    /// As shown, that is after a turn that the file asks for.
    pub width: u32,
    pub height: u32,
    pub bytes: Vec<u8>,
}

impl Format {
    pub const ALL: [Format; 3] = [Format::Jpeg, Format::Png, Format::Webp];

    pub fn content_type(self) -> &'static str {
        match self {
            Format::Jpeg => "image/jpeg",
            Format::Png => "image/png",
            Format::Webp => "image/webp",
        }
    }

    pub fn of_content_type(content_type: &str) -> Option<Format> {
        Format::ALL
            .into_iter()
            .find(|format| format.content_type() == content_type)
    }

    fn of(bytes: &[u8]) -> Option<Format> {
        match bytes {
            [0xFF, 0xD8, 0xFF, ..] => Some(Format::Jpeg),
            _ if bytes.starts_with(b"\x89PNG\r\n\x1A\n") => Some(Format::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Format::Webp),
            _ => None,
        }
    }
}

impl Photo {
    pub fn parse(bytes: &[u8]) -> Result<Photo, String> {
        if bytes.len() > MAX_BYTES {
            return Err(format!("must have at most {MAX_BYTES} bytes; it has {}", bytes.len()));
        }
        let format = Format::of(bytes).ok_or("must be a JPEG, PNG or WebP photo")?;
        let picture = match format {
            Format::Jpeg => jpeg::strip(bytes),
            Format::Png => png::strip(bytes),
            Format::Webp => webp::strip(bytes),
        };
        let Picture { width, height, bytes } =
            picture.map_err(|what| format!("is a broken {} file: {what}", format.content_type()))?;
        if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
            return Err(format!(
                "must have at most {MAX_PIXELS} pixels and {MAX_SIDE} on a side; it has {width} x {height}"
            ));
        }
        Ok(Photo {
            format,
            width,
            height,
            bytes,
        })
    }
}

/// What one format's file holds; the error says what is wrong with it.
#[derive(Debug)]
struct Picture {
    width: u32,
    height: u32,
    bytes: Vec<u8>,
}

type Stripped = Result<Picture, &'static str>;

/// Takes `count` bytes from the front.
fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], &'static str> {
    bytes.split_off(..count).ok_or("it ends too early")
}

fn sides(width: u32, height: u32) -> Result<(u32, u32), &'static str> {
    match (width, height) {
        (0, _) | (_, 0) => Err("it has no pixels"),
        sides => Ok(sides),
    }
}
