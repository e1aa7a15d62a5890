//! The assignors that need memory: from what the members of a group want to who gets which partition. Round robin is Java's
//! `RoundRobinAssignor` without racks, to the partition and its place. For the sticky ones see `sticky.rs`.
//!
//! An assignment is kept in words of four bytes, and what a sticky assignor computes with lies behind it:
//!
//! ```text
//! [topics][members]                                how many
//! [entry] for each topic that somebody wants, by name
//! [where it begins] for each member, in Java's order
//! [owner u16, claim u16] for each partition, topic by topic          (0 none, else the member's place in that order + 1)
//! ```
use super::members::{self, members, Member, Wants};
use crate::{strings, Assignor};
use core::ops::Range;

impl<'a> Wants<'a> {
    fn topics(self) -> impl Iterator<Item = u16> + 'a {
        strings::entries(self.names, self.names_used).filter(move |&entry| {
            self.partitions(entry) > 0 && members(self.members).any(|member| member.subscribes(entry))
        })
    }

    fn partitions(self, entry: u16) -> usize {
        strings::number(self.names, entry) as usize
    }

    /// The one that begins there.
    fn member(self, at: u32) -> Option<Member<'a>> {
        self.members.get(at as usize..).and_then(members::first).map(|(member, _)| member)
    }
}

/// Words of a sticky assignor for each member, behind the assignment.
pub(super) const SCRATCH: usize = 5;

/// More cannot be told apart in the half of a word that is left beside a flag.
const MEMBERS: usize = 0x7ffe;

/// Computes who gets what, into `memory`, from where [`assignments`] reads it. Depends on nothing but its arguments, and not
/// on the order of topics and members. With [`Assignor::CooperativeSticky`] go on with [`withhold_moving`]; range needs no
/// memory, see [`super::range`].
///
/// Time: `partitions * members`; of the sticky ones that times the members for each step that balances further, of which there
/// are at most `partitions`. Equal subscriptions need none.
///
/// # Errors
/// Bytes of memory that are needed, `usize::MAX` for a group of more than 32,766 members; nothing is assigned.
pub(crate) fn assign(assignor: Assignor, wants: Wants<'_>, memory: &mut [u8]) -> Result<(), usize> {
    let (topics, members) = (wants.topics().count(), members(wants.members).count());
    let partitions = wants.topics().fold(0, |sum: usize, entry| sum.saturating_add(wants.partitions(entry)));
    let sticky = matches!(assignor, Assignor::Sticky | Assignor::CooperativeSticky);
    let scratch = if sticky { members.saturating_mul(SCRATCH) } else { 0 };
    let words = [topics, members, partitions, scratch].into_iter().fold(2, usize::saturating_add);
    let needed = if members > MEMBERS { usize::MAX } else { words.saturating_mul(4) };
    let Some(memory) = memory.get_mut(..needed) else { return Err(needed) };
    memory.fill(0);
    set_word(memory, 0, topics as u32);
    set_word(memory, 1, members as u32);
    let (front, rest) = halves(memory);
    let (partitions, scratch) = rest.split_at_mut_checked(partitions.saturating_mul(4)).unwrap_or_default();
    index(wants, front, topics);
    let mut plan = Plan { index: Index::of(wants, front), partitions, scratch };
    if sticky {
        plan.stick();
    } else {
        plan.round_robin();
    }
    Ok(())
}

/// Takes partitions out of an assignment that [`Assignor::CooperativeSticky`] computed, when others than their new owner had
/// them: those have to give them up first, by the assignment without them, and then the group rebalances again. `wants` and
/// `memory` are as for [`assignments`]. `true`: there are some.
pub(crate) fn withhold_moving(wants: Wants<'_>, memory: &mut [u8]) -> bool {
    let (front, partitions) = halves(memory);
    let mut plan = Plan { index: Index::of(wants, front), partitions, scratch: &mut [] };
    let mut any = false;
    for (_, partition) in plan.index.partitions() {
        let (owner, claim) = plan.partition(partition);
        if claim != 0 && claim != owner {
            plan.give(partition, 0);
            any = true;
        }
    }
    any
}

/// All members, also those that get nothing, with the topics of which they get something, by name, and the partitions of those in
/// ascending order. `memory` is as [`assign`] left it and `wants` what it was then: entries and numbers of partitions are not
/// kept a second time.
pub(crate) fn assignments<'a>(
    wants: Wants<'a>,
    memory: &'a [u8],
) -> impl Iterator<Item = (&'a str, impl Iterator<Item = (&'a str, impl Iterator<Item = u32> + Clone + 'a)> + Clone + 'a)>
{
    let (front, partitions) = memory.split_at_checked(front(memory)).unwrap_or_default();
    let index = Index::of(wants, front);
    (0..index.count()).map(move |member| {
        let id = index.member(member).map_or("", |member| member.id);
        (id, share(index, partitions, place(member)))
    })
}

fn share<'a>(
    index: Index<'a>,
    partitions: &'a [u8],
    owner: u16,
) -> impl Iterator<Item = (&'a str, impl Iterator<Item = u32> + Clone + 'a)> + Clone + 'a {
    let mut end = 0;
    let topic = move |entry| {
        let start = end;
        end = index.wants.partitions(entry).saturating_add(start);
        let owned = move |&partition: &usize| word(partitions, partition) as u16 == owner;
        let number = move |partition: usize| partition.saturating_sub(start) as u32;
        (strings::name(index.wants.names, entry), (start..end).filter(owned).map(number))
    };
    index.topics().map(topic).filter(|(_, partitions)| partitions.clone().next().is_some())
}

/// Bytes in front of the partitions.
fn front(memory: &[u8]) -> usize {
    let words = word(memory, 0).saturating_add(word(memory, 1)).saturating_add(2);
    (words as usize).saturating_mul(4)
}

fn halves(memory: &mut [u8]) -> (&mut [u8], &mut [u8]) {
    let front = front(memory);
    memory.split_at_mut_checked(front).unwrap_or_default()
}

fn word(words: &[u8], at: usize) -> u32 {
    let bytes = words.get(at.saturating_mul(4)..).and_then(|words| words.first_chunk());
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn set_word(words: &mut [u8], at: usize, value: u32) {
    if let Some(bytes) = words.get_mut(at.saturating_mul(4)..).and_then(|words| words.first_chunk_mut()) {
        *bytes = value.to_le_bytes();
    }
}

/// Puts a word among the `count` ordered ones from `first` on.
fn insert(words: &mut [u8], first: usize, count: usize, value: u32, before: &dyn Fn(u32, u32) -> bool) {
    let mut at = first.saturating_add(count);
    while at > first {
        let left = word(words, at.saturating_sub(1));
        if !before(value, left) {
            break;
        }
        set_word(words, at, left);
        at = at.saturating_sub(1);
    }
    set_word(words, at, value);
}

/// Writes the topics and the members.
fn index(wants: Wants<'_>, front: &mut [u8], topics: usize) {
    let name = |entry| strings::name(wants.names, entry as u16);
    for (count, entry) in wants.topics().enumerate() {
        insert(front, 2, count, entry.into(), &|a, b| name(a) < name(b));
    }
    let before = |a, b| wants.member(a).zip(wants.member(b)).is_some_and(|(a, b)| a.order(&b).is_lt());
    let (mut rest, mut count) = (wants.members, 0usize);
    while let Some((_, behind)) = members::first(rest) {
        let begin = wants.members.len().saturating_sub(rest.len());
        insert(front, topics.saturating_add(2), count, begin as u32, &before);
        (rest, count) = (behind, count.saturating_add(1));
    }
}

/// What stands in front of the partitions.
#[derive(Clone, Copy)]
pub(super) struct Index<'a> {
    wants: Wants<'a>,
    topics: &'a [u8],
    members: &'a [u8],
}

impl<'a> Index<'a> {
    fn of(wants: Wants<'a>, front: &'a [u8]) -> Self {
        let topics = (word(front, 0) as usize).saturating_mul(4);
        let words = front.get(8..).unwrap_or_default();
        let (topics, members) = words.split_at_checked(topics).unwrap_or_default();
        Index { wants, topics, members }
    }

    /// Entries.
    fn topics(self) -> impl Iterator<Item = u16> + Clone + 'a {
        self.topics.chunks_exact(4).map(|topic| word(topic, 0) as u16)
    }

    /// All of them, in order.
    pub fn partitions(self) -> Partitions<'a> {
        Partitions { index: self, topics: 0, at: 0, end: 0 }
    }

    pub fn count(self) -> usize {
        self.members.len() / 4
    }

    pub fn member(self, member: usize) -> Option<Member<'a>> {
        (member < self.count()).then(|| self.wants.member(word(self.members, member))).flatten()
    }

    /// Where the partitions of a topic are.
    pub fn of_topic(self, topic: u16) -> Range<usize> {
        let before = self.topics().take_while(|other| *other != topic);
        let start = before.fold(0, |sum: usize, other| sum.saturating_add(self.wants.partitions(other)));
        let known = self.topics().any(|other| other == topic);
        start..start.saturating_add(if known { self.wants.partitions(topic) } else { 0 })
    }

    pub fn subscribes(self, member: usize, topic: u16) -> bool {
        self.member(member).is_some_and(|member| member.subscribes(topic))
    }

    pub fn subscribers(self, topic: u16) -> impl Iterator<Item = usize> + 'a {
        (0..self.count()).filter(move |&member| self.subscribes(member, topic))
    }
}

/// Entry of its topic and place, of each partition.
pub(super) struct Partitions<'a> {
    index: Index<'a>,
    /// How many topics have been begun.
    topics: usize,
    /// The partition that comes next, and where its topic ends.
    at: usize,
    end: usize,
}

impl Iterator for Partitions<'_> {
    type Item = (u16, usize);

    // not once for each loop over it
    #[inline(never)]
    fn next(&mut self) -> Option<(u16, usize)> {
        while self.at == self.end {
            let topic = self.index.topics.get(self.topics.saturating_mul(4)..).filter(|topics| !topics.is_empty())?;
            self.topics = self.topics.saturating_add(1);
            self.end = self.end.saturating_add(self.index.wants.partitions(word(topic, 0) as u16));
        }
        let at = self.at;
        self.at = at.saturating_add(1);
        Some((word(self.index.topics, self.topics.saturating_sub(1)) as u16, at))
    }
}

/// An assignment that is being made.
pub(super) struct Plan<'a> {
    pub index: Index<'a>,
    partitions: &'a mut [u8],
    scratch: &'a mut [u8],
}

impl Plan<'_> {
    /// Owner and claim.
    pub fn partition(&self, partition: usize) -> (u16, u16) {
        let word = word(self.partitions, partition);
        (word as u16, (word >> 16) as u16)
    }

    /// `owner` is a [`place`], or 0.
    pub fn give(&mut self, partition: usize, owner: u16) {
        let claim = word(self.partitions, partition) & 0xffff_0000;
        set_word(self.partitions, partition, claim | u32::from(owner));
    }

    /// While it is nobody's.
    pub fn claim(&mut self, partition: usize, claim: u16) {
        set_word(self.partitions, partition, u32::from(claim) << 16);
    }

    pub fn scratch(&self, member: usize, field: usize) -> u32 {
        word(self.scratch, member.saturating_mul(SCRATCH).saturating_add(field))
    }

    pub fn set_scratch(&mut self, member: usize, field: usize, value: u32) {
        set_word(self.scratch, member.saturating_mul(SCRATCH).saturating_add(field), value);
    }

    fn round_robin(&mut self) {
        let (index, mut turn) = (self.index, 0);
        for (topic, partition) in index.partitions() {
            let mut circle = (turn..index.count()).chain(0..turn);
            if let Some(next) = circle.find(|&member| index.subscribes(member, topic)) {
                self.give(partition, place(next));
                turn = next.saturating_add(1);
            }
        }
    }
}

/// How owners and claims name a member.
pub(super) fn place(member: usize) -> u16 {
    (member as u16).saturating_add(1)
}
