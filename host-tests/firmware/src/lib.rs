//! The firmware of `firmware-example` in QEMU: built, started, its log decoded.

mod answers;
mod app;
mod board;
mod broker;
mod emulator;
mod image;

pub use answers::{instructions, Instructions};
pub use app::{image, noise, send, App};
pub use board::Board;
pub use broker::Broker;
pub use emulator::{Cable, Emulator, Line};
pub use image::Image;

use std::path::{Path, PathBuf};

/// `target/firmware` of the workspace: images, and the flash of boards.
pub fn home() -> PathBuf {
    root().join("target/firmware")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
