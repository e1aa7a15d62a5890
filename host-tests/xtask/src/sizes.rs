//! The README's table of flash: the program of `host-tests/device` without an empty one. Its transport is a stub, so what is left is core.

use crate::readme;
use crate::stages::cargo;
use object::{Object, ObjectSection, SectionKind};
use std::fmt::Write;

const TARGETS: [&str; 4] =
    ["thumbv6m-none-eabi", "thumbv7m-none-eabi", "thumbv7em-none-eabihf", "riscv32imc-unknown-none-elf"];

/// Sets of features, with the most bytes that each may have on the target and at the level below.
const SETS: [(&str, u64); 3] = [("", 18 * 1024), ("group", 28 * 1024), ("group-consumer", 34 * 1024)];
const LIMITED: (&str, &str) = ("thumbv7em-none-eabihf", "z");

/// Writes the table; fails where a limit is passed.
pub fn write() -> Result<(), String> {
    let mut table = String::from(
        "| target | assign only, z | `group`, z | `group-consumer`, z | assign only, s | `group`, s | `group-consumer`, s |\n\
         |---|--:|--:|--:|--:|--:|--:|\n",
    );
    let mut over = vec![];
    for target in TARGETS {
        write!(table, "| `{target}` |").expect("a string grows");
        for level in ["z", "s"] {
            for (features, limit) in SETS {
                let bytes = consumer(target, level, features)?;
                let limited = (target, level) == LIMITED;
                let wanted = if limited { format!(" (wanted: {limit})") } else { String::new() };
                write!(table, " {bytes}{wanted} |").expect("a string grows");
                if limited && bytes > limit {
                    over.push(format!("{target} at {level} with [{features}]: {bytes} B of {limit} B"));
                }
            }
        }
        table.push('\n');
    }
    readme::write(readme::README, "sizes", &table)?;
    match over.is_empty() {
        true => Ok(()),
        false => Err(format!("over the limit: {}", over.join("; "))),
    }
}

/// Bytes of flash.
fn consumer(target: &str, level: &str, features: &str) -> Result<u64, String> {
    const DEVICE: &str = "host-tests/device/Cargo.toml";
    cargo(&format!(
        "build --quiet --release --manifest-path {DEVICE} --target-dir target/sizes --target {target} \
         --config profile.release.opt-level=\"{level}\" --features={features}"
    ))?;
    let flash = |program: &str| {
        let path = format!("target/sizes/{target}/release/{program}");
        let bytes = std::fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
        let file = object::File::parse(&*bytes).map_err(|error| format!("{path}: {error}"))?;
        let loaded = |kind| {
            matches!(
                kind,
                SectionKind::Text | SectionKind::ReadOnlyData | SectionKind::ReadOnlyString | SectionKind::Data
            )
        };
        Ok::<u64, String>(file.sections().filter(|section| loaded(section.kind())).map(|section| section.size()).sum())
    };
    Ok(flash("superloop")? - flash("empty")?)
}
