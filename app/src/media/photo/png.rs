//! PNG: a signature, then chunks of a length, a name, contents and a checksum.

use super::{Picture, Stripped, sides, take};

const SIGNATURE_BYTES: usize = 8;

/// The picture and its colours. A still picture of an animation stays. Among what goes are compressed texts and colour
/// profiles, which could unfold to any size.
const KEPT: [&[u8; 4]; 10] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD",
];

pub fn strip(mut bytes: &[u8]) -> Stripped {
    let mut kept = take(&mut bytes, SIGNATURE_BYTES)?.to_vec();
    let (mut size, mut has_data) = (None, false);
    loop {
        let chunk = bytes;
        let head = take(&mut bytes, 8)?;
        let name = &head[4..];
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let contents = take(&mut bytes, length)?;
        take(&mut bytes, 4)?;
        if size.is_none() {
            size = Some(header(name, contents)?);
        } else if name == b"IHDR" {
            return Err("it has two headers");
        }
        has_data |= name == b"IDAT" && length > 0;
        if KEPT.iter().any(|kept| *kept == name) {
            kept.extend(&chunk[..length + 12]);
        } else if name[0].is_ascii_uppercase() {
            return Err("it has a chunk that is not known and not optional");
        }
        if name == b"IEND" {
            break;
        }
    }
    let (width, height) = size.filter(|_| has_data).ok_or("it holds no picture")?;
    Ok(Picture {
        width,
        height,
        bytes: kept,
    })
}

fn header(name: &[u8], contents: &[u8]) -> Result<(u32, u32), &'static str> {
    match *contents {
        [w1, w2, w3, w4, h1, h2, h3, h4, _, _, _, _, _] if name == b"IHDR" => sides(
            u32::from_be_bytes([w1, w2, w3, w4]),
            u32::from_be_bytes([h1, h2, h3, h4]),
        ),
        _ => Err("its header is missing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], contents: &[u8]) -> Vec<u8> {
        let length = u32::try_from(contents.len()).expect("short").to_be_bytes();
        [&length[..], name, contents, b"sum!"].concat()
    }

    fn photo(extra: &[u8], after: &[u8]) -> Vec<u8> {
        let header = chunk(b"IHDR", &[0, 0, 0, 5, 0, 0, 0, 3, 8, 2, 0, 0, 0]);
        let data = chunk(b"IDAT", &[1, 2, 3]);
        [
            b"\x89PNG\r\n\x1A\n",
            &header[..],
            extra,
            &data,
            &chunk(b"IEND", b""),
            after,
        ]
        .concat()
    }

    #[test]
    fn what_is_not_the_picture_is_left_out() {
        let extra = [
            chunk(b"tEXt", b"Author\0me"),
            chunk(b"eXIf", b"MM"),
            chunk(b"zTXt", b"x"),
            chunk(b"acTL", b"x"),
        ];
        let picture = strip(&photo(&extra.concat(), b"appended")).expect("a photo");
        assert_eq!((picture.width, picture.height), (5, 3));
        assert_eq!(picture.bytes, photo(b"", b""));
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_broken() {
        let whole = photo(b"", b"");
        for length in 0..whole.len() {
            assert!(
                strip(&whole[..length]).is_err(),
                "accepted {length} of {} bytes",
                whole.len()
            );
        }
    }

    #[test]
    fn a_file_with_no_two_or_unknown_headers_is_broken() {
        let header = chunk(b"IHDR", &[0, 0, 0, 5, 0, 0, 0, 3, 8, 2, 0, 0, 0]);
        assert!(strip(&photo(&header, b"")).is_err());
        assert!(strip(&photo(&chunk(b"ABCD", b""), b"")).is_err());
        assert!(strip(&photo(&[0xFF; 12], b"")).is_err());
        let headless = [b"\x89PNG\r\n\x1A\n", &chunk(b"IDAT", &[1])[..], &chunk(b"IEND", b"")].concat();
        assert!(strip(&headless).is_err());
    }
}
