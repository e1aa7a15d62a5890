//! Without racks exactly what Java's `RangeAssignor` computes, and without memory: for each topic, members in order get runs of
//! `partitions / subscribers`, the first `partitions % subscribers` one more. Members with an instance id come first, by it.
use super::members::{members, Wants};
use crate::strings;
use core::cmp::Ordering;
use core::ops::Range;

/// The `rank`-th of `subscribers` gets these of `partitions`.
fn run(partitions: u32, subscribers: u32, rank: u32) -> Range<u32> {
    let quota = partitions.checked_div(subscribers).unwrap_or(0);
    let extra = partitions.checked_rem(subscribers).unwrap_or(0);
    let start = rank.saturating_mul(quota).saturating_add(rank.min(extra));
    start..start.saturating_add(quota).saturating_add((rank < extra).into())
}

/// All members, also those that get nothing, with the topics of which they get something and the partitions of those.
pub(super) fn assignments<'a>(
    wants: Wants<'a>,
) -> impl Iterator<Item = (&'a str, impl Iterator<Item = (&'a str, Range<u32>)> + Clone + 'a)> {
    members(wants.members).map(move |member| {
        let share = move |entry| {
            let subscribers = members(wants.members).filter(|other| other.subscribes(entry));
            let (count, rank) = subscribers.fold((0u32, 0u32), |(count, rank), other| {
                (count.saturating_add(1), rank.saturating_add((other.order(&member) == Ordering::Less).into()))
            });
            (strings::name(wants.names, entry), run(strings::number(wants.names, entry), count, rank))
        };
        let topics = strings::entries(wants.names, wants.names_used).filter(move |&entry| member.subscribes(entry));
        (member.id, topics.map(share).filter(|(_, partitions)| !partitions.is_empty()))
    })
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
