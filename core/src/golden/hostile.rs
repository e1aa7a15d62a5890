//! Bytes that no broker should send: a typed error, a retry or the right records, and never a step without end.
use super::fetches::{fetched, WINDOWS};
use super::pieces::places;
use super::{answers, cases};
use crate::connection::CONTROL;
use crate::fuzzing::answers::{answer, raw, Answered, ASKED, CORRELATION};
use crate::fuzzing::fetches::{Payload, Seen};
use crate::fuzzing::payloads;
use crate::fuzzing::peer::{frame, Pieces};
use crate::{Api, Error, PartitionErrorKind, ProtocolErrorKind, Resource, MIN_WINDOW, RECEIVE_BUFFER};

const VALUES: [u8; 5] = [0x00, 0x01, 0x7f, 0x80, 0xff];

/// The window of an API's answers; those on the control connection have one buffer only.
fn windows(api: Api) -> &'static [usize] {
    match api {
        Api::Fetch | Api::ListOffsets | Api::OffsetForLeaderEpoch => &WINDOWS,
        _ => &WINDOWS[..1],
    }
}

#[test]
fn each_byte_of_an_answer_mutated() {
    for (api, name, version, frame) in answers().filter(|answer| answer.0 != Api::Fetch) {
        for &window in windows(api) {
            for at in places(frame.bytes.len(), frame.body()) {
                for value in VALUES {
                    let mut bytes = crate::fuzzing::peer::frame(CORRELATION, frame.body());
                    match bytes.get_mut(at) {
                        Some(byte) if *byte != value => *byte = value,
                        _ => continue,
                    }
                    let out = raw(api, version, window, bytes, Pieces::Whole, false);
                    assert!(out.goes_on, "{name} {at} = {value:#x}: {out:?}");
                    assert!(out.lost || at >= 8 || out.read, "{name} {at} = {value:#x}: {out:?}");
                }
            }
        }
    }
}

/// Whatever is lent of a batch that fits the window has passed its CRC; of a larger one nothing may be committed.
fn mutate(window: usize) {
    let (mut corrupt, mut runs) = (0, 0);
    for fetched in fetched() {
        let body = fetched.body();
        let mut all = fetched.run(WINDOWS[2], &[Pieces::Whole]);
        all.from.iter_mut().for_each(|from| from.2 = 0);
        let good: Vec<Payload> = payloads(&all.out().seen).cloned().collect();
        for at in places(body.len(), body) {
            for value in VALUES {
                let mut bytes = body.to_vec();
                match bytes.get_mut(at) {
                    Some(byte) if *byte != value => *byte = value,
                    _ => continue,
                }
                let mut run = fetched.run(window, &[]);
                (run.answers, run.again) = (vec![(&bytes[..], Pieces::Whole)], 0);
                let out = run.out();
                runs += 1;
                let what = || format!("{} {at} = {value:#x} in {window}", fetched.name());
                if window >= body.len() {
                    for payload in payloads(&out.seen) {
                        assert!(good.contains(payload), "{}: {payload:?}", what());
                    }
                }
                for seen in &out.seen {
                    let Seen::Error(Error::Partition(error)) = seen else { continue };
                    corrupt += u32::from(error.kind == PartitionErrorKind::Corrupt);
                    let of = |from: &(&str, i32, i64)| from.0 == error.topic.as_str() && from.1 == error.partition;
                    let place = run.from.iter().position(of).expect("asked for");
                    let (position, acked) = out.positions[place];
                    assert!(acked <= error.offset.max(run.from[place].2), "{}: {error:?} {acked}", what());
                    assert!(position >= run.from[place].2, "{}: {error:?} {position}", what());
                }
            }
        }
    }
    assert!(runs > 100_000 && corrupt > 20_000, "{runs} runs, {corrupt} wrong CRCs");
}

#[test]
fn each_byte_of_a_fetch_mutated_in_the_smallest_window() {
    mutate(WINDOWS[0]);
}

#[test]
fn each_byte_of_a_fetch_mutated_in_4_kb() {
    mutate(WINDOWS[1]);
}

#[test]
fn each_byte_of_a_fetch_mutated_in_64_kb() {
    mutate(WINDOWS[2]);
}

fn protocol(out: &Answered) -> Option<ProtocolErrorKind> {
    out.errors.iter().find_map(|error| match error {
        Error::Protocol(error) => Some(error.kind),
        _ => None,
    })
}

#[test]
fn what_is_not_kafka_is_named() {
    let text = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_vec();
    let alert = [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46, 0x15, 0x03].to_vec();
    let sized = |size: i32, correlation: i32| [size.to_be_bytes(), correlation.to_be_bytes(), [0; 4]].concat();
    let table = [
        (text, ProtocolErrorKind::Http),
        (alert, ProtocolErrorKind::Tls),
        (sized(i32::MAX, CORRELATION), ProtocolErrorKind::FrameSize(i32::MAX)),
        (sized((1 << 30) + 1, CORRELATION), ProtocolErrorKind::FrameSize((1 << 30) + 1)),
        (sized(-1, CORRELATION), ProtocolErrorKind::FrameSize(-1)),
        (sized(i32::MIN, CORRELATION), ProtocolErrorKind::FrameSize(i32::MIN)),
        (sized(3, CORRELATION), ProtocolErrorKind::FrameSize(3)),
        (sized(0, CORRELATION), ProtocolErrorKind::FrameSize(0)),
        (sized(8, CORRELATION + 1), ProtocolErrorKind::CorrelationId),
        (sized(8, 0), ProtocolErrorKind::CorrelationId),
        (sized(4, CORRELATION), ProtocolErrorKind::Malformed),
    ];
    for (api, version) in ASKED {
        for (bytes, expected) in &table {
            for pieces in [Pieces::Whole, Pieces::Each(1)] {
                let out = raw(api, version, MIN_WINDOW, bytes.clone(), pieces, false);
                // told where somebody waits for it: on a connection that is made for the first time
                assert_eq!(protocol(&out), Some(*expected), "{api:?} {bytes:?}: {out:?}");
                assert!(out.lost && out.goes_on, "{api:?} {bytes:?}: {out:?}");
                let [Error::Protocol(error)] = out.errors[..] else { panic!("{out:?}") };
                assert_eq!(error.api, api);
            }
        }
    }
}

#[test]
fn an_answer_that_is_too_long_or_too_short() {
    for (api, name, version, good) in read_to_the_end() {
        let body = good.body();
        for extra in [1, 2, 300] {
            let long = [body, &vec![0; extra][..]].concat();
            let out = answer(api, version, MIN_WINDOW, &long, Pieces::Whole, false);
            // after what the answer itself had to say
            let kind = protocol(&out);
            assert_eq!(kind, Some(ProtocolErrorKind::TrailingBytes(extra as u32)), "{name}: {out:?}");
            assert!(out.lost && out.goes_on, "{name}: {out:?}");
        }
        for missing in 1..=body.len().min(64) {
            let short = &body[..body.len() - missing];
            let out = answer(api, version, MIN_WINDOW, short, Pieces::Whole, false);
            assert!(out.lost && out.goes_on, "{name} - {missing}: {out:?}");
        }
    }
}

/// Answers that are read to their end: an error in ApiVersions ends the connection before.
fn read_to_the_end() -> impl Iterator<Item = (Api, String, i16, super::Frame)> {
    answers().filter(|(_, name, ..)| name != "apiversions-v0-between-handshake-and-authenticate")
}

/// How an answer is built: `h` i16, `i` i32, `q` i64, `b` i8, `u` an id; `s` a string, `d` bytes, `[..]` an array. In flexible
/// versions `c` a string, `t` the number of tagged fields, `{..}` an array, `?` what follows may be missing.
fn schema(api: Api, version: i16) -> &'static str {
    match api {
        Api::ApiVersions => "h[hhh]",
        Api::Metadata if version >= 12 => "ti{icict}ci{hcub{hiii{i}{i}{i}t}it}t",
        Api::Metadata => "i[isis]si[hsb[hiii[i][i][i]]]",
        Api::FindCoordinator => "ihsisi",
        Api::JoinGroup if version >= 5 => "ihisss[ssd]",
        Api::JoinGroup => "ihisss[sd]",
        Api::SyncGroup => "ihd",
        Api::Heartbeat | Api::LeaveGroup => "ih",
        Api::OffsetCommit if version >= 9 => "ti{c{iht}t}t",
        Api::OffsetCommit => "i[s[ih]]",
        Api::OffsetFetch if version >= 9 => "ti{c{c{iqicht}t}ht}t",
        Api::OffsetFetch => "i[s[iqish]]h",
        Api::ListOffsets => "i[s[ihqqi]]",
        Api::OffsetForLeaderEpoch => "i[s[hiiq]]",
        Api::ConsumerGroupHeartbeat => "tihccii?{u{i}t}tt",
        Api::Fetch if version >= 11 => "ihi[s[ihqqq[qq]id]]",
        Api::Fetch => "ihi[s[ihqqq[qq]d]]",
    }
}

/// A length: its offset, its bytes, and whether it is a varint.
type Length = (usize, usize, bool);

/// All lengths.
fn lengths(mut schema: &str, body: &[u8], at: &mut usize, found: &mut Vec<Length>) {
    let number = |at: usize, width: usize| {
        body[at..at + width].iter().fold(if body[at] >= 0x80 { -1i64 } else { 0 }, |n, &byte| n << 8 | i64::from(byte))
    };
    // its value and its width
    let varint = |at: usize| {
        let width = body[at..].iter().position(|byte| *byte < 0x80).expect("it ends") + 1;
        (body[at..at + width].iter().rev().fold(0, |n, &byte| n << 7 | usize::from(byte & 0x7f)), width)
    };
    while let Some(kind) = schema.chars().next() {
        schema = &schema[1..];
        *at += match kind {
            'b' => 1,
            'h' => 2,
            'i' => 4,
            'q' => 8,
            'u' => 16,
            's' | 'd' => {
                let width = if kind == 's' { 2 } else { 4 };
                found.push((*at, width, false));
                width + usize::try_from(number(*at, width)).unwrap_or(0)
            }
            't' | 'c' => {
                let (n, width) = varint(*at);
                found.push((*at, width, true));
                assert!(kind == 'c' || n == 0, "no tagged field was ever seen");
                width + n.saturating_sub(1)
            }
            '?' => {
                if body[*at] == 0xff {
                    schema = "t"; // of the whole
                }
                1
            }
            '[' | '{' => {
                let mut depth = 1;
                let end = schema.find(|c| {
                    depth += i32::from("[{".contains(c)) - i32::from("]}".contains(c));
                    depth == 0
                });
                let (inner, rest) = schema.split_at(end.expect("closed"));
                schema = &rest[1..];
                let (count, width) = match kind {
                    '[' => (usize::try_from(number(*at, 4)).unwrap_or(0), 4),
                    _ => (varint(*at).0.saturating_sub(1), varint(*at).1),
                };
                found.push((*at, width, kind == '{'));
                *at += width;
                for _ in 0..count {
                    lengths(inner, body, at, found);
                }
                0
            }
            other => panic!("{other}"),
        };
    }
}

#[test]
fn negative_and_huge_lengths() {
    let mut fields = 0;
    for (api, name, version, good) in read_to_the_end() {
        let mut found = Vec::new();
        let mut at = 0;
        lengths(schema(api, version), good.body(), &mut at, &mut found);
        assert_eq!(at, good.body().len(), "{name}");
        // of many alike the first 40
        for (at, width, varint) in found.into_iter().take(40) {
            fields += 1;
            let fixed = [-2, i64::MIN >> (64 - 8 * width), i64::MAX >> (64 - 8 * width), 1 << (8 * width - 2)]
                .map(|value| (value > 0, value.to_be_bytes()[8 - width..].to_vec()));
            let flexible =
                [(false, [0xff; 5]), (true, [0xff, 0xff, 0xff, 0xff, 0x0f]), (true, [0xff, 0xff, 0xff, 0xff, 0x07])];
            let values =
                if varint { flexible.map(|(huge, bytes)| (huge, bytes.to_vec())).to_vec() } else { fixed.to_vec() };
            for (huge, value) in values {
                let mut body = good.body().to_vec();
                body.splice(at..at + width, value.iter().copied());
                let out = answer(api, version, MIN_WINDOW, &body, Pieces::Whole, false);
                assert!(out.lost && out.goes_on, "{name} at {at}: {value:?}: {out:?}");
                match out.errors.last() {
                    Some(Error::Protocol(error)) => {
                        assert_eq!(error.kind, ProtocolErrorKind::Malformed, "{name} at {at}: {value:?}");
                        assert!(error.position as usize <= body.len(), "{name} at {at}: {error:?}");
                    }
                    // an item of this size would not fit, if it came
                    Some(Error::Capacity(capacity)) if huge => {
                        let have = if windows(api).len() > 1 { MIN_WINDOW } else { RECEIVE_BUFFER };
                        let what = if windows(api).len() > 1 { Resource::Window } else { Resource::ReceiveBuffer };
                        assert_eq!((capacity.what, capacity.have), (what, have), "{name} at {at}");
                        assert!(capacity.needed > have);
                    }
                    other => panic!("{name} at {at}: {value:?}: {other:?}"),
                }
            }
        }
    }
    assert!(fields > 900, "{fields}");
}

#[test]
fn a_broker_without_a_common_version_says_both_ranges() {
    let ranges = [
        (1i16, 4i16, 18i16),
        (2, 1, 11),
        (3, 0, 13),
        (8, 2, 10),
        (9, 1, 10),
        (10, 0, 6),
        (11, 2, 9),
        (12, 0, 4),
        (13, 0, 5),
        (14, 0, 5),
        (18, 0, 4),
    ];
    let with = |api: i16, range: Option<(i16, i16)>| {
        let other = ranges.into_iter().filter(|entry| entry.0 != api);
        let all: Vec<_> = other.chain(range.map(|(min, max)| (api, min, max))).collect();
        let entries = all.iter().flat_map(|&(api, min, max)| [api, min, max]).flat_map(i16::to_be_bytes);
        let body: Vec<u8> = [0, 0, 0, 0, 0, all.len() as u8].into_iter().chain(entries).collect();
        answer(Api::ApiVersions, 0, MIN_WINDOW, &body, Pieces::Whole, false)
    };
    assert_eq!(with(1, Some((4, 18))).errors, []);
    let table = [
        (Api::Fetch, Some((12, 18)), ProtocolErrorKind::Version(10, 11, 12, 18)),
        (Api::Fetch, Some((0, 9)), ProtocolErrorKind::Version(10, 11, 0, 9)),
        (Api::Fetch, None, ProtocolErrorKind::Version(10, 11, 0, -1)),
        (Api::Metadata, Some((8, 13)), ProtocolErrorKind::Version(7, 7, 8, 13)),
        (Api::ListOffsets, Some((0, 3)), ProtocolErrorKind::Version(4, 5, 0, 3)),
        (Api::OffsetFetch, Some((6, 10)), ProtocolErrorKind::Version(5, 5, 6, 10)),
    ];
    for (api, range, kind) in table {
        let out = with(api as i16, range);
        let [Error::Protocol(error)] = out.errors[..] else { panic!("{api:?}: {out:?}") };
        assert_eq!((error.api, error.kind), (api, kind));
        assert!(out.lost && out.goes_on, "{api:?}: it may be another broker the next time");
    }
}

#[test]
fn tables_name_the_same_apis() {
    for (api, name) in super::APIS {
        assert!(ASKED.iter().any(|asked| asked.0 == api), "{name}");
        assert!(!cases(api).is_empty());
    }
    assert_eq!(CONTROL, 0);
    assert_eq!(frame(1, &[2]), [0, 0, 0, 5, 0, 0, 0, 1, 2]);
}
