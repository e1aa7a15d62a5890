//! A member of a group for as long as it has power: each record of `readings` is worked on, and committed before the next.
//! It is a static member (KIP-345), so after a power cut it goes on with its own partitions at once, and nobody else's move.
#![no_std]
#![no_main]

use core::time::Duration;
use embassy_net::Stack;
use embassy_time::Timer;
use firmware::{boards, host};
use nanokafka::{Config, Error, OffsetReset, Record, Resources, Seed};
use nanokafka_embassy::{Consumer, Event, SocketBuffers, Tcp};
use static_cell::ConstStaticCell;

/// 4 partitions, 2 connections, a window of 4 KB.
static RESOURCES: ConstStaticCell<Resources<4, 2, 4096>> = ConstStaticCell::new(Resources::new());
static CONTROL: ConstStaticCell<SocketBuffers<1024, 512>> = ConstStaticCell::new(SocketBuffers::new());
static FETCH: ConstStaticCell<[SocketBuffers<4096, 512>; 1]> = ConstStaticCell::new([SocketBuffers::new()]);
/// To lead a group of a few boards.
static GROUP: ConstStaticCell<[u8; 512]> = ConstStaticCell::new([0; 512]);

#[cortex_m_rt::entry]
fn main() -> ! {
    firmware::run(|spawner, stack| spawner.spawn(defmt::unwrap!(subscribe(stack))))
}

#[embassy_executor::task]
async fn subscribe(stack: Stack<'static>) {
    let config = Config::new(host::server())
        .group_id("readings_display")
        .group_instance_id(boards::NAME)
        // a device that has nothing to do says little: a new record still comes at once, news of the group within 15 s
        .fetch_max_wait(Duration::from_secs(60))
        .heartbeat_interval(Duration::from_secs(15))
        .session_timeout(Duration::from_secs(45))
        .enable_auto_commit(false)
        .auto_offset_reset(OffsetReset::Earliest);
    firmware::has_address(stack).await;
    let tcp = Tcp::new(stack, CONTROL.take(), FETCH.take());
    let storage = RESOURCES.take().storage().group_memory(GROUP.take());
    let mut consumer = defmt::unwrap!(Consumer::new(storage, config, tcp, Seed::new(host::random())));
    defmt::unwrap!(consumer.subscribe(&["readings"]));
    loop {
        match turn(&mut consumer).await {
            Ok(()) => {}
            Err(error) if error.is_fatal() => defmt::panic!("{}", error),
            Err(error) => defmt::warn!("{}", error), // going on may help
        }
    }
}

async fn turn(consumer: &mut Consumer<'_>) -> Result<(), Error> {
    match consumer.poll().await? {
        Event::Assigned(partitions) => partitions.for_each(|partition| defmt::info!("assigned: {}", partition)),
        Event::Revoked(partitions) => partitions.for_each(|partition| defmt::info!("revoked: {}", partition)),
        Event::Lost(partitions) => partitions.for_each(|partition| defmt::info!("lost: {}", partition)),
        Event::Records(mut records) => {
            while let Some(record) = records.next() {
                records.keep_alive(display(&record)).await; // heartbeats go on beside it
                records.commit_sync(&record).await?; // while it is held
            }
        }
        Event::EndOfPartition(_) => firmware::report_stack(),
        _ => {}
    }
    Ok(())
}

/// As slow as a display.
async fn display(record: &Record<'_>) {
    defmt::println!(
        "{=str}-{=i32} @{=i64}: {=str}",
        record.topic(),
        record.partition(),
        record.offset(),
        record.value_as().unwrap_or("not text"),
    );
    Timer::after_millis(2).await;
}
