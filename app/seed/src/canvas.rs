//! Pixels, colours between colours, and soft edges; written out as a JPEG.

use anyhow::Context;
use jpeg_encoder::{ColorType, Encoder};

const QUALITY: u8 = 84;

/// Red, green and blue from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Colour(pub f32, pub f32, pub f32);

impl Colour {
    /// As the web writes it: 0xRRGGBB.
    pub const fn hex(rgb: u32) -> Colour {
        Colour(
            ((rgb >> 16) & 0xFF) as f32 / 255.0,
            ((rgb >> 8) & 0xFF) as f32 / 255.0,
            (rgb & 0xFF) as f32 / 255.0,
        )
    }

    /// This one at 0, the other at 1.
    pub fn mix(self, other: Colour, share: f32) -> Colour {
        let share = share.clamp(0.0, 1.0);
        let between = |from: f32, to: f32| from + (to - from) * share;
        Colour(
            between(self.0, other.0),
            between(self.1, other.1),
            between(self.2, other.2),
        )
    }

    /// Light that is added, as a glow is, or taken away.
    pub fn lit(self, by: Colour, strength: f32) -> Colour {
        Colour(
            self.0 + by.0 * strength,
            self.1 + by.1 * strength,
            self.2 + by.2 * strength,
        )
    }
}

/// From the first colour to the last, at equal distances.
pub fn gradient(colours: &[Colour], at: f32) -> Colour {
    let steps = colours.len().saturating_sub(1);
    let place = at.clamp(0.0, 1.0) * steps as f32;
    let first = (place as usize).min(steps.saturating_sub(1));
    match (colours.get(first), colours.get(first + 1)) {
        (Some(from), Some(to)) => from.mix(*to, place - first as f32),
        (Some(only), None) => *only,
        _ => Colour(0.0, 0.0, 0.0),
    }
}

/// 0 before `from`, 1 after `to`, and no corner in between.
pub fn smooth(from: f32, to: f32, at: f32) -> f32 {
    let t = ((at - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Both axes in units of the shorter side, so that circles are round.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    pub x: f32,
    pub y: f32,
}

impl Point {
    pub fn distance(self, x: f32, y: f32) -> f32 {
        (self.x - x).hypot(self.y - y)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub width: u16,
    pub height: u16,
}

impl Size {
    fn unit(self) -> f32 {
        f32::from(self.width.min(self.height))
    }

    /// The point in the lower right corner.
    pub fn corner(self) -> Point {
        Point {
            x: f32::from(self.width) / self.unit(),
            y: f32::from(self.height) / self.unit(),
        }
    }

    /// How far an edge is softened, so that it has no stairs.
    pub fn pixel(self) -> f32 {
        1.0 / self.unit()
    }
}

/// Paints each pixel and compresses the picture.
pub fn jpeg(size: Size, paint: impl Fn(Point) -> Colour) -> anyhow::Result<Vec<u8>> {
    let unit = size.unit();
    let mut pixels = Vec::with_capacity(usize::from(size.width) * usize::from(size.height) * 3);
    for row in 0..size.height {
        for column in 0..size.width {
            let Colour(red, green, blue) = paint(Point {
                x: (f32::from(column) + 0.5) / unit,
                y: (f32::from(row) + 0.5) / unit,
            });
            let grain = grain(column, row);
            pixels.extend([red, green, blue].map(|share| ((share + grain).clamp(0.0, 1.0) * 255.0).round() as u8));
        }
    }
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes, QUALITY)
        .encode(&pixels, size.width, size.height, ColorType::Rgb)
        .context("a photo cannot be compressed")?;
    Ok(bytes)
}

/// As little as a film has: without it, wide gradients show bands.
fn grain(column: u16, row: u16) -> f32 {
    let mixed = (u32::from(column).wrapping_mul(374_761_393)).wrapping_add(u32::from(row).wrapping_mul(668_265_263));
    let mixed = (mixed ^ (mixed >> 13)).wrapping_mul(1_274_126_177);
    ((mixed >> 16) & 0xFF) as f32 / 255.0 * 0.012 - 0.006
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gradient_passes_all_its_colours() {
        let colours = [Colour::hex(0xFF0000), Colour::hex(0x00FF00), Colour::hex(0x0000FF)];
        assert_eq!(gradient(&colours, 0.0), colours[0]);
        assert_eq!(gradient(&colours, 0.5), colours[1]);
        assert_eq!(gradient(&colours, 1.0), colours[2]);
        assert_eq!(gradient(&colours[..1], 0.7), colours[0]);
    }

    #[test]
    fn a_picture_is_a_jpeg_of_its_size() {
        let size = Size { width: 30, height: 20 };
        let bytes = jpeg(size, |at| Colour(at.x, at.y, 0.5)).expect("a picture");
        assert_eq!(
            (&bytes[..2], &bytes[bytes.len() - 2..]),
            (&[0xFF, 0xD8][..], &[0xFF, 0xD9][..])
        );
        let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).expect("a frame");
        assert_eq!(bytes[frame + 5..frame + 9], [0, 20, 0, 30]);
    }
}
