//! The board without Kafka: 1 MB to a server that sends it back. What this has of flash and RAM is what a consumer comes on top of.
#![no_std]
#![no_main]

use core::net::SocketAddrV4;
use embassy_executor::Spawner;
use embassy_futures::join::join;
use embassy_net::tcp::TcpSocket;
use embassy_net::{IpEndpoint, Stack};
use embassy_time::Instant;
use firmware::host;

const BYTES: usize = 1_000_000;

#[cortex_m_rt::entry]
fn main() -> ! {
    firmware::run(|spawner: Spawner, stack| spawner.spawn(defmt::unwrap!(echo(stack))))
}

#[embassy_executor::task]
async fn echo(stack: Stack<'static>) {
    firmware::has_address(stack).await;
    let (mut receive, mut send) = ([0; 2048], [0; 1024]);
    let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
    let server: SocketAddrV4 = defmt::unwrap!(host::server().parse().ok(), "an IPv4 address and a port");
    let begin = Instant::now();
    defmt::unwrap!(socket.connect(IpEndpoint::from(server)).await);
    defmt::info!("connected in {=u64} us", begin.elapsed().as_micros());

    let (mut reader, mut writer) = socket.split();
    let send = async {
        let mut sent = 0;
        while sent < BYTES {
            let chunk: [u8; 256] = core::array::from_fn(|i| (sent + i) as u8 ^ ((sent + i) >> 8) as u8);
            sent += defmt::unwrap!(writer.write(&chunk[..chunk.len().min(BYTES - sent)]).await);
        }
    };
    let receive = async {
        let mut received = 0;
        let mut buffer = [0; 256];
        while received < BYTES {
            let count = defmt::unwrap!(reader.read(&mut buffer).await);
            defmt::assert!(count > 0, "the server ends before it has sent all back");
            for &byte in &buffer[..count] {
                defmt::assert_eq!(byte, received as u8 ^ (received >> 8) as u8);
                received += 1;
            }
        }
    };
    join(send, receive).await;
    defmt::println!("{=usize} bytes there and back in {=u64} us", BYTES, begin.elapsed().as_micros());
    firmware::end()
}
