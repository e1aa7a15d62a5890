//! Prints a partition from its beginning, over a TAP device of Linux in place of a network chip. The device, once, as root:
//!
//! ```text
//! ip tuntap add name tap0 mode tap user $USER; ip addr add 192.168.69.100/24 dev tap0; ip link set tap0 up
//! cargo run -p nanokafka-smoltcp --example tap 192.168.69.100:9092 readings
//! ```
//! The broker must listen at, and advertise, an address that 192.168.69.1 can reach.
use nanokafka::{Config, Instant, OffsetReset, Resources, Seed, Superloop, TopicPartition};
use nanokafka_smoltcp::{Connections, Consumer, Event};
use smoltcp::iface::{Interface, SocketSet, SocketStorage};
use smoltcp::phy::{wait, Medium, TunTapInterface};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, Ipv4Address};
use std::os::fd::AsRawFd;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(broker), Some(topic)) = (arguments.next(), arguments.next()) else { return Err("BROKER TOPIC".into()) };
    let start = std::time::Instant::now();
    let uptime = || Instant::from_millis(start.elapsed().as_millis() as u64);
    let random = [7; 32]; // from the chip's generator, on a device

    let mut device = TunTapInterface::new("tap0", Medium::Ethernet)?;
    let hardware = smoltcp::iface::Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]).into());
    let mut interface = Interface::new(hardware, &mut device, smoltcp::time::Instant::ZERO);
    interface.update_ip_addrs(|own| own.push(IpCidr::new(IpAddress::v4(192, 168, 69, 1), 24)).expect("room for one"));
    interface.routes_mut().add_default_ipv4_route(Ipv4Address::new(192, 168, 69, 100))?;

    let (mut receive, mut send) = ([[0; 4096]; 2], [[0; 512]; 2]);
    let mut storage = [SocketStorage::EMPTY; 2];
    let mut sockets = SocketSet::new(&mut storage[..]);
    let mut buffers = receive.iter_mut().zip(&mut send);
    let handles = [(); 2].map(|()| {
        let (receive, send) = buffers.next().expect("two of each");
        sockets.add(Socket::new(SocketBuffer::new(&mut receive[..]), SocketBuffer::new(&mut send[..])))
    });
    let mut connections = Connections::new(handles, u16::from_le_bytes([random[0], random[1]]));
    let mut net = connections.on(&mut interface, &mut device, &mut sockets);

    let mut memory = Resources::<8, 2, 4096>::new();
    let config = Config::new(&broker).auto_offset_reset(OffsetReset::Earliest);
    let mut consumer: Consumer = Consumer::new(memory.storage(), config, Superloop, Seed::new(random))?;
    consumer.assign(&[TopicPartition::new(&topic, 0)])?;
    loop {
        let now = uptime();
        match net.turn(now, |net| consumer.poll(now, net)) {
            Ok(Some(Event::Records(records))) => {
                records.for_each(|record| println!("{}: {:?}", record.offset(), record.value_as::<&str>()));
            }
            Ok(Some(_)) => {}
            Ok(None) => {
                let delay = net.poll_delay(now, consumer.next_timeout(now));
                wait(net.device.as_raw_fd(), Some(delay.into()))?;
            }
            Err(error) if error.is_fatal() => return Err(error.into()),
            Err(error) => eprintln!("{error}"),
        }
    }
}
