//! What the tests share.

use nanokafka_brokers::Kafka;
use nanokafka_firmware::{Board, Broker, Cable, Emulator, Image, Line};
use std::io::{Error, Result};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Far above what anything here takes on an idle machine (1 s).
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of the stack that a program with a consumer may use, of the 8 KB that it has.
pub const STACK: usize = 4096;

/// A board with a program, a new one with an empty flash.
pub struct Device {
    pub image: Image,
    server: String,
    pub dir: PathBuf,
}

impl Device {
    pub fn new(app: &str, board: Board, server: impl ToString) -> Result<Self> {
        let test = std::thread::current().name().unwrap_or("main").replace("::", "-");
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test).join(board.name()).join(app);
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        Ok(Device { image: Image::build(app, board, &[])?, server: server.to_string(), dir })
    }

    pub fn power_on(&self) -> Result<Emulator> {
        self.connected(Cable::default())
    }

    pub fn connected(&self, cable: Cable<'_>) -> Result<Emulator> {
        Emulator::start(&self.image, &self.server, &self.dir, cable)
    }

    /// Its log, of a program that ends well.
    pub fn run(&self) -> Result<Vec<Line>> {
        let mut emulator = self.power_on()?;
        let (deadline, mut lines) = (Instant::now() + PATIENCE, Vec::new());
        // in all: one that cannot go on may say so for ever
        while let Some(line) = emulator
            .line(deadline.saturating_duration_since(Instant::now()))
            .map_err(|error| Error::other(format!("{error}: {lines:#?}")))?
        {
            lines.push(line);
        }
        let status = emulator.end()?;
        assert!(status.success(), "{status}: {lines:#?}");
        Ok(lines)
    }
}

pub fn kafka() -> Result<Broker> {
    Kafka::single().map(Broker::Kafka)
}

pub fn admin(broker: &Broker, command: &str) -> Result<String> {
    let Broker::Kafka(kafka) = broker else { panic!("these tests are about Apache Kafka") };
    kafka.admin(command)
}

/// What it printed, without its log.
pub fn printed(lines: &[Line]) -> Vec<&str> {
    lines.iter().filter(|line| line.level.is_none()).map(|line| line.text.as_str()).collect()
}

pub fn says(text: &'static str) -> impl Fn(&Line) -> bool {
    move |line| line.text.starts_with(text)
}

/// Peak use, of what is reported last.
pub fn stack(lines: &[Line]) -> usize {
    let reported = lines.iter().rev().find_map(|line| line.text.strip_prefix("stack: ")?.split(' ').next());
    reported.and_then(|peak| peak.parse().ok()).unwrap_or_else(|| panic!("no stack in {lines:#?}"))
}

/// Reads until so many lines are printed.
pub fn prints(device: &mut Emulator, count: usize) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    while lines.len() < count {
        match device.line(PATIENCE)? {
            Some(line) if line.level.is_none() => lines.push(line.text),
            Some(line) => assert!(line.level != Some("error"), "{line:?}"),
            None => return Err(Error::other(format!("the firmware has ended: {lines:#?}"))),
        }
    }
    Ok(lines)
}
