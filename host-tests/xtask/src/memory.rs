//! The README's table of a consumer's memory, read out of the crate `nanokafka-memory` as built for 32 bits.

use crate::readme;
use crate::stages::cargo;
use std::fmt::Write;
use std::path::Path;

const TARGET: &str = "thumbv7em-none-eabihf";
const MARK: &[u8] = b"nanokafka-memory";

/// Writes the table.
pub fn write() -> Result<(), String> {
    readme::write(readme::README, "memory", &table()?)
}

/// Fails if the table is not what [`write`] would write.
pub fn check() -> Result<(), String> {
    readme::check(readme::README, "memory", &table()?)
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
