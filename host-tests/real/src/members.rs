//! Members of a group that are polled in turn, and who owns what by their events.
use crate::{consumer, kafka, send, Ledger, Outcome, SOON};
use nanokafka::{Assignor, Config, Error, GroupProtocol};
use nanokafka_std::blocking::{Consumer, Event};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A member and what it owns by its events.
pub struct Member<'r> {
    /// It has subscribed to one topic.
    pub consumer: Consumer<'r>,
    /// Partitions.
    pub owned: BTreeSet<i32>,
    /// How often it was assigned anything.
    pub assigned: u32,
    /// How often something was revoked.
    pub revoked: u32,
    cooperates: bool,
}

impl<'r> Member<'r> {
    /// Subscribes.
    pub fn new(config: Config<'r>, topic: &str) -> Result<Self, Error> {
        let cooperates = config.group_protocol != GroupProtocol::Classic
            || config.partition_assignment_strategy == [Assignor::CooperativeSticky];
        let mut consumer = consumer(config, 4096)?;
        consumer.subscribe(&[topic])?;
        Ok(Member { consumer, owned: BTreeSet::new(), assigned: 0, revoked: 0, cooperates })
    }

    /// One event, if there is one soon.
    ///
    /// # Panics
    /// If it is none that a member may have which is polled and alone with its partitions.
    pub fn turn(&mut self, ledger: &mut Ledger) -> Result<(), Error> {
        match self.consumer.poll(Duration::from_millis(5))? {
            Some(Event::Assigned(partitions)) => {
                self.assigned += u32::from(partitions.len() > 0);
                assert!(self.owned.is_empty() || self.cooperates, "all are given up before");
                for entry in partitions {
                    assert!(self.owned.insert(entry.partition), "only what is new is told");
                }
            }
            Some(Event::Revoked(partitions)) => {
                self.revoked += 1;
                for entry in partitions {
                    assert!(self.owned.remove(&entry.partition), "only what was owned is revoked");
                }
                assert!(self.owned.is_empty() || self.cooperates, "all at once");
            }
            Some(Event::Lost(partitions)) => panic!("{partitions:?} lost though every member was polled"),
            Some(Event::Records(records)) => {
                assert!(self.owned.contains(&records.topic_partition().partition), "read by its owner only");
                records.for_each(|record| ledger.consumed(&record));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Polls all members in turn while records are produced, until each owns `each` of the topic's 6 partitions and nobody else does.
pub fn settle(members: &mut [Member<'_>], topic: &str, ledger: &mut Ledger, each: usize) -> Outcome {
    let (start, mut stable) = (Instant::now(), Instant::now());
    let mut number = 0;
    while stable.elapsed() < Duration::from_millis(500) {
        assert!(start.elapsed() < SOON, "{each} partitions for each of {} members", members.len());
        send(ledger, topic, number % 6, 3, 20, number as u64)?;
        number += 1;
        for member in &mut *members {
            member.turn(ledger)?;
        }
        let owners: Vec<_> = members.iter().flat_map(|member| &member.owned).collect();
        assert_eq!(owners.len(), owners.iter().collect::<BTreeSet<_>>().len(), "a partition has one owner: {owners:?}");
        if owners.len() < 6 || members.iter().any(|member| member.owned.len() != each) {
            stable = Instant::now();
        }
    }
    println!("{} members settled after {:?}", members.len(), stable - start);
    while ledger.left() > 0 {
        assert!(start.elapsed() < SOON, "{} records are missing", ledger.left());
        for member in &mut *members {
            member.turn(ledger)?;
        }
    }
    Ok(())
}

/// Asks until `done` says so.
pub fn wait(what: &str, mut done: impl FnMut() -> Result<bool, Box<dyn std::error::Error>>) -> Outcome {
    let start = Instant::now();
    while !done()? {
        assert!(start.elapsed() < SOON, "not within {SOON:?}: {what}");
    }
    Ok(())
}

/// The group's committed offsets are the ledger's positions.
pub fn check_committed(group: &str, topic: &str, ledger: &Ledger) -> Outcome {
    let committed = kafka().admin(&format!("committed {group}"))?;
    let expected: Vec<_> =
        ledger.positions().map(|(partition, offset)| format!("{topic}-{partition}={offset}")).collect();
    assert_eq!(committed, format!("{{{}}}", expected.join(", ")));
    Ok(())
}

/// That each has neighbours, as range gives them.
pub fn check_ranges(members: &[Member<'_>]) {
    for owned in members.iter().map(|member| &member.owned) {
        let (first, last) = (owned.first().copied().unwrap_or(0), owned.last().copied().unwrap_or(0));
        assert_eq!((last - first + 1) as usize, owned.len(), "{owned:?}");
    }
}
