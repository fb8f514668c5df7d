//! Out of doors: sky above, something in front of it.

use crate::canvas::{Colour, Point, Size, gradient, smooth};
use crate::dice::Dice;

const SUNSETS: [[Colour; 4]; 4] = [
    [
        Colour::hex(0x2B2D5B),
        Colour::hex(0x8A4F7D),
        Colour::hex(0xF28F6B),
        Colour::hex(0xFFD9A0),
    ],
    [
        Colour::hex(0x1F3B63),
        Colour::hex(0x6E6FA8),
        Colour::hex(0xF6A5A0),
        Colour::hex(0xFFE3C2),
    ],
    [
        Colour::hex(0x3A1C4A),
        Colour::hex(0xB2405A),
        Colour::hex(0xFF7A45),
        Colour::hex(0xFFC46B),
    ],
    [
        Colour::hex(0x23395B),
        Colour::hex(0x5C7AA3),
        Colour::hex(0xF3B99B),
        Colour::hex(0xFBE7C6),
    ],
];

const MISTS: [[Colour; 2]; 4] = [
    [Colour::hex(0xDCE7EE), Colour::hex(0x1E3A4C)],
    [Colour::hex(0xF6DFD2), Colour::hex(0x463A5E)],
    [Colour::hex(0xE4EFD9), Colour::hex(0x1F4A3C)],
    [Colour::hex(0xFBE8C8), Colour::hex(0x6B3F35)],
];

const SEAS: [[Colour; 3]; 3] = [
    [Colour::hex(0xBFE6EC), Colour::hex(0x3E9FB5), Colour::hex(0x0E4A6B)],
    [Colour::hex(0xF7E3C8), Colour::hex(0x66B7B0), Colour::hex(0x1D5C74)],
    [Colour::hex(0xD8DCF2), Colour::hex(0x6A7FC1), Colour::hex(0x1F2C63)],
];

/// A ridge: some waves of different lengths, put together.
#[derive(Debug, Clone)]
struct Ridge([(f32, f32, f32); 4]);

impl Ridge {
    fn new(dice: &mut Dice, rough: f32) -> Ridge {
        let mut wave = |length: f32, height: f32| {
            let turns = dice.between(0.8, 1.2) * length;
            (turns, height * rough, dice.between(0.0, std::f32::consts::TAU))
        };
        Ridge([wave(2.1, 0.07), wave(4.7, 0.035), wave(11.0, 0.014), wave(27.0, 0.005)])
    }

    fn height(&self, x: f32) -> f32 {
        let waves = self.0.iter();
        waves
            .map(|(turns, height, phase)| (x * turns + phase).sin() * height)
            .sum()
    }
}

fn pick<T: Copy, const N: usize>(dice: &mut Dice, of: &[T; N]) -> T {
    of[dice.below(N)]
}

/// The sun going down behind hills, and its glow.
pub fn sunset(size: Size, dice: &mut Dice) -> impl Fn(Point) -> Colour + use<> {
    let sky = pick(dice, &SUNSETS);
    let corner = size.corner();
    let horizon = corner.y * dice.between(0.62, 0.74);
    let (sun_x, sun_y) = (corner.x * dice.between(0.25, 0.75), horizon - dice.between(0.05, 0.2));
    let radius = dice.between(0.07, 0.12);
    let ridges: Vec<Ridge> = (0..4).map(|_| Ridge::new(dice, 1.0)).collect();
    let (near, far) = (sky[0].mix(Colour::hex(0x05060F), 0.65), sky[1].mix(sky[2], 0.35));
    let soft = size.pixel();
    move |at| {
        let distance = at.distance(sun_x, sun_y);
        let mut colour = gradient(&sky, at.y / horizon);
        colour = colour.lit(Colour::hex(0xFFB070), 0.55 * (-distance * distance * 9.0).exp());
        colour = colour.mix(
            Colour::hex(0xFFF4DC),
            1.0 - smooth(radius - soft, radius + soft, distance),
        );
        for (number, ridge) in ridges.iter().enumerate() {
            let depth = number as f32 / 3.0;
            let top = horizon + depth * (corner.y - horizon) * 0.75 - 0.02 + ridge.height(at.x) * (0.6 + depth * 0.6);
            let hill = far
                .mix(near, depth)
                .lit(Colour::hex(0xFF9A5A), 0.10 * (-distance * 2.0).exp());
            colour = colour.mix(hill, smooth(top - soft, top + soft, at.y));
        }
        colour
    }
}

/// Ridges behind ridges, the further the paler.
pub fn mountains(size: Size, dice: &mut Dice) -> impl Fn(Point) -> Colour + use<> {
    let [mist, rock] = pick(dice, &MISTS);
    let corner = size.corner();
    let ridges: Vec<Ridge> = (0..6).map(|_| Ridge::new(dice, 1.5)).collect();
    let (sun_x, sun_y) = (corner.x * dice.between(0.2, 0.8), corner.y * dice.between(0.12, 0.25));
    let soft = size.pixel();
    move |at| {
        let glow = (-at.distance(sun_x, sun_y).powi(2) * 12.0).exp();
        let mut colour = mist
            .mix(rock, 0.22 * (1.0 - at.y / corner.y))
            .lit(Colour(1.0, 0.9, 0.75), 0.25 * glow);
        for (number, ridge) in ridges.iter().enumerate() {
            let depth = (number + 1) as f32 / ridges.len() as f32;
            let top = corner.y * (0.30 + 0.60 * (depth - 0.16)) + ridge.height(at.x * 1.3);
            // Mist gathers at the foot of each ridge.
            let foot = smooth(top, top + 0.28, at.y);
            let slope = mist
                .mix(rock, 0.15 + 0.8 * depth)
                .mix(mist, 0.45 * foot * (1.0 - depth));
            colour = colour.mix(slope, smooth(top - soft, top + soft, at.y));
        }
        colour
    }
}

#[derive(Debug, Clone)]
struct Tower {
    left: f32,
    width: f32,
    top: f32,
    /// Which windows are lit.
    key: u32,
}

/// Towers at night with some windows lit, stars and a moon.
pub fn city(size: Size, dice: &mut Dice) -> impl Fn(Point) -> Colour + use<> {
    let corner = size.corner();
    let sky = [
        Colour::hex(0x0B1030),
        Colour::hex(0x27306B),
        Colour::hex(0x7B4B8A),
        Colour::hex(0xE58A7B),
    ];
    let rows: Vec<Vec<Tower>> = (0..3).map(|row| skyline(dice, corner, row)).collect();
    let (moon_x, moon_y) = (corner.x * dice.between(0.15, 0.85), corner.y * dice.between(0.1, 0.25));
    let stars: Vec<(f32, f32, f32)> = (0..70)
        .map(|_| {
            (
                dice.between(0.0, corner.x),
                dice.between(0.0, corner.y * 0.5),
                dice.between(0.3, 1.0),
            )
        })
        .collect();
    let soft = size.pixel();
    move |at| {
        let mut colour = gradient(&sky, (at.y / corner.y) * 1.15);
        for (x, y, bright) in &stars {
            let distance = at.distance(*x, *y);
            if distance < 0.006 {
                colour = colour.lit(Colour(1.0, 1.0, 1.0), bright * (-distance * distance * 400_000.0).exp());
            }
        }
        let distance = at.distance(moon_x, moon_y);
        colour = colour.lit(Colour::hex(0xC9CCFF), 0.25 * (-distance * distance * 40.0).exp());
        colour = colour.mix(Colour::hex(0xFFF8E1), 1.0 - smooth(0.05 - soft, 0.05 + soft, distance));
        for (row, towers) in rows.iter().enumerate() {
            let wall = Colour::hex(0x4A3F78).mix(Colour::hex(0x0B0D22), row as f32 / 2.0);
            for tower in towers {
                if at.x >= tower.left && at.x < tower.left + tower.width && at.y >= tower.top {
                    colour = window(tower, at, wall);
                }
            }
        }
        colour
    }
}

fn skyline(dice: &mut Dice, corner: Point, row: usize) -> Vec<Tower> {
    let mut towers = Vec::new();
    let mut left = -0.05;
    while left < corner.x {
        let width = dice.between(0.07, 0.15);
        let top = corner.y * (dice.between(0.40, 0.62) + 0.11 * row as f32);
        towers.push(Tower {
            left,
            width,
            top,
            key: dice.next() as u32,
        });
        left += width + dice.between(-0.02, 0.03);
    }
    towers
}

fn window(tower: &Tower, at: Point, wall: Colour) -> Colour {
    const STEP: f32 = 0.024;
    let (x, y) = ((at.x - tower.left) / STEP, (at.y - tower.top) / STEP);
    let (column, row) = (x.floor(), y.floor());
    let is_pane = (0.3..0.75).contains(&(x - column)) && (0.3..0.8).contains(&(y - row));
    let is_inside = column >= 1.0 && (column + 2.0) * STEP <= tower.width && row >= 1.0;
    let mixed = tower.key ^ (column as u32).wrapping_mul(0x9E37_79B1) ^ (row as u32).wrapping_mul(0x85EB_CA77);
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2C1B_3C6D);
    match (is_pane && is_inside, (mixed >> 20) % 5) {
        (true, 0) => Colour::hex(0xFFD98A),
        (true, 1) => Colour::hex(0xF7B267),
        (true, _) => wall.lit(Colour(0.25, 0.28, 0.4), 0.25),
        _ => wall,
    }
}

/// Waves coming in, paler where they break.
pub fn sea(size: Size, dice: &mut Dice) -> impl Fn(Point) -> Colour + use<> {
    let water = pick(dice, &SEAS);
    let corner = size.corner();
    let horizon = corner.y * dice.between(0.3, 0.42);
    let waves: Vec<Ridge> = (0..7).map(|_| Ridge::new(dice, 0.45)).collect();
    let (sun_x, sun_y) = (corner.x * dice.between(0.25, 0.75), horizon * dice.between(0.35, 0.6));
    let soft = size.pixel();
    move |at| {
        let sky = water[1].mix(water[0], 0.35 + 0.65 * smooth(0.0, horizon, at.y));
        let distance = at.distance(sun_x, sun_y);
        let mut colour = sky.mix(Colour(1.0, 0.97, 0.88), 0.8 * (-distance * distance * 30.0).exp());
        colour = colour.mix(
            Colour(1.0, 0.99, 0.94),
            1.0 - smooth(0.055 - soft, 0.055 + soft, distance),
        );
        for (number, wave) in waves.iter().enumerate() {
            let depth = number as f32 / (waves.len() - 1) as f32;
            let top =
                horizon + (corner.y - horizon) * depth.powf(1.4) * 0.92 + wave.height(at.x * 1.5) * (0.05 + depth);
            let foam = 1.0 - smooth(0.0, 0.012 + 0.035 * depth, at.y - top);
            let body = gradient(&water, 0.35 + 0.65 * depth).lit(Colour(0.25, 0.3, 0.3), 0.35 * foam * depth);
            let path = (-(at.x - sun_x).powi(2) * 30.0).exp() * (1.0 - depth);
            colour = colour.mix(
                body.lit(Colour(1.0, 0.95, 0.8), 0.18 * path),
                smooth(top - soft, top + soft, at.y),
            );
        }
        colour
    }
}
