//! How good an assignment can be, by trying them all.
use super::{Group, Owners};
use std::collections::{BTreeMap, HashMap};
use std::vec;
use std::vec::Vec;

/// Less is better, of equal squares more is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Best {
    /// Sum over members of the square of how many partitions they have.
    pub squares: u32,
    /// Partitions that stay where they are rightly claimed.
    pub kept: u32,
}

/// Those who say of a partition, in the latest generation of all who do, that it is theirs.
pub fn claimants(group: &Group) -> Vec<Vec<Vec<usize>>> {
    let of = |topic: usize, partition: u32| {
        let claim = |member: &usize| group.members[*member].claims.contains(&(topic, partition));
        let all = || (0..group.members.len()).filter(claim);
        let latest = all().map(|member| group.members[member].generation).max();
        all().filter(|member| Some(group.members[*member].generation) == latest).collect()
    };
    let topics = group.topics.iter().enumerate();
    topics.map(|(topic, (_, partitions))| (0..*partitions).map(|partition| of(topic, partition)).collect()).collect()
}

/// The one that a partition should stay with.
fn holder(claimants: &[usize], group: &Group, topic: usize) -> Option<usize> {
    match claimants {
        [one] if group.members[*one].wants >> topic & 1 != 0 => Some(*one),
        _ => None,
    }
}

pub fn judge(group: &Group, owners: &Owners) -> Best {
    let mut counts = vec![0u32; group.members.len()];
    let (claimants, mut kept) = (claimants(group), 0);
    for (topic, owners) in owners.iter().enumerate() {
        for (partition, owner) in owners.iter().enumerate() {
            let Some(owner) = *owner else { continue };
            counts[owner] += 1;
            kept += u32::from(holder(&claimants[topic][partition], group, topic) == Some(owner));
        }
    }
    Best { squares: counts.iter().map(|count| count * count).sum(), kept }
}

/// What matters of a topic: its partitions, who wants it, and how many partitions each should keep.
type Shape = (u32, u32, Vec<u32>);

fn shapes(group: &Group) -> Vec<Shape> {
    let claimants = claimants(group);
    let mut shapes = vec![];
    for (topic, (_, partitions)) in group.topics.iter().enumerate() {
        let (mut mask, mut held) = (0, vec![0; group.members.len()]);
        for (index, member) in group.members.iter().enumerate() {
            mask |= (member.wants >> topic & 1) << index;
        }
        claimants[topic].iter().filter_map(|all| holder(all, group, topic)).for_each(|member| held[member] += 1);
        if mask != 0 && *partitions > 0 {
            shapes.push((*partitions, mask, held));
        }
    }
    shapes.sort();
    shapes
}

/// All ways to split each topic among those who want it. Of a topic's partitions it matters only how many a member gets: as
/// many of those are its own as there are. So ways that end in the same counts are told apart by what is kept alone.
pub fn best(group: &Group) -> Best {
    of(&shapes(group), group.members.len())
}

fn of(shapes: &[Shape], members: usize) -> Best {
    let mut ways = BTreeMap::from([(vec![0u32; members], 0u32)]);
    for (partitions, mask, held) in shapes {
        let mut splits = vec![(*partitions, vec![])];
        for member in 0..members as u32 {
            let last = mask >> member == 1;
            let mut longer = vec![];
            for (left, split) in splits {
                let range = match (last, mask >> member & 1) {
                    (true, _) => left..=left,
                    (_, 0) => 0..=0,
                    _ => 0..=left,
                };
                longer.extend(range.map(|n| (left - n, split.iter().copied().chain([n]).collect::<Vec<u32>>())));
            }
            splits = longer;
        }
        let mut next = BTreeMap::new();
        for (counts, kept) in &ways {
            for (_, split) in &splits {
                let sum: Vec<u32> = counts.iter().zip(split).map(|(a, b)| a + b).collect();
                let kept = kept + split.iter().zip(held).map(|(n, held)| n.min(held)).sum::<u32>();
                let entry = next.entry(sum).or_insert(0);
                *entry = kept.max(*entry);
            }
        }
        ways = next;
    }
    let squares = |counts: &[u32]| counts.iter().map(|count| count * count).sum::<u32>();
    let all = ways.iter().map(|(counts, kept)| Best { squares: squares(counts), kept: *kept });
    all.min_by_key(|best| (best.squares, u32::MAX - best.kept)).unwrap()
}

/// What was asked before.
#[derive(Default)]
pub struct Known(HashMap<Vec<Shape>, Best>);

impl Known {
    pub fn best(&mut self, group: &Group) -> Best {
        let shapes = shapes(group);
        *self.0.entry(shapes).or_insert_with_key(|shapes| of(shapes, group.members.len()))
    }
}

/// The same without any shortcut: each partition to each member.
fn literally(group: &Group) -> Best {
    let partitions: Vec<(usize, usize)> = (0..group.topics.len())
        .flat_map(|topic| (0..group.topics[topic].1 as usize).map(move |p| (topic, p)))
        .collect();
    let members = group.members.len();
    let mut found: Option<Best> = None;
    'ways: for mut way in 0..members.pow(partitions.len() as u32) {
        let mut owners: Owners = group.topics.iter().map(|(_, n)| vec![None; *n as usize]).collect();
        for &(topic, partition) in &partitions {
            let owner = way % members;
            way /= members;
            let wanted = group.members.iter().any(|member| member.wants >> topic & 1 != 0);
            match (wanted, group.members[owner].wants >> topic & 1 != 0) {
                (true, false) => continue 'ways,
                (wanted, _) => owners[topic][partition] = wanted.then_some(owner),
            }
        }
        let best = judge(group, &owners);
        let better = |found: Best| (best.squares, found.kept) < (found.squares, best.kept);
        if found.is_none_or(better) {
            found = Some(best);
        }
    }
    found.unwrap()
}

#[test]
fn counting_finds_what_trying_finds() {
    let mut random = super::Random(3);
    for _ in 0..3_000 {
        let group = super::any(&mut random, 3, 2, 3);
        assert_eq!(best(&group), literally(&group), "{group:?}");
    }
}
