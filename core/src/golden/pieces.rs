//! Answers that arrive in pieces, or not to their end: the same result, whatever the network does.
use super::answers;
use super::fetches::{fetched, Fetched, WINDOWS};
use crate::fuzzing::answers::answer;
use crate::fuzzing::fetches::{Out, Seen};
use crate::fuzzing::peer::Pieces;
use crate::wire::primitives::item;
use crate::wire::{batch, record};
use crate::{Api, Error, MIN_WINDOW};

/// Up to this size every byte is a place to cut; above it the boundaries and every 997th.
const EVERYWHERE: usize = 4096;

/// Where to cut a frame: positions counted from its size on.
pub(super) fn places(frame: usize, body: &[u8]) -> Vec<usize> {
    if frame <= EVERYWHERE {
        return (0..=frame).collect();
    }
    let head = frame - body.len();
    let mut places: Vec<usize> = (0..=frame).step_by(997).collect();
    for boundary in boundaries(body) {
        places.extend((boundary + head).saturating_sub(1)..=(boundary + head + 1).min(frame));
    }
    places.sort_unstable();
    places.dedup();
    places
}

/// Where batches and their records begin and end, in the body of an answer to Fetch.
fn boundaries(body: &[u8]) -> Vec<usize> {
    let mut found = vec![0, 4, 6, 10, 14, body.len()];
    let mut at = 0;
    while let Some(rest) = body.get(at..) {
        match (item(batch::batch(rest)), item(batch::entry(rest))) {
            (Ok((records, _)), Ok((_, (_, size, 2)))) if size as usize <= rest.len() => {
                let end = at + size as usize;
                found.extend([at, at + 12, at + 17, at + 21, at + 61]);
                let mut left = &records[..end - at - 61];
                while let Ok((next, _)) = item(record::record(left)) {
                    found.push(end - next.len());
                    left = next;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    found
}

/// What counts: records, ends and errors of each partition in order. A large record that broke off is lent again.
fn result(fetched: &Fetched, out: &Out) -> Vec<(Vec<Seen>, (i64, i64))> {
    let of = |seen: &Seen, topic: &str, index: i32| match seen {
        Seen::Record { topic: t, partition, .. } | Seen::Large { topic: t, partition, .. } => {
            t == topic && *partition == index
        }
        Seen::End { topic: t, partition } => t == topic && *partition == index,
        Seen::Skipped { partition, .. } => *partition == index,
        Seen::Error(Error::Partition(error)) => error.topic.as_str() == topic && error.partition == index,
        Seen::Error(Error::Broker(error)) => error.topic.as_str() == topic && error.partition == index,
        Seen::Error(Error::Transport(_)) => false,
        Seen::Error(error) => panic!("{}: {error}", fetched.name()),
    };
    let each = fetched.from().into_iter().zip(&out.positions);
    each.map(|((topic, index, _), &position)| {
        let mut seen: Vec<_> = out.seen.iter().filter(|seen| of(seen, topic, index)).cloned().collect();
        seen.dedup_by(|again, first| matches!(first, Seen::Large { .. }) && again == first);
        (seen, position)
    })
    .collect()
}

fn fetches(pieces: impl Fn(usize) -> Vec<Pieces>) {
    for fetched in fetched() {
        let frame = fetched.body().len() + 8;
        for window in WINDOWS {
            let whole = result(&fetched, &fetched.run(window, &[Pieces::Whole]).out());
            for at in places(frame, fetched.body()) {
                let out = fetched.run(window, &pieces(at)).out();
                assert_eq!(result(&fetched, &out), whole, "{} at {at} in {window}", fetched.name());
            }
        }
    }
}

#[test]
fn a_fetch_in_two_pieces_is_the_same() {
    fetches(|at| vec![Pieces::Split(at)]);
}

#[test]
fn a_fetch_that_breaks_off_is_asked_again() {
    // the answer to a Fetch that was sent ahead is lost with the connection
    fetches(|at| vec![Pieces::Cut(at), Pieces::Whole, Pieces::Whole]);
}

#[test]
fn a_fetch_byte_by_byte_is_the_same() {
    for fetched in fetched() {
        for window in WINDOWS {
            let whole = result(&fetched, &fetched.run(window, &[Pieces::Whole]).out());
            for n in [1, 2, 3, 7, 61] {
                let out = fetched.run(window, &[Pieces::Each(n)]).out();
                assert_eq!(result(&fetched, &out), whole, "{} by {n} in {window}", fetched.name());
                fetched.check(&out, &format!("by {n} in {window}"));
            }
        }
    }
}

#[test]
fn other_answers_in_pieces_are_the_same() {
    for (api, name, version, frame) in answers().filter(|answer| answer.0 != Api::Fetch) {
        let whole = answer(api, version, MIN_WINDOW, frame.body(), Pieces::Whole, true);
        assert!(whole.read && whole.goes_on, "{name}");
        assert!(
            !whole.lost || matches!(whole.errors[..], [Error::Protocol(_) | Error::Broker(_)]),
            "{name}: {whole:?}"
        );
        let splits = places(frame.bytes.len(), frame.body()).into_iter().map(Pieces::Split);
        for pieces in splits.chain([1, 2, 3].map(Pieces::Each)) {
            assert_eq!(answer(api, version, MIN_WINDOW, frame.body(), pieces, true), whole, "{name} {pieces:?}");
        }
    }
}

#[test]
fn other_answers_that_break_off_are_asked_again() {
    for (api, name, version, frame) in answers().filter(|answer| answer.0 != Api::Fetch) {
        for at in places(frame.bytes.len(), frame.body()) {
            let out = answer(api, version, MIN_WINDOW, frame.body(), Pieces::Cut(at), false);
            assert!(out.goes_on, "{name} at {at}: {out:?}");
            if at < frame.bytes.len() {
                assert!(out.lost, "{name} at {at}: {out:?}");
                assert!(!out.errors.iter().any(|error| matches!(error, Error::Capacity(_))), "{name} at {at}: {out:?}");
            }
        }
    }
}
