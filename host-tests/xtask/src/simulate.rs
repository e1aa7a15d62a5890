//! The simulation; whether it finds anything: bugs are planted in a copy of the tree, and each must be found; and whether it
//! is the same elsewhere.

use crate::stages::run as command;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

const BUGS: &str = "host-tests/simulation/bugs";
/// Within so many seeds.
const SEEDS: &str = "1000";
/// What a bug is planted in.
const COPY: &str = "target/bugs/tree";

/// Runs the simulation with these arguments.
pub fn run(arguments: &[&str]) -> Result<(), String> {
    let mut cargo = Command::new("cargo");
    cargo.args("run --quiet --profile simulation -p nanokafka-simulation --".split(' '));
    command(cargo.args(arguments))
}

/// Words of 32 bits, and the most significant byte first: targets that link without a C compiler, and who runs their programs.
const ELSEWHERE: [(&str, &str); 2] =
    [("i686-unknown-linux-musl", "qemu-i386"), ("powerpc64-unknown-linux-musl", "qemu-ppc64")];
/// Emulated, one takes 0.1 s.
const SEEDS_ELSEWHERE: usize = 500;

/// Runs the same seeds here and elsewhere. One that logs something else there is an error.
pub fn elsewhere() -> Result<(), String> {
    let here = digests(&[])?;
    for (target, emulator) in ELSEWHERE {
        command(Command::new("rustup").args(["target", "add", target]))?;
        let runner = format!("target.{target}.runner='{emulator}'");
        let there = digests(&["--target", target, "--config", &runner])?;
        let other: Vec<_> = here.iter().zip(&there).filter(|(here, there)| here != there).collect();
        match other.first() {
            None => println!("{target}: {SEEDS_ELSEWHERE} seeds log the same"),
            Some((here, there)) => {
                return Err(format!(
                    "{target}: {} seeds log something else, the first: {there}, here {here}",
                    other.len()
                ));
            }
        }
    }
    Ok(())
}

/// Seeds, and the digest of what each has logged.
fn digests(target: &[&str]) -> Result<Vec<String>, String> {
    let mut cargo = Command::new("cargo");
    cargo.args("run --quiet --profile simulation -p nanokafka-simulation".split(' ')).args(target);
    if !target.is_empty() {
        cargo.env("RUSTFLAGS", "-Clinker=rust-lld -Ctarget-feature=+crt-static -Clink-self-contained=yes");
    }
    cargo.args(["--", "--digests", "--seeds", &SEEDS_ELSEWHERE.to_string()]).stderr(Stdio::inherit());
    println!("   {cargo:?}");
    let output = cargo.output().map_err(|error| format!("{cargo:?}: {error}"))?;
    let lines: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect();
    match lines.len() {
        SEEDS_ELSEWHERE if output.status.success() => Ok(lines),
        n => Err(format!("{cargo:?}: {}, {n} digests", output.status)),
    }
}

/// Plants each bug, or those that are named, alone. One that is not found, or that no longer applies, is an error.
pub fn bugs(names: &[&str]) -> Result<(), String> {
    let mut patches: Vec<PathBuf> = read(BUGS)?;
    patches.sort();
    let name = |patch: &Path| patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if let Some(unknown) = names.iter().find(|wanted| !patches.iter().any(|patch| name(patch) == **wanted)) {
        return Err(format!("there is no {BUGS}/{unknown}.patch"));
    }
    copy_tree()?;
    simulate().map_err(|why| format!("without any bug: {why}"))?;
    let mut missed = vec![];
    for patch in patches.iter().filter(|patch| names.is_empty() || names.contains(&&name(patch)[..])) {
        let name = name(patch);
        println!("== {name}");
        copy_core()?;
        apply(patch)?;
        match simulate() {
            Err(found) => println!("== {name}: found: {found}"),
            Ok(()) => {
                println!("== {name}: NOT FOUND within {SEEDS} seeds");
                missed.push(name);
            }
        }
    }
    match missed[..] {
        [] => Ok(()),
        _ => Err(format!("not found: {}", missed.join(", "))),
    }
}

fn read(folder: &str) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{folder}: {error}"))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

/// All that git would keep, as it is now.
fn copy_tree() -> Result<(), String> {
    let _ = fs::remove_dir_all(COPY);
    copy("")
}

fn copy_core() -> Result<(), String> {
    let _ = fs::remove_dir_all(format!("{COPY}/core"));
    copy("core")
}

fn copy(folder: &str) -> Result<(), String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z", "--"])
        .args(Some(folder).filter(|f| !f.is_empty()));
    let output = git.output().map_err(|error| format!("git: {error}"))?;
    for file in String::from_utf8_lossy(&output.stdout).split_terminator('\0') {
        let to = Path::new(COPY).join(file);
        if let (Some(parent), true) = (to.parent(), Path::new(file).is_file()) {
            let copied = fs::create_dir_all(parent).and_then(|()| fs::copy(file, &to));
            copied.map_err(|error| format!("{}: {error}", to.display()))?;
        }
    }
    Ok(())
}

/// Exactly, or not at all.
fn apply(patch: &Path) -> Result<(), String> {
    let here = env::current_dir().map_err(|error| error.to_string())?;
    let mut git = Command::new("git");
    // the copy lies in a folder that git ignores: without this it would find our repository, and nothing to do
    git.env("GIT_CEILING_DIRECTORIES", here.join("target/bugs")).current_dir(COPY).arg("apply");
    command(git.arg(here.join(patch))).map_err(|why| format!("{} does not apply any more: {why}", patch.display()))
}

/// Builds the copy, and runs its simulation until something is found: that is the error.
fn simulate() -> Result<(), String> {
    let build = env::current_dir().map_err(|error| error.to_string())?.join("target/bugs/build");
    let cargo = |arguments: &str| {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(COPY).env("CARGO_TARGET_DIR", &build).args(arguments.split(' '));
        // a bug is found within few seeds: building it is what takes time
        cargo.envs([("CARGO_PROFILE_SIMULATION_OPT_LEVEL", "1"), ("CARGO_PROFILE_SIMULATION_DEBUG", "0")]);
        cargo.env("CARGO_INCREMENTAL", "1");
        cargo
    };
    command(&mut cargo("build --quiet --locked --profile simulation -p nanokafka-simulation"))?;
    let mut simulation = Command::new(build.join("simulation/nanokafka-simulation"));
    let output = simulation.args(["--seeds", SEEDS, "--first"]).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default().trim();
    if output.status.success() {
        Ok(())
    } else {
        Err(last.into())
    }
}
