//! What the fuzz targets call, and ordinary tests over the same corpus: bytes in, no result. A panic or a loop that does not
//! end is the finding. Not part of the API.
pub(crate) mod answers;
pub(crate) mod fetches;
pub(crate) mod peer;

use crate::wire::primitives::{item, Stop};
use crate::wire::{batch as batches, crc32c::Crc32c, fetch as fetch_api, record as records};
use crate::{Api, LargeRecords, MIN_WINDOW};
use fetches::{Run, Seen};
use peer::Pieces;
use std::vec::Vec;

const WINDOWS: [usize; 3] = [MIN_WINDOW, 4096, 65_536];

/// What a peer sends where the first answer is expected: size, correlation id and all.
pub fn frame(data: &[u8]) {
    for pieces in [Pieces::Whole, Pieces::Each(3), Pieces::Cut(data.len())] {
        answers::raw(Api::ApiVersions, 0, MIN_WINDOW, data.to_vec(), pieces, false);
    }
}

/// The body of an answer: the first byte says to what, the second how it arrives.
pub fn answer(data: &[u8]) {
    let [asked, pieces, body @ ..] = data else { return };
    let (api, version) = answers::ASKED[usize::from(*asked) % answers::ASKED.len()];
    let pieces = self::pieces(*pieces);
    let whole = answers::answer(api, version, MIN_WINDOW, body, Pieces::Whole, true);
    let other = answers::answer(api, version, MIN_WINDOW, body, pieces, true);
    assert!(whole.goes_on && other.goes_on, "{api:?} {version}");
    if !matches!(pieces, Pieces::Cut(_)) {
        assert_eq!(whole.lost, other.lost, "{api:?} {version} in pieces");
        // where the connection is lost it depends on the pieces how far the other one has come
        if !whole.lost && api != Api::Fetch {
            assert!(whole.state == other.state, "{api:?} {version} in pieces:\n{}\n{}", whole.state, other.state);
        }
    }
}

/// The body of an answer to Fetch. The first byte: bits 0 and 1 the window, 2 and 3 what to do with large records, 4 no CRC,
/// 5 version 10, 6 the answer comes twice. The second: how it arrives. The third: the position.
pub fn fetch(data: &[u8]) {
    let [flags, pieces, position, body @ ..] = data else { return };
    let topic = first_topic(body).unwrap_or("t");
    let run = Run {
        version: if flags & 32 != 0 { 10 } else { 11 },
        window: WINDOWS[usize::from(flags & 3) % 3],
        large_records: [LargeRecords::Stream, LargeRecords::Skip, LargeRecords::Error][usize::from(flags >> 2 & 3) % 3],
        check_crcs: flags & 16 == 0,
        from: (0..4).map(|partition| (topic, partition, i64::from(*position))).collect(),
        answers: match flags & 64 {
            0 => [(body, self::pieces(*pieces))].to_vec(),
            _ => [(body, self::pieces(*pieces)), (body, Pieces::Whole)].to_vec(),
        },
        again: 2,
    };
    let out = run.out();
    // offsets of a partition ascend, whatever the broker says
    let mut last = [-1; 4];
    for seen in out.seen {
        let (partition, offset, again) = match seen {
            // the last one of a batch that breaks off before its CRC is judged is lent again
            Seen::Record { partition, offset, .. } => (partition, offset, flags & 16 == 0),
            // one that breaks off behind its value, too
            Seen::Large { partition, offset, .. } => (partition, offset, true),
            _ => continue,
        };
        let last = &mut last[partition as usize];
        assert!(offset > *last || again && offset == *last, "{offset} after {last}");
        assert!(offset >= i64::from(*position), "{offset}");
        *last = offset;
    }
}

/// A record batch: what is lent of one that fits the window has passed its CRC.
pub fn batch(data: &[u8]) {
    let body = answer_around(data);
    let run = Run {
        version: 11,
        window: WINDOWS[2],
        large_records: LargeRecords::Stream,
        check_crcs: true,
        from: [("t", 0, 0)].to_vec(),
        answers: [(&body[..], Pieces::Whole)].to_vec(),
        again: 0,
    };
    let records = run.out().seen.into_iter().filter(|seen| matches!(seen, Seen::Record { .. })).count();
    // behind a first entry that is passed over others may follow
    let alone = item(batches::entry(data)).is_ok_and(|(_, (_, size, _))| size as usize == data.len());
    if alone && records > 0 {
        let (_, head) = item(batches::batch(data)).expect("it was read");
        let mut crc = Crc32c::new();
        crc.update(data.get(batches::CRC_START..).unwrap_or_default());
        assert!(crc.value() == head.crc || data.len() > WINDOWS[2], "lent against the CRC");
    }
}

/// A record and its headers; what parses lies inside it.
pub fn record(data: &[u8]) {
    match item(records::record(data)) {
        Ok((rest, (head, value, headers))) => {
            let parsed = head.key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + headers.len();
            assert!(parsed + rest.len() < data.len());
        }
        // more bytes may make it a record: then they are missing
        Err(Stop::More) => assert!(item(records::length(data)).is_err() || data.len() < 5 + i32::MAX as usize),
        Err(Stop::Bad) => {}
    }
    let mut rest = data;
    while let Ok((next, _)) = item(records::header(rest)) {
        assert!(next.len() < rest.len());
        rest = next;
    }
}

fn pieces(byte: u8) -> Pieces {
    match (byte & 3, usize::from(byte >> 2)) {
        (0, _) => Pieces::Whole,
        (1, n) => Pieces::Split(n * 7),
        (2, n) => Pieces::Each(n + 1),
        (_, n) => Pieces::Cut(n * 7),
    }
}

/// The first topic that an answer to Fetch names, if it could be assigned.
fn first_topic(body: &[u8]) -> Option<&str> {
    let (rest, _) = item(fetch_api::top(body)).ok()?;
    let (_, (name, _)) = item(fetch_api::topic(rest)).ok()?;
    crate::config::is_legal_name(name).then_some(name)
}

/// An answer to Fetch 11 with these records of partition 0 of topic `t`.
pub(crate) fn answer_around(records: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend([0; 10]); // throttle, error, session
    body.extend([0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1]);
    body.extend([0; 6]); // partition, error
    body.extend([1 << 20, -1i64, 0].map(i64::to_be_bytes).concat());
    body.extend([0xff; 8]); // no aborted transactions, no preferred replica
    body.extend((records.len() as u32).to_be_bytes());
    body.extend(records);
    body
}

/// Of everything that was lent.
#[cfg(test)]
pub(crate) fn payloads(seen: &[Seen]) -> impl Iterator<Item = &fetches::Payload> {
    seen.iter().filter_map(|seen| match seen {
        Seen::Record { payload, .. } | Seen::Large { payload, .. } => Some(payload),
        _ => None,
    })
}
