//! What a record and an hour cost, and how long the first record takes.

use crate::capture;
use nanokafka_brokers::Kafka;
use nanokafka_firmware::{home, instructions, send, App, Board, Broker, Cable, Emulator, Image, Line};
use std::fmt::Write;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// A table with limits.
pub fn table() -> Result<String> {
    let mut table = String::from("| figure | measured | limit |\n|---|--:|--:|\n");
    let mut row = |figure: &str, measured: &str, limit: &str| {
        writeln!(table, "| {figure} | {measured} | {limit} |").expect("a string grows");
    };
    let whole = "whole consumer over a transport that copies from RAM: Cortex-M4 instructions per record of 100 bytes";
    let in_loop = "of those in the loop over records, without polling and the checksum";
    for (level, most_in_loop) in [("s", 350.0), ("z", 500.0)] {
        let counted = instructions(level, &folder("instructions")?)?;
        let most = if level == "s" { limit(counted.whole, 2000.0) } else { String::new() };
        row(&format!("{whole}, `{level}`"), &format!("{:.0}", counted.whole), &most);
        row(
            &format!("{in_loop}, `{level}`"),
            &format!("{:.0}", counted.in_loop),
            &limit(counted.in_loop, most_in_loop),
        );
    }
    for start in starts()? {
        row(&start.name, &start.measured, "");
    }
    let idle = idle()?;
    row("idle member with one partition, a long poll of 60 s, a heartbeat each 15 s: bytes of IP packets in an hour, by 4 minutes", &format!("{idle:.0}"), "");
    Ok(table)
}

fn limit(value: f64, limit: f64) -> String {
    match value <= limit {
        true => format!("≤ {limit}"),
        false => format!("≤ {limit} **missed by {:.0} %**", (value / limit - 1.0) * 100.0),
    }
}

struct Start {
    name: String,
    measured: String,
}

/// From reset to the first record: cold, and with an offset that was kept.
fn starts() -> Result<Vec<Start>> {
    let mut starts = Vec::new();
    for (app, topic, what) in
        [(App::Assign, "calibration", "a partition of its own"), (App::Subscribe, "readings", "a group")]
    {
        let broker = Kafka::single().map(Broker::Kafka)?;
        app.prepare(&broker)?;
        let image = Image::build(app.name(), Board::Mps2An385, &[])?;
        let dir = folder(app.name())?;
        for kept in [false, true] {
            if kept {
                send(&broker.producer(&[])?, topic, 2, None, Some("new"))?;
            }
            let file = dir.join("capture");
            let mut emulator =
                Emulator::start(&image, broker.address()?, &dir, Cable { capture: Some(&file), ..Cable::default() })?;
            let lines = emulator.until(PATIENCE, |line| line.level.is_none())?;
            let last = &lines[lines.len() - 1];
            let value = last.text.rsplit(": ").next().unwrap_or_default().to_owned();
            // all of it worked on, and committed or kept
            emulator.until(PATIENCE, |line| line.text.starts_with("stack: "))?;
            std::thread::sleep(Duration::from_secs(1));
            drop(emulator);
            let packets = capture::read(&file, broker.address()?.port())?;
            let arrives = packets.iter().position(|packet| !packet.sent && contains(&packet.payload, value.as_bytes()));
            let until = arrives.ok_or_else(|| Error::other(format!("{value} is not in the capture")))?;
            let packets = &packets[..=until];
            let bytes: usize = packets.iter().map(|packet| packet.bytes).sum();
            let requests: Vec<_> = capture::requests(packets).into_iter().map(name).collect();
            let seconds: f64 = last.time.parse().map_err(Error::other)?;
            starts.push(Start {
                name: format!("{what}, {}: from reset to the first record", if kept { "offset kept" } else { "cold" }),
                measured: format!(
                    "{:.0} ms, {bytes} bytes of IP packets, {} requests: {}",
                    seconds * 1000.0,
                    requests.len(),
                    requests.join(", ")
                ),
            });
        }
    }
    Ok(starts)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Kafka's names.
fn name(key: i16) -> String {
    const NAMES: [(i16, &str); 9] = [
        (1, "Fetch"),
        (2, "ListOffsets"),
        (3, "Metadata"),
        (9, "OffsetFetch"),
        (10, "FindCoordinator"),
        (11, "JoinGroup"),
        (12, "Heartbeat"),
        (14, "SyncGroup"),
        (18, "ApiVersions"),
    ];
    NAMES.iter().find(|(of, _)| *of == key).map_or_else(|| key.to_string(), |(_, name)| (*name).to_owned())
}

/// Over so many seconds, which are a multiple of the long poll and of the heartbeat.
const IDLE: f64 = 240.0;

/// In an hour, by what there is in a few minutes.
fn idle() -> Result<f64> {
    let broker = Kafka::single().map(Broker::Kafka)?;
    broker.create_topic("readings", 1, &[])?;
    let image = Image::build("subscribe", Board::Mps2An385, &[])?;
    let dir = folder("idle")?;
    let file: PathBuf = dir.join("capture");
    let mut emulator =
        Emulator::start(&image, broker.address()?, &dir, Cable { capture: Some(&file), ..Cable::default() })?;
    emulator.until(PATIENCE, |line: &Line| line.text.starts_with("stack: "))?;
    std::thread::sleep(Duration::from_secs_f64(IDLE + 30.0));
    drop(emulator);
    let packets = capture::read(&file, broker.address()?.port())?;
    // from the middle of the first minute on, when what is asked once has been asked
    let from = packets.first().map_or(0.0, |packet| packet.time) + 20.0;
    let within = packets.iter().filter(|packet| (from..from + IDLE).contains(&packet.time));
    Ok(within.map(|packet| packet.bytes).sum::<usize>() as f64 * 3600.0 / IDLE)
}

fn folder(name: &str) -> Result<PathBuf> {
    let dir = home().join("figures").join(Path::new(name));
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}
