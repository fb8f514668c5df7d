//! Decoding a photo, and drawing it smaller and upright.

use super::super::content::Kind;
use super::super::photo::MAX_SIDE;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits};
use std::io::Cursor;

/// What decoding may take: 50 million pixels of 4 bytes, and something besides.
const DECODE_MAX_BYTES: u64 = 256 * 1024 * 1024;
const QUALITY: u8 = 80;
/// Those of phones take some hundred bytes.
const COLOURS_MAX_BYTES: usize = 64 * 1024;

pub struct Drawing {
    pub width: u32,
    pub height: u32,
    pub content_type: &'static str,
    pub bytes: Vec<u8>,
}

/// One for each of the widths, in rising order, that the photo exceeds.
pub fn draw(kind: Kind, bytes: &[u8], widths: &[u32]) -> Result<Vec<Drawing>, String> {
    let wrong = |error: image::ImageError| format!("cannot be decoded: {error}");
    let mut decoder = decoder(kind, bytes).map_err(wrong)?;
    let turn = decoder.orientation().map_err(wrong)?;
    let colours = decoder
        .icc_profile()
        .ok()
        .flatten()
        .filter(|colours| are_usable(colours));
    let mut picture = DynamicImage::from_decoder(decoder).map_err(wrong)?;
    let mut drawings = Vec::new();
    // Each is drawn from the next larger one, so that the whole photo is gone through once.
    for width in widths.iter().rev() {
        let Some((width, height)) = smaller(&picture, turn, *width) else {
            continue;
        };
        picture = picture.thumbnail_exact(width, height);
        let mut upright = picture.clone();
        upright.apply_orientation(turn);
        drawings.insert(0, encode(&upright, colours.as_deref()).map_err(wrong)?);
    }
    Ok(drawings)
}

fn decoder(kind: Kind, bytes: &[u8]) -> image::ImageResult<impl ImageDecoder> {
    let format = match kind {
        Kind::Png => ImageFormat::Png,
        Kind::Webp => ImageFormat::WebP,
        Kind::Jpeg | Kind::Mp4 | Kind::Pdf => ImageFormat::Jpeg,
    };
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(DECODE_MAX_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits.clone());
    let decoder = reader.into_decoder()?;
    limits.reserve(decoder.total_bytes())?;
    if kind == Kind::Webp {
        // This decoder works on a copy of its own, which it does not count: so WebP is drawn up to 36 million pixels.
        let (width, height) = decoder.dimensions();
        limits.reserve(u64::from(width) * u64::from(height) * 4)?;
    }
    Ok(decoder)
}

/// The size to draw the picture as it lies, so that it has this width once it is upright; none if that is no less.
fn smaller(picture: &DynamicImage, turn: Orientation, width: u32) -> Option<(u32, u32)> {
    let (lying_width, lying_height) = (picture.width(), picture.height());
    let is_on_its_side = matches!(
        turn,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    let (full_width, full_height) = match is_on_its_side {
        true => (lying_height, lying_width),
        false => (lying_width, lying_height),
    };
    if full_width <= width {
        return None;
    }
    let height = (u64::from(full_height) * u64::from(width) + u64::from(full_width) / 2) / u64::from(full_width);
    let height = u32::try_from(height).ok()?.max(1);
    Some(if is_on_its_side {
        (height, width)
    } else {
        (width, height)
    })
}

/// As JPEG, or as PNG if one can see through it anywhere.
fn encode(picture: &DynamicImage, colours: Option<&[u8]>) -> image::ImageResult<Drawing> {
    let (width, height, mut bytes) = (picture.width(), picture.height(), Vec::new());
    let rgba = picture.color().has_alpha().then(|| picture.to_rgba8());
    let content_type = match rgba.filter(|rgba| rgba.pixels().any(|pixel| pixel.0[3] < u8::MAX)) {
        Some(rgba) => {
            PngEncoder::new(&mut bytes).write_image(&rgba, width, height, ExtendedColorType::Rgba8)?;
            Kind::Png.content_type()
        }
        None => {
            let mut encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
            if let Some(colours) = colours {
                // Never refused by this encoder.
                encoder.set_icc_profile(colours.to_vec()).ok();
            }
            encoder.write_image(&picture.to_rgb8(), width, height, ExtendedColorType::Rgb8)?;
            Kind::Jpeg.content_type()
        }
    };
    Ok(Drawing {
        width,
        height,
        content_type,
        bytes,
    })
}

/// Those of phones' wide screens, without which the colours would look dull. They must be of red, green and blue, as
/// every drawing is.
fn are_usable(colours: &[u8]) -> bool {
    colours.len() <= COLOURS_MAX_BYTES && colours.get(16..20) == Some(b"RGB ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::content::Content;
    use image::{GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};

    fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.into().write_to(&mut bytes, format).expect("encoded");
        bytes.into_inner()
    }

    fn decoded(drawing: &Drawing) -> RgbaImage {
        image::load_from_memory(&drawing.bytes).expect("a picture").to_rgba8()
    }

    /// The front of a PNG that says it has this size, in 8 bytes a pixel.
    fn wide(width: u32, height: u32) -> Vec<u8> {
        let header = [
            &b"IHDR"[..],
            &width.to_be_bytes(),
            &height.to_be_bytes(),
            &[16, 6, 0, 0, 0],
        ]
        .concat();
        let sum = !header.iter().fold(u32::MAX, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| sum >> 1 ^ (0xEDB8_8320 * (sum & 1)))
        });
        let start = [&b"\x89PNG\r\n\x1A\n\0\0\0\x0D"[..], &header, &sum.to_be_bytes()].concat();
        [&start[..], b"\0\0\0\x01IDAT\x78"].concat()
    }

    #[test]
    fn each_width_that_the_photo_exceeds_is_drawn_and_no_other() {
        for (width, height, expected) in [
            (2_000, 1_000, &[(320, 160), (1_080, 540)][..]),
            (1_080, 2_160, &[(320, 640)]),
            (321, 1, &[(320, 1)]),
            (320, 900, &[]),
            (1, 5_000, &[]),
        ] {
            let photo = encoded(GrayImage::from_pixel(width, height, Luma([200])), ImageFormat::Png);
            let drawings = draw(Kind::Png, &photo, &[320, 1_080]).expect("drawn");
            let sizes: Vec<_> = drawings.iter().map(|drawing| (drawing.width, drawing.height)).collect();
            assert_eq!(sizes, expected, "of {width} x {height}");
        }
    }

    #[test]
    fn all_formats_are_drawn_and_what_one_sees_through_stays_so() {
        let opaque = RgbImage::from_pixel(640, 480, Rgb([200, 100, 50]));
        for (kind, format) in [
            (Kind::Jpeg, ImageFormat::Jpeg),
            (Kind::Png, ImageFormat::Png),
            (Kind::Webp, ImageFormat::WebP),
        ] {
            let drawings = draw(kind, &encoded(opaque.clone(), format), &[320]).expect("drawn");
            assert_eq!(drawings[0].content_type, "image/jpeg");
            let pixel = decoded(&drawings[0]).get_pixel(160, 120).0;
            let is_near = pixel
                .iter()
                .zip([200, 100, 50, 255])
                .all(|(found, wanted)| found.abs_diff(wanted) < 8);
            assert!(is_near, "{pixel:?} in {kind:?}");
        }
        let glass = RgbaImage::from_pixel(640, 480, Rgba([200, 100, 50, 128]));
        let drawings = draw(Kind::Png, &encoded(glass, ImageFormat::Png), &[320]).expect("drawn");
        assert_eq!(drawings[0].content_type, "image/png");
        assert_eq!(decoded(&drawings[0]).get_pixel(160, 120).0, [200, 100, 50, 128]);
    }

    /// A file that asks for this turn, whose upper left quarter is white once it is turned.
    fn turned(orientation: u8) -> Vec<u8> {
        let mut picture = DynamicImage::from(GrayImage::from_fn(640, 480, |x, y| {
            Luma([if x < 320 && y < 240 { 255 } else { 0 }])
        }));
        // The turn back. Only turns by a quarter are not their own.
        let back = [1, 2, 3, 4, 5, 8, 7, 6][usize::from(orientation) - 1];
        picture.apply_orientation(Orientation::from_exif(back).expect("an orientation"));
        let mut file = encoded(picture.to_rgb8(), ImageFormat::Jpeg);
        let exif = b"\xFF\xE1\x00\x22Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0";
        file.splice(2..2, [&exif[..], &[orientation], &[0; 6]].concat());
        file
    }

    #[test]
    fn a_photo_is_drawn_upright_whatever_turn_its_file_asks_for() {
        for orientation in 1..=8 {
            let content = Content::parse(turned(orientation)).expect("a photo");
            assert_eq!(content.size, Some((640, 480)), "{orientation}");
            let drawing = draw(content.kind, &content.bytes, &[320]).expect("drawn").remove(0);
            assert_eq!((drawing.width, drawing.height), (320, 240), "{orientation}");
            let picture = decoded(&drawing);
            let corners = [(10, 10), (310, 10), (10, 230), (310, 230)].map(|(x, y)| picture.get_pixel(x, y).0[0] > 127);
            assert_eq!(corners, [true, false, false, false], "{orientation}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_or_unfolds_too_far_is_refused() {
        let photo = encoded(GrayImage::from_pixel(640, 480, Luma([200])), ImageFormat::Png);
        for (kind, bad) in [
            (Kind::Png, &photo[..photo.len() / 2]),
            (Kind::Jpeg, &photo[..]),
            (Kind::Webp, b"RIFF\x04\0\0\0WEBP"),
            (Kind::Jpeg, b"\xFF\xD8\xFF\xD9"),
        ] {
            assert!(draw(kind, bad, &[320]).is_err(), "{kind:?}");
        }
        // 16 bits each of red, green, blue and alpha would make 400 MB of this small file.
        let refused = draw(Kind::Png, &wide(10_000, 5_000), &[320]).err().expect("refused");
        assert!(refused.contains("limit"), "{refused}");
    }
}
