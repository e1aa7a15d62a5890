//! The README's table of a consumer's memory, read out of the crate `nanokafka-memory` as built for 32 bits.

use crate::stages::cargo;
use std::fmt::Write;
use std::path::Path;

const TARGET: &str = "thumbv7em-none-eabihf";
const MARK: &[u8] = b"nanokafka-memory";
const README: &str = "README.md";
const BEGIN: &str = "<!-- memory -->\n";
const END: &str = "<!-- /memory -->";

/// Writes the table.
pub fn write() -> Result<(), String> {
    let (before, _, after) = readme()?;
    std::fs::write(README, before + &table()? + &after).map_err(|error| format!("{README}: {error}"))
}

/// Fails if the table is not what [`write`] would write.
pub fn check() -> Result<(), String> {
    let (new, (_, old, _)) = (table()?, readme()?);
    match old == new {
        true => Ok(()),
        false => Err(format!("the memory table of {README} is out of date: cargo xtask memory. It must be\n{new}")),
    }
}

/// What is before, between and behind the marks.
fn readme() -> Result<(String, String, String), String> {
    let text = std::fs::read_to_string(README).map_err(|error| format!("{README}: {error}"))?;
    let begin = text.find(BEGIN).ok_or(format!("{README} has no {BEGIN}"))? + BEGIN.len();
    let end = text[begin..].find(END).ok_or(format!("{README} has no {END}"))? + begin;
    Ok((text[..begin].into(), text[begin..end].into(), text[end..].into()))
}

fn table() -> Result<String, String> {
    cargo(&format!("build -p nanokafka-memory --target {TARGET}"))?;
    let library = std::env::var("CARGO_TARGET_DIR").unwrap_or("target".into());
    let library = Path::new(&library).join(TARGET).join("debug/libnanokafka_memory.rlib");
    let bytes = std::fs::read(&library).map_err(|error| format!("{}: {error}", library.display()))?;
    let mut table = String::from(
        "| partitions | connections | window | `size_of::<Resources<..>>()` | without the window |\n|--:|--:|--:|--:|--:|\n",
    );
    for [partitions, connections, window, bytes] in rows(&bytes).ok_or("no table in the object code")? {
        let rest = bytes - window;
        writeln!(table, "| {partitions} | {connections} | {window} | {bytes} | {rest} |").expect("a string grows");
    }
    Ok(table)
}

/// Behind the first mark that numbers follow: the metadata of the library may hold the mark too.
fn rows(library: &[u8]) -> Option<Vec<[u32; 4]>> {
    let first = [1, 2, 1024].map(u32::to_le_bytes).concat();
    let begin = [MARK, &first].concat();
    let at = library.windows(begin.len()).position(|window| window == begin)?;
    let number = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).ok();
    let row = |bytes: &[u8]| {
        let numbers: Vec<_> = bytes.chunks_exact(4).map_while(number).collect();
        numbers.try_into().ok()
    };
    library.get(at + MARK.len()..)?.chunks_exact(16).take(4).map(row).collect()
}
