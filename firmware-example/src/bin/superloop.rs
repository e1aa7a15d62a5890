//! The seed example without an executor: plain smoltcp, and a loop that sleeps until a frame comes or something is due.
#![no_std]
#![no_main]

use core::net::Ipv4Addr;
use core::task::Poll;
use core::time::Duration;
use firmware::boards::{self, Mac};
use firmware::host;
use nanokafka::{Config, Error, Instant, OffsetReset, Resources, Seed, Superloop};
use nanokafka_smoltcp::{Connections, Consumer, Event, Net};
use smoltcp::iface::{self, Interface, SocketSet, SocketStorage};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::wire::{EthernetAddress, IpCidr};
use static_cell::{ConstStaticCell, StaticCell};

/// 4 partitions, 2 connections, a window of 4 KB.
static RESOURCES: ConstStaticCell<Resources<4, 2, 4096>> = ConstStaticCell::new(Resources::new());
// not all zero: a `ConstStaticCell` would lie in flash as well
static INTERFACE: StaticCell<Interface> = StaticCell::new();
static SOCKETS: StaticCell<[SocketStorage<'static>; 2]> = StaticCell::new();
static CONTROL: ConstStaticCell<([u8; 1024], [u8; 512])> = ConstStaticCell::new(([0; 1024], [0; 512]));
static FETCH: ConstStaticCell<([u8; 4096], [u8; 512])> = ConstStaticCell::new(([0; 4096], [0; 512]));

#[cortex_m_rt::entry]
fn main() -> ! {
    let Network { mut device, interface, mut sockets, mut connections } = network();
    let mut net = connections.on(interface, &mut device, &mut sockets);

    let config = Config::new(host::server())
        .group_id("topic-04_group")
        .session_timeout(Duration::from_secs(10))
        .auto_offset_reset(OffsetReset::Earliest);
    let storage = RESOURCES.take().storage();
    let mut consumer = defmt::unwrap!(Consumer::new(storage, config, Superloop, Seed::new(host::random())));
    defmt::unwrap!(consumer.subscribe(&["topic-04"]));
    let mut unread = 0b1111;
    while unread != 0 {
        match turn(&mut consumer, &mut net, &mut unread) {
            Ok(()) => {}
            Err(error) if error.is_fatal() => defmt::panic!("{}", error),
            Err(error) => defmt::warn!("{}", error),
        }
    }
    defmt::unwrap!(wait(&mut consumer, &mut net, |consumer, now, net| consumer.commit_sync(now, net)));
    defmt::info!("committed");
    defmt::unwrap!(wait(&mut consumer, &mut net, |consumer, now, net| consumer.close(now, net)));
    firmware::end()
}

type Lent<'n> = Net<'n, 'static, Mac>;

/// What a loop lends to the consumer.
struct Network {
    device: Mac,
    interface: &'static mut Interface,
    sockets: SocketSet<'static>,
    connections: Connections<2>,
}

/// Not inlined: what is moved into statics here would lie on the stack for good.
#[inline(never)]
fn network() -> Network {
    let mut device = boards::start();
    let hardware = iface::Config::new(EthernetAddress(device.address()).into());
    let interface = INTERFACE.init_with(|| Interface::new(hardware, &mut device, smoltcp::time::Instant::ZERO));
    // in the network that `cargo firmware` gives to the emulator, where 127.0.0.1 is the host
    let own = IpCidr::new(Ipv4Addr::new(127, 0, 0, 15).into(), 24);
    interface.update_ip_addrs(|addresses| defmt::unwrap!(addresses.push(own).ok()));
    defmt::unwrap!(interface.routes_mut().add_default_ipv4_route(Ipv4Addr::LOCALHOST).ok());

    let mut sockets = SocketSet::new(&mut SOCKETS.init_with(|| [SocketStorage::EMPTY; 2])[..]);
    let mut socket = |rx: &'static mut [u8], tx: &'static mut [u8]| {
        sockets.add(Socket::new(SocketBuffer::new(rx), SocketBuffer::new(tx)))
    };
    let (control, fetch) = (CONTROL.take(), FETCH.take());
    let handles = [socket(&mut control.0, &mut control.1), socket(&mut fetch.0, &mut fetch.1)];
    let connections = Connections::new(handles, u16::from_le_bytes(host::random()));
    Network { device, interface, sockets, connections }
}

/// One event, or a sleep. `unread` has a bit for each partition.
fn turn(consumer: &mut Consumer<'_>, net: &mut Lent<'_>, unread: &mut u32) -> Result<(), Error> {
    let now = uptime();
    match net.turn(now, |net| consumer.poll(now, net))? {
        Some(Event::Assigned(partitions)) => partitions.for_each(|partition| defmt::info!("assigned: {}", partition)),
        Some(Event::Records(records)) => records.for_each(|record| firmware::print(&record)),
        Some(Event::EndOfPartition(end)) => *unread &= !(1 << end.partition),
        Some(_) => {}
        None => sleep(net, now, consumer.next_timeout(now)),
    }
    Ok(())
}

/// Calls it until it is ready.
fn wait<R>(
    consumer: &mut Consumer<'_>,
    net: &mut Lent<'_>,
    mut call: impl FnMut(&mut Consumer<'_>, Instant, &mut Lent<'_>) -> Poll<R>,
) -> R {
    loop {
        let now = uptime();
        if let Poll::Ready(result) = net.turn(now, |net| call(consumer, now, net)) {
            return result;
        }
        sleep(net, now, consumer.next_timeout(now));
    }
}

fn sleep(net: &mut Lent<'_>, now: Instant, timeout: Instant) {
    let at = Duration::from_millis(now.as_millis()).saturating_add(net.poll_delay(now, timeout));
    boards::sleep_until(u64::try_from(at.as_micros()).unwrap_or(u64::MAX));
}

fn uptime() -> Instant {
    Instant::from_millis(boards::micros() / 1000)
}
