//! The seed example: subscribes to `topic-04` in the group `topic-04_group`, prints its records with their headers, commits,
//! and ends when all four partitions are read.
#![no_std]
#![no_main]

use core::time::Duration;
use embassy_net::Stack;
use firmware::host;
use nanokafka::{Config, Error, OffsetReset, Resources, Seed};
use nanokafka_embassy::{Consumer, Event, SocketBuffers, Tcp};
use static_cell::ConstStaticCell;

/// 4 partitions, 2 connections, a window of 4 KB.
static RESOURCES: ConstStaticCell<Resources<4, 2, 4096>> = ConstStaticCell::new(Resources::new());
static CONTROL: ConstStaticCell<SocketBuffers<1024, 512>> = ConstStaticCell::new(SocketBuffers::new());
static FETCH: ConstStaticCell<[SocketBuffers<4096, 512>; 1]> = ConstStaticCell::new([SocketBuffers::new()]);

#[cortex_m_rt::entry]
fn main() -> ! {
    firmware::run(|spawner, stack| spawner.spawn(defmt::unwrap!(seed(stack))))
}

#[embassy_executor::task]
async fn seed(stack: Stack<'static>) {
    let config = Config::new(host::server())
        .group_id("topic-04_group")
        .session_timeout(Duration::from_secs(10))
        .auto_offset_reset(OffsetReset::Earliest);
    firmware::has_address(stack).await;
    let tcp = Tcp::new(stack, CONTROL.take(), FETCH.take());
    let mut consumer =
        defmt::unwrap!(Consumer::new(RESOURCES.take().storage(), config, tcp, Seed::new(host::random())));
    defmt::unwrap!(consumer.subscribe(&["topic-04"]));
    let mut unread = 0b1111;
    while unread != 0 {
        match turn(&mut consumer, &mut unread).await {
            Ok(()) => {}
            Err(error) if error.is_fatal() => defmt::panic!("{}", error),
            Err(error) => defmt::warn!("{}", error),
        }
    }
    defmt::unwrap!(consumer.commit_sync().await);
    defmt::info!("committed");
    defmt::unwrap!(consumer.close().await);
    firmware::end()
}

/// One event. `unread` has a bit for each partition.
async fn turn(consumer: &mut Consumer<'_>, unread: &mut u32) -> Result<(), Error> {
    match consumer.poll().await? {
        Event::Assigned(partitions) => partitions.for_each(|partition| defmt::info!("assigned: {}", partition)),
        Event::Records(records) => records.for_each(|record| firmware::print(&record)),
        Event::EndOfPartition(end) => *unread &= !(1 << end.partition),
        _ => {}
    }
    Ok(())
}
