//! The assignors of the classic protocol: from what the members of a group want to who gets which partition, in fixed memory.
//! Range and round robin are Java's `RangeAssignor` and `RoundRobinAssignor` without racks, to the partition and its place.
//! For the sticky ones see [`sticky`](super::sticky).
//!
//! An assignment is kept in words of four bytes, and what a sticky assignor computes with lies behind it:
//!
//! ```text
//! [topics][members]                                how many
//! [entry] for each topic that somebody wants, by name
//! [where it begins] for each member, in Java's order
//! [owner u16, claim u16] for each partition, topic by topic          (0 none, else the member's place in that order + 1)
//! ```
use super::members::{self, members, Member};
use super::range;
use crate::strings;

/// How the leader of a group spreads partitions over the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// Of each topic a run of neighbouring partitions for each member.
    Range,
    /// One partition after the other to one member after the other.
    RoundRobin,
    /// Balanced, and of what a member had it keeps as much as balance allows. All is given up before.
    Sticky,
    /// The same, but members keep what they have while the group rebalances: what moves is given up first and handed out by
    /// the rebalance after that (KIP-429).
    CooperativeSticky,
}

impl Assignor {
    /// Its name in JoinGroup, where all members must offer the same one.
    pub const fn name(self) -> &'static str {
        match self {
            Assignor::Range => "range",
            Assignor::RoundRobin => "roundrobin",
            Assignor::Sticky => "sticky",
            Assignor::CooperativeSticky => "cooperative-sticky",
        }
    }
}

/// All that an assignment follows from.
#[derive(Clone, Copy)]
pub struct Wants<'a> {
    /// Topics, with how many partitions each has as its number; 0 is unknown, and nothing of it is assigned.
    pub names: &'a [u8],
    /// Bytes of `names` that are in use.
    pub names_used: u16,
    /// The members as they lie in the group memory.
    pub members: &'a [u8],
}

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
/// on the order of topics and members. With [`Assignor::CooperativeSticky`] go on with [`withhold_moving`].
///
/// Time: `partitions * members` for each time that a sticky assignor has to try.
///
/// # Errors
/// Bytes of memory that are needed, `usize::MAX` for a group of more than 32,766 members; nothing is assigned.
pub fn assign(assignor: Assignor, wants: Wants<'_>, memory: &mut [u8]) -> Result<(), usize> {
    let sum = |sum: usize, entry| sum.saturating_add(wants.partitions(entry));
    let (topics, members) = (wants.topics().count(), members(wants.members).count());
    let partitions = wants.topics().fold(0, sum);
    let sticky = matches!(assignor, Assignor::Sticky | Assignor::CooperativeSticky);
    let scratch = if sticky { members.saturating_mul(SCRATCH) } else { 0 };
    let words = [topics, members, partitions, scratch].into_iter().fold(2, usize::saturating_add);
    let needed = if members > MEMBERS { usize::MAX } else { words.saturating_mul(4) };
    let Some(memory) = memory.get_mut(..needed) else { return Err(needed) };
    let mut plan = Plan { wants, memory, topics, members };
    plan.index();
    match assignor {
        Assignor::Range => plan.range(),
        Assignor::RoundRobin => plan.round_robin(),
        Assignor::Sticky | Assignor::CooperativeSticky => plan.stick(),
    }
    Ok(())
}

/// Takes partitions out of an assignment that [`Assignor::CooperativeSticky`] computed, when others than their new owner had
/// them: those have to give them up first, by the assignment without them, and then the group rebalances again.
pub fn withhold_moving(wants: Wants<'_>, memory: &mut [u8]) {
    let mut plan = Plan::of(wants, memory);
    let mut at = 0;
    for topic in 0..plan.topics {
        let end = plan.view().end(topic, at);
        for partition in at..end {
            let (owner, claim) = plan.view().partition(partition);
            if claim != 0 && claim != owner {
                plan.give(partition, 0);
            }
        }
        at = end;
    }
}

/// All members, also those that get nothing, with the topics of which they get something, by name, and the partitions of those in
/// ascending order.
pub fn assignments<'a>(
    wants: Wants<'a>,
    memory: &'a [u8],
) -> impl Iterator<Item = (&'a str, impl Iterator<Item = (&'a str, impl Iterator<Item = u32> + Clone + 'a)> + Clone + 'a)>
{
    let view = View::of(wants, memory);
    (0..view.members).map(move |member| (view.member(member).map_or("", |member| member.id), view.share(member)))
}

/// An assignment that can be read.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    wants: Wants<'a>,
    memory: &'a [u8],
    pub topics: usize,
    pub members: usize,
}

impl<'a> View<'a> {
    fn of(wants: Wants<'a>, memory: &'a [u8]) -> Self {
        let count = |at| word(memory, at) as usize;
        View { wants, memory, topics: count(0), members: count(1) }
    }

    /// The word where the partitions begin.
    fn base(self) -> usize {
        self.topics.saturating_add(self.members).saturating_add(2)
    }

    pub fn topic(self, topic: usize) -> u16 {
        word(self.memory, topic.saturating_add(2)) as u16
    }

    /// Where the partitions of the topic end whose first is at `start`.
    pub fn end(self, topic: usize, start: usize) -> usize {
        start.saturating_add(self.wants.partitions(self.topic(topic)))
    }

    fn member(self, member: usize) -> Option<Member<'a>> {
        self.wants.member(self.begin(member)?)
    }

    fn begin(self, member: usize) -> Option<u32> {
        (member < self.members).then(|| word(self.memory, self.topics.saturating_add(2).saturating_add(member)))
    }

    pub fn subscribes(self, member: usize, topic: usize) -> bool {
        self.member(member).is_some_and(|member| member.subscribes(self.topic(topic)))
    }

    /// The members that want a topic.
    pub fn subscribers(self, topic: usize) -> impl Iterator<Item = usize> + Clone + 'a {
        (0..self.members).filter(move |&member| self.subscribes(member, topic))
    }

    /// Owner and claim.
    pub fn partition(self, partition: usize) -> (u16, u16) {
        let word = word(self.memory, self.base().saturating_add(partition));
        (word as u16, (word >> 16) as u16)
    }

    fn share(
        self,
        member: usize,
    ) -> impl Iterator<Item = (&'a str, impl Iterator<Item = u32> + Clone + 'a)> + Clone + 'a {
        let mut start = 0;
        (0..self.topics)
            .map(move |topic| {
                let first = start;
                start = self.end(topic, first);
                let owned =
                    move |&partition: &usize| usize::from(self.partition(partition).0) == member.saturating_add(1);
                let number = move |partition: usize| partition.saturating_sub(first) as u32;
                (strings::name(self.wants.names, self.topic(topic)), (first..start).filter(owned).map(number))
            })
            .filter(|(_, partitions)| partitions.clone().next().is_some())
    }
}

fn word(memory: &[u8], at: usize) -> u32 {
    let bytes = memory.get(at.saturating_mul(4)..).and_then(|memory| memory.first_chunk());
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// An assignment that is being made.
pub(super) struct Plan<'a> {
    wants: Wants<'a>,
    memory: &'a mut [u8],
    pub topics: usize,
    pub members: usize,
}

impl<'a> Plan<'a> {
    fn of(wants: Wants<'a>, memory: &'a mut [u8]) -> Self {
        let View { topics, members, .. } = View::of(wants, memory);
        Plan { wants, memory, topics, members }
    }

    pub fn view(&self) -> View<'_> {
        View { wants: self.wants, memory: self.memory, topics: self.topics, members: self.members }
    }

    /// Outlives changes of the plan.
    pub fn member(&self, member: usize) -> Option<Member<'a>> {
        self.wants.member(self.view().begin(member)?)
    }

    pub fn word(&self, at: usize) -> u32 {
        word(self.memory, at)
    }

    pub fn set(&mut self, at: usize, value: u32) {
        if let Some(bytes) = self.memory.get_mut(at.saturating_mul(4)..).and_then(|memory| memory.first_chunk_mut()) {
            *bytes = value.to_le_bytes();
        }
    }

    /// `owner` is a member's place + 1, or 0.
    pub fn give(&mut self, partition: usize, owner: u16) {
        let at = self.view().base().saturating_add(partition);
        self.set(at, self.word(at) & 0xffff_0000 | u32::from(owner));
    }

    pub fn claim(&mut self, partition: usize, claim: u16) {
        let at = self.view().base().saturating_add(partition);
        self.set(at, self.word(at) & 0xffff | u32::from(claim) << 16);
    }

    /// The first word behind the partitions.
    pub fn scratch(&self) -> usize {
        (self.memory.len() / 4).saturating_sub(self.members.saturating_mul(SCRATCH))
    }

    /// Everything in front of the partitions; they are nobody's.
    fn index(&mut self) {
        self.memory.fill(0);
        let wants = self.wants;
        self.set(0, self.topics as u32);
        self.set(1, self.members as u32);
        let name = |entry| strings::name(wants.names, entry as u16);
        for (count, entry) in wants.topics().enumerate() {
            self.insert(2, count, entry.into(), |a, b| name(a) < name(b));
        }
        let first = self.topics.saturating_add(2);
        let before = |a, b| wants.member(a).zip(wants.member(b)).is_some_and(|(a, b)| a.order(&b).is_lt());
        let (mut rest, mut count) = (wants.members, 0usize);
        while let Some((_, behind)) = members::first(rest) {
            let at = wants.members.len().saturating_sub(rest.len());
            self.insert(first, count, at as u32, before);
            (rest, count) = (behind, count.saturating_add(1));
        }
    }

    /// Puts a word among the `count` ordered ones from `first` on.
    fn insert(&mut self, first: usize, count: usize, value: u32, before: impl Fn(u32, u32) -> bool) {
        let mut at = first.saturating_add(count);
        while at > first {
            let left = self.word(at.saturating_sub(1));
            if !before(value, left) {
                break;
            }
            self.set(at, left);
            at = at.saturating_sub(1);
        }
        self.set(at, value);
    }

    fn range(&mut self) {
        let mut start = 0;
        for topic in 0..self.topics {
            let end = self.view().end(topic, start);
            let subscribers = self.view().subscribers(topic).count() as u32;
            let mut rank = 0u32;
            for member in 0..self.members {
                if self.view().subscribes(member, topic) {
                    for partition in range::run(end.saturating_sub(start) as u32, subscribers, rank) {
                        self.give(start.saturating_add(partition as usize), place(member));
                    }
                    rank = rank.saturating_add(1);
                }
            }
            start = end;
        }
    }

    fn round_robin(&mut self) {
        let (mut start, mut turn) = (0, 0);
        for topic in 0..self.topics {
            let end = self.view().end(topic, start);
            for partition in start..end {
                let view = self.view();
                let next = (turn..self.members).chain(0..turn).find(|&member| view.subscribes(member, topic));
                if let Some(next) = next {
                    self.give(partition, place(next));
                    turn = next.saturating_add(1);
                }
            }
            start = end;
        }
    }
}

/// A member's place as owners and claims are written.
pub(super) fn place(member: usize) -> u16 {
    (member as u16).saturating_add(1)
}
