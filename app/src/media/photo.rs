//! Photos, recognised by their bytes and rid of everything that is not the picture.
//!
//! Nothing is decoded here: size and pixels are read from headers, so that a small file cannot unfold into a large one,
//! and the compressed picture itself is kept as it came. What cameras and editors add (where and when it was taken, with
//! what, thumbnails of it uncropped, and anything appended) is left out.

mod jpeg;
mod png;
mod webp;

use super::content::Kind;

/// As decoded for showing, a photo of this many pixels takes 200 MB.
const MAX_PIXELS: u64 = 50_000_000;
pub const MAX_SIDE: u32 = 16_383;

pub fn strip(kind: Kind, bytes: &[u8]) -> Stripped {
    match kind {
        Kind::Jpeg => jpeg::strip(bytes),
        Kind::Png => png::strip(bytes),
        Kind::Webp => webp::strip(bytes),
        Kind::Mp4 | Kind::Pdf => Err("it is no photo"),
    }
}

pub fn check_pixels(width: u32, height: u32) -> Result<(), String> {
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(format!(
            "must have at most {MAX_PIXELS} pixels and {MAX_SIDE} on a side; it has {width} x {height}"
        ));
    }
    Ok(())
}

/// What one format's file holds; the error says what is wrong with it.
#[derive(Debug)]
pub struct Picture {
    /// As shown, that is after a turn that the file asks for.
    pub width: u32,
    pub height: u32,
    pub bytes: Vec<u8>,
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
