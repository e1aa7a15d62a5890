//! The tools that stages need: checked, installed where that is possible, else a line to type.

use crate::stages::run;
use std::process::{Command, Stdio};

/// Oldest compilers: of core and the std transport, and of the others. Cargo compares them with `rust-version`.
pub const MSRV: [&str; 2] = ["1.87.0", "1.91.0"];

/// Oldest JDK that runs the brokers.
const JDK: u32 = 17;

/// Oldest Go that builds kfake, as `host-tests/brokers/kfaked/go.mod` has it.
const GO: [u32; 2] = [1, 26];

#[derive(Clone, Copy, PartialEq)]
pub enum Tool {
    /// The toolchain of `rust-toolchain.toml` with its components and targets.
    Rust,
    /// [`MSRV`].
    OldRust,
    Jdk,
    Maven,
    Valgrind,
    Iproute,
    Qemu,
    Go,
}

impl Tool {
    /// But Go: few distributions have one that is new enough, and one extended stage needs it.
    pub const ALL: &[Tool] =
        &[Tool::Rust, Tool::OldRust, Tool::Jdk, Tool::Maven, Tool::Valgrind, Tool::Iproute, Tool::Qemu];

    /// The Debian package, or `None` for what rustup installs.
    fn package(self) -> Option<&'static str> {
        match self {
            Tool::Rust | Tool::OldRust => None,
            Tool::Jdk => Some("default-jdk-headless"),
            Tool::Maven => Some("maven"),
            Tool::Valgrind => Some("valgrind"),
            Tool::Iproute => Some("iproute2"),
            Tool::Qemu => Some("qemu-system-arm"),
            Tool::Go => Some("golang-go"),
        }
    }

    fn is_there(self) -> bool {
        match self {
            Tool::Rust | Tool::OldRust => false,
            Tool::Jdk => {
                ["java", "javac"].iter().all(|program| version(program, "-version").is_some_and(|it| it >= [JDK, 0]))
            }
            Tool::Maven => output("mvn").is_some(),
            Tool::Valgrind => output("valgrind").is_some(),
            Tool::Iproute => output_of("ss", "-V").is_some(),
            Tool::Qemu => output("qemu-system-arm").is_some(),
            Tool::Go => version("go", "version").is_some_and(|it| it >= GO),
        }
    }
}

/// Installs what is missing of `tools`.
pub fn ensure(tools: &[Tool]) -> Result<(), String> {
    if tools.contains(&Tool::Rust) {
        // without the variable that cargo's own toolchain has set, it reads rust-toolchain.toml
        rustup(&["toolchain", "install"])?;
    }
    if tools.contains(&Tool::OldRust) {
        for toolchain in MSRV {
            rustup(&["toolchain", "install", toolchain, "--profile", "minimal"])?;
        }
    }
    let missing = || tools.iter().filter(|tool| !tool.is_there()).filter_map(|tool| tool.package()).collect::<Vec<_>>();
    let packages = missing();
    if packages.is_empty() {
        return Ok(());
    }
    let wanted = format!("a JDK must be {JDK} or newer, Go {}.{}, which is at https://go.dev/dl", GO[0], GO[1]);
    let install = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
    if output_of("id", "-u").is_none_or(|id| id.trim() != "0") || output("apt-get").is_none() {
        return Err(format!("missing or too old ({wanted}). On Debian or Ubuntu type: sudo {install}"));
    }
    for command in ["apt-get update -q", &install] {
        run(Command::new("env").arg("DEBIAN_FRONTEND=noninteractive").args(command.split(' ')))?;
    }
    match missing()[..] {
        [] => Ok(()),
        ref still => Err(format!("installed, but still missing or too old ({wanted}): {}", still.join(" "))),
    }
}

/// Quiet when there is nothing to do; its words are only of interest when it fails.
fn rustup(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("rustup").args(arguments).env_remove("RUSTUP_TOOLCHAIN").stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("rustup {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("rustup: {error}. See https://rustup.rs")),
    }
}

/// The first two numbers of what a program says, such as `openjdk version "17.0.15" 2025-04-15` or `go version go1.26.8 …`; 0
/// for one that is not there.
fn version(program: &str, argument: &str) -> Option<[u32; 2]> {
    let text = output_of(program, argument)?;
    let digits = &text[text.find(|c: char| c.is_ascii_digit())?..];
    let mut numbers = digits.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next().and_then(|number| number.parse().ok()).unwrap_or(0);
    Some([next(), next()])
}

/// The target that the compiler builds for by itself.
pub fn host() -> Result<String, String> {
    let text = output_of("rustc", "-vV").ok_or("rustc -vV failed")?;
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(String::from).ok_or(format!("no host in {text}"))
}

fn output(program: &str) -> Option<String> {
    output_of(program, "--version")
}

/// What a program says, on either stream; `None` if it is not there or fails.
fn output_of(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).stdin(Stdio::null()).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    output.status.success().then(|| String::from_utf8_lossy(&text).into_owned())
}
