//! What one rebalance leaves is what the next begins with.
use super::oracle::{best, judge};
use super::{any, assert_best, assert_valid, run, tuples, Group, Owners, Random, Run};
use crate::Assignor;
use std::vec::Vec;

/// Every change of one thing: somebody leaves or joins, wants more or less, a topic grows, goes or comes.
fn changes(group: &Group) -> Vec<Group> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Group)| {
        let mut group = group.clone();
        change(&mut group);
        all.push(group);
    };
    with(&|_| {});
    for member in 0..group.members.len() {
        with(&|group| drop(group.members.remove(member)));
        for topic in 0..group.topics.len() {
            with(&|group| group.members[member].wants ^= 1 << topic);
        }
    }
    for wants in 0..1 << group.topics.len() {
        with(&|group| group.join(wants));
    }
    for topic in 0..group.topics.len() {
        with(&|group| group.topics[topic].1 += 1);
        with(&|group| group.topics[topic].1 = 0);
    }
    all
}

/// A cooperative rebalance and the one after it. The group was balanced or not, and then changed.
fn settle(group: &Group) -> Owners {
    let Run { owners, kept } = run(Assignor::CooperativeSticky, group);
    assert_best(group, &owners, best(group));
    assert_eq!(run(Assignor::Sticky, group).owners, owners);
    // nobody gets what another has not given up yet, and nobody is asked to give up what comes back
    for (topic, kept) in kept.iter().enumerate() {
        for (partition, new) in kept.iter().enumerate() {
            let old = group.members.iter().position(|member| member.claims.contains(&(topic, partition as u32)));
            match new {
                Some(new) => assert!(old.is_none_or(|old| old == *new), "{group:?}"),
                None => assert!(old != owners[topic][partition] || old.is_none(), "{group:?}"),
            }
        }
    }
    let mut next = group.clone();
    next.own(&kept, 2);
    let Run { owners: settled, kept: second } = run(Assignor::CooperativeSticky, &next);
    assert_eq!(settled, second, "a third rebalance: {next:?}");
    assert_valid(&next, &settled);
    assert_eq!(judge(&next, &settled).squares, judge(group, &owners).squares, "{group:?}");
    settled
}

#[test]
fn every_change_of_three_members_and_two_topics_of_up_to_four_partitions() {
    for wants in tuples([4; 3]) {
        for partitions in tuples([5; 2]) {
            let mut group = Group::of(&partitions, &wants);
            let owners = run(Assignor::CooperativeSticky, &group).owners;
            group.own(&owners, 1);
            assert_eq!(settle(&group), owners, "nothing changed, so nothing moves");
            changes(&group).iter().for_each(|changed| drop(settle(changed)));
        }
    }
}

#[test]
fn any_history() {
    let mut random = Random(5);
    for _ in 0..300 {
        let mut group = any(&mut random, 4, 3, 5);
        let owners = run(Assignor::Sticky, &group).owners;
        group.own(&owners, 1);
        for _ in 0..8 {
            let mut changed = changes(&group).swap_remove(random.below(changes(&group).len() as u32) as usize);
            for (n, member) in changed.members.iter_mut().enumerate() {
                member.id = std::format!("m{n}");
            }
            changed.members.truncate(5);
            changed.topics.iter_mut().for_each(|topic| topic.1 = topic.1.min(6));
            for member in &mut changed.members {
                member.claims.retain(|(topic, partition)| *partition < changed.topics[*topic].1);
            }
            if changed.members.is_empty() {
                break;
            }
            let owners = settle(&changed);
            group = changed;
            group.own(&owners, 3);
        }
    }
}

#[test]
fn of_a_large_group_only_what_must_move_moves() {
    let mut group = Group::of(&[100; 10], &[0x3ff; 99]);
    let owners = run(Assignor::Sticky, &group).owners;
    group.own(&owners, 1);
    group.join(0x3ff);
    let owners = run(Assignor::Sticky, &group).owners;
    assert_valid(&group, &owners);
    // 1,000 partitions: 99 members had ten or eleven, now 100 have ten
    assert_eq!(judge(&group, &owners).squares, 100 * 100);
    assert_eq!(judge(&group, &owners).kept, 990);
    // and half of it leaves
    group.own(&owners, 2);
    group.members.truncate(50);
    let owners = run(Assignor::Sticky, &group).owners;
    assert_valid(&group, &owners);
    assert_eq!(judge(&group, &owners).squares, 50 * 20 * 20);
    assert_eq!(judge(&group, &owners).kept, 500);
}
