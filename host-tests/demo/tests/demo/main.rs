//! `cargo demo` as its users see it: what it prints, and how it ends.

mod embedded;
mod fetch;
#[cfg(feature = "extended")]
mod old;
mod real;
mod refusals;

use std::process::{Command, Output};

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nanokafka-demo")).args(arguments).output().expect("built by cargo")
}

/// What it printed, after it ended well.
fn records(arguments: &[&str]) -> Vec<String> {
    let output = demo(arguments);
    assert!(output.status.success(), "{arguments:?}: {}\n{}", output.status, said(&output));
    let printed = String::from_utf8(output.stdout).expect("strings");
    printed.lines().map(str::to_owned).collect()
}

/// Its standard error.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// That it ended with exit code 1, saying each of `words`.
fn assert_failed(output: &Output, words: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in words.iter().chain(&["failed: ", "remedy: "]) {
        assert!(said.contains(word), "'{word}' in:\n{said}");
    }
}

/// The two lines of a record of the seed example.
fn lines(topic: &str, i: usize) -> [String; 2] {
    let value = format!(r#"{{"name":"hello :: {i}","age":{i}}}"#);
    [
        format!("topic = {topic}:: partition = {i}:: key = key:: partition :: 0{i}:: value = {value}"),
        "INPUT-CHANNEL: IPHONE".to_owned(),
    ]
}

/// That the run printed its records, `runs` being how many runs the topics have seen. Kafka orders the records of a
/// partition, not the partitions.
fn assert_printed(printed: &[String], suffix: &str, runs: usize) {
    let (subscribed, assigned) = (format!("topic-04{suffix}"), format!("topic-partition-04{suffix}"));
    let parts: [(&str, &str, Vec<usize>); 5] = [
        ("subscribe", &subscribed, vec![0, 1, 2, 3]),
        ("assign, first consumer", &assigned, vec![0, 1]),
        ("assign, second consumer", &assigned, vec![2, 3]),
        ("seek_to_beginning", &subscribed, (0..4).flat_map(|i| vec![i; runs]).collect()),
        ("seek", &subscribed, vec![3]),
    ];
    let mut printed: Vec<[String; 2]> =
        printed.chunks(2).map(|pair| pair.to_vec().try_into().expect("pairs")).collect();
    for (part, topic, partitions) in parts {
        let rest = printed.split_off(partitions.len().min(printed.len()));
        printed.sort();
        let expected: Vec<_> = partitions.into_iter().map(|i| lines(topic, i)).collect();
        assert_eq!(printed, expected, "{part}");
        printed = rest;
    }
    assert!(printed.is_empty(), "{printed:?}");
}
