//! Files as members bring them, each the smallest of its shape, and the form that carries them.

use crate::client::Client;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};

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
