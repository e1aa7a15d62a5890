//! Captured answers to Fetch through the whole consumer: the same records as were decoded, in every window.
use super::{cases, file, from_hex, int, list, payload, string, Case};
use crate::error::PartitionErrorKind;
use crate::fuzzing::fetches::{Out, Payload, Run, Seen};
use crate::fuzzing::peer::Pieces;
use crate::{Api, Codec, Error, ErrorCode, LargeRecords, MIN_WINDOW};
use serde_json::Value;

pub(super) const WINDOWS: [usize; 3] = [MIN_WINDOW, 4096, 65_536];

/// An answer and what was asked for.
pub(super) struct Fetched {
    case: Case,
}

/// All that were captured.
pub(super) fn fetched() -> Vec<Fetched> {
    let all: Vec<_> = cases(Api::Fetch).into_iter().filter(|case| case.response.is_some()).collect();
    assert!(all.len() > 60, "{}", all.len());
    all.into_iter().map(|case| Fetched { case }).collect()
}

/// A partition of an answer as it was decoded.
struct Partition<'a> {
    topic: &'a str,
    index: i32,
    fields: &'a Value,
}

impl Fetched {
    pub fn name(&self) -> &str {
        &self.case.name
    }

    pub fn body(&self) -> &[u8] {
        self.case.response.as_ref().expect("filtered").body()
    }

    fn partitions(&self) -> impl Iterator<Item = Partition<'_>> {
        let fields = &self.case.response.as_ref().expect("filtered").fields;
        list(&fields["responses"]).iter().flat_map(|topic| {
            list(&topic["partitions"]).iter().map(|fields| Partition {
                topic: string(&topic["topic"]),
                index: int(&fields["partition_index"]),
                fields,
            })
        })
    }

    /// What the consumer is asked to read: what the request listed, or, of sessions, everything that is answered.
    pub fn from(&self) -> Vec<(&str, i32, i64)> {
        let mut from: Vec<(&str, i32, i64)> = Vec::new();
        if let Some(request) = &self.case.request {
            for topic in list(&request.fields["topics"]) {
                for row in list(&topic["partitions"]) {
                    let entry = (string(&topic["topic"]), int(&row["partition"]), int(&row["fetch_offset"]));
                    from.retain(|other| (other.0, other.1) != (entry.0, entry.1)); // listed twice: the last counts
                    from.push(entry);
                }
            }
        }
        for partition in self.partitions() {
            if !from.iter().any(|other| (other.0, other.1) == (partition.topic, partition.index)) {
                let first = list(&partition.fields["batches"]).first().map_or(0, |batch| int(&batch["base_offset"]));
                from.push((partition.topic, partition.index, first));
            }
        }
        if from.is_empty() {
            from.push(("t", 0, 0));
        }
        from
    }

    pub fn run(&self, window: usize, answers: &[Pieces]) -> Run<'_> {
        Run {
            version: self.case.version,
            window,
            large_records: LargeRecords::Stream,
            check_crcs: true,
            from: self.from(),
            answers: answers.iter().map(|&pieces| (self.body(), pieces)).collect(),
            again: 8,
        }
    }

    /// Records of a partition from `offset` on, the last step of the log that the answer shows, and codecs that were met.
    fn expected(&self, topic: &str, index: i32, from: i64) -> (Vec<(i64, Payload)>, i64, Vec<Codec>) {
        let (mut records, mut position, mut codecs) = (Vec::new(), from, Vec::new());
        for partition in self.partitions().filter(|p| (p.topic, p.index) == (topic, index)) {
            if int::<i16>(&partition.fields["error_code"]) != 0 {
                continue;
            }
            if partition.fields["records"].is_string() {
                // the vector: the batch of two that `batches` holds too, and a cut one
                let record = |key: Option<&str>, offset: i64, at: i64| {
                    let bytes = |text: &str| Some(text.as_bytes().to_vec());
                    let payload = Payload {
                        timestamp: 1_700_000_000_000 + at,
                        key: key.and_then(bytes),
                        value: key.and_then(|_| bytes("hello")),
                        headers: key.map(|_| (b"h".to_vec(), bytes("v"))).into_iter().collect(),
                    };
                    (offset, payload)
                };
                records.extend([record(Some("k1"), 42, 0), record(None, 43, 5)]);
                position = 44;
                continue;
            }
            for batch in list(&partition.fields["batches"]).iter().filter(|batch| batch["cut_batch"].is_null()) {
                let next = int::<i64>(&batch["base_offset"]) + int::<i64>(&batch["last_offset_delta"]) + 1;
                if next <= position {
                    continue;
                }
                let attributes = int::<i16>(&batch["attributes"]);
                match attributes & 7 {
                    0 => {}
                    codec => codecs.push([Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd][codec as usize - 1]),
                }
                for record in list(&batch["records"]).iter().filter(|_| attributes & (7 | 32) == 0) {
                    let offset = int(&record["offset"]);
                    if offset >= position {
                        records.push((offset, payload(record)));
                    }
                }
                position = next;
            }
        }
        (records, position, codecs)
    }

    /// Compares what was seen, record for record, with what was decoded.
    pub fn check(&self, out: &Out, what: &str) {
        let name = self.name();
        let mut seen = out.seen.clone();
        for (&(topic, index, from), &(position, _)) in self.from().iter().zip(&out.positions) {
            let what = format!("{name} {topic}-{index} {what}");
            let (expected, end, codecs) = self.expected(topic, index, from);
            let mut records = Vec::new();
            let mut met = Vec::new();
            let mut ends = 0;
            seen.retain(|seen| match seen {
                Seen::Record { topic: t, partition, offset, payload } if (t.as_str(), *partition) == (topic, index) => {
                    records.push((*offset, payload.clone(), false));
                    false
                }
                Seen::Large { topic: t, partition, offset, payload } if (t.as_str(), *partition) == (topic, index) => {
                    records.push((*offset, payload.clone(), true));
                    false
                }
                Seen::End { topic: t, partition } if (t.as_str(), *partition) == (topic, index) => {
                    ends += 1;
                    false
                }
                Seen::Error(Error::Partition(error)) if (error.topic.as_str(), error.partition) == (topic, index) => {
                    let PartitionErrorKind::Codec(codec) = error.kind else { panic!("{what}: {error:?}") };
                    met.push(codec);
                    false
                }
                _ => true,
            });
            assert_eq!(records.len(), expected.len(), "{what}");
            for ((offset, payload, large), (expected_offset, expected)) in records.into_iter().zip(expected) {
                let mut expected = expected;
                if large {
                    expected.headers.clear();
                }
                assert_eq!((offset, payload), (expected_offset, expected), "{what}");
            }
            assert_eq!(met, codecs, "{what}");
            assert_eq!(position, end, "{what}");
            let answered =
                |p: &Partition<'_>| (p.topic, p.index) == (topic, index) && int::<i16>(&p.fields["error_code"]) == 0;
            let at_end = self.partitions().any(|p| answered(&p) && end >= int(&p.fields["high_watermark"]));
            assert_eq!(ends, u32::from(at_end), "{what}: end of partition");
        }
        let refused = |code: i16| {
            let count = self.partitions().filter(|p| int::<i16>(&p.fields["error_code"]) == code).count();
            assert!(count > 0, "{name} {what}: {code}");
        };
        for left in seen {
            match left {
                Seen::Error(Error::Broker(error)) if error.code == ErrorCode::TOPIC_AUTHORIZATION_FAILED => refused(29),
                other => panic!("{name} {what}: {other:?}"),
            }
        }
    }
}

#[test]
fn in_every_window_the_same_records() {
    for fetched in fetched() {
        for window in WINDOWS {
            let out = fetched.run(window, &[Pieces::Whole]).out();
            fetched.check(&out, &format!("window {window}"));
        }
    }
}

/// Batches of other producers, alone in an answer.
#[test]
fn single_batches() {
    let (mut uncompressed, mut codecs) = (0, 0);
    for case in file("batches") {
        let (name, fields) = (string(&case["name"]), &case["fields"]);
        let batch = from_hex(string(&case["hex"]));
        let body = crate::fuzzing::answer_around(&batch);
        let first: i64 = int(&fields["base_offset"]);
        let next = first + int::<i64>(&fields["last_offset_delta"]) + 1;
        let attributes = i16::from_be_bytes([batch[21], batch[22]]);
        let text = |text: String| Some(text.into_bytes());
        let expected: Vec<Payload> = match list(&fields["records"]) {
            _ if attributes & (7 | 32) != 0 => Vec::new(),
            // the note says what they hold
            [] => {
                let record = |i: i64| Payload {
                    timestamp: 1_700_000_000_020 + i,
                    key: text(format!("k{i}")),
                    value: text(format!("value-{i} ").repeat(20)),
                    headers: Vec::new(),
                };
                (0..5).map(record).collect()
            }
            records => {
                let base: i64 = int(&fields["base_timestamp"]);
                let record = |record: &Value| {
                    let mut record = record.clone();
                    record["timestamp"] = (base + int::<i64>(&record["ts_delta"])).into();
                    payload(&record)
                };
                records.iter().map(record).collect()
            }
        };
        for window in WINDOWS {
            let run = Run {
                version: 11,
                window,
                large_records: LargeRecords::Stream,
                check_crcs: true,
                from: vec![("t", 0, first)],
                answers: vec![(&body, Pieces::Whole)],
                again: 0,
            };
            let out = run.out();
            let seen: Vec<_> = crate::fuzzing::payloads(&out.seen).cloned().collect();
            assert_eq!(seen, expected, "{name} in {window}");
            if attributes & 7 == 0 {
                uncompressed += 1;
                assert_eq!(out.positions[0].0, next, "{name} in {window}");
            } else {
                codecs += 1;
                let [Seen::Error(Error::Partition(error))] = out.seen[..] else { panic!("{name}: {:?}", out.seen) };
                assert!(matches!(error.kind, PartitionErrorKind::Codec(_)), "{name}: {error:?}");
                assert_eq!((error.offset, error.next), (first, next), "{name}");
            }
        }
    }
    assert_eq!((uncompressed, codecs), (9, 30));
}

/// Eight records of about 1 KB in the smallest window, by each policy.
#[test]
fn records_larger_than_the_window() {
    let fetched = fetched().into_iter().find(|fetched| fetched.name() == "librdkafka-none-1024").expect("captured");
    let out = |policy| {
        let mut run = fetched.run(MIN_WINDOW, &[Pieces::Whole]);
        run.large_records = policy;
        run.out()
    };
    let streamed = out(LargeRecords::Stream);
    let large = |seen: &Seen| match seen {
        Seen::Large { offset, payload, .. } => Some((*offset, payload.value.as_ref().map_or(0, Vec::len))),
        _ => None,
    };
    let values: Vec<_> = streamed.seen.iter().filter_map(large).collect();
    assert_eq!(values.iter().map(|value| value.0).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());

    let skipped = out(LargeRecords::Skip);
    let sizes = skipped.seen.iter().zip(&values).map(|(seen, &(expected, value))| match seen {
        Seen::Skipped { partition: 0, offset, size } if *offset == expected && *size as usize > value => *size,
        other => panic!("{other:?}"),
    });
    let sizes: Vec<u32> = sizes.collect();
    assert_eq!((skipped.seen.len(), &skipped.positions[..]), (8, &[(8, 8)][..]));

    let refused = out(LargeRecords::Error);
    let errors: Vec<_> = refused.seen.iter().collect();
    assert_eq!(errors.len(), 8);
    for (place, seen) in errors.into_iter().enumerate() {
        let Seen::Error(Error::Partition(error)) = seen else { panic!("{seen:?}") };
        let at = place as i64;
        assert_eq!((error.offset, error.next), (at, at + 1));
        assert_eq!(error.kind, PartitionErrorKind::RecordTooLarge(sizes[place]));
    }
}

/// A batch larger than the window is judged at its end: its records were lent, and none of them may be committed.
#[test]
fn a_wrong_crc_of_a_batch_that_streams() {
    let fetched = fetched().into_iter().find(|fetched| fetched.name() == "fetch-v11-readings-none").expect("captured");
    let mut bytes = fetched.body().to_vec();
    let last = bytes.len() - 1; // of the second batch: the number of headers, or a header's value
    let value = bytes.iter().rposition(|&byte| byte == b'}').expect("JSON values");
    assert!(value < last);
    bytes[value] ^= 1;
    let mut run = fetched.run(MIN_WINDOW, &[]);
    (run.answers, run.again) = (vec![(&bytes[..], Pieces::Whole)], 0);
    let out = run.out();
    let records = out.seen.iter().filter(|seen| matches!(seen, Seen::Record { .. })).count();
    let Some(Seen::Error(Error::Partition(error))) = out.seen.last() else { panic!("{:?}", out.seen.last()) };
    assert_eq!(records, 30);
    assert_eq!((error.kind, error.offset, error.next), (PartitionErrorKind::Corrupt, 20, 30));
    assert_eq!(out.positions, [(30, 20)], "read to the end, to be committed up to the second batch");
}
