//! The leader's part, without racks exactly what Java's `RangeAssignor` computes: for each topic, members in order get runs of
//! `partitions / subscribers`, the first `partitions % subscribers` one more. Members with an instance id come first, by it.
//!
//! Members lie in the group memory one after the other, as they came:
//!
//! ```text
//! [id length u16][instance length u16][topics u16][id][instance][entry of a topic u16] ..      (all little-endian)
//! ```
use crate::state::{topic, Control};
use crate::strings;
use crate::wire::encode::Encoder;
use crate::wire::primitives::copy;
use crate::wire::sync_group;
use core::cmp::Ordering;
use core::ops::Range;

const HEAD: usize = 6;

/// One member of the group.
#[derive(Clone, Copy)]
struct Member<'a> {
    id: &'a str,
    instance: &'a str,
    /// Entries of its topics, two bytes each.
    topics: &'a [u8],
}

impl Member<'_> {
    fn subscribes(&self, topic: u16) -> bool {
        self.topics.chunks_exact(2).any(|entry| entry == topic.to_le_bytes())
    }

    fn order(&self, other: &Member<'_>) -> Ordering {
        match (self.instance, other.instance) {
            ("", "") => self.id.cmp(other.id),
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (mine, theirs) => mine.cmp(theirs),
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u16::from_le_bytes(*bytes)).into()
}

fn members(mut memory: &[u8]) -> impl Iterator<Item = Member<'_>> + Clone {
    core::iter::from_fn(move || {
        let (id, instance, topics) = (u16_at(memory, 0), u16_at(memory, 2), u16_at(memory, 4));
        let body = memory.get(HEAD..)?;
        let (id, body) = body.split_at_checked(id)?;
        let (instance, body) = body.split_at_checked(instance)?;
        let (topics, rest) = body.split_at_checked(topics.saturating_mul(2))?;
        memory = rest;
        let text = |bytes| core::str::from_utf8(bytes).unwrap_or_default();
        Some(Member { id: text(id), instance: text(instance), topics })
    })
}

/// The `rank`-th of `subscribers` gets these of `partitions`.
fn run(partitions: u32, subscribers: u32, rank: u32) -> Range<u32> {
    let quota = partitions.checked_div(subscribers).unwrap_or(0);
    let extra = partitions.checked_rem(subscribers).unwrap_or(0);
    let start = rank.saturating_mul(quota).saturating_add(rank.min(extra));
    start..start.saturating_add(quota).saturating_add((rank < extra).into())
}

impl Control<'_> {
    /// The member that is being read lies behind the complete ones; its head is written as its parts come.
    pub(super) fn note_member(&mut self, id: &str) {
        let group = &mut self.state.group;
        group.memory_used = group.memory_needed;
        self.note_bytes(0, &[0; HEAD], 0);
        self.note_bytes(0, id.as_bytes(), id.len());
    }

    pub(super) fn note_instance(&mut self, id: &str) {
        self.note_bytes(2, id.as_bytes(), id.len());
    }

    pub(super) fn note_member_topic(&mut self, name: &str) {
        match self.topics().insert(name) {
            Ok(at) => {
                let flags = strings::flags(&self.names, at);
                self.topics().set_flags(at, flags | topic::GROUP);
                self.note_bytes(4, &at.to_le_bytes(), 1);
            }
            Err(needed) => self.state.group.names_needed = self.state.group.names_needed.max(needed),
        }
    }

    /// Appends, and adds `count` to the head's field; what does not fit is only counted.
    fn note_bytes(&mut self, field: usize, bytes: &[u8], count: usize) {
        let group = &mut self.state.group;
        let (at, head) = (group.memory_needed, group.memory_used);
        group.memory_needed = at.saturating_add(bytes.len());
        let Some(room) = self.memory.get_mut(at..group.memory_needed) else { return };
        copy(room, bytes);
        let sum = u16_at(self.memory, head.saturating_add(field)).saturating_add(count);
        if let Some(room) = self.memory.get_mut(head.saturating_add(field)..).and_then(|room| room.get_mut(..2)) {
            copy(room, &(sum as u16).to_le_bytes());
        }
    }

    /// The assignments of SyncGroup: all members, also those that get nothing.
    pub(crate) fn encode_assignments(&self, e: &mut Encoder<'_>) {
        let group = &self.state.group;
        let memory = self.memory.get(..group.memory_needed).unwrap_or_default();
        let names = &*self.names;
        let used = self.state.names_used;
        let counted = move |topic: u16| (topic, strings::number(names, topic));
        if group.members == 1 {
            // only ourselves, which needs no memory
            let all = strings::entries(names, used)
                .filter(move |&at| strings::flags(names, at) & topic::SUBSCRIBED != 0)
                .map(counted)
                .filter(|(_, partitions)| *partitions > 0)
                .map(move |(topic, partitions)| (strings::name(names, topic), 0..partitions));
            sync_group::assignment(e, group.member_id(), all);
            return;
        }
        for member in members(memory) {
            let mine = strings::entries(names, used)
                .filter(move |&at| member.subscribes(at))
                .map(counted)
                .filter(|(_, partitions)| *partitions > 0)
                .map(move |(topic, partitions)| {
                    let subscribers = members(memory).filter(|other| other.subscribes(topic));
                    let (count, rank) = subscribers.fold((0u32, 0u32), |(count, rank), other| {
                        (count.saturating_add(1), rank.saturating_add((other.order(&member) == Ordering::Less).into()))
                    });
                    (strings::name(names, topic), run(partitions, count, rank))
                });
            sync_group::assignment(e, member.id, mine);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_javas() {
        // RangeAssignorTest: 7 partitions, 3 members
        assert_eq!([run(7, 3, 0), run(7, 3, 1), run(7, 3, 2)], [0..3, 3..5, 5..7]);
        assert_eq!([run(2, 3, 0), run(2, 3, 1), run(2, 3, 2)], [0..1, 1..2, 2..2]);
        assert_eq!(run(5, 0, 0), 0..0);
        for partitions in 0..40 {
            for members in 1..12 {
                let runs: std::vec::Vec<_> = (0..members).flat_map(|rank| run(partitions, members, rank)).collect();
                assert_eq!(runs, (0..partitions).collect::<std::vec::Vec<_>>(), "{partitions} over {members}");
            }
        }
    }

    #[test]
    fn members_with_an_instance_id_come_first() {
        let member = |id, instance| Member { id, instance, topics: &[] };
        let mut all = [member("b", ""), member("z", "i2"), member("a", ""), member("y", "i10")];
        all.sort_by(|a, b| a.order(b));
        assert_eq!(all.map(|member| member.id), ["y", "z", "a", "b"]);
    }
}
