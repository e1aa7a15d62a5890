//! The boards that `firmware-example` knows.

/// A board, by QEMU's name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Board {
    /// Arm's MPS2 with the AN385 image: LAN9118.
    Mps2An385,
    /// The same with the AN386 image: a Cortex-M4F.
    Mps2An386,
    /// Stellaris LM3S6965 evaluation board: the Stellaris MAC, and the emulator holds it to 64 KB of RAM.
    Lm3s6965evb,
}

impl Board {
    /// Those whose programs are tested.
    pub const ALL: [Board; 2] = [Board::Mps2An385, Board::Lm3s6965evb];

    /// QEMU's name of the machine.
    pub fn name(self) -> &'static str {
        match self {
            Board::Mps2An385 => "mps2-an385",
            Board::Mps2An386 => "mps2-an386",
            Board::Lm3s6965evb => "lm3s6965evb",
        }
    }

    /// By its [`name`](Self::name).
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|board| board.name() == name)
    }

    /// QEMU's name of its MAC.
    pub(crate) fn mac(self) -> &'static str {
        match self {
            Board::Mps2An385 | Board::Mps2An386 => "lan9118",
            Board::Lm3s6965evb => "stellaris",
        }
    }

    /// The feature of `firmware-example`, if it is not the default.
    pub(crate) fn feature(self) -> Option<&'static str> {
        (self == Board::Lm3s6965evb).then_some(self.name())
    }

    /// What it is compiled for.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Board::Mps2An386 => "thumbv7em-none-eabihf",
            _ => "thumbv7m-none-eabi",
        }
    }
}
