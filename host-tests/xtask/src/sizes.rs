//! The README's table of flash: the program of `host-tests/device` without an empty one. Its transport is a stub, so what is left is core.

use crate::readme;
use crate::stages::cargo;
use object::{Object, ObjectSection, SectionKind};
use std::fmt::Write;

const TARGETS: [&str; 4] =
    ["thumbv6m-none-eabi", "thumbv7m-none-eabi", "thumbv7em-none-eabihf", "riscv32imc-unknown-none-elf"];

/// Sets of features, with the most bytes that each may have on the target below, at z.
const SETS: [(&str, Option<u64>); 4] =
    [("", Some(18 * 1024)), ("group", Some(28 * 1024)), ("group-sticky", None), ("group-consumer", Some(34 * 1024))];
const LIMITED: &str = "thumbv7em-none-eabihf";

/// Most bytes that KIP-848 may add to the classic protocol there.
const KIP_848: u64 = 6 * 1024;

/// Writes the table; fails where a limit is passed.
pub fn write() -> Result<(), String> {
    let mut table = String::from(
        "| target, `opt-level` z and s | assign only | `group` | `group-sticky` | `group-consumer` |\n|---|--:|--:|--:|--:|\n",
    );
    let mut over = vec![];
    for target in TARGETS {
        write!(table, "| `{target}` |").expect("a string grows");
        let mut classic = 0;
        for (features, limit) in SETS {
            let [z, s] = ["z", "s"].map(|level| consumer(target, level, features));
            let (z, s) = (z?, s?);
            match features {
                "group" => classic = z,
                "group-consumer" if target == LIMITED && z > classic + KIP_848 => {
                    over.push(format!("{target} at z: KIP-848 adds {} B (wanted: {KIP_848})", z - classic));
                }
                _ => {}
            }
            let limit = limit.filter(|_| target == LIMITED);
            let wanted = limit.map_or_else(String::new, |limit| format!(" (wanted: {limit})"));
            write!(table, " {z}{wanted}, {s} |").expect("a string grows");
            if limit.is_some_and(|limit| z > limit) {
                over.push(format!("{target} at z with [{features}]: {z} B{wanted}"));
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
