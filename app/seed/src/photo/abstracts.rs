//! Lights out of focus, and tiles.

use crate::canvas::{Colour, Point, Size, smooth};
use crate::dice::Dice;

const NIGHTS: [[Colour; 2]; 3] = [
    [Colour::hex(0x141433), Colour::hex(0x3B1F4B)],
    [Colour::hex(0x0E2233), Colour::hex(0x1F4A57)],
    [Colour::hex(0x2A1420), Colour::hex(0x5B2A2A)],
];
const LAMPS: [Colour; 5] = [
    Colour::hex(0xFFC76B),
    Colour::hex(0xFF7E6B),
    Colour::hex(0x6BD6FF),
    Colour::hex(0xC58BFF),
    Colour::hex(0xFFE9B0),
];
const TILES: [[Colour; 5]; 4] = [
    [
        Colour::hex(0xF4EBDD),
        Colour::hex(0xE4572E),
        Colour::hex(0x17BEBB),
        Colour::hex(0xFFC914),
        Colour::hex(0x2E282A),
    ],
    [
        Colour::hex(0xF7F3E9),
        Colour::hex(0xA3D2CA),
        Colour::hex(0x5EAAA8),
        Colour::hex(0xF05945),
        Colour::hex(0x056676),
    ],
    [
        Colour::hex(0xFFF1E6),
        Colour::hex(0xE2B4BD),
        Colour::hex(0x9B6A6C),
        Colour::hex(0x6D597A),
        Colour::hex(0x355070),
    ],
    [
        Colour::hex(0xF1F1E8),
        Colour::hex(0x90BE6D),
        Colour::hex(0x43AA8B),
        Colour::hex(0xF9C74F),
        Colour::hex(0x277DA1),
    ],
];

/// A street at night through a lens that is not in focus.
pub fn lights(size: Size, dice: &mut Dice) -> impl Fn(Point) -> Colour + use<> {
    let corner = size.corner();
    let [above, below] = NIGHTS[dice.below(NIGHTS.len())];
    let lamps: Vec<(f32, f32, f32, Colour, f32)> = (0..38)
        .map(|_| {
            let (x, y) = (dice.between(0.0, corner.x), dice.between(0.05, corner.y));
            let colour = LAMPS[dice.below(LAMPS.len())];
            (x, y, dice.between(0.02, 0.11), colour, dice.between(0.12, 0.5))
        })
        .collect();
    move |at| {
        let mut colour = above.mix(below, at.y / corner.y);
        for (x, y, radius, lamp, bright) in &lamps {
            let distance = at.distance(*x, *y);
            if distance < radius * 1.2 {
                let disc = 1.0 - smooth(radius * 0.94, radius * 1.04, distance);
                // A lens draws the rim of such a disc brighter than its middle.
                let rim = 0.75 + 0.45 * smooth(radius * 0.7, *radius, distance);
                colour = colour.lit(*lamp, bright * disc * rim);
            }
        }
        let edge = at.distance(corner.x / 2.0, corner.y / 2.0);
        colour.mix(Colour(0.0, 0.0, 0.0), 0.45 * smooth(0.45, 0.95, edge))
    }
}

/// Quarters of circles on a grid, each turned its own way.
pub fn pattern(size: Size, dice: &mut Dice) -> impl Fn(Point) -> Colour + use<> {
    let palette = TILES[dice.below(TILES.len())];
    let across = 4 + dice.below(3);
    let cell = size.corner().x / across as f32;
    let key = dice.next();
    let soft = size.pixel() * 1.2;
    move |at| {
        let (column, row) = ((at.x / cell).floor(), (at.y / cell).floor());
        let (mut x, mut y) = (at.x - column * cell, at.y - row * cell);
        let tile = &mut Dice::new(key ^ ((column as u64) << 32) ^ row as u64, "tile");
        let back = tile.below(palette.len());
        let front = (back + 1 + tile.below(palette.len() - 1)) % palette.len();
        let shape = tile.below(4);
        let turn = tile.below(4);
        if turn & 1 == 1 {
            x = cell - x;
        }
        if turn & 2 == 2 {
            y = cell - y;
        }
        let from_corner = x.hypot(y);
        let from_middle = (x - cell / 2.0).hypot(y - cell / 2.0);
        let within = match shape {
            0 => 1.0 - smooth(cell - soft, cell + soft, from_corner),
            1 => 1.0 - smooth(cell * 0.36 - soft, cell * 0.36 + soft, from_middle),
            2 => smooth(-soft, soft, x - y),
            _ => {
                let ring = (from_corner / cell * 3.0 - 1.5).abs();
                1.0 - smooth(0.5 - soft * 3.0 / cell, 0.5 + soft * 3.0 / cell, ring)
            }
        };
        let light = 0.03 - 0.06 * (at.x + at.y) / 2.0;
        let Colour(red, green, blue) = palette[back].mix(palette[front], within);
        Colour(red + light, green + light, blue + light)
    }
}
