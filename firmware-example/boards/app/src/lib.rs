//! What all boards run: a member of a group, its records on the log.
#![no_std]
#![forbid(unsafe_code)]

use core::pin::pin;
use embassy_net::{Stack, StackResources};
use embassy_time::Timer;
use nanokafka::{Config, Error, OffsetReset, Resources, Seed};
use nanokafka_embassy::{Consumer, Event, Names, SocketBuffers, Tcp};
use static_cell::ConstStaticCell;

/// For two connections, DHCP and DNS.
pub type Sockets = StackResources<4>;

/// 8 partitions, 2 connections, a window of 4 KB.
static RESOURCES: ConstStaticCell<Resources<8, 2, 4096>> = ConstStaticCell::new(Resources::new());
static CONTROL: ConstStaticCell<SocketBuffers<1024, 512>> = ConstStaticCell::new(SocketBuffers::new());
static FETCH: ConstStaticCell<[SocketBuffers<4096, 512>; 1]> = ConstStaticCell::new([SocketBuffers::new()]);

/// `host:port` of a broker; a name or an address. Set `BROKER` when you build.
const BROKER: &str = match option_env!("BROKER") {
    Some(broker) => broker,
    None => "192.168.1.10:9092",
};

/// Prints the records of `readings`, for ever. `random` is different at each start. Once.
pub async fn consume(stack: Stack<'_>, random: [u8; 32]) -> ! {
    stack.wait_config_up().await;
    defmt::info!("an address by DHCP; the broker is {=str}", BROKER);
    let names = Names::<1>::new();
    let resolve = pin!(names.resolve(stack));
    let tcp = Tcp::new(stack, CONTROL.take(), FETCH.take()).names(&names, resolve);
    let config = Config::new(BROKER).group_id("boards").auto_offset_reset(OffsetReset::Earliest);
    let mut consumer = defmt::unwrap!(Consumer::new(RESOURCES.take().storage(), config, tcp, Seed::new(random)));
    defmt::unwrap!(consumer.subscribe(&["readings"]));
    loop {
        match turn(&mut consumer).await {
            Ok(()) => {}
            Err(error) if error.is_fatal() => defmt::panic!("{}", error),
            // going on may help
            Err(error) => {
                defmt::warn!("{}", error);
                Timer::after_secs(1).await;
            }
        }
    }
}

async fn turn(consumer: &mut Consumer<'_>) -> Result<(), Error> {
    match consumer.poll().await? {
        Event::Assigned(partitions) => partitions.for_each(|partition| defmt::info!("assigned: {}", partition)),
        Event::Records(records) => {
            for record in records {
                let value = record.value_as().unwrap_or("not text");
                defmt::println!("{} @{=i64}: {=str}", record.topic_partition(), record.offset(), value);
            }
        }
        _ => {}
    }
    Ok(())
}
