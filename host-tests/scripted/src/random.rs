//! Numbers that look random and are the same in every run.

/// SplitMix64: the same seed, the same numbers.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// Any seed will do.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `0 <= result < below`; 0 when there is no choice.
    pub fn below(&mut self, below: u64) -> u64 {
        if below == 0 {
            0
        } else {
            self.number() % below
        }
    }

    pub(crate) fn uuid(&mut self) -> String {
        let (a, b) = (self.number(), self.number());
        let (c, d, e) = ((a >> 16) & 0xffff, a & 0xfff, (b >> 48) & 0x3fff);
        format!("{:08x}-{c:04x}-4{d:03x}-{:04x}-{:012x}", a >> 32, e | 0x8000, b & 0xffff_ffff_ffff)
    }
}
