//! A program of `firmware-example`, built for a board.

use crate::{home, root, Board};
use std::io::{Error, Result};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// An ELF file.
pub struct Image {
    /// What it was built for.
    pub board: Board,
    /// Where it is.
    pub path: PathBuf,
}

impl Image {
    /// Builds the program `name`, release, with these features of `firmware-example` besides the board's.
    pub fn build(name: &str, board: Board, features: &[&str]) -> Result<Self> {
        Self::build_at("z", name, board, features)
    }

    /// At another level of optimization than `z`.
    pub fn build_at(level: &str, name: &str, board: Board, features: &[&str]) -> Result<Self> {
        let variant = features.iter().map(|feature| format!("-{feature}")).collect::<String>();
        let features = board.feature().iter().chain(features).copied().collect::<Vec<_>>().join(",");
        let mut cargo = Command::new("cargo");
        // in its folder for its .cargo/config.toml
        cargo.current_dir(root().join("firmware-example")).stdin(Stdio::null());
        cargo.args(["build", "--quiet", "--release", "--locked", "--bin", name, "--features", &features]);
        cargo.args(["--target", board.target(), "--config", &format!("profile.release.opt-level=\"{level}\"")]);
        cargo.arg("--target-dir").arg(home());
        let status = cargo.status()?;
        if !status.success() {
            return Err(Error::other(format!("{cargo:?}: {status}")));
        }
        // the next build for another board would take its place
        let path = home().join(format!("{}{variant}-{name}", board.name()));
        std::fs::copy(home().join(board.target()).join("release").join(name), &path)?;
        Ok(Image { board, path })
    }
}
