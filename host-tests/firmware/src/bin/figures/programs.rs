//! What each program needs of a board.

use nanokafka_brokers::Kafka;
use nanokafka_firmware::{home, App, Board, Broker, Cable, Emulator, Image};
use object::{Object, ObjectSection, SectionKind};
use std::fmt::Write;
use std::io::{Error, Result};
use std::time::Duration;

/// Flash and RAM as linked, and the stack that was used when the program had done what there was to do.
pub fn table() -> Result<String> {
    let mut table =
        String::from("| program | board | flash | RAM without the stack | stack, of 8192 |\n|---|---|--:|--:|--:|\n");
    for board in Board::ALL {
        let (flash, ram) = sizes(&Image::build("echo", board, &[])?)?;
        writeln!(table, "| `echo` | {} | {flash} | {ram} | |", board.name()).expect("a string grows");
    }
    for app in App::ALL {
        for board in Board::ALL {
            let image = Image::build(app.name(), board, &[])?;
            let (flash, ram) = sizes(&image)?;
            let stack = stack(app, &image)?;
            writeln!(table, "| `{}` | {} | {flash} | {ram} | {stack} |", app.name(), board.name())
                .expect("a string grows");
        }
    }
    Ok(table)
}

fn sizes(image: &Image) -> Result<(u64, u64)> {
    let bytes = std::fs::read(&image.path)?;
    let file = object::File::parse(&*bytes).map_err(Error::other)?;
    let of = |kinds: &[SectionKind]| -> u64 {
        file.sections().filter(|section| kinds.contains(&section.kind())).map(|section| section.size()).sum()
    };
    use SectionKind::*;
    Ok((of(&[Text, ReadOnlyData, ReadOnlyString, Data]), of(&[Data, UninitializedData])))
}

/// At the end of what [`App::prepare`] has produced, on a new broker.
fn stack(app: App, image: &Image) -> Result<usize> {
    let broker = Kafka::single().map(Broker::Kafka)?;
    app.prepare(&broker)?;
    let dir = home().join("figures").join(app.name());
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    let mut emulator = Emulator::start(image, broker.address()?, &dir, Cable::default())?;
    let mut stack = None;
    // it says so after each partition
    while let Ok(Some(line)) = emulator.line(Duration::from_secs(if stack.is_none() { 60 } else { 3 })) {
        let peak = line.text.strip_prefix("stack: ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        stack = peak.or(stack);
    }
    stack.ok_or_else(|| Error::other(format!("{} says nothing of its stack", app.name())))
}
