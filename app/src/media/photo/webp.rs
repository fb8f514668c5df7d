//! WebP: a RIFF file, that is chunks of a name, a length and contents padded to an even length.

use super::{Picture, Stripped, sides, take};

/// In the flags of the extended header: there is Exif, there is XMP.
const METADATA_FLAGS: u8 = 0b1100;

pub fn strip(mut bytes: &[u8]) -> Stripped {
    let head = take(&mut bytes, 12)?;
    let length = little(&head[4..8]) as usize;
    let mut chunks = take(&mut bytes, length.checked_sub(4).ok_or("it ends too early")?)?;
    let mut kept = b"RIFF\0\0\0\0WEBP".to_vec();
    let (mut canvas, mut frame) = (None, None);
    while !chunks.is_empty() {
        let head = take(&mut chunks, 8)?;
        let (name, length) = (&head[..4], little(&head[4..]) as usize);
        let contents = take(&mut chunks, length)?;
        let padding = (length % 2).min(chunks.len());
        let padding = take(&mut chunks, padding)?;
        match name {
            b"VP8X" => canvas = Some(canvas_of(contents)?),
            b"VP8 " => frame = Some(lossy(contents)?),
            b"VP8L" => frame = Some(lossless(contents)?),
            b"ALPH" | b"ICCP" => {}
            b"ANIM" | b"ANMF" => return Err("it moves"),
            _ => continue,
        }
        let start = kept.len();
        kept.extend(head);
        kept.extend(contents);
        kept.extend(padding);
        if name == b"VP8X" {
            kept[start + 8] &= !METADATA_FLAGS;
        }
    }
    let (width, height) = frame.ok_or("it holds no picture")?;
    if canvas.is_some_and(|canvas| canvas != (width, height)) {
        return Err("its picture has another size than it says");
    }
    let length = u32::try_from(kept.len() - 8).map_err(|_| "it is too long")?;
    kept[4..8].copy_from_slice(&length.to_le_bytes());
    Ok(Picture {
        width,
        height,
        bytes: kept,
    })
}

fn little(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn canvas_of(header: &[u8]) -> Result<(u32, u32), &'static str> {
    match header.len() {
        10 => Ok((little(&header[4..7]) + 1, little(&header[7..10]) + 1)),
        _ => Err("its header is too short"),
    }
}

fn lossy(frame: &[u8]) -> Result<(u32, u32), &'static str> {
    match *frame {
        [_, _, _, 0x9D, 0x01, 0x2A, w1, w2, h1, h2, _, ..] => sides(little(&[w1, w2 & 0x3F]), little(&[h1, h2 & 0x3F])),
        _ => Err("its picture is broken"),
    }
}

fn lossless(frame: &[u8]) -> Result<(u32, u32), &'static str> {
    match *frame {
        [0x2F, a, b, c, d, _, ..] => {
            let bits = little(&[a, b, c, d]);
            Ok(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
        }
        _ => Err("its picture is broken"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], contents: &[u8]) -> Vec<u8> {
        let length = u32::try_from(contents.len()).expect("short").to_le_bytes();
        [name, &length[..], contents, &[0][..contents.len() % 2]].concat()
    }

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        let chunks = chunks.concat();
        let length = u32::try_from(chunks.len() + 4).expect("short").to_le_bytes();
        [b"RIFF", &length[..], b"WEBP", &chunks].concat()
    }

    fn extended(flags: u8, width: u8, height: u8) -> Vec<u8> {
        chunk(b"VP8X", &[flags, 0, 0, 0, width - 1, 0, 0, height - 1, 0, 0])
    }

    fn lossy_frame() -> Vec<u8> {
        chunk(b"VP8 ", &[0, 0, 0, 0x9D, 1, 0x2A, 5, 0, 3, 0, 9])
    }

    #[test]
    fn what_is_not_the_picture_is_left_out() {
        let photo = file(&[
            extended(0x1C, 5, 3),
            lossy_frame(),
            chunk(b"EXIF", b"MM1"),
            chunk(b"XMP ", b"<x/>"),
        ]);
        let picture = strip(&[&photo[..], b"appended"].concat()).expect("a photo");
        assert_eq!((picture.width, picture.height), (5, 3));
        assert_eq!(picture.bytes, file(&[extended(0x10, 5, 3), lossy_frame()]));
    }

    #[test]
    fn a_lossless_photo_tells_its_size_in_14_bits_each() {
        let bits: u32 = 4 | 2 << 14;
        let frame = [&[0x2F], &bits.to_le_bytes()[..], &[0]].concat();
        let picture = strip(&file(&[chunk(b"VP8L", &frame)])).expect("a photo");
        assert_eq!((picture.width, picture.height), (5, 3));
    }

    #[test]
    fn a_file_that_is_cut_moves_or_tells_two_sizes_is_refused() {
        let whole = file(&[extended(0, 5, 3), lossy_frame()]);
        for length in 0..whole.len() {
            assert!(
                strip(&whole[..length]).is_err(),
                "accepted {length} of {} bytes",
                whole.len()
            );
        }
        assert!(strip(&file(&[extended(0, 5, 4), lossy_frame()])).is_err());
        assert!(strip(&file(&[extended(2, 5, 3), chunk(b"ANIM", &[0; 6])])).is_err());
        assert!(strip(&file(&[extended(0, 5, 3)])).is_err());
    }
}
