//! What a record costs, in instructions: by the program `instructions`, which takes a file for a broker.

use crate::{Board, Cable, Emulator, Image};
use nanokafka_scripted::batch;
use std::io::{Error, Result};
use std::path::Path;
use std::time::Duration;

/// Of a Cortex-M4, for each record of 100 bytes, in batches of 16 KB through a window of 4 KB.
#[derive(Clone, Copy, Debug)]
pub struct Instructions {
    /// Of the consumer and of a transport that copies from RAM.
    pub whole: f64,
    /// Of those in the loop over records: what is left without polling and the checksum.
    pub in_loop: f64,
}

/// Counts them in a program of that level of optimization. `dir`, an empty folder, becomes the emulator's.
pub fn instructions(level: &str, dir: &Path) -> Result<Instructions> {
    const BYTES: usize = 100;
    let image = Image::build_at(level, "instructions", Board::Mps2An386, &["crc-table-1k"])?;
    std::fs::write(dir.join("answers"), file(BYTES))?;
    let mut emulator = Emulator::start(&image, "-", dir, Cable { counts: true, ..Cable::default() })?;
    let lines = emulator.until(Duration::from_secs(60), |line| line.text.contains("instructions"))?;
    let numbers: Vec<f64> = lines[lines.len() - 1].text.split(' ').filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [records, bytes, whole, in_loop] if bytes == BYTES as f64 => {
            Ok(Instructions { whole: whole / records, in_loop: in_loop / records })
        }
        _ => Err(Error::other(format!("{lines:?}"))),
    }
}

const TOPIC: &str = "replayed";
/// Java's default `batch.size`.
const BATCH: usize = 16_384;
/// In an answer: together as much as a fetch asks for, 1 MB.
const BATCHES: usize = 64;

/// `(API, length, answer)` one after the other, their records of `size` bytes each.
fn file(size: usize) -> Vec<u8> {
    let encoded = |n| batch().fill(n, size).encode(0, 0);
    let n = (1..).take_while(|&n| encoded(n).len() <= BATCH).last().expect("a record is smaller than a batch");
    let batch = encoded(n);
    let records = BATCHES * batch.len();
    let metadata = Answer::default()
        .i32(0)
        .i32(1) // one broker
        .i32(1)
        .string("10.0.0.1")
        .i32(9092)
        .i16(-1)
        .i16(-1) // no rack, no cluster id
        .i32(1)
        .i32(1) // one topic
        .i16(0)
        .string(TOPIC)
        .bytes(&[0])
        .i32(1) // one partition
        .i16(0)
        .i32(0)
        .i32(1) // leader, its epoch
        .i32(0)
        .i32(1)
        .i32(1)
        .i32(1)
        .i32(1)
        .i32(0);
    let versions = [(1, 11), (2, 5), (3, 7), (18, 0)];
    let api_versions =
        versions.into_iter().fold(Answer::default().i16(0).i32(versions.len() as i32), |answer, (api, version)| {
            answer.i16(api).i16(version).i16(version)
        });
    let fetch = Answer::default()
        .i32(0)
        .i16(0)
        .i32(0)
        .i32(1) // one topic
        .string(TOPIC)
        .i32(1) // one partition
        .i32(0)
        .i16(0)
        .i64(i64::MAX)
        .i64(i64::MAX)
        .i64(0)
        .i32(0)
        .i32(-1)
        .i32(records as i32);
    [(18, api_versions.frame(0)), (3, metadata.frame(0)), (1, fetch.frame(records)), (u16::MAX, batch)]
        .into_iter()
        .flat_map(|(api, bytes)| [&api.to_be_bytes()[..], &(bytes.len() as u16).to_be_bytes(), &bytes].concat())
        .collect()
}

#[derive(Default)]
struct Answer(Vec<u8>);

impl Answer {
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn i16(self, value: i16) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    fn i32(self, value: i32) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    fn i64(self, value: i64) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    fn string(self, text: &str) -> Self {
        self.i16(text.len() as i16).bytes(text.as_bytes())
    }

    /// Behind its size and a correlation id, and before `behind` bytes.
    fn frame(self, behind: usize) -> Vec<u8> {
        let size = (4 + self.0.len() + behind) as u32;
        [&size.to_be_bytes()[..], &[0; 4], &self.0].concat()
    }
}
