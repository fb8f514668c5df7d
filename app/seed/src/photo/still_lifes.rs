//! On a table and in a garden.

use crate::canvas::{Colour, Point, Size, smooth};
use crate::dice::Dice;

const TABLES: [Colour; 4] = [
    Colour::hex(0xB98A5E),
    Colour::hex(0xE9E1D6),
    Colour::hex(0x3F4A4F),
    Colour::hex(0xD7B8A3),
];
const CUPS: [Colour; 4] = [
    Colour::hex(0xFAF7F2),
    Colour::hex(0x88A6A0),
    Colour::hex(0xE8C7B7),
    Colour::hex(0x35506B),
];
const GARDENS: [[Colour; 2]; 3] = [
    [Colour::hex(0xBFE0F2), Colour::hex(0xF7FBFF)],
    [Colour::hex(0xCFE3C1), Colour::hex(0xF4F8E6)],
    [Colour::hex(0xF3D6E0), Colour::hex(0xFFF6F2)],
];
const PETALS: [Colour; 3] = [Colour::hex(0xF8BFD0), Colour::hex(0xFFE3EA), Colour::hex(0xF29CB7)];

/// A cup seen from above, with a heart drawn in the milk.
pub fn coffee(size: Size, dice: &mut Dice) -> impl Fn(Point) -> Colour + use<> {
    let corner = size.corner();
    let (table, cup) = (TABLES[dice.below(TABLES.len())], CUPS[dice.below(CUPS.len())]);
    let (x, y) = (corner.x * dice.between(0.42, 0.58), corner.y * dice.between(0.42, 0.58));
    let turn = dice.between(0.0, std::f32::consts::TAU);
    let (sin, cos) = turn.sin_cos();
    let grain = dice.between(14.0, 26.0);
    let soft = size.pixel() * 1.5;
    let disc =
        move |at: Point, x: f32, y: f32, radius: f32| 1.0 - smooth(radius - soft, radius + soft, at.distance(x, y));
    move |at| {
        let veins = ((at.y * grain + (at.x * 2.3).sin() * 1.7).sin() * 0.5
            + (at.y * grain * 3.7 + at.x * 3.0).sin() * 0.2)
            * 0.035;
        let light = 0.10 - 0.22 * (at.x / corner.x) * (at.y / corner.y);
        let mut colour = table.lit(Colour(1.0, 1.0, 0.9), veins + light);
        let shadow = 1.0 - smooth(0.30, 0.46, at.distance(x + 0.05, y + 0.06));
        colour = colour.mix(Colour(0.08, 0.06, 0.05), 0.42 * shadow);
        let saucer = cup.mix(Colour(1.0, 1.0, 1.0), 0.12);
        colour = colour.mix(saucer, disc(at, x, y, 0.36));
        colour = colour.mix(
            saucer.mix(Colour(0.2, 0.2, 0.2), 0.16),
            disc(at, x + 0.012, y + 0.016, 0.265),
        );
        colour = colour.mix(cup, disc(at, x, y, 0.25));
        colour = colour.mix(cup.mix(Colour(0.1, 0.1, 0.1), 0.22), disc(at, x, y, 0.228));
        let crema = Colour::hex(0x6B4226).mix(Colour::hex(0xB07B4A), smooth(0.10, 0.22, at.distance(x, y)));
        colour = colour.mix(crema, disc(at, x, y, 0.22));
        // Turned about the middle of the cup.
        let (dx, dy) = ((at.x - x) / 0.13, (at.y - y) / 0.13);
        let heart = heart(dx * cos - dy * sin, dx * sin + dy * cos);
        let milk = Colour::hex(0xFBF1E3).mix(Colour::hex(0xE9CFAE), smooth(-1.0, 0.0, heart));
        colour.mix(milk, 1.0 - smooth(-0.05, 0.05, heart))
    }
}

/// Below zero within a heart, above it outside.
fn heart(x: f32, y: f32) -> f32 {
    let y = -y * 1.1 + 0.15 - (x * x).cbrt() * 0.75;
    x * x + y * y - 1.0
}

#[derive(Debug, Clone)]
struct Flower {
    x: f32,
    y: f32,
    radius: f32,
    turn: f32,
    colour: Colour,
    /// The larger, the further out of focus.
    blur: f32,
}

/// Cherry blossoms: the far ones soft, the near ones sharp.
pub fn blossoms(size: Size, dice: &mut Dice) -> impl Fn(Point) -> Colour + use<> {
    let corner = size.corner();
    let [sky, light] = GARDENS[dice.below(GARDENS.len())];
    let mut flowers: Vec<Flower> = (0..26)
        .map(|number| {
            let near = (number as f32 / 25.0).powi(2);
            Flower {
                x: dice.between(-0.05, corner.x + 0.05),
                y: dice.between(-0.05, corner.y + 0.05),
                radius: 0.05 + 0.09 * near + dice.between(0.0, 0.03),
                turn: dice.between(0.0, std::f32::consts::TAU),
                colour: PETALS[dice.below(PETALS.len())],
                blur: 0.03 * (1.0 - near) + size.pixel() * 1.5,
            }
        })
        .collect();
    flowers.sort_by(|a, b| b.blur.total_cmp(&a.blur));
    move |at| {
        let mut colour = light.mix(sky, (at.y / corner.y + at.x / corner.x) / 2.0);
        for flower in &flowers {
            if at.distance(flower.x, flower.y) < flower.radius * 1.3 + flower.blur {
                colour = petals(flower, at, colour);
            }
        }
        colour
    }
}

fn petals(flower: &Flower, at: Point, behind: Colour) -> Colour {
    let distance = at.distance(flower.x, flower.y);
    let angle = (at.y - flower.y).atan2(at.x - flower.x) + flower.turn;
    // Five petals, each with the notch that cherries have.
    let petal = (angle * 2.5).cos().abs();
    let notch = 0.10 * smooth(0.965, 1.0, petal);
    let edge = flower.radius * (0.52 + 0.48 * petal.sqrt() - notch);
    let shade = flower.colour.mix(
        Colour::hex(0xD76A8E),
        0.55 * (1.0 - smooth(0.0, flower.radius * 0.55, distance)),
    );
    let shade = shade.mix(
        Colour(1.0, 1.0, 1.0),
        0.35 * smooth(0.4, 1.0, distance / edge.max(0.001)),
    );
    let sharp = 1.0 - smooth(edge - flower.blur, edge + flower.blur, distance);
    let heart = flower.radius * 0.13;
    let colour = behind.mix(shade, sharp * 0.95);
    colour.mix(
        Colour::hex(0xF2C14E),
        1.0 - smooth(heart - flower.blur, heart + flower.blur, distance),
    )
}
