//! The assignors against an oracle that knows none of their means, exhaustively where that is possible, and against Java's answers.
mod java;
mod oracle;
mod rounds;

use super::assign::{assign, assignments, withhold_moving};
use super::members::{Wants, Writer};
use super::range;
use crate::strings::Strings;
use crate::wire::{encode::Encoder, sync_group};
use crate::Assignor;
use oracle::{best, claimants, judge, Best};
use std::vec::Vec;
use std::{format, string::String, vec};

/// A group as a test describes it: topics and members are known by their index.
#[derive(Clone, Debug, Default)]
struct Group {
    topics: Vec<(String, u32)>,
    members: Vec<Joined>,
}

#[derive(Clone, Debug)]
struct Joined {
    id: String,
    instance: String,
    /// Bit by topic.
    wants: u32,
    claims: Vec<(usize, u32)>,
    generation: i32,
}

/// The owner of each partition of each topic.
type Owners = Vec<Vec<Option<usize>>>;

impl Group {
    fn of(partitions: &[u32], wants: &[u32]) -> Self {
        let mut group = Group::default();
        for &partitions in partitions {
            group.topics.push((format!("topic-{}", group.topics.len()), partitions));
        }
        wants.iter().for_each(|&wants| group.join(wants));
        group
    }

    fn join(&mut self, wants: u32) {
        let id = format!("m{}", self.members.len());
        self.members.push(Joined { id, instance: String::new(), wants, claims: vec![], generation: -1 });
    }

    /// Members have what an assignment gave them.
    fn own(&mut self, owners: &Owners, generation: i32) {
        for (index, member) in self.members.iter_mut().enumerate() {
            member.generation = generation;
            let all = owners
                .iter()
                .enumerate()
                .flat_map(|(topic, all)| (0..).zip(all).map(move |(n, owner)| (topic, n, owner)));
            member.claims =
                all.filter(|(_, _, owner)| **owner == Some(index)).map(|(topic, n, _)| (topic, n)).collect();
        }
    }
}

/// A group as the leader has it.
struct Written {
    names: Vec<u8>,
    members: Vec<u8>,
}

impl Written {
    fn of(group: &Group) -> Self {
        let (mut names, mut used) = (vec![0; group.topics.iter().map(|(name, _)| name.len() + 6).sum()], 0);
        let mut strings = Strings { bytes: &mut names, used: &mut used, ids: false };
        let entries: Vec<u16> = group.topics.iter().map(|(name, _)| strings.insert(name).unwrap()).collect();
        for (entry, (_, partitions)) in entries.iter().zip(&group.topics) {
            strings.set_number(*entry, *partitions);
        }
        let (mut start, mut end) = (0, 0);
        let most = |member: &Joined| 76 + member.id.len() + member.instance.len() + member.claims.len() * 6;
        let mut members = vec![0xaa; group.members.iter().map(most).sum()];
        let mut writer = Writer { memory: &mut members, start: &mut start, end: &mut end };
        for member in &group.members {
            writer.member(&member.id);
            writer.instance(&member.instance);
            let wanted = entries.iter().enumerate().filter(|(topic, _)| member.wants >> topic & 1 != 0);
            wanted.for_each(|(_, entry)| writer.topic(*entry));
            member.claims.iter().for_each(|(topic, partition)| writer.claim(entries[*topic], *partition));
            writer.generation(member.generation);
        }
        members.truncate(end);
        Written { names, members }
    }

    fn wants(&self) -> Wants<'_> {
        Wants { names: &self.names, names_used: self.names.len() as u16, members: &self.members }
    }
}

struct Run {
    owners: Owners,
    /// Without what moves.
    kept: Owners,
}

/// Runs an assignor over a group, in memory of exactly the size that it asks for.
fn run(assignor: Assignor, group: &Group) -> Run {
    let written = Written::of(group);
    let wants = written.wants();
    if assignor == Assignor::Range {
        let owners = read(group, range::assignments(wants));
        return Run { kept: owners.clone(), owners };
    }
    let needed = assign(assignor, wants, &mut []).unwrap_err();
    let mut memory = vec![0xaa; needed];
    assert_eq!(assign(assignor, wants, &mut memory[1..]), Err(needed));
    assert_eq!(assign(assignor, wants, &mut memory), Ok(()));
    let owners = read(group, assignments(wants, &memory));
    withhold_moving(wants, &mut memory);
    Run { owners, kept: read(group, assignments(wants, &memory)) }
}

fn read<'a, P: Iterator<Item = u32>, T: Iterator<Item = (&'a str, P)>>(
    group: &Group,
    shares: impl Iterator<Item = (&'a str, T)>,
) -> Owners {
    let mut owners: Owners = group.topics.iter().map(|(_, partitions)| vec![None; *partitions as usize]).collect();
    let mut told = 0;
    for (id, share) in shares {
        let member = group.members.iter().position(|member| member.id == id).unwrap();
        told |= 1 << (member % 128);
        for (name, partitions) in share {
            let topic = group.topics.iter().position(|(topic, _)| topic == name).unwrap();
            let mut before = None;
            for partition in partitions {
                assert!(before < Some(partition));
                before = Some(partition);
                assert_eq!(owners[topic][partition as usize].replace(member), None, "two owners: {group:?}");
            }
            assert!(before.is_some(), "{name} without partitions");
        }
    }
    let all = (0..group.members.len()).fold(0u128, |all, member| all | 1 << (member % 128));
    assert_eq!(told, all, "a member that is not told is thrown out of the group");
    owners
}

/// Every partition that somebody wants has one owner, who wants it.
fn assert_valid(group: &Group, owners: &Owners) {
    for (topic, owners) in owners.iter().enumerate() {
        let wanted = group.members.iter().any(|member| member.wants >> topic & 1 != 0);
        for owner in owners {
            assert_eq!(owner.is_some(), wanted, "{group:?}: {owners:?}");
            assert!(owner.is_none_or(|owner| group.members[owner].wants >> topic & 1 != 0), "{group:?}: {owners:?}");
        }
    }
}

/// As good as the oracle says an assignment can be; of equal subscriptions nobody has two more than anybody.
fn assert_best(group: &Group, owners: &Owners, best: Best) {
    assert_valid(group, owners);
    assert_eq!(judge(group, owners), best, "{group:?}: {owners:?}");
    let mut counts = vec![0; group.members.len()];
    owners.iter().flatten().flatten().for_each(|&owner| counts[owner] += 1);
    if group.members.iter().all(|member| member.wants == group.members[0].wants) {
        assert!(counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0) <= 1, "{group:?}: {owners:?}");
    }
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) % u64::from(end)) as u32
    }
}

/// All tuples of `N` numbers below the ends.
fn tuples<const N: usize>(ends: [u32; N]) -> impl Iterator<Item = [u32; N]> {
    let all = ends.iter().map(|&end| u64::from(end)).product();
    (0..all).map(move |mut n: u64| {
        ends.map(|end| {
            let digit = n % u64::from(end);
            n /= u64::from(end);
            digit as u32
        })
    })
}

#[test]
fn every_first_assignment_of_four_members_and_three_topics_of_up_to_five_partitions() {
    let mut known = oracle::Known::default();
    for wants in tuples([8; 4]) {
        for partitions in tuples([6; 3]) {
            let group = Group::of(&partitions, &wants);
            let sticky = run(Assignor::Sticky, &group).owners;
            assert_best(&group, &sticky, known.best(&group));
        }
    }
}

#[test]
fn range_and_round_robin_leave_nothing_over() {
    for wants in tuples([8; 3]) {
        for partitions in tuples([5; 3]) {
            let group = Group::of(&partitions, &wants);
            for assignor in [Assignor::Range, Assignor::RoundRobin] {
                assert_valid(&group, &run(assignor, &group).owners);
            }
        }
    }
}

/// The claims that a number stands for: of each partition nobody, or the member of the digit.
fn claim(group: &mut Group, mut digits: u32) {
    let members = group.members.len() as u32;
    for topic in 0..group.topics.len() {
        for partition in 0..group.topics[topic].1 {
            let digit = digits % (members + 1);
            digits /= members + 1;
            if digit > 0 {
                group.members[digit as usize - 1].claims.push((topic, partition));
            }
        }
    }
}

#[test]
fn every_claim_of_three_members_to_two_topics_of_up_to_three_partitions() {
    for wants in tuples([4; 3]) {
        for partitions in tuples([4; 2]) {
            for digits in 0..4u32.pow(partitions.iter().sum()) {
                let mut group = Group::of(&partitions, &wants);
                claim(&mut group, digits);
                let best = best(&group);
                assert_best(&group, &run(Assignor::Sticky, &group).owners, best);
            }
        }
    }
}

#[test]
fn every_claim_of_four_members_to_a_topic_of_up_to_five_partitions() {
    for wants in tuples([2; 4]) {
        for partitions in 0..6 {
            for digits in 0..5u32.pow(partitions) {
                let mut group = Group::of(&[partitions], &wants);
                claim(&mut group, digits);
                let best = best(&group);
                assert_best(&group, &run(Assignor::Sticky, &group).owners, best);
            }
        }
    }
}

/// Anything that members may say: also what others say too, what they do not want, and what does not exist.
fn any(random: &mut Random, members: u32, topics: u32, partitions: u32) -> Group {
    let partitions: Vec<u32> = (0..1 + random.below(topics)).map(|_| random.below(partitions + 1)).collect();
    let wants: Vec<u32> = (0..1 + random.below(members)).map(|_| random.below(1 << partitions.len())).collect();
    let mut group = Group::of(&partitions, &wants);
    if random.below(2) == 0 {
        group.members.iter_mut().for_each(|member| member.wants = wants[0]);
    }
    for member in &mut group.members {
        member.generation = random.below(4) as i32 - 1;
        for (topic, partitions) in partitions.iter().enumerate() {
            member
                .claims
                .extend((0..partitions + 1).filter(|_| random.below(3) == 0).map(|partition| (topic, partition)));
        }
    }
    group
}

#[test]
fn any_claims_of_any_generations() {
    let mut random = Random(7);
    for _ in 0..20_000 {
        let group = any(&mut random, 4, 3, 5);
        let Run { owners, kept } = run(Assignor::CooperativeSticky, &group);
        assert_best(&group, &owners, best(&group));
        let claimants = claimants(&group);
        for (topic, owners) in owners.iter().enumerate() {
            for (partition, owner) in owners.iter().enumerate() {
                let alone = claimants[topic][partition].iter().all(|claimant| Some(*claimant) == *owner);
                assert_eq!(kept[topic][partition], owner.filter(|_| alone), "{group:?}");
            }
        }
    }
}

/// Where the oracle would take too long: at least no partition can go elsewhere, or back, for the better.
#[test]
fn no_single_move_betters_a_large_group() {
    let mut random = Random(13);
    for _ in 0..100 {
        let group = any(&mut random, 30, 10, 40);
        let owners = run(Assignor::Sticky, &group).owners;
        assert_valid(&group, &owners);
        let mut counts = vec![0; group.members.len()];
        owners.iter().flatten().flatten().for_each(|&owner| counts[owner] += 1);
        let claimants = claimants(&group);
        for (topic, owners) in owners.iter().enumerate() {
            for (partition, owner) in owners.iter().enumerate() {
                let Some(owner) = *owner else { continue };
                for other in (0..counts.len()).filter(|other| group.members[*other].wants >> topic & 1 != 0) {
                    let back = claimants[topic][partition][..] == [other] && other != owner;
                    // what comes back may cost no balance, what goes elsewhere must gain some
                    assert!(counts[owner] < counts[other] + if back { 1 } else { 2 }, "{group:?}: {owners:?}");
                }
            }
        }
    }
}

#[test]
fn the_order_of_members_and_topics_does_not_matter() {
    let mut random = Random(11);
    for _ in 0..2_000 {
        let group = any(&mut random, 6, 5, 8);
        let mut other = Group::default();
        let (topics, members) = (group.topics.len(), group.members.len());
        let turn = |n: usize, by: usize| (by..n).chain(0..by).rev().collect::<Vec<_>>();
        let order = turn(topics, random.below(topics as u32) as usize);
        let new = |topic: usize| order.iter().position(|&old| old == topic).unwrap();
        other.topics = order.iter().map(|&topic| group.topics[topic].clone()).collect();
        let seats = turn(members, random.below(members as u32) as usize);
        for &seat in &seats {
            let mut member = group.members[seat].clone();
            member.wants =
                (0..topics).filter(|topic| member.wants >> topic & 1 != 0).fold(0, |all, topic| all | 1 << new(topic));
            member.claims.iter_mut().for_each(|claim| claim.0 = new(claim.0));
            member.claims.reverse();
            other.members.push(member);
        }
        for assignor in [Assignor::Range, Assignor::RoundRobin, Assignor::Sticky] {
            let (one, two) = (run(assignor, &group).owners, run(assignor, &other).owners);
            for topic in 0..topics {
                let two: Vec<_> = two[new(topic)].iter().map(|owner| owner.map(|owner| seats[owner])).collect();
                assert_eq!(one[topic], two, "{assignor:?} {group:?}");
            }
        }
    }
}

#[test]
fn whatever_lies_in_memory_the_assignors_end() {
    let mut random = Random(19);
    let mut assigned = 0;
    for _ in 0..5_000 {
        let mut written = Written::of(&any(&mut random, 6, 4, 9));
        for _ in 0..=random.below(4) {
            let bytes = if random.below(2) == 0 { &mut written.names } else { &mut written.members };
            let at = random.below(bytes.len() as u32) as usize;
            bytes[at] = random.below(256) as u8;
        }
        assigned += range::assignments(written.wants()).flat_map(|(_, topics)| topics).count();
        for assignor in [Assignor::RoundRobin, Assignor::CooperativeSticky] {
            let mut memory = vec![0xaa; 4096];
            if assign(assignor, written.wants(), &mut memory).is_ok() {
                withhold_moving(written.wants(), &mut memory);
                assigned += assignments(written.wants(), &memory).flat_map(|(_, topics)| topics).count();
            }
        }
    }
    assert!(assigned > 10_000);
}

#[test]
fn an_assignment_goes_into_sync_group() {
    let mut group = Group::of(&[1, 4], &[3, 3]);
    (group.topics[0].0, group.topics[1].0) = ("cut".into(), "zones".into());
    let written = Written::of(&group);
    let mut memory = vec![0; assign(Assignor::RoundRobin, written.wants(), &mut []).unwrap_err()];
    assign(Assignor::RoundRobin, written.wants(), &mut memory).unwrap();
    let (id, topics) = assignments(written.wants(), &memory).last().unwrap();
    let mut bytes = [0xaa; 64];
    let mut e = Encoder::fill(&mut bytes, 0);
    sync_group::assignment(&mut e, id, topics);
    let size = e.size();
    // java-roundrobin-assignment-for-follower of testdata/embedded.json, but for its version
    let java = b"\0\x02m1\0\0\0\x1d\0\0\0\0\0\x01\0\x05zones\0\0\0\x02\0\0\0\0\0\0\0\x02\xff\xff\xff\xff";
    assert_eq!(&bytes[..size], java);
}
