//! `cargo xtask`: every check of the repository in named stages, and the tools they need.

mod memory;
mod readme;
mod setup;
mod simulate;
mod sizes;
mod stages;

use setup::Tool;
use stages::{Stage, EXTENDED, STAGES};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

const USAGE: &str = "usage: cargo xtask list                        the stages
       cargo xtask test [STAGE…]             all of them, or these
       cargo xtask test extended [STAGE…]    what takes longer
       cargo xtask bench [NAME…]             write the README's figures (about 10 minutes), or print these
       cargo xtask simulate [--seeds N] [--from S]    so many seeds of the simulation; --seed S prints one's log
       cargo xtask simulate --bugs [NAME…]   whether the simulation finds bugs that are planted, or these
       cargo xtask setup                     install the tools of all stages
       cargo xtask memory                    write the README's table of RAM
       cargo xtask sizes                     write the README's table of flash
       cargo xtask firmware                  write the tables of firmware-example/README.md (about 10 minutes)";

fn main() -> ExitCode {
    std::env::set_current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).expect("the workspace exists");
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["list"] => {
            list("test", STAGES);
            list("test extended", EXTENDED);
            ExitCode::SUCCESS
        }
        ["test", "extended", ref names @ ..] => test(EXTENDED, names),
        ["test", ref names @ ..] => test(STAGES, names),
        ["bench", ref names @ ..] => report(bench(names)),
        ["simulate", "--bugs", ref names @ ..] => {
            report(setup::ensure(&[Tool::Rust]).and_then(|()| simulate::bugs(names)))
        }
        ["simulate", ref arguments @ ..] => {
            report(setup::ensure(&[Tool::Rust]).and_then(|()| simulate::run(arguments)))
        }
        ["setup"] => report(setup::ensure(Tool::ALL)),
        ["memory"] => report(memory::write()),
        ["firmware"] => report(firmware()),
        ["sizes"] => report(setup::ensure(&[Tool::Rust]).and_then(|()| sizes::write())),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn report(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Measures what it is told to, or everything; fails where a figure passes its limit.
fn bench(names: &[&str]) -> Result<(), String> {
    setup::ensure(&[Tool::Rust, Tool::Jdk, Tool::Maven, Tool::Valgrind, Tool::Iproute])?;
    // all of its programs: one starts the others
    let cargo = |words: &str| {
        let mut command = Command::new("cargo");
        command.args(words.split(' '));
        command
    };
    stages::run(&mut cargo("build --release -p nanokafka-bench"))?;
    stages::run(cargo("run --quiet --release -p nanokafka-bench --bin nanokafka-bench --").args(names))
}

/// Measures in the emulator; fails where a figure passes its limit, which the table then says.
fn firmware() -> Result<(), String> {
    setup::ensure(&[Tool::Rust, Tool::Jdk, Tool::Maven, Tool::Qemu])?;
    let mut command = Command::new("cargo");
    command.args("run --quiet --release -p nanokafka-firmware --bin figures".split(' ')).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("{command:?}: {}", output.status));
    }
    for name in ["programs", "figures"] {
        let table = readme::between(&text, name).ok_or(format!("no table {name} in {text}"))?;
        readme::write(readme::FIRMWARE, name, &text[table])?;
    }
    match text.contains("**missed") {
        true => Err("a figure passes its limit".into()),
        false => Ok(()),
    }
}

fn list(command: &str, stages: &[Stage]) {
    println!("cargo xtask {command}");
    for stage in stages {
        println!("  {:20} {}", stage.name, stage.about);
    }
}

/// Runs all stages or those named, whether or not one fails; the last lines name those that did and count.
fn test(stages: &[Stage], names: &[&str]) -> ExitCode {
    if let Some(unknown) = names.iter().find(|name| !stages.iter().any(|stage| stage.name == **name)) {
        eprintln!("no stage {unknown}: see cargo xtask list");
        return ExitCode::from(2);
    }
    let start = Instant::now();
    let (mut passed, mut failed) = (0, Vec::new());
    for stage in stages.iter().filter(|stage| names.is_empty() || names.contains(&stage.name)) {
        println!("== {}: {}", stage.name, stage.about);
        let began = Instant::now();
        let result = setup::ensure(stage.needs).and_then(|()| (stage.run)());
        let seconds = began.elapsed().as_secs_f32();
        match result {
            Ok(()) => {
                passed += 1;
                println!("== {}: passed in {seconds:.1} s", stage.name);
            }
            Err(why) => {
                println!("== {}: FAILED in {seconds:.1} s: {why}", stage.name);
                failed.push(format!("{}: {why}", stage.name));
            }
        }
    }
    println!("== {:.1} s in all", start.elapsed().as_secs_f32());
    for why in &failed {
        println!("== failed: {why}");
    }
    println!("{passed} passed, {} failed", failed.len());
    ExitCode::from(u8::from(!failed.is_empty()))
}
