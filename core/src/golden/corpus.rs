//! The seeds of the fuzz targets (`host-tests/fuzz/seeds`): made from the captured answers, and run here as ordinary tests.
use super::fetches::fetched;
use super::{answers, file, from_hex, string};
use crate::fuzzing::answers::{ASKED, CORRELATION};
use crate::fuzzing::{answer, batch, fetch, frame, peer, record};
use crate::wire::primitives::item;
use crate::wire::{batch as batches, record as records};
use crate::Api;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Larger seeds slow the search down.
const LARGEST: usize = 1024;

type Target = (&'static str, fn(&[u8]));
const TARGETS: [Target; 5] =
    [("frame", frame), ("answer", answer), ("fetch", fetch), ("batch", batch), ("record", record)];

/// By name: what the captured answers give for a target.
fn seeds(target: &str) -> BTreeMap<String, Vec<u8>> {
    let mut seeds = BTreeMap::new();
    let mut add = |name: &str, bytes: Vec<u8>| {
        if bytes.len() <= LARGEST {
            seeds.insert(name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-', "-"), bytes);
        }
    };
    match target {
        "frame" => {
            for (_, name, _, answer) in answers().filter(|answer| answer.0 == Api::ApiVersions) {
                add(&name, peer::frame(CORRELATION, answer.body()));
            }
            add("http", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
            add("tls", vec![0x15, 3, 1, 0, 2, 2, 70, 0x15]);
        }
        "answer" => {
            for (api, name, version, answer) in answers() {
                // Fetch 10 is read as 11 here, and in its own target as it is
                let asked =
                    ASKED.iter().position(|&asked| asked == (api, version.max(if api == Api::Fetch { 11 } else { 0 })));
                let asked = asked.expect("in the table");
                add(&name, [&[asked as u8, 2], answer.body()].concat());
            }
        }
        "fetch" => {
            for (count, fetched) in fetched().iter().enumerate() {
                // windows, policies and pieces in turn
                let flags = (count % 3) as u8 | ((count / 3 % 3) as u8) << 2 | ((count % 5 == 4) as u8) << 6;
                let version = if fetched.run(256, &[]).version == 10 { 32 } else { 0 };
                let first = fetched.from()[0].2.clamp(0, 255) as u8;
                add(fetched.name(), [&[flags | version, (count * 7) as u8, first], fetched.body()].concat());
            }
        }
        _ => {
            let case = |case: &serde_json::Value| (string(&case["name"]).to_string(), from_hex(string(&case["hex"])));
            for (name, bytes) in file("batches").iter().map(case) {
                if target == "batch" {
                    add(&name, bytes);
                    continue;
                }
                let (mut rest, head) = item(batches::batch(&bytes)).expect("a batch");
                let mut count = 0;
                while let (None, Ok((next, _))) = (head.codec(), item(records::record(rest))) {
                    add(&format!("{name}-{count}"), rest[..rest.len() - next.len()].to_vec());
                    (rest, count) = (next, count + 1);
                }
            }
        }
    }
    assert!(!seeds.is_empty(), "{target}");
    seeds
}

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../host-tests/fuzz/seeds").join(target)
}

/// With `NANOKAFKA_WRITE_SEEDS` set it writes them instead.
#[test]
fn the_seeds_are_those_of_the_captures() {
    let write = std::env::var_os("NANOKAFKA_WRITE_SEEDS").is_some();
    let mut size = 0;
    for (target, _) in TARGETS {
        for (name, bytes) in seeds(target) {
            size += bytes.len();
            let path = folder(target).join(&name);
            if write {
                std::fs::create_dir_all(folder(target)).unwrap();
                std::fs::write(&path, &bytes).unwrap();
            }
            let found = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(found, bytes, "{}: write it anew with NANOKAFKA_WRITE_SEEDS=1", path.display());
        }
    }
    assert!(size < 300_000, "{size}");
}

/// All that lies there, also what a fuzz run has found.
#[test]
fn every_seed_runs() {
    for (target, entry) in TARGETS {
        let mut count = 0;
        for file in std::fs::read_dir(folder(target)).expect("the seeds are in git") {
            entry(&std::fs::read(file.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count >= seeds(target).len(), "{target}");
    }
}

/// The entry points themselves, with what no seed is: nothing, little, and bytes in a row.
#[test]
fn entry_points_take_anything() {
    for (_, entry) in TARGETS {
        for length in 0..80 {
            for start in [0u8, 1, 127, 128, 250] {
                entry(&(0..length).map(|i| start.wrapping_add(i)).collect::<Vec<_>>());
                entry(&vec![start; length.into()]);
            }
        }
    }
}
