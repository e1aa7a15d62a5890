//! The stages. A new one is a line in a table and a function.

use crate::memory;
use crate::setup::{self, Tool, MSRV};
use crate::simulate;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

type Outcome = Result<(), String>;

pub struct Stage {
    pub name: &'static str,
    pub about: &'static str,
    pub needs: &'static [Tool],
    pub run: fn() -> Outcome,
}

use Tool::*;

/// `cargo xtask test`.
#[rustfmt::skip]
pub const STAGES: &[Stage] = &[
    Stage { name: "fmt", about: "formatting", needs: &[Rust], run: fmt },
    Stage { name: "clippy", about: "lints, all crates and features", needs: &[Rust], run: clippy },
    Stage { name: "targets", about: "core for four microcontroller targets, transports for those that carry them", needs: &[Rust], run: targets },
    Stage { name: "msrv", about: "core and the transports with the oldest compilers that they promise", needs: &[OldRust], run: msrv },
    Stage { name: "core", about: "tests of core, without and with all features", needs: &[Rust], run: core },
    Stage { name: "fuzz", about: "the fuzz targets, all at once, for thirty seconds", needs: &[Rust], run: fuzz },
    Stage { name: "panics", about: "a program over core that can panic does not link", needs: &[Rust], run: panics },
    Stage { name: "scripted", about: "the consumer over a cluster in memory and virtual time", needs: &[Rust], run: scripted },
    Stage { name: "simulation", about: "2,000 seeds of groups in trouble, in virtual time", needs: &[Rust], run: simulation },
    Stage { name: "std", about: "the std transports and their configuration", needs: &[Rust], run: std_transport },
    Stage { name: "embassy", about: "the embassy-net transport against its contract, without and with IPv6", needs: &[Rust], run: embassy_transport },
    Stage { name: "io", about: "the transport over embedded-io-async against its contract", needs: &[Rust], run: io_transport },
    Stage { name: "smoltcp", about: "the smoltcp transport against its contract, without and with IPv6", needs: &[Rust], run: smoltcp_transport },
    Stage { name: "behaviour", about: "the same scenarios over every transport, in fair and in foul weather", needs: &[Rust], run: behaviour },
    Stage { name: "docs", about: "rustdoc without warnings, doctests, examples, the README's memory table", needs: &[Rust], run: docs },
    Stage { name: "brokers", about: "the brokers that other tests run against", needs: &[Rust, Jdk, Maven], run: brokers },
    Stage { name: "bench", about: "what the benchmark computes with; `cargo xtask bench` runs it", needs: &[Rust], run: bench },
    Stage { name: "demo", about: "cargo demo, embedded and on real Kafka", needs: &[Rust, Jdk, Maven], run: demo },
    Stage { name: "real", about: "the consumer against real Kafka: records, commits, groups, faults", needs: &[Rust, Jdk, Maven], run: real },
    Stage { name: "firmware", about: "two emulated boards against real Kafka: what they print, commit and keep", needs: &[Rust, Jdk, Maven, Qemu], run: firmware },
    Stage { name: "verifiable", about: "what Kafka's own system tests ask of a consumer, with processes", needs: &[Rust, Jdk, Maven], run: verifiable },
];

/// `cargo xtask test extended`.
#[rustfmt::skip]
pub const EXTENDED: &[Stage] = &[
    Stage { name: "bugs", about: "planted bugs, each of which the simulation must find", needs: &[Rust], run: bugs },
    Stage { name: "simulation-elsewhere", about: "a seed is the same run with words of 32 bits, and with the most significant byte first", needs: &[Rust, QemuUser], run: simulate::elsewhere },
    Stage { name: "old-brokers", about: "Kafka 2.1, 2.8 and 3.9", needs: &[Rust, Jdk, Maven], run: old_brokers },
    Stage { name: "real-long", about: "many more records and losses", needs: &[Rust, Jdk, Maven], run: real_long },
    Stage { name: "real-old", about: "the consumer against Kafka 2.1, 2.8 and 3.9", needs: &[Rust, Jdk, Maven], run: real_old },
    Stage { name: "groups-long", about: "groups of processes on brokers that restart and die, frozen members, 1,000 partitions, Kafka 2.8 and 3.9", needs: &[Rust, Jdk, Maven], run: groups_long },
    Stage { name: "groups-kfaked", about: "the group scenarios on franz-go's kfake, a second author's broker", needs: &[Rust, Jdk, Maven, Go], run: groups_kfaked },
    Stage { name: "firmware-long", about: "emulated boards: a link that is down for long, an address that stays wrong", needs: &[Rust, Jdk, Maven, Qemu], run: firmware_long },
    Stage { name: "boards", about: "firmware for five real boards compiles", needs: &[Rust], run: boards },
    Stage { name: "old-demo", about: "cargo demo on Kafka 2.1, 2.8 and 3.9", needs: &[Rust, Jdk, Maven], run: old_demo },
];

/// All features of core but defmt, whose logger only a device has.
const ON_A_HOST: &str = "std,group-sticky,group-consumer,json,postcard,log,crc-table-1k";

fn fmt() -> Outcome {
    cargo("fmt --all --check")
}

fn clippy() -> Outcome {
    cargo("clippy --workspace --all-targets --all-features -- -D warnings")?;
    for features in ["", "--features group"] {
        cargo(&format!("clippy -p nanokafka --all-targets {features} -- -D warnings"))?;
    }
    Ok(())
}

fn targets() -> Outcome {
    for target in ["thumbv6m-none-eabi", "thumbv7m-none-eabi", "thumbv7em-none-eabihf", "riscv32imc-unknown-none-elf"] {
        for features in ["", "--features group", "--features group-sticky,group-consumer,crc-table-1k,defmt"] {
            cargo(&format!("build -p nanokafka --no-default-features --target {target} {features}"))?;
        }
    }
    for target in ["thumbv7m-none-eabi", "thumbv7em-none-eabihf"] {
        for transport in ["embassy", "io", "smoltcp"] {
            cargo(&format!("build -p nanokafka-{transport} --target {target}"))?;
        }
    }
    Ok(())
}

/// The folder is laid out for cargo-fuzz, which adds AddressSanitizer and so needs a nightly compiler. Core is free of unsafe code:
/// what it would find are panics and loops, for which the coverage that the pinned compiler can insert is enough.
fn fuzz() -> Outcome {
    const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
    const BUILD: &str = "build --release --locked --manifest-path host-tests/fuzz/Cargo.toml --target-dir target/fuzz";
    let host = setup::host()?;
    // with --target the flags are not for build scripts
    run(Command::new("cargo").args(words(BUILD)).args(["--target", &host]).env("RUSTFLAGS", COVERAGE))?;
    let fuzz = |target: &str| {
        let found = format!("target/fuzz/corpus/{target}");
        std::fs::create_dir_all(&found).map_err(|error| format!("{found}: {error}"))?;
        let seeds = format!("host-tests/fuzz/seeds/{target}");
        let mut command = Command::new(format!("target/fuzz/{host}/release/{target}"));
        command.args([&found, &seeds]).args(words("-max_total_time=30 -timeout=10 -max_len=4096 -verbosity=0"));
        run(command.args(["-print_final_stats=1", "-artifact_prefix=target/fuzz/"]))
    };
    std::thread::scope(|scope| {
        let fuzz = &fuzz;
        let running = ["frame", "answer", "fetch", "batch", "record"].map(|target| scope.spawn(move || fuzz(target)));
        running.into_iter().map(|one| one.join().expect("no panic")).fold(Ok(()), Result::and)
    })
}

/// The panic handler of these programs calls a symbol that does not exist.
fn panics() -> Outcome {
    for target in ["thumbv6m-none-eabi", "thumbv7em-none-eabihf", "riscv32imc-unknown-none-elf"] {
        for features in ["", "--features group,crc-table-1k", "--features group-sticky,pattern"] {
            cargo(&format!(
                "build --release --manifest-path host-tests/device/Cargo.toml --target {target} {features}"
            ))?;
        }
    }
    Ok(())
}

fn msrv() -> Outcome {
    let [of_core, of_stacks] = MSRV;
    for (toolchain, crates) in [
        (of_core, "-p nanokafka"),
        (of_core, "-p nanokafka -p nanokafka-std --all-features"),
        (of_stacks, "-p nanokafka-embassy -p nanokafka-smoltcp -p nanokafka-io --all-features"),
    ] {
        run(Command::new("rustup").args(["run", toolchain, "cargo", "check"]).args(words(crates)))?;
    }
    Ok(())
}

fn core() -> Outcome {
    tests("-p nanokafka")?;
    tests(&format!("-p nanokafka --features {ON_A_HOST}"))
}

fn scripted() -> Outcome {
    tests("-p nanokafka-scripted")
}

fn simulation() -> Outcome {
    tests("-p nanokafka-simulation --profile simulation")?;
    simulate::run(&["--seeds", "2000"])
}

fn bugs() -> Outcome {
    simulate::bugs(&[])
}

fn std_transport() -> Outcome {
    tests("-p nanokafka-std --all-features")
}

fn embassy_transport() -> Outcome {
    tests("-p nanokafka-embassy")?;
    tests("-p nanokafka-embassy --features proto-ipv6 --test contract")
}

fn io_transport() -> Outcome {
    tests("-p nanokafka-io")
}

fn smoltcp_transport() -> Outcome {
    tests("-p nanokafka-smoltcp")?;
    tests("-p nanokafka-smoltcp --features smoltcp/proto-ipv6 --test contract")
}

fn behaviour() -> Outcome {
    tests("-p nanokafka-behaviour")
}

fn docs() -> Outcome {
    for crates in [
        "-p nanokafka",
        "-p nanokafka -p nanokafka-std --all-features",
        "-p nanokafka-embassy -p nanokafka-io -p nanokafka-smoltcp -p nanokafka-behaviour",
    ] {
        let arguments = words("doc --no-deps").chain(words(crates));
        run(Command::new("cargo").args(arguments).env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    tests(&format!("-p nanokafka --features {ON_A_HOST} --doc"))?;
    tests("-p nanokafka-std --all-features --doc")?;
    cargo("build -p nanokafka-std --all-features --examples")?;
    memory::check()
}

fn brokers() -> Outcome {
    // one cluster at a time: starting is CPU time
    tests("-p nanokafka-brokers --features mock -- --test-threads=1")
}

fn demo() -> Outcome {
    tests("-p nanokafka-demo -- --test-threads=1")
}

fn bench() -> Outcome {
    tests("-p nanokafka-bench")
}

fn old_brokers() -> Outcome {
    tests("-p nanokafka-brokers --features extended --test old -- --test-threads=1")
}

fn real() -> Outcome {
    // they wait most of the time, as those of the firmware
    tests("-p nanokafka-real -- --test-threads=3")
}

fn firmware() -> Outcome {
    const LINTS: &str = "clippy --quiet --release --locked --target-dir ../target/firmware";
    for features in ["", "--features lm3s6965evb,dhcp,wrap", "--features crc-table-1k"] {
        // in its folder for its .cargo/config.toml
        let arguments = words(LINTS).chain(words(features)).chain(["--", "-D", "warnings"]);
        run(Command::new("cargo").current_dir("firmware-example").args(arguments))?;
    }
    run(Command::new("cargo").current_dir("firmware-example").args(["fmt", "--check"]))?;
    tests("-p nanokafka-firmware -- --test-threads=3")
}

fn firmware_long() -> Outcome {
    tests("-p nanokafka-firmware --features extended --test firmware -- --test-threads=1 long::")
}

/// Compiled, and no more: there is no hardware here.
fn boards() -> Outcome {
    const RISCV: &str = "riscv32imac-unknown-none-elf";
    const PICO_2: &str = "thumbv8m.main-none-eabihf";
    // needed by nothing else
    run(Command::new("rustup").args(["target", "add", RISCV, PICO_2]))?;
    // in place of the firmware of a radio, which is linked and not ours to give
    let radio = std::path::absolute("target/boards/cyw43").map_err(|error| error.to_string())?;
    std::fs::create_dir_all(&radio).map_err(|error| format!("{}: {error}", radio.display()))?;
    for file in ["43439A0.bin", "43439A0_clm.bin", "nvram_rp2040.bin"] {
        std::fs::write(radio.join(file), [0; 4]).map_err(|error| format!("{file}: {error}"))?;
    }
    for (board, arguments) in [
        ("stm32h743", String::new()),
        ("rp2040-w5500", String::new()),
        ("pico-w", String::new()),
        ("pico-w", format!("--no-default-features --features rp235x --target {PICO_2}")),
        ("esp32", "--features esp32c6".into()),
        ("esp32", "--features esp32c3 --target riscv32imc-unknown-none-elf".into()),
    ] {
        // in its folder for its .cargo/config.toml
        let mut command = Command::new("cargo");
        command.current_dir(format!("firmware-example/boards/{board}"));
        command.args(words("build --quiet --release --locked --target-dir ../../../target/boards"));
        command.args(words(&arguments)).env("CYW43_FIRMWARE", &radio);
        run(command.envs([("WIFI_NETWORK", "network"), ("WIFI_PASSWORD", "password")]))?;
    }
    Ok(())
}

fn verifiable() -> Outcome {
    // they wait for timeouts most of the time
    tests("-p nanokafka-verifiable-consumer -- --test-threads=3")
}

fn groups_long() -> Outcome {
    tests("-p nanokafka-verifiable-consumer --features extended --test contract -- --test-threads=1 --nocapture long::")
}

fn groups_kfaked() -> Outcome {
    tests(
        "-p nanokafka-verifiable-consumer --features extended --test contract -- --test-threads=1 --nocapture kfaked::",
    )
}

fn real_long() -> Outcome {
    tests("-p nanokafka-real --features extended --test long -- --test-threads=1 --nocapture")
}

fn real_old() -> Outcome {
    tests("-p nanokafka-real --features extended --test old -- --test-threads=1")
}

fn old_demo() -> Outcome {
    tests("-p nanokafka-demo --features extended --test demo old -- --test-threads=1")
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

/// Runs cargo with these arguments, separated by spaces.
pub fn cargo(arguments: &str) -> Outcome {
    run(Command::new("cargo").args(words(arguments)))
}

/// Runs a command; what it prints is seen as it comes.
pub fn run(command: &mut Command) -> Outcome {
    println!("   {command:?}");
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

/// `cargo test`, which must run at least one test: a filter or a feature that matches nothing is no success.
fn tests(arguments: &str) -> Outcome {
    let mut command = Command::new("cargo");
    command.arg("test").args(words(arguments)).stdin(Stdio::null()).stdout(Stdio::piped());
    println!("   {command:?}");
    let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let mut tests = 0;
    for line in BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok) {
        println!("{line}");
        // "running 3 tests"
        let count = line.strip_prefix("running ").and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok());
        tests += count.unwrap_or(0);
    }
    match child.wait() {
        Ok(status) if status.success() && tests > 0 => Ok(()),
        Ok(status) if status.success() => Err(format!("{command:?}: no test ran")),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}
