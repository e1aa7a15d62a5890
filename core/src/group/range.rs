//! The leader's part, without racks exactly what Java's `RangeAssignor` computes: for each topic, members in order get runs of
//! `partitions / subscribers`, the first `partitions % subscribers` one more. Members with an instance id come first, by it.
use super::members::{members, Writer};
use crate::state::{topic, Control};
use crate::strings;
use crate::wire::encode::Encoder;
use crate::wire::sync_group;
use core::cmp::Ordering;
use core::ops::Range;

/// The `rank`-th of `subscribers` gets these of `partitions`.
pub(super) fn run(partitions: u32, subscribers: u32, rank: u32) -> Range<u32> {
    let quota = partitions.checked_div(subscribers).unwrap_or(0);
    let extra = partitions.checked_rem(subscribers).unwrap_or(0);
    let start = rank.saturating_mul(quota).saturating_add(rank.min(extra));
    start..start.saturating_add(quota).saturating_add((rank < extra).into())
}

impl Control<'_> {
    pub(super) fn members(&mut self) -> Writer<'_> {
        let group = &mut self.state.group;
        Writer { memory: self.memory, start: &mut group.memory_used, end: &mut group.memory_needed }
    }

    pub(super) fn note_member_topic(&mut self, name: &str) {
        match self.topics().insert(name) {
            Ok(at) => {
                let flags = strings::flags(&self.names, at);
                self.topics().set_flags(at, flags | topic::GROUP);
                self.members().topic(at);
            }
            Err(needed) => self.state.group.names_needed = self.state.group.names_needed.max(needed),
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
}
