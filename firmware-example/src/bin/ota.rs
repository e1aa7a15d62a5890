//! A firmware image in one record, larger than the RAM: streamed into flash, checked there, and committed only then. The record's
//! key is the SHA-256 of its value.
//!
//! Kafka cannot hand out the second half of a record, so after a power cut it comes again from its start; but what is
//! in flash already is passed over.
#![no_std]
#![no_main]

use embassy_net::Stack;
use embedded_storage_async::nor_flash::{NorFlash, ReadNorFlash};
use firmware::flash::{self, Flash, Map};
use firmware::{boards, host};
use nanokafka::{Config, Error, OffsetReset, Resources, Seed, TopicPartition};
use nanokafka_embassy::{Consumer, Event, LargeRecord, SocketBuffers, Tcp};
use sha2::{Digest, Sha256};
use static_cell::ConstStaticCell;

/// 1 partition, 2 connections, a window of 4 KB.
static RESOURCES: ConstStaticCell<Resources<1, 2, 4096>> = ConstStaticCell::new(Resources::new());
static CONTROL: ConstStaticCell<SocketBuffers<1024, 512>> = ConstStaticCell::new(SocketBuffers::new());
static FETCH: ConstStaticCell<[SocketBuffers<4096, 512>; 1]> = ConstStaticCell::new([SocketBuffers::new()]);
/// A sector on its way into flash.
static SECTOR: ConstStaticCell<[u8; SECTOR_BYTES]> = ConstStaticCell::new([0; SECTOR_BYTES]);

const SECTOR_BYTES: usize = Flash::ERASE_SIZE;

/// Where an image lies, behind the map.
const SLOT: u32 = 0x1_0000;

#[cortex_m_rt::entry]
fn main() -> ! {
    firmware::run(|spawner, stack| spawner.spawn(defmt::unwrap!(ota(stack))))
}

#[embassy_executor::task]
async fn ota(stack: Stack<'static>) {
    let mut slot = Slot::new(SECTOR.take());
    let config = Config::new(host::server())
        // of its own, for the offset only: each board gets each image
        .group_id(boards::NAME)
        // an image that is not right is never marked, and so never committed
        .auto_commit_marks(true)
        .auto_offset_reset(OffsetReset::Earliest);
    firmware::has_address(stack).await;
    let tcp = Tcp::new(stack, CONTROL.take(), FETCH.take());
    let mut consumer =
        defmt::unwrap!(Consumer::new(RESOURCES.take().storage(), config, tcp, Seed::new(host::random())));
    defmt::unwrap!(consumer.assign(&[TopicPartition::new("firmware", 0)]));
    loop {
        match turn(&mut consumer, &mut slot).await {
            Ok(()) => {}
            Err(error) if error.is_fatal() => defmt::panic!("{}", error),
            Err(error) => defmt::warn!("{}", error), // going on may help
        }
    }
}

async fn turn(consumer: &mut Consumer<'_>, slot: &mut Slot) -> Result<(), Error> {
    match consumer.poll().await? {
        Event::LargeRecord(mut image) => {
            let right = slot.install(&mut image).await?;
            if right {
                image.mark();
                consumer.commit_sync().await?;
                defmt::println!("committed");
            }
        }
        Event::Records(records) => {
            records.for_each(|record| defmt::warn!("@{=i64} is too small for an image", record.offset()));
        }
        Event::EndOfPartition(_) => firmware::report_stack(),
        _ => {}
    }
    Ok(())
}

/// Where an image goes, and how far one has come: `[offset of its record, bytes]`.
struct Slot {
    map: Map,
    sector: &'static mut [u8; SECTOR_BYTES],
}

const PROGRESS: u8 = 0;

const NONE: [i64; 2] = [-1, 0];

/// Progress is kept so often: an image of 1 MB writes it 16 times.
const STEP: u32 = 0x1_0000;

impl Slot {
    fn new(sector: &'static mut [u8; SECTOR_BYTES]) -> Self {
        Slot { map: flash::map(), sector }
    }

    /// Streams an image into flash; whether it is there and right.
    async fn install(&mut self, image: &mut LargeRecord<'_, '_>) -> Result<bool, Error> {
        let (offset, size) = (image.offset(), image.remaining());
        let room = self.map.flash().capacity() - SLOT as usize;
        let digest: Option<[u8; 32]> = image.key().and_then(|key| key.try_into().ok());
        let Some(digest) = digest.filter(|_| size <= room) else {
            defmt::warn!("@{=i64} is no image: {=usize} bytes, room for {=usize}", offset, size, room);
            return Ok(false);
        };
        let there = match self.progress().await {
            [of, bytes] if of == offset => bytes as u32,
            _ => 0,
        };
        defmt::println!("@{=i64}: {=usize} bytes, of which {=u32} are there", offset, size, there);

        let (mut read, mut filled) = (0, 0);
        loop {
            let mut chunk = image.chunk().await?;
            if chunk.is_empty() {
                break;
            }
            while !chunk.is_empty() {
                let (part, rest) = chunk.split_at(chunk.len().min(SECTOR_BYTES - filled));
                self.sector[filled..][..part.len()].copy_from_slice(part);
                filled += part.len();
                chunk = rest;
                if filled == SECTOR_BYTES {
                    self.write(read, there).await;
                    read += SECTOR_BYTES as u32;
                    filled = 0;
                    if read > there && read % STEP == 0 {
                        self.keep([offset, read.into()]).await;
                        defmt::println!("{=u32} bytes written", read);
                    }
                }
            }
        }
        if filled > 0 {
            self.sector[filled..].fill(0xff);
            self.write(read, there).await;
        }

        let right = self.digest(size).await == digest;
        if right {
            defmt::println!("@{=i64}: the image is right", offset);
        } else {
            defmt::warn!("@{=i64}: the image is not right", offset);
        }
        // next time from its start
        self.keep(NONE).await;
        Ok(right)
    }

    /// The sector, which is behind `read` bytes of the image, unless it is there.
    async fn write(&mut self, read: u32, there: u32) {
        if read >= there {
            let (at, flash) = (SLOT + read, self.map.flash());
            defmt::unwrap!(flash.erase(at, at + SECTOR_BYTES as u32).await);
            defmt::unwrap!(flash.write(at, self.sector).await);
        }
    }

    /// Of what is in flash, not of what came.
    async fn digest(&mut self, size: usize) -> [u8; 32] {
        let mut digest = Sha256::new();
        for at in (0..size).step_by(SECTOR_BYTES) {
            let part = &mut self.sector[..SECTOR_BYTES.min(size - at)];
            defmt::unwrap!(self.map.flash().read(SLOT + at as u32, part).await);
            digest.update(part);
        }
        digest.finalize().into()
    }

    /// What cannot be read is none: then the image is written from its start.
    async fn progress(&mut self) -> [i64; 2] {
        self.map.fetch_item(&mut [0; 64], &PROGRESS).await.ok().flatten().unwrap_or(NONE)
    }

    async fn keep(&mut self, progress: [i64; 2]) {
        defmt::unwrap!(self.map.store_item(&mut [0; 64], &PROGRESS, &progress).await);
    }
}
