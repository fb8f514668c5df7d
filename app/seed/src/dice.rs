//! Chance that comes out the same each time: everything seeded follows from one number.

/// SplitMix64: a few lines, and the same on every machine and in every release of any crate.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Another purpose is another series, so that more of one thing changes nothing of another.
    pub fn new(seed: u64, purpose: &str) -> Dice {
        let mixed = purpose.bytes().fold(seed ^ 0x9E37_79B9_7F4A_7C15, |state, byte| {
            (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        Dice(mixed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to `below`, without it; 0 where there is nothing below.
    pub fn below(&mut self, below: usize) -> usize {
        (self.next() % (below.max(1) as u64)) as usize
    }

    /// From 0 to 1.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }

    pub fn between(&mut self, from: f32, to: f32) -> f32 {
        from + (to - from) * self.unit()
    }

    /// `count` different numbers below `below`, in the order they were drawn; all of them where there are fewer.
    pub fn draw(&mut self, count: usize, below: usize) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..below).collect();
        let count = count.min(below);
        for at in 0..count {
            let other = at + self.below(below - at);
            numbers.swap(at, other);
        }
        numbers.truncate(count);
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_same_seed_gives_the_same_and_another_purpose_something_else() {
        let series = |seed, purpose| {
            let mut dice = Dice::new(seed, purpose);
            [dice.next(), dice.next(), dice.next()]
        };
        assert_eq!(series(1, "posts"), series(1, "posts"));
        assert_ne!(series(1, "posts"), series(2, "posts"));
        assert_ne!(series(1, "posts"), series(1, "likes"));
    }

    #[test]
    fn what_is_drawn_is_drawn_once_and_within_bounds() {
        let mut dice = Dice::new(7, "test");
        for (count, below) in [(0, 0), (3, 10), (10, 10), (20, 10)] {
            let drawn = dice.draw(count, below);
            assert_eq!(drawn.len(), count.min(below));
            assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), drawn.len());
            assert!(drawn.iter().all(|number| *number < below));
        }
        assert!((0..1000).all(|_| (2.0..3.0).contains(&dice.between(2.0, 3.0))));
    }
}
