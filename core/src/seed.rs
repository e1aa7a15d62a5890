//! Entropy is handed in.

/// 32 random bytes that differ on every device and at every start: member ids and jitter come from them.
#[derive(Clone, Copy)]
pub struct Seed([u8; 32]);

impl Seed {
    /// From a hardware generator. A constant makes a simulation repeatable and a fleet broken: devices would share
    /// group ids and retry in step.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Seed(bytes)
    }

    /// From the operating system.
    ///
    /// # Errors
    /// What the operating system answered; does not happen on a running Linux, macOS or Windows.
    #[cfg(feature = "std")]
    pub fn from_os() -> std::io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(std::io::Error::from)?;
        Ok(Seed(bytes))
    }
}

/// xorshift64*: for jitter and names, not for secrets.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub const fn new() -> Self {
        Random(0)
    }

    pub fn seed(&mut self, seed: &Seed) {
        self.0 = 0;
        for eight in seed.0.chunks(8) {
            let word = eight.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
            self.0 = self.next() ^ word;
        }
        self.0 |= 1;
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// 80 to 120 % of `millis`.
    pub fn jitter(&mut self, millis: u32) -> u32 {
        let spread = millis / 5 * 2;
        millis.saturating_sub(spread / 2).saturating_add((self.next() >> 33) as u32 % spread.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_twenty_percent_and_every_seed_byte_counts() {
        let mut random = Random::new();
        random.seed(&Seed::new([0; 32]));
        let values: std::vec::Vec<u32> = (0..1000).map(|_| random.jitter(1000)).collect();
        assert!(values.iter().all(|v| (800..=1200).contains(v)));
        assert!(values.iter().any(|&v| v < 830) && values.iter().any(|&v| v > 1170));
        assert_eq!(random.jitter(0), 0);
        for i in 0..32 {
            let mut bytes = [7; 32];
            let (mut a, mut b) = (Random::new(), Random::new());
            a.seed(&Seed::new(bytes));
            bytes[i] = 8;
            b.seed(&Seed::new(bytes));
            assert_ne!(a.next(), b.next(), "byte {i}");
        }
    }
}
