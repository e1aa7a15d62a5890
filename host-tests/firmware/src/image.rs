//! A program of `firmware-example`, built for a board.

use crate::{home, root, Board};
use std::io::{Error, Result};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// An ELF file.
pub struct Image {
    /// What it was built for.
    pub board: Board,
    pub(crate) path: PathBuf,
}

impl Image {
    /// Builds the program `name`, release; `dhcp`: it asks for its address.
    pub fn build(name: &str, board: Board, dhcp: bool) -> Result<Self> {
        let features = [board.feature(), dhcp.then_some("dhcp")].into_iter().flatten().collect::<Vec<_>>().join(",");
        let mut cargo = Command::new("cargo");
        // in its folder for its .cargo/config.toml
        cargo.current_dir(root().join("firmware-example")).stdin(Stdio::null());
        cargo.args(["build", "--quiet", "--release", "--locked", "--bin", name, "--features", &features]);
        cargo.arg("--target-dir").arg(home());
        let status = cargo.status()?;
        if !status.success() {
            return Err(Error::other(format!("{cargo:?}: {status}")));
        }
        // the next build for another board would take its place
        let path = home().join(format!("{}{}-{name}", board.name(), if dhcp { "-dhcp" } else { "" }));
        std::fs::copy(home().join("thumbv7m-none-eabi/release").join(name), &path)?;
        Ok(Image { board, path })
    }
}
