//! The broker's assignors (KIP-848): `uniform` spreads evenly and moves as little as it must, `range` gives neighbours of each topic.
use super::IdPartition;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assignor {
    Uniform,
    Range,
}

type Target = BTreeMap<String, BTreeSet<IdPartition>>;

impl Assignor {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "uniform" => Some(Assignor::Uniform),
            "range" => Some(Assignor::Range),
            _ => None,
        }
    }

    /// For members and what each may have.
    pub(super) fn assign(self, members: &[(&str, BTreeSet<IdPartition>)], before: &Target) -> Target {
        match self {
            Assignor::Uniform => uniform(members, before),
            Assignor::Range => range(members),
        }
    }
}

fn uniform(members: &[(&str, BTreeSet<IdPartition>)], before: &Target) -> Target {
    let mut target: Target = members.iter().map(|(id, _)| (String::from(*id), BTreeSet::new())).collect();
    let all: BTreeSet<IdPartition> = members.iter().flat_map(|(_, wanted)| wanted).copied().collect();
    let may = |id: &str, partition: &IdPartition| {
        members.iter().any(|(other, wanted)| *other == id && wanted.contains(partition))
    };
    let most = all.len().div_ceil(members.len().max(1));
    let mut free = BTreeSet::new();
    for partition in all {
        let owner = before.iter().find(|(id, had)| had.contains(&partition) && may(id, &partition));
        match owner.and_then(|(id, _)| target.get_mut(id)).filter(|has| has.len() < most) {
            Some(has) => _ = has.insert(partition),
            None => _ = free.insert(partition),
        }
    }
    let least = |target: &Target, partition: &IdPartition| {
        let takers = target.iter().filter(|(id, _)| may(id, partition));
        takers.min_by_key(|(_, has)| has.len()).map(|(id, has)| (id.clone(), has.len()))
    };
    for partition in free {
        if let Some((id, _)) = least(&target, &partition) {
            target.entry(id).or_default().insert(partition);
        }
    }
    // who has two more than somebody who may have one of them gives it away
    while let Some((from, to, partition)) = target.iter().find_map(|(from, has)| {
        has.iter().find_map(|partition| {
            let (to, n) = least(&target, partition)?;
            (n + 1 < has.len()).then(|| (from.clone(), to, *partition))
        })
    }) {
        target.entry(from).or_default().remove(&partition);
        target.entry(to).or_default().insert(partition);
    }
    target
}

fn range(members: &[(&str, BTreeSet<IdPartition>)]) -> Target {
    let mut target: Target = members.iter().map(|(id, _)| (String::from(*id), BTreeSet::new())).collect();
    let topics: BTreeSet<[u8; 16]> = members.iter().flat_map(|(_, wanted)| wanted).map(|(topic, _)| *topic).collect();
    for topic in topics {
        let of_topic = |wanted: &BTreeSet<IdPartition>| wanted.iter().filter(|(id, _)| *id == topic).count();
        let mut takers: Vec<&str> =
            members.iter().filter(|(_, wanted)| of_topic(wanted) > 0).map(|(id, _)| *id).collect();
        takers.sort_unstable();
        let partitions = members.iter().map(|(_, wanted)| of_topic(wanted)).max().unwrap_or(0);
        let (each, extra) = (partitions / takers.len(), partitions % takers.len());
        let mut next = 0;
        for (at, id) in takers.iter().enumerate() {
            let n = each + usize::from(at < extra);
            let has = target.entry((*id).into()).or_default();
            has.extend((next..next + n).map(|partition| (topic, partition as i32)));
            next += n;
        }
    }
    target
}
