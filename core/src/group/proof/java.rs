//! Answers of Java's own assignors: `testdata/assignors.txt`, whose form its program describes.
use super::{run, Group, Joined};
use crate::Assignor;
use std::string::{String, ToString};
use std::vec::Vec;

fn group(topics: &str, members: &str) -> Group {
    let pair = |text: &str, at: char| {
        let (left, right) = text.split_once(at).unwrap_or((text, ""));
        (left.to_string(), right.to_string())
    };
    let topic = |topic| {
        let (name, partitions) = pair(topic, ':');
        (name, if partitions == "-" { 0 } else { partitions.parse().unwrap() })
    };
    let member = |member| {
        let (names, wants) = pair(member, ':');
        let (id, instance) = pair(&names, '/');
        let wants = wants.chars().fold(0, |all, topic| all | 1 << topic.to_digit(10).unwrap());
        Joined { id, instance, wants, claims: Vec::new(), generation: -1 }
    };
    Group { topics: topics.split(',').map(topic).collect(), members: members.split(',').map(member).collect() }
}

#[test]
fn range_and_round_robin_answer_what_java_answers() {
    let mut groups = 0;
    for line in include_str!("../../../testdata/assignors.txt").lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [topics, members, range, round_robin] = fields[..] else { panic!("{line}") };
        let group = group(topics, members);
        for (assignor, expected) in [(Assignor::Range, range), (Assignor::RoundRobin, round_robin)] {
            let letter = |owner: &Option<usize>| owner.map_or('-', |owner| char::from(b'A' + owner as u8));
            let owners = run(assignor, &group).owners;
            let owners: Vec<String> = owners.iter().map(|owners| owners.iter().map(letter).collect()).collect();
            assert_eq!(owners.join(","), expected, "{assignor:?}: {line}");
        }
        groups += 1;
    }
    assert_eq!(groups, 500);
}
