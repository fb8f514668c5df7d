//! A photo by its subject and number: one of a few scenes, each time with other colours, weather and places of things.

mod abstracts;
mod landscapes;
mod still_lifes;

use crate::canvas::{self, Size};
use crate::dice::Dice;

/// What a photo shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    Sunset,
    Mountains,
    City,
    Sea,
    Coffee,
    Blossoms,
    Lights,
    Pattern,
}

#[cfg(test)]
impl Subject {
    pub const ALL: [Subject; 8] = [
        Subject::Sunset,
        Subject::Mountains,
        Subject::City,
        Subject::Sea,
        Subject::Coffee,
        Subject::Blossoms,
        Subject::Lights,
        Subject::Pattern,
    ];
}

/// One photo, whose bytes follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Photo {
    pub subject: Subject,
    pub number: u64,
}

const SIZES: [Size; 3] = [
    Size {
        width: 1080,
        height: 1080,
    },
    Size {
        width: 1080,
        height: 1350,
    },
    Size {
        width: 1080,
        height: 810,
    },
];

impl Photo {
    /// Most are square, as they have always been.
    fn size(self) -> Size {
        SIZES[[0, 0, 1, 2][(self.number % 4) as usize]]
    }

    pub fn jpeg(self) -> anyhow::Result<Vec<u8>> {
        self.jpeg_of(self.size())
    }

    fn jpeg_of(self, size: Size) -> anyhow::Result<Vec<u8>> {
        let dice = &mut Dice::new(self.number, "photo");
        match self.subject {
            Subject::Sunset => canvas::jpeg(size, landscapes::sunset(size, dice)),
            Subject::Mountains => canvas::jpeg(size, landscapes::mountains(size, dice)),
            Subject::City => canvas::jpeg(size, landscapes::city(size, dice)),
            Subject::Sea => canvas::jpeg(size, landscapes::sea(size, dice)),
            Subject::Coffee => canvas::jpeg(size, still_lifes::coffee(size, dice)),
            Subject::Blossoms => canvas::jpeg(size, still_lifes::blossoms(size, dice)),
            Subject::Lights => canvas::jpeg(size, abstracts::lights(size, dice)),
            Subject::Pattern => canvas::jpeg(size, abstracts::pattern(size, dice)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_is_the_same_each_time_and_no_two_are_alike() {
        let size = Size { width: 64, height: 48 };
        let mut seen = std::collections::BTreeSet::new();
        for subject in Subject::ALL {
            for number in 0..4 {
                let photo = Photo { subject, number };
                let bytes = photo.jpeg_of(size).expect("a photo");
                assert_eq!(bytes, photo.jpeg_of(size).expect("a photo"), "{photo:?}");
                assert!(seen.insert(bytes), "{photo:?} is there twice");
            }
        }
    }

    #[test]
    fn a_photo_is_small_enough_to_upload_and_more_than_one_colour() {
        for subject in Subject::ALL {
            let bytes = Photo { subject, number: 1 }.jpeg().expect("a photo");
            // One colour takes some 20 kB at this size.
            assert!(
                (30_000..1_000_000).contains(&bytes.len()),
                "{subject:?}: {} bytes",
                bytes.len()
            );
        }
    }
}
