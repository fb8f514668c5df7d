//! JPEG: segments, each behind a marker, and between some of them the compressed scans.

use super::{Picture, Stripped, sides, take};

const START: u8 = 0xD8;
const END: u8 = 0xD9;
const SCAN: u8 = 0xDA;
const COMMENT: u8 = 0xFE;

pub fn strip(mut bytes: &[u8]) -> Stripped {
    let mut kept = vec![0xFF, START];
    let (mut frame, mut orientation, mut has_scan) = (None, 1, false);
    take(&mut bytes, 2)?;
    loop {
        let marker = marker(&mut bytes)?;
        if marker == END {
            break;
        }
        let length: [u8; 2] = take(&mut bytes, 2)?.try_into().map_err(|_| "it ends too early")?;
        let length = usize::from(u16::from_be_bytes(length));
        let segment = take(&mut bytes, length.checked_sub(2).ok_or("a segment is too short")?)?;
        match marker {
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) && frame.replace(size(segment)?).is_some() => {
                return Err("it has two frames");
            }
            0xE1 => orientation = orientation_in(segment).unwrap_or(orientation),
            _ => {}
        }
        if is_of_the_picture(marker, segment) {
            kept.extend([0xFF, marker]);
            kept.extend(u16::to_be_bytes(length as u16));
            kept.extend(segment);
        }
        if marker == SCAN {
            has_scan = true;
            kept.extend(scan(&mut bytes)?);
        }
    }
    kept.extend([0xFF, END]);
    let (width, height) = frame.filter(|_| has_scan).ok_or("it holds no picture")?;
    if orientation == 1 {
        return Ok(Picture {
            width,
            height,
            bytes: kept,
        });
    }
    // Phones turn the picture by this alone: without it, it would lie on its side.
    kept.splice(2..2, exif_of(orientation));
    // From 5 on, its sides change places.
    let (width, height) = if orientation < 5 {
        (width, height)
    } else {
        (height, width)
    };
    Ok(Picture {
        width,
        height,
        bytes: kept,
    })
}

/// Any number of 0xFF may stand before a marker.
fn marker(bytes: &mut &[u8]) -> Result<u8, &'static str> {
    if take(bytes, 1)? != [0xFF] {
        return Err("a marker is missing");
    }
    loop {
        match take(bytes, 1)? {
            [0xFF] => {}
            [0x00..=0x01 | 0xD0..=0xD8] => return Err("a marker is out of place"),
            other => return Ok(other[0]),
        }
    }
}

/// The compressed data up to the next marker; restarts and escaped 0xFF are of the data.
fn scan<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], &'static str> {
    let mut from = 0;
    loop {
        let at = bytes[from..]
            .iter()
            .position(|byte| *byte == 0xFF)
            .ok_or("it ends too early")?
            + from;
        match bytes.get(at + 1) {
            Some(0x00 | 0xD0..=0xD7) => from = at + 2,
            Some(0xFF) => from = at + 1,
            Some(_) => return take(bytes, at),
            None => return Err("it ends too early"),
        }
    }
}

fn size(frame: &[u8]) -> Result<(u32, u32), &'static str> {
    match *frame {
        [_, h1, h2, w1, w2, ..] => sides(u16::from_be_bytes([w1, w2]).into(), u16::from_be_bytes([h1, h2]).into()),
        _ => Err("a segment is too short"),
    }
}

fn is_of_the_picture(marker: u8, segment: &[u8]) -> bool {
    match marker {
        0xE0 => segment.starts_with(b"JFIF\0"),
        // Its colours.
        0xE2 => segment.starts_with(b"ICC_PROFILE\0"),
        0xEE => segment.starts_with(b"Adobe"),
        0xE1..=0xEF | COMMENT => false,
        _ => true,
    }
}

/// 2 to 8, if an Exif segment tells one of these.
fn orientation_in(segment: &[u8]) -> Option<u8> {
    let tiff = segment.strip_prefix(b"Exif\0\0")?;
    let is_little = tiff.starts_with(b"II");
    let number = |at: usize, length: usize| {
        let bytes = tiff.get(at..at.checked_add(length)?)?.iter();
        let append = |number, byte: &u8| number << 8 | usize::from(*byte);
        Some(if is_little {
            bytes.rev().fold(0, append)
        } else {
            bytes.fold(0, append)
        })
    };
    let directory = number(4, 4)?;
    let entries = (0..number(directory, 2)?).map(|index| directory + 2 + 12 * index);
    let orientation = entries
        .take_while(|entry| *entry < tiff.len())
        .find(|entry| number(*entry, 2) == Some(0x0112))?;
    let turn = number(orientation + 8, 2)?;
    u8::try_from(turn).ok().filter(|turn| (2..=8).contains(turn))
}

/// A segment that tells the orientation and nothing else.
fn exif_of(orientation: u8) -> Vec<u8> {
    let mut segment =
        b"\xFF\xE1\x00\x22Exif\0\0MM\x00\x2A\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00".to_vec();
    segment.push(orientation);
    segment.extend([0; 6]);
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A segment with its marker and length.
    fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len() + 2).expect("short").to_be_bytes();
        [&[0xFF, marker], &length[..], content].concat()
    }

    fn exif(orientation: u8) -> Vec<u8> {
        let directory = [
            2,
            0,
            0x0F,
            1,
            2,
            0,
            4,
            0,
            0,
            0,
            b'm',
            b'e',
            0,
            0,
            0x12,
            1,
            3,
            0,
            1,
            0,
            0,
            0,
            orientation,
            0,
            0,
            0,
        ];
        segment(
            0xE1,
            &[&b"Exif\0\0II*\0\x08\0\0\0"[..], &directory, b"37.5665N 126.9780E"].concat(),
        )
    }

    fn photo(extras: &[Vec<u8>], after: &[u8]) -> Vec<u8> {
        let jfif = segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
        let frame = segment(0xC0, &[8, 0, 3, 0, 5, 1, 1, 0x11, 0]);
        let scan = [segment(SCAN, &[1, 1, 0, 0, 63, 0]), vec![1, 0xFF, 0, 2, 0xFF, 0xD0, 3]].concat();
        [
            vec![0xFF, START],
            jfif,
            extras.concat(),
            frame,
            scan,
            vec![0xFF, END],
            after.to_vec(),
        ]
        .concat()
    }

    #[test]
    fn what_is_not_the_picture_is_left_out() {
        let extras = [
            exif(1),
            segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"),
            segment(COMMENT, b"secret"),
        ];
        let picture = strip(&photo(&extras, b"appended")).expect("a photo");
        assert_eq!((picture.width, picture.height), (5, 3));
        assert_eq!(picture.bytes, photo(&[], b""));
    }

    #[test]
    fn a_turn_is_kept_and_told_alone() {
        let picture = strip(&photo(&[exif(6)], b"")).expect("a photo");
        assert_eq!((picture.width, picture.height), (3, 5));
        assert_eq!(picture.bytes.len(), photo(&[], b"").len() + 36);
        let again = strip(&picture.bytes).expect("a photo");
        assert_eq!((again.width, again.height, again.bytes), (3, 5, picture.bytes));
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_broken() {
        let whole = photo(&[exif(6)], b"");
        for length in 2..whole.len() {
            assert!(
                strip(&whole[..length]).is_err(),
                "accepted {length} of {} bytes",
                whole.len()
            );
        }
    }

    #[test]
    fn a_file_without_a_picture_is_broken() {
        let frame = segment(0xC0, &[8, 0, 3, 0, 5, 1, 1, 0x11, 0]);
        let flat = segment(0xC0, &[8, 0, 0, 0, 5, 1, 1, 0x11, 0]);
        for content in [
            vec![],
            frame.clone(),
            flat,
            [frame.clone(), frame].concat(),
            vec![0xFF, 0xE0, 0, 1],
            vec![7],
        ] {
            let file = [&[0xFF, START], &content[..], &[0xFF, END]].concat();
            assert!(strip(&file).is_err(), "accepted {file:?}");
        }
    }
}
