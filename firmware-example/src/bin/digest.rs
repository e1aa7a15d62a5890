//! Reads four partitions of `everything` from their beginning, without keeping anything: at the end of each it says how many records
//! there were and what they were, in one digest. A record larger than the window is digested as it passes.
#![no_std]
#![no_main]

use embassy_net::Stack;
use firmware::host;
use nanokafka::{Config, Error, OffsetReset, Resources, Seed, TopicPartition};
use nanokafka_embassy::{Consumer, Event, SocketBuffers, Tcp};
use sha2::{Digest, Sha256};
use static_cell::ConstStaticCell;

/// 4 partitions, 2 connections, a window of 4 KB.
static RESOURCES: ConstStaticCell<Resources<4, 2, 4096>> = ConstStaticCell::new(Resources::new());
static CONTROL: ConstStaticCell<SocketBuffers<1024, 512>> = ConstStaticCell::new(SocketBuffers::new());
static FETCH: ConstStaticCell<[SocketBuffers<4096, 512>; 1]> = ConstStaticCell::new([SocketBuffers::new()]);

#[cortex_m_rt::entry]
fn main() -> ! {
    firmware::run(|spawner, stack| spawner.spawn(defmt::unwrap!(digest(stack))))
}

#[embassy_executor::task]
async fn digest(stack: Stack<'static>) {
    let config = Config::new(host::server()).enable_auto_commit(false).auto_offset_reset(OffsetReset::Earliest);
    firmware::has_address(stack).await;
    let tcp = Tcp::new(stack, CONTROL.take(), FETCH.take());
    let mut consumer =
        defmt::unwrap!(Consumer::new(RESOURCES.take().storage(), config, tcp, Seed::new(host::random())));
    defmt::unwrap!(consumer.assign(&core::array::from_fn::<_, 4, _>(|i| TopicPartition::new("everything", i as i32))));
    let mut partitions: [_; 4] = core::array::from_fn(|_| Partition { records: 0, digest: Sha256::new() });
    loop {
        match turn(&mut consumer, &mut partitions).await {
            Ok(()) => {}
            Err(error) if error.is_fatal() => defmt::panic!("{}", error),
            Err(error) => defmt::warn!("{}", error), // going on may help
        }
    }
}

struct Partition {
    records: u32,
    digest: Sha256,
}

impl Partition {
    /// The offset, then key and value, each behind its length as a big-endian number: -1 for none.
    fn record(&mut self, offset: i64, key: Option<&[u8]>, value: Option<usize>) {
        self.records += 1;
        self.digest.update(offset.to_be_bytes());
        self.length(key.map(<[u8]>::len));
        self.digest.update(key.unwrap_or_default());
        self.length(value);
    }

    fn length(&mut self, bytes: Option<usize>) {
        self.digest.update(bytes.map_or(-1, |bytes| bytes as i32).to_be_bytes());
    }
}

async fn turn(consumer: &mut Consumer<'_>, partitions: &mut [Partition; 4]) -> Result<(), Error> {
    match consumer.poll().await? {
        Event::Records(records) => {
            let partition = &mut partitions[records.topic_partition().partition as usize];
            for record in records {
                partition.record(record.offset(), record.key(), record.value().map(<[u8]>::len));
                partition.digest.update(record.value().unwrap_or_default());
            }
        }
        Event::LargeRecord(mut record) => {
            let partition = &mut partitions[record.partition() as usize];
            // if its connection breaks it comes again, from its start
            let before = partition.digest.clone();
            partition.record(record.offset(), record.key(), Some(record.remaining()));
            loop {
                match record.chunk().await {
                    Ok([]) => break,
                    Ok(chunk) => partition.digest.update(chunk),
                    Err(error) => {
                        *partition = Partition { records: partition.records - 1, digest: before };
                        return Err(error);
                    }
                }
            }
        }
        Event::EndOfPartition(end) => {
            let Partition { records, digest } = &partitions[end.partition as usize];
            let digest: [u8; 32] = digest.clone().finalize().into();
            defmt::println!("{=i32}: {=u32} records, {=[u8; 32]:02x}", end.partition, records, digest);
            firmware::report_stack();
        }
        _ => {}
    }
    Ok(())
}
