//! nanokafka as firmware. The programs are in `src/bin`; this is what they share: a board, a network, a log.
//!
//! The log is defmt's, over semihosting: `cargo firmware` decodes it.
#![no_std]
#![deny(unsafe_code)]

pub mod boards;
pub mod flash;
pub mod host;

use boards::Mac;
use defmt_semihosting as _;
use embassy_executor::Spawner;
use embassy_net::{Config, Runner, Stack, StackResources};
use embassy_time::{with_timeout, Duration};
use nanokafka::Record;
use static_cell::ConstStaticCell;

defmt::timestamp!("{=u64:us}", embassy_time::Instant::now().as_micros());

/// Turns the board and its network on and runs what `start` spawns.
pub fn run(start: impl FnOnce(Spawner, Stack<'static>)) -> ! {
    // two for a consumer, one for DHCP
    static RESOURCES: ConstStaticCell<StackResources<3>> = ConstStaticCell::new(StackResources::new());
    let seed = u64::from_le_bytes(host::random());
    let (stack, runner) = embassy_net::new(boards::start(), address(), RESOURCES.take(), seed);
    boards::run(|spawner| {
        spawner.spawn(defmt::unwrap!(network(runner)));
        start(spawner, stack);
    })
}

#[cfg(feature = "dhcp")]
fn address() -> Config {
    Config::dhcpv4(Default::default())
}

/// Waits until the network has an address, and says so when that takes long.
pub async fn has_address(stack: Stack<'_>) {
    while with_timeout(Duration::from_secs(10), stack.wait_config_up()).await.is_err() {
        defmt::warn!("no address: DHCP does not answer");
    }
}

/// In the network that `cargo firmware` gives to the emulator, where 127.0.0.1 is the host.
#[cfg(not(feature = "dhcp"))]
fn address() -> Config {
    use embassy_net::{Ipv4Address, Ipv4Cidr, StaticConfigV4};
    Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(Ipv4Address::new(127, 0, 0, 15), 24),
        gateway: Some(Ipv4Address::new(127, 0, 0, 1)),
        dns_servers: Default::default(),
    })
}

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, Mac>) -> ! {
    runner.run().await
}

/// Prints a record of the seed example and its headers.
pub fn print(record: &Record<'_>) {
    defmt::println!(
        "topic = {=str}:: partition = {=i32}:: key = {=str}:: value = {=str}",
        record.topic(),
        record.partition(),
        record.key_as().unwrap_or("not text"),
        record.value_as().unwrap_or("not text"),
    );
    for header in record.headers() {
        let value = header.value.and_then(|value| core::str::from_utf8(value).ok());
        defmt::println!("{=str}: {=str}", header.key_str(), value.unwrap_or_default());
    }
}

/// Says how much of the stack was ever used.
pub fn report_stack() {
    let (peak, size) = boards::stack_peak();
    defmt::info!("stack: {=usize} of {=usize} bytes", peak, size);
}

/// Ends the program.
pub fn end() -> ! {
    report_stack();
    host::exit(0)
}
