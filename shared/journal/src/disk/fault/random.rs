//! Numbers that look random and follow from a seed.

/// The generator called `SplitMix64`.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, or 0.
    pub const fn below(&mut self, n: usize) -> usize {
        let number = self.number();
        if n == 0 {
            0
        } else {
            (number % n as u64) as usize
        }
    }

    /// `true` in so many of a thousand cases.
    pub const fn chance(&mut self, per_mille: u32) -> bool {
        self.number() % 1_000 < per_mille as u64
    }
}
