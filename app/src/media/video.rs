//! MP4: boxes of a length, a name and contents, which in some are boxes again.
//!
//! Nothing is decoded here. What cameras and editors add about a video (where and when it was taken, with what) stands in
//! boxes and fields of its own. They are overwritten where they are, so that no offset in the file changes; what is said
//! within the tracks themselves is left.

use std::ops::Range;

/// What the first box must say that the file is. QuickTime, HEIC, AVIF and sound alone say something else.
const BRANDS: [&[u8]; 12] = [
    b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"MSNV", b"dash",
];
/// Beyond it, a file of nothing but empty boxes would take long.
const MOST_BOXES: usize = 10_000;
const MAX_SIDE: u32 = 8_192;

/// A box, by where its name and its contents are.
struct Part {
    name_at: usize,
    name: [u8; 4],
    contents: Range<usize>,
}

pub fn is_mp4(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"ftyp") && bytes.get(8..12).is_some_and(|brand| BRANDS.contains(&brand))
}

/// Makes the file tell nothing but its pictures and sounds; its width and height.
pub fn strip(bytes: &mut [u8]) -> Result<(u32, u32), &'static str> {
    let parts = parts(bytes, 0..bytes.len())?;
    forget(bytes, &parts);
    let mut movies = parts.iter().filter(|part| &part.name == b"moov");
    let (Some(movie), None) = (movies.next(), movies.next()) else {
        return Err("it is not one movie");
    };
    if !parts.iter().any(|part| &part.name == b"mdat") {
        return Err("it holds no data");
    }
    strip_movie(bytes, movie)?.ok_or("it shows nothing")
}

fn strip_movie(bytes: &mut [u8], movie: &Part) -> Result<Option<(u32, u32)>, &'static str> {
    let parts = parts(bytes, movie.contents.clone())?;
    forget(bytes, &parts);
    let mut size = None;
    for part in &parts {
        match &part.name {
            b"mvhd" => forget_times(bytes, part)?,
            b"trak" => size = size.max(strip_track(bytes, part)?),
            _ => {}
        }
    }
    Ok(size)
}

/// The size of a track of pictures.
fn strip_track(bytes: &mut [u8], track: &Part) -> Result<Option<(u32, u32)>, &'static str> {
    let parts = parts(bytes, track.contents.clone())?;
    forget(bytes, &parts);
    let (mut size, mut is_video) = (None, false);
    for part in &parts {
        match &part.name {
            b"tkhd" => {
                forget_times(bytes, part)?;
                size = Some(size_in(&bytes[part.contents.clone()])?);
            }
            b"mdia" => is_video |= strip_track_media(bytes, part)?,
            _ => {}
        }
    }
    match size.filter(|_| is_video) {
        Some((0, _) | (_, 0)) => Err("it has no pixels"),
        Some((width, height)) if width > MAX_SIDE || height > MAX_SIDE => Err("it has more than 8192 pixels on a side"),
        size => Ok(size),
    }
}

/// Whether the track is one of pictures.
fn strip_track_media(bytes: &mut [u8], media: &Part) -> Result<bool, &'static str> {
    let parts = parts(bytes, media.contents.clone())?;
    forget(bytes, &parts);
    let mut is_video = false;
    for part in &parts {
        match &part.name {
            b"mdhd" => forget_times(bytes, part)?,
            b"hdlr" => is_video |= bytes[part.contents.clone()].get(8..12) == Some(b"vide"),
            _ => {}
        }
    }
    Ok(is_video)
}

fn parts(bytes: &[u8], within: Range<usize>) -> Result<Vec<Part>, &'static str> {
    let (mut found, mut at) = (Vec::new(), within.start);
    while at < within.end {
        if found.len() == MOST_BOXES {
            return Err("it has too many boxes");
        }
        let rest = bytes.get(at..within.end).unwrap_or_default();
        let (length, name) = match *rest {
            [a, b, c, d, n1, n2, n3, n4, ..] => (u32::from_be_bytes([a, b, c, d]), [n1, n2, n3, n4]),
            _ => return Err("it ends too early"),
        };
        let (head, length) = match (length, rest.get(8..16)) {
            (0, _) => (8, rest.len() as u64),
            (1, Some(long)) => (16, long.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))),
            (1, None) => return Err("it ends too early"),
            (length, _) => (8, u64::from(length)),
        };
        let length = usize::try_from(length).map_err(|_| "a box is too long")?;
        if length < head {
            return Err("a box is too short");
        }
        if length > rest.len() {
            return Err("it ends too early");
        }
        found.push(Part {
            name_at: at + 4,
            name,
            contents: at + head..at + length,
        });
        at += length;
    }
    Ok(found)
}

/// Makes free space, of zeros, of every box that is about the video rather than of it.
fn forget(bytes: &mut [u8], parts: &[Part]) {
    let about = |part: &&Part| matches!(&part.name, b"udta" | b"meta" | b"uuid" | b"free" | b"skip");
    for part in parts.iter().filter(about) {
        bytes[part.contents.clone()].fill(0);
        bytes[part.name_at..part.name_at + 4].copy_from_slice(b"free");
    }
}

/// When the thing was made and changed stands at the front of each header.
fn forget_times(bytes: &mut [u8], header: &Part) -> Result<(), &'static str> {
    let header = &mut bytes[header.contents.clone()];
    let times = match header.first() {
        Some(1) => 4..20,
        _ => 4..12,
    };
    header.get_mut(times).ok_or("a box is too short")?.fill(0);
    Ok(())
}

/// Of a track's header, as shown after the turn by a quarter that its matrix may ask for.
fn size_in(header: &[u8]) -> Result<(u32, u32), &'static str> {
    let matrix = match header.first() {
        Some(1) => 52,
        _ => 40,
    };
    let number = |at: usize| {
        let bytes: [u8; 4] = header.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    };
    let numbers = (
        number(matrix),
        number(matrix + 16),
        number(matrix + 36),
        number(matrix + 40),
    );
    let (Some(a), Some(d), Some(width), Some(height)) = numbers else {
        return Err("a box is too short");
    };
    // Whole pixels stand in the upper half.
    let (width, height) = (width >> 16, height >> 16);
    Ok(if (a, d) == (0, 0) {
        (height, width)
    } else {
        (width, height)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &[u8; 4], contents: &[u8]) -> Vec<u8> {
        let length = u32::try_from(contents.len() + 8).expect("short").to_be_bytes();
        [&length[..], name, contents].concat()
    }

    /// With its times set, of 640 x 360 pixels, turned or not.
    fn track_header(is_turned: bool) -> Vec<u8> {
        let mut header = vec![0; 84];
        header[4..12].copy_from_slice(b"maketime");
        let at = if is_turned { [44, 52] } else { [40, 56] };
        for at in at {
            header[at + 1] = 1;
        }
        header[76..78].copy_from_slice(&640_u16.to_be_bytes());
        header[80..82].copy_from_slice(&360_u16.to_be_bytes());
        part(b"tkhd", &header)
    }

    fn track(handler: &[u8; 4], is_turned: bool) -> Vec<u8> {
        let handler = part(b"hdlr", &[&[0; 8][..], handler, &[0; 12]].concat());
        let media = part(b"mdia", &[part(b"mdhd", b"\0\0\0\0maketime\0\0\0\0"), handler].concat());
        part(
            b"trak",
            &[track_header(is_turned), media, part(b"udta", b"made with a phone")].concat(),
        )
    }

    fn video(tracks: &[Vec<u8>]) -> Vec<u8> {
        let header = part(b"mvhd", b"\0\0\0\0maketime\0\0\0\0");
        let place = part(b"udta", &part(b"\xA9xyz", b"+37.5665+126.9780/"));
        let movie = part(b"moov", &[header, tracks.concat(), place].concat());
        let about = part(b"uuid", b"<x:creator>me</x:creator>");
        [
            part(b"ftyp", b"isom\0\0\0\0mp42"),
            movie,
            part(b"mdat", b"frames"),
            about,
        ]
        .concat()
    }

    #[test]
    fn where_and_when_it_was_taken_is_overwritten_and_nothing_moves() {
        let taken = video(&[track(b"soun", false), track(b"vide", false)]);
        let mut shown = taken.clone();
        assert_eq!(strip(&mut shown), Ok((640, 360)));
        assert_eq!(shown.len(), taken.len());
        let told = String::from_utf8_lossy(&shown).into_owned();
        for gone in ["37.5665", "creator", "made with", "maketime", "udta", "uuid"] {
            assert!(!told.contains(gone), "{gone} is still told");
        }
        let at = |bytes: &[u8]| bytes.windows(6).position(|window| window == b"frames");
        assert_eq!(at(&shown), at(&taken));
        let mut again = shown.clone();
        assert_eq!((strip(&mut again), again), (Ok((640, 360)), shown));
    }

    #[test]
    fn a_turned_video_is_told_as_it_is_shown() {
        assert_eq!(strip(&mut video(&[track(b"vide", true)])), Ok((360, 640)));
    }

    #[test]
    fn a_file_that_is_cut_anywhere_or_shows_nothing_is_broken() {
        let whole = video(&[track(b"vide", false)]);
        for length in 1..whole.len() {
            // What ends with a box is another file: without data, or without what is about it.
            let is_whole = strip(&mut whole[..length].to_vec()).is_ok();
            let holds_data = whole[..length].ends_with(b"frames");
            assert_eq!(is_whole, holds_data, "{length} of {} bytes", whole.len());
        }
        assert!(strip(&mut video(&[track(b"soun", false)])).is_err());
        assert!(strip(&mut video(&[])).is_err());
    }

    #[test]
    fn lengths_that_lead_nowhere_end_the_file_and_not_the_process() {
        let start = part(b"ftyp", b"isom\0\0\0\0mp42");
        for bad in [
            &b"\0\0\0\x07moov"[..],
            b"\xFF\xFF\xFF\xFFmoov",
            b"\0\0\0\x01moov\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
            b"\0\0\0\x01moov\0\0\0\0\0\0\0\x0F",
            b"\0\0\0\x01moov",
        ] {
            assert!(strip(&mut [&start[..], bad].concat()).is_err(), "{bad:?}");
        }
        let empty = part(b"free", b"").repeat(MOST_BOXES + 1);
        assert_eq!(strip(&mut [start, empty].concat()), Err("it has too many boxes"));
    }
}
