//! The members of a group that we lead, in the group memory one after the other, as they came:
//!
//! ```text
//! [id length u16][instance length u16][topics u16][claims u16][generation i32]
//! [id][instance][entry of a topic u16] ..[entry of a topic u16, partition u32] ..    (all little-endian)
//! ```
//! Claims are the partitions that a member had in its generation.
use crate::wire::primitives::copy;
use core::cmp::Ordering;

const HEAD: usize = 12;

/// Bytes of a claim.
const CLAIM: usize = 6;

/// All that an assignment follows from.
#[derive(Clone, Copy)]
pub(crate) struct Wants<'a> {
    /// Topics, with how many partitions each has as its number; 0 is unknown, and nothing of it is assigned.
    pub names: &'a [u8],
    /// Bytes of `names` that are in use.
    pub names_used: u16,
    /// The members as they lie in the group memory.
    pub members: &'a [u8],
}

/// One member of the group.
#[derive(Clone, Copy)]
pub(crate) struct Member<'a> {
    pub id: &'a str,
    pub instance: &'a str,
    /// Entries of its topics, two bytes each.
    topics: &'a [u8],
    /// [`CLAIM`] bytes each.
    #[cfg_attr(not(feature = "group-sticky"), allow(dead_code))]
    claims: &'a [u8],
    /// -1 none.
    #[cfg_attr(not(feature = "group-sticky"), allow(dead_code))]
    pub generation: i32,
}

impl<'a> Member<'a> {
    pub fn subscribes(&self, topic: u16) -> bool {
        self.topics.chunks_exact(2).any(|entry| entry == topic.to_le_bytes())
    }

    /// Entries of topics, and partitions.
    #[cfg(feature = "group-sticky")]
    pub fn claims(&self) -> impl Iterator<Item = (u16, u32)> + 'a {
        let partition = |claim: &[u8]| claim.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        self.claims.chunks_exact(CLAIM).map(move |claim| (u16_at(claim, 0), partition(claim)))
    }

    /// Java's: those with an instance id come first, by it.
    pub fn order(&self, other: &Member<'_>) -> Ordering {
        match (self.instance, other.instance) {
            ("", "") => self.id.cmp(other.id),
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (mine, theirs) => mine.cmp(theirs),
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

/// The member at the front, and what lies behind it.
pub(crate) fn first(memory: &[u8]) -> Option<(Member<'_>, &[u8])> {
    let (head, body) = memory.split_first_chunk::<HEAD>()?;
    let length = |at| usize::from(u16_at(head, at));
    let (id, body) = body.split_at_checked(length(0))?;
    let (instance, body) = body.split_at_checked(length(2))?;
    let (topics, body) = body.split_at_checked(length(4).saturating_mul(2))?;
    let (claims, rest) = body.split_at_checked(length(6).saturating_mul(CLAIM))?;
    let generation = head.last_chunk().map_or(-1, |bytes| i32::from_le_bytes(*bytes));
    let text = |bytes| core::str::from_utf8(bytes).unwrap_or_default();
    Some((Member { id: text(id), instance: text(instance), topics, claims, generation }, rest))
}

pub(crate) fn members(mut memory: &[u8]) -> impl Iterator<Item = Member<'_>> + Clone {
    core::iter::from_fn(move || {
        let (member, rest) = first(memory)?;
        memory = rest;
        Some(member)
    })
}

/// Puts members into `memory`, part by part as they come. What does not fit is only counted.
pub(crate) struct Writer<'a> {
    pub memory: &'a mut [u8],
    /// Where the member begins that is being written; `start <= end`.
    pub start: &'a mut usize,
    /// Bytes that all need; those in `memory` are whole as long as `end <= memory.len()`.
    pub end: &'a mut usize,
}

impl Writer<'_> {
    /// A member of no instance, topics, claims and generation.
    pub fn member(&mut self, id: &str) {
        *self.start = *self.end;
        self.push(&[0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        self.append(0, id.as_bytes(), id.len());
    }

    pub fn instance(&mut self, id: &str) {
        self.append(2, id.as_bytes(), id.len());
    }

    pub fn topic(&mut self, entry: u16) {
        self.append(4, &entry.to_le_bytes(), 1);
    }

    /// After the last topic.
    #[cfg(feature = "group-sticky")]
    pub fn claim(&mut self, entry: u16, partition: u32) {
        let ([a, b], [c, d, e, f]) = (entry.to_le_bytes(), partition.to_le_bytes());
        self.append(6, &[a, b, c, d, e, f], 1);
    }

    #[cfg(feature = "group-sticky")]
    pub fn generation(&mut self, generation: i32) {
        let at = self.start.saturating_add(8);
        if let Some(room) = self.memory.get_mut(at..).and_then(|room| room.first_chunk_mut()) {
            *room = generation.to_le_bytes();
        }
    }

    /// Adds `count` to the head's field. More than that can hold would make the next member illegible, and leaving it out
    /// the assignment wrong: no memory is enough then.
    fn append(&mut self, field: usize, bytes: &[u8], count: usize) {
        let field = self.start.saturating_add(field);
        let sum = u16::try_from(usize::from(u16_at(self.memory, field)).saturating_add(count));
        // of a member that does not fit there is no head to read
        let fits = *self.end <= self.memory.len();
        if fits && sum.is_err() {
            *self.end = usize::MAX;
        }
        self.push(bytes);
        if let (Ok(sum), Some(room)) = (sum, self.memory.get_mut(field..).and_then(|room| room.first_chunk_mut())) {
            *room = sum.to_le_bytes();
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let at = *self.end;
        *self.end = at.saturating_add(bytes.len());
        copy(self.memory.get_mut(at..*self.end).unwrap_or_default(), bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_with_an_instance_id_come_first() {
        let member = |id, instance| Member { id, instance, topics: &[], claims: &[], generation: -1 };
        let mut all = [member("b", ""), member("z", "i2"), member("a", ""), member("y", "i10")];
        all.sort_by(|a, b| a.order(b));
        assert_eq!(all.map(|member| member.id), ["y", "z", "a", "b"]);
    }

    fn write(memory: &mut [u8]) -> usize {
        let (mut start, mut end) = (0, 0);
        let mut writer = Writer { memory, start: &mut start, end: &mut end };
        writer.member("alpha");
        writer.instance("pump");
        writer.topic(7);
        writer.topic(300);
        #[cfg(feature = "group-sticky")]
        {
            writer.claim(300, 2);
            writer.claim(300, 65_538);
            writer.generation(5);
        }
        writer.member("b");
        writer.topic(7);
        end
    }

    #[test]
    fn what_was_written_is_read_and_what_did_not_fit_is_counted() {
        let mut memory = [0xff; 100];
        let needed = write(&mut memory);
        let all: std::vec::Vec<_> = members(&memory[..needed]).collect();
        assert_eq!(
            all.iter().map(|member| (member.id, member.instance)).collect::<std::vec::Vec<_>>(),
            [("alpha", "pump"), ("b", "")]
        );
        assert_eq!(
            [7, 300, 8].map(|topic| (all[0].subscribes(topic), all[1].subscribes(topic))),
            [(true, true), (true, false), (false, false)]
        );
        #[cfg(feature = "group-sticky")]
        {
            assert_eq!(
                (all[0].claims().collect::<std::vec::Vec<_>>(), all[0].generation),
                ([(300, 2), (300, 65_538)].into(), 5)
            );
            assert_eq!((all[1].claims().count(), all[1].generation), (0, -1));
        }
        for room in 0..needed {
            assert_eq!(write(&mut std::vec![0xff; room]), needed, "{room}");
        }
    }

    #[test]
    fn no_memory_is_enough_for_more_topics_than_a_head_counts() {
        let mut memory = std::vec![0; 200_000];
        let (mut start, mut end) = (0, 0);
        let mut writer = Writer { memory: &mut memory, start: &mut start, end: &mut end };
        writer.member("a");
        (0..65_535).for_each(|_| writer.topic(1));
        assert!(*writer.end < 200_000);
        writer.topic(1);
        writer.member("b");
        assert_eq!(end, usize::MAX);
    }
}
