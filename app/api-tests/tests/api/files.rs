//! Files as members bring them, each the smallest of its shape, and the form that carries them.

use crate::client::Client;
use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use std::io::Cursor;

pub fn upload(client: &Client, token: &str, form: &[u8]) -> RequestBuilder {
    let request = client.request(Method::POST, "/api/media").bearer_auth(token);
    request
        .header(CONTENT_TYPE, "multipart/form-data; boundary=x")
        .body(form.to_vec())
}

pub fn form(file: &[u8]) -> Vec<u8> {
    let head = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../me.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n";
    [&head[..], file, b"\r\n--x--\r\n"].concat()
}

/// The smallest file that has the shape of a PNG of this size.
pub fn png(width: u32, height: u32) -> Vec<u8> {
    let chunk = |name: &[u8; 4], contents: &[u8]| {
        let length = u32::try_from(contents.len()).expect("short").to_be_bytes();
        [&length[..], name, contents, b"sum!"].concat()
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    [
        b"\x89PNG\r\n\x1A\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"IDAT", &[1, 2, 3]),
        chunk(b"IEND", b""),
    ]
    .concat()
}

pub fn segment(marker: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len() + 2).expect("short").to_be_bytes();
    [&[0xFF, marker], &length[..], contents].concat()
}

pub fn jpeg(width: u16, height: u16, extras: &[u8]) -> Vec<u8> {
    let size = [&[8][..], &height.to_be_bytes(), &width.to_be_bytes(), &[1, 1, 0x11, 0]].concat();
    let scan = [segment(0xDA, &[1, 1, 0, 0, 63, 0]), vec![1, 0xFF, 0, 2]].concat();
    [
        &[0xFF, 0xD8],
        &segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0")[..],
        extras,
        &segment(0xC0, &size),
        &scan,
        &[0xFF, 0xD9],
    ]
    .concat()
}

pub fn webp(width: u8, height: u8) -> Vec<u8> {
    let frame = [0, 0, 0, 0x9D, 1, 0x2A, width, 0, height, 0, 9, 9];
    [b"RIFF", &[24, 0, 0, 0][..], b"WEBPVP8 ", &[12, 0, 0, 0], &frame].concat()
}

/// A picture of 640 x 480, white in its upper left quarter, as a camera that was turned keeps it: so that it is upright
/// only after the turn that its Exif asks for.
pub fn taken(orientation: u8) -> Vec<u8> {
    let upright = RgbImage::from_fn(640, 480, |x, y| match x < 320 && y < 240 {
        true => Rgb([255; 3]),
        false => Rgb([0; 3]),
    });
    let mut picture = DynamicImage::from(upright);
    // The turn back. Only turns by a quarter are not their own.
    let back = [1, 2, 3, 4, 5, 8, 7, 6][usize::from(orientation) - 1];
    picture.apply_orientation(Orientation::from_exif(back).expect("an orientation"));
    let mut file = encoded(picture, ImageFormat::Jpeg);
    let place = b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0";
    let exif = [&place[..], &[orientation], b"\0\0\0\0\0\0 GPS 37.5665N"].concat();
    file.splice(2..2, segment(0xE1, &exif));
    file
}

pub fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).expect("encoded");
    bytes.into_inner()
}

/// The smallest file that has the shape of a video, of 640 x 360 pixels, taken somewhere.
pub fn mp4() -> Vec<u8> {
    let part = |name: &[u8; 4], contents: &[u8]| {
        let length = u32::try_from(contents.len() + 8).expect("short").to_be_bytes();
        [&length[..], name, contents].concat()
    };
    let mut track_header = vec![0; 84];
    for (at, number) in [(41, 1), (57, 1), (76, 2), (77, 128), (80, 1), (81, 104)] {
        track_header[at] = number;
    }
    let handler = part(b"hdlr", &[&[0; 8][..], b"vide", &[0; 12]].concat());
    let track = [part(b"tkhd", &track_header), part(b"mdia", &handler)].concat();
    let place = part(b"udta", &part(b"\xA9xyz", b"+37.5665+126.9780/"));
    let movie = [part(b"mvhd", &[0; 100]), part(b"trak", &track), place].concat();
    [
        part(b"ftyp", b"isom\0\0\x02\0isommp42"),
        part(b"moov", &movie),
        part(b"mdat", b"frames"),
    ]
    .concat()
}

/// The smallest file that has the shape of a document.
pub fn pdf() -> Vec<u8> {
    let objects = "%PDF-1.7\n1 0 obj <</Type/Catalog>> endobj\n";
    let table = "xref\n0 1\n0000000000 65535 f \ntrailer <</Size 1/Root 1 0 R>>\n";
    format!("{objects}{table}startxref\n{}\n%%EOF\n", objects.len()).into_bytes()
}
