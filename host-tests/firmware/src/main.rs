//! `cargo firmware`: a program of `firmware-example` in QEMU, with a broker.

use nanokafka_firmware::{home, App, Board, Broker, Cable, Emulator, Image};
use std::io::Result;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
firmware in QEMU: a Cortex-M3 with 64 KB of RAM and nanokafka

usage: cargo firmware APP [--board BOARD] [--bootstrap HOST:PORT] [--dhcp]

  APP          seed       the seed example: subscribes, prints four records, commits, ends
               superloop  the same on plain smoltcp, without an executor
               subscribe  a static member of a group, commits record by record
               assign     a partition of its own, the offset in its flash
               ota        a firmware image larger than the RAM, from one record into flash
               config     a compacted topic, read at boot and followed
  --board      mps2-an385 (default) or lm3s6965evb
  --bootstrap  a cluster with a PLAINTEXT listener that advertises an IPv4 address. Without it: an Apache
               Kafka (JDK from 17, Maven), or if there is none an embedded broker
  --dhcp       asks for an address instead of having one

What the firmware prints goes to standard output, its log to standard error. Ctrl-C cuts its power.";

struct Args {
    app: App,
    board: Board,
    bootstrap: Option<String>,
    dhcp: bool,
}

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let Some(args) = parse(&args) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(args: &[String]) -> Option<Args> {
    let (app, mut rest) = args.split_first()?;
    let mut parsed = Args { app: App::of(app)?, board: Board::Mps2An385, bootstrap: None, dhcp: false };
    while let Some((arg, others)) = rest.split_first() {
        rest = others;
        match arg.as_str() {
            "--dhcp" => parsed.dhcp = true,
            "--board" => parsed.board = Board::of(take(&mut rest)?)?,
            "--bootstrap" => parsed.bootstrap = Some(take(&mut rest)?.clone()),
            _ => return None,
        }
    }
    Some(parsed)
}

fn take<'a>(rest: &mut &'a [String]) -> Option<&'a String> {
    let (first, others) = rest.split_first()?;
    *rest = others;
    Some(first)
}

fn run(args: &Args) -> Result<ExitCode> {
    let image = Image::build(args.app.name(), args.board, if args.dhcp { &["dhcp"] } else { &[] })?;
    let broker = Broker::start(args.bootstrap.as_deref())?;
    args.app.prepare(&broker)?;
    let dir = home().join("flash").join(args.board.name()).join(args.app.name());
    if args.bootstrap.is_none() && dir.exists() {
        // what the board has kept is about a broker that is gone
        std::fs::remove_dir_all(&dir)?;
    }
    let mut emulator = Emulator::start(&image, broker.address()?, &dir, Cable::default())?;
    while let Some(line) = emulator.line(Duration::MAX)? {
        match line.level {
            None => println!("{}", line.text),
            Some(level) => eprintln!("{} {level} {}", line.time, line.text),
        }
    }
    let status = emulator.end()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
