//! On the broker that it brings along.

use crate::{assert_printed, demo, records, said};
use std::time::{Duration, Instant};

#[test]
fn prints_its_records_and_ends_well_within_5_s() {
    let start = Instant::now();
    let printed = records(&[]);
    let took = start.elapsed();
    assert_eq!(
        printed[..2],
        [
            r#"topic = topic-04:: partition = 0:: key = key:: partition :: 00:: value = {"name":"hello :: 0","age":0}"#,
            "INPUT-CHANNEL: IPHONE"
        ]
    );
    assert_printed(&printed, "", 1);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn tells_offsets_digests_and_memory() {
    let output = demo(&[]);
    let said = said(&output);
    for partition in 0..4 {
        for topic in ["topic-04", "topic-partition-04"] {
            assert!(said.contains(&format!("committed: {topic}-{partition} at 1")), "{said}");
        }
    }
    assert!(said.contains("starts at the committed offsets: 0 new records"), "{said}");
    for what in ["a batch of 1000 records, 1000000 bytes", "a record of 900000 bytes"] {
        let line = said.lines().find(|line| line.starts_with(what)).unwrap_or_else(|| panic!("{what} in {said}"));
        let (read, produced) = line.split_once("digest ").and_then(|(_, rest)| rest.split_once(", produced ")).unwrap();
        assert_eq!(read, produced);
    }
    let memory = said.lines().find_map(|line| line.strip_prefix("memory of the consumer: ")).expect("said");
    let bytes: usize = memory.split(' ').next().and_then(|bytes| bytes.parse().ok()).expect("a number");
    assert!((4096..8192).contains(&bytes), "{memory}");
}

#[test]
fn fresh_names_differ_from_run_to_run() {
    let suffixes = [records(&["--fresh"]), records(&["--", "--fresh"])].map(|printed| {
        let topic = printed[0].strip_prefix("topic = topic-04").expect("a record");
        let suffix = topic.split("::").next().expect("something").to_owned();
        assert_printed(&printed, &suffix, 1);
        suffix
    });
    assert_ne!(suffixes[0], suffixes[1]);
    assert_eq!(suffixes.map(|suffix| suffix.len()), [9, 9]);
}

#[test]
fn help_is_help() {
    for arguments in [&["--help"][..], &["--", "--help"], &["-h"]] {
        let output = demo(arguments);
        assert!(output.status.success());
        let text = String::from_utf8_lossy(&output.stdout);
        for word in ["--bootstrap HOST:PORT", "--kafka", "--fresh", "--help", "standard error", "Exit code"] {
            assert!(text.contains(word), "{word} in {text}");
        }
        assert!(text.lines().all(|line| line.len() <= 120), "{text}");
    }
}
