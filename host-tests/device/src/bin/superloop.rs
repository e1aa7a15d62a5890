//! The superloop front end.
#![no_std]
#![no_main]
use core::task::Poll;
use nanokafka::{Config, Consumer, Error, Event, Seed, Superloop, TopicPartition, Transport};
#[cfg(feature = "group-sticky")]
use nanokafka::Assignor;
#[cfg(feature = "group-consumer")]
use nanokafka::GroupProtocol;
use nanokafka_device::{note, now, read, sink, storage, write, Mmio};
nanokafka_device::no_panic!();

#[no_mangle]
extern "C" fn _start() -> ! {
    loop {
        run(&mut Mmio::<0x4000_1000>);
    }
}

fn run<T: Transport>(net: &mut T) {
    let config = Config::new("192.168.1.1:9092").group_id("g");
    #[cfg(feature = "group-sticky")]
    let config = config.partition_assignment_strategy(match read(0x4000_0018) {
        0 => &[Assignor::RoundRobin, Assignor::Sticky],
        _ => &[Assignor::CooperativeSticky],
    });
    #[cfg(feature = "group-consumer")]
    let config = config.group_protocol(match read(0x4000_0010) {
        0 => GroupProtocol::Consumer,
        _ => GroupProtocol::Auto,
    });
    let Ok(mut consumer) = Consumer::<Superloop>::new(storage(), config, Superloop, Seed::new([3; 32])) else { return };
    #[cfg(feature = "pattern")]
    if read(0x4000_000c) == 1 {
        let _ = consumer.subscribe_pattern("sensors.*");
    }
    if cfg!(feature = "group") {
        let _ = consumer.subscribe(&["sensors"]);
    } else {
        let _ = consumer.assign(&[TopicPartition::new("sensors", 0), TopicPartition::new("sensors", 1)]);
    }
    while read(0x4000_0008) != 7 {
        match consumer.poll(now(), net) {
            Ok(Some(Event::Records(mut records))) => {
                while let Some(record) = records.next() {
                    sink(&record);
                    let _ = records.commit_async(&record);
                    let _ = records.keep_alive(now(), net);
                }
            }
            Ok(Some(Event::LargeRecord(mut record))) => {
                while let Poll::Ready(Ok(chunk @ [_, ..])) = record.chunk(now(), net) {
                    write(0x5000_0010, chunk.len() as u32);
                }
            }
            Ok(Some(event)) => note(&event),
            Ok(None) => write(0x5000_0014, consumer.next_timeout(now()).as_millis() as u32),
            Err(Error::Capacity(capacity)) => write(0x5000_0020, capacity.needed as u32),
            Err(_) => write(0x5000_0024, 1),
        }
    }
    while consumer.close(now(), net).is_pending() {}
}
