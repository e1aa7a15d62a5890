//! What a record costs: a consumer over a broker that is a file in RAM, in an emulator that counts instructions. No network stack, no
//! interrupts.
#![no_std]
#![no_main]

use core::task::{Context, Poll};
use firmware::boards::instructions;
use nanokafka::{
    Config, ConnectionId, Consumer, Event, Instant, Resources, Seed, Superloop, TopicPartition, Transport,
    TransportError,
};
use semihosting::fs::File;
use semihosting::io::Read;
use static_cell::ConstStaticCell;

/// 1 partition, 2 connections, a window of 4 KB.
static RESOURCES: ConstStaticCell<Resources<1, 2, 4096>> = ConstStaticCell::new(Resources::new());
static ANSWERS: ConstStaticCell<[u8; 20_480]> = ConstStaticCell::new([0; 20_480]);

const OURS: TopicPartition<'static> = TopicPartition::new("replayed", 0);

/// What is asked once at the start is not counted.
const WARM: u64 = 5_000;
const RECORDS: u64 = 20_000;

#[cortex_m_rt::entry]
fn main() -> ! {
    let answers = ANSWERS.take();
    let mut file = defmt::unwrap!(File::open(c"answers").ok(), "a file `answers`");
    let length = defmt::unwrap!(file.read(answers).ok());
    let answers = &answers[..length];
    let resources = RESOURCES.take();
    let checked = measure(resources, answers, true);
    // with the checksum, that of a batch's last records falls into the loop
    let unchecked = measure(resources, answers, false);
    defmt::println!(
        "{=u64} records of {=u64} bytes: {=u64} instructions, {=u64} in the loop over them without the checksum",
        checked.records,
        checked.bytes / checked.records,
        checked.whole,
        unchecked.in_loop
    );
    firmware::end()
}

fn measure(resources: &mut Resources<1, 2, 4096>, answers: &'static [u8], check_crcs: bool) -> Work {
    let mut net = Replay::new(answers);
    let config = Config::new("10.0.0.1:9092").enable_auto_commit(false).check_crcs(check_crcs);
    let mut consumer =
        defmt::unwrap!(Consumer::<Superloop>::new(resources.storage(), config, Superloop, Seed::new([7; 32])));
    defmt::unwrap!(consumer.assign(&[OURS]));
    defmt::unwrap!(consumer.seek(OURS, 0));
    defmt::assert!(read(&mut consumer, &mut net, WARM).records > 0);
    let before = instructions();
    let work = read(&mut consumer, &mut net, RECORDS);
    Work { whole: instructions() - before, ..work }
}

#[derive(Default)]
struct Work {
    records: u64,
    bytes: u64,
    /// Instructions, and those in the loops over records.
    whole: u64,
    in_loop: u64,
}

fn read(consumer: &mut Consumer<'_, Superloop>, net: &mut Replay, records: u64) -> Work {
    let mut work = Work::default();
    while work.records < records {
        if let Some(Event::Records(lent)) = defmt::unwrap!(consumer.poll(Instant::from_millis(1), net)) {
            let before = instructions();
            for record in lent {
                work.bytes += core::hint::black_box(record.value()).map_or(0, <[u8]>::len) as u64;
                work.records += 1;
            }
            work.in_loop += instructions() - before;
        }
    }
    work
}

/// A broker that answers with what it was given.
struct Replay {
    /// The first bytes of each API's answer.
    answers: &'static [u8],
    /// Follows on Fetch's, as often as its size says.
    batch: &'static [u8],
    /// Of the batch after the next one that is read.
    offset: i64,
    base: [u8; 8],
    links: [Link; 2],
}

/// A connection.
#[derive(Default)]
struct Link {
    /// Bytes of a request that have come, the first ones of them: size, API, version, correlation id.
    came: usize,
    request: [u8; 12],
    /// Asked while an answer is read.
    next: Option<[u8; 12]>,
    /// What is answered: correlation id, answer.
    answer: Option<([u8; 4], &'static [u8])>,
    read: usize,
}

/// In the file, where the batch has its API.
const BATCH: u16 = u16::MAX;

impl Replay {
    fn new(answers: &'static [u8]) -> Self {
        let batch = defmt::unwrap!(find(answers, BATCH));
        Replay { answers, batch, offset: 0, base: [0; 8], links: Default::default() }
    }
}

/// An entry of the file: its API and length, two bytes each, and bytes.
fn find(mut entries: &'static [u8], api: u16) -> Option<&'static [u8]> {
    while let Some((&[high, low, length, more], rest)) = entries.split_first_chunk() {
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes([length, more]).into())?;
        if u16::from_be_bytes([high, low]) == api {
            return Some(entry);
        }
        entries = rest;
    }
    None
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_be_bytes(defmt::unwrap!(bytes[at..at + 4].try_into().ok())) as usize
}

impl Transport for Replay {
    fn connections(&self) -> usize {
        self.links.len()
    }

    fn poll_connect(
        &mut self,
        _: &mut Context<'_>,
        _: ConnectionId,
        _: &str,
        _: u16,
    ) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        id: ConnectionId,
        buf: &mut [u8],
    ) -> Poll<Result<usize, TransportError>> {
        let link = &mut self.links[id.index()];
        if link.answer.is_none() {
            let Some(request) = link.next.take() else { return Poll::Pending };
            let [_, _, _, _, high, low, _, _, correlation @ ..] = request;
            let answer = defmt::unwrap!(find(self.answers, u16::from_be_bytes([high, low])), "an answer to {}", low);
            link.answer = Some((correlation, answer));
        }
        let mut filled = 0;
        while let Some((correlation, head)) = &link.answer {
            let behind = link.read.checked_sub(head.len());
            let part = match (link.read, behind) {
                (at @ 4..8, _) => &correlation[at - 4..],
                (at @ 0..4, _) => &head[at..4],
                (at, None) => &head[at..],
                (_, Some(at)) => match at % self.batch.len() {
                    0..8 => {
                        self.base = self.offset.to_be_bytes();
                        &self.base[at % self.batch.len()..]
                    }
                    at => &self.batch[at..],
                },
            };
            let count = part.len().min(buf.len() - filled);
            if count == 0 {
                break;
            }
            buf[filled..][..count].copy_from_slice(&part[..count]);
            (filled, link.read) = (filled + count, link.read + count);
            if behind.is_some_and(|at| (at + count) % self.batch.len() == 0) {
                self.offset += number(self.batch, LAST_OFFSET_DELTA) as i64 + 1;
            }
            if link.read == number(head, 0) + 4 {
                (link.answer, link.read) = (None, 0);
            }
        }
        Poll::Ready(Ok(filled))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, id: ConnectionId, buf: &[u8]) -> Poll<Result<usize, TransportError>> {
        let link = &mut self.links[id.index()];
        for &byte in buf {
            if let Some(place) = link.request.get_mut(link.came) {
                *place = byte;
            }
            link.came += 1;
            if link.came >= 12 && link.came == number(&link.request, 0) + 4 {
                defmt::assert!(link.next.is_none(), "three requests at once");
                (link.next, link.came) = (Some(link.request), 0);
            }
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: ConnectionId) -> Poll<()> {
        Poll::Ready(())
    }

    fn abort(&mut self, id: ConnectionId) {
        defmt::panic!("connection {=usize} is given up", id.index());
    }
}

/// Where a batch says it.
const LAST_OFFSET_DELTA: usize = 23;
