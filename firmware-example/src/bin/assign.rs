//! A partition of its own, without a group: how far it has read is kept in the board's flash, beside what the records have
//! changed there, so the two cannot disagree.
#![no_std]
#![no_main]

use embassy_net::Stack;
use firmware::flash::{self, Map};
use firmware::host;
use nanokafka::{Config, OffsetReset, Resources, Seed, TopicPartition};
use nanokafka_embassy::{Consumer, Event, SocketBuffers, Tcp};
use static_cell::ConstStaticCell;

/// Device number 2 has partition 2.
const OURS: TopicPartition<'static> = TopicPartition::new("calibration", 2);

/// 1 partition, 2 connections, a window of 4 KB.
static RESOURCES: ConstStaticCell<Resources<1, 2, 4096>> = ConstStaticCell::new(Resources::new());
static CONTROL: ConstStaticCell<SocketBuffers<1024, 512>> = ConstStaticCell::new(SocketBuffers::new());
static FETCH: ConstStaticCell<[SocketBuffers<4096, 512>; 1]> = ConstStaticCell::new([SocketBuffers::new()]);

#[cortex_m_rt::entry]
fn main() -> ! {
    firmware::run(|spawner, stack| spawner.spawn(defmt::unwrap!(assign(stack))))
}

/// The offset of the next record, in flash.
const POSITION: u8 = 0;

async fn keep(flash: &mut Map, position: i64) {
    defmt::unwrap!(flash.store_item(&mut [0; 64], &POSITION, &position).await);
}

#[embassy_executor::task]
async fn assign(stack: Stack<'static>) {
    let mut flash = flash::map();
    let config = Config::new(host::server()).enable_auto_commit(false).auto_offset_reset(OffsetReset::Earliest);
    firmware::has_address(stack).await;
    let tcp = Tcp::new(stack, CONTROL.take(), FETCH.take());
    let mut consumer =
        defmt::unwrap!(Consumer::new(RESOURCES.take().storage(), config, tcp, Seed::new(host::random())));
    defmt::unwrap!(consumer.assign(&[OURS]));
    if let Some(position) = defmt::unwrap!(flash.fetch_item(&mut [0; 64], &POSITION).await) {
        defmt::info!("goes on at {=i64}", position);
        defmt::unwrap!(consumer.seek(OURS, position));
    }
    loop {
        match consumer.poll().await {
            Ok(Event::Records(records)) => {
                for record in records {
                    let value = record.value_as().unwrap_or("not text");
                    defmt::println!(
                        "{=str}-{=i32} @{=i64}: {=str}",
                        OURS.topic,
                        OURS.partition,
                        record.offset(),
                        value
                    );
                    keep(&mut flash, record.offset() + 1).await;
                }
            }
            Ok(Event::EndOfPartition(_)) => firmware::report_stack(),
            Ok(_) => {}
            Err(error) if error.is_fatal() => defmt::panic!("{}", error),
            Err(error) => defmt::warn!("{}", error), // going on may help
        }
    }
}
