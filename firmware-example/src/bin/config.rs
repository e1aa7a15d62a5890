//! Settings in a compacted topic: at boot it is read to its end, so that the latest value of each is known, and then
//! followed. No group and no offsets: each start begins at the beginning.
#![no_std]
#![no_main]

use embassy_net::Stack;
use firmware::host;
use nanokafka::{Config, OffsetReset, Record, Resources, Seed, TopicPartition};
use nanokafka_embassy::{Consumer, Event, SocketBuffers, Tcp};
use static_cell::ConstStaticCell;

/// 1 partition, 2 connections, a window of 4 KB.
static RESOURCES: ConstStaticCell<Resources<1, 2, 4096>> = ConstStaticCell::new(Resources::new());
static CONTROL: ConstStaticCell<SocketBuffers<1024, 512>> = ConstStaticCell::new(SocketBuffers::new());
static FETCH: ConstStaticCell<[SocketBuffers<4096, 512>; 1]> = ConstStaticCell::new([SocketBuffers::new()]);

#[cortex_m_rt::entry]
fn main() -> ! {
    firmware::run(|spawner, stack| spawner.spawn(defmt::unwrap!(config(stack))))
}

#[derive(Clone, Copy, PartialEq, defmt::Format)]
struct Settings {
    interval_s: u32,
    threshold: u32,
}

const DEFAULTS: Settings = Settings { interval_s: 60, threshold: 100 };

impl Settings {
    /// A record's key is a setting's name, its value the number as text; without a value it is the default again.
    fn set(&mut self, record: &Record<'_>) {
        let (setting, default) = match record.key_as() {
            Ok("interval_s") => (&mut self.interval_s, DEFAULTS.interval_s),
            Ok("threshold") => (&mut self.threshold, DEFAULTS.threshold),
            // for another version of this firmware
            _ => return,
        };
        *setting = match record.value_as::<Option<&str>>().map(|value| value.map(str::parse)) {
            Ok(None) => default,
            Ok(Some(Ok(value))) => value,
            _ => return defmt::warn!("@{=i64} is no number", record.offset()),
        };
    }
}

#[embassy_executor::task]
async fn config(stack: Stack<'static>) {
    let config = Config::new(host::server()).enable_auto_commit(false).auto_offset_reset(OffsetReset::Earliest);
    firmware::has_address(stack).await;
    let tcp = Tcp::new(stack, CONTROL.take(), FETCH.take());
    let mut consumer =
        defmt::unwrap!(Consumer::new(RESOURCES.take().storage(), config, tcp, Seed::new(host::random())));
    defmt::unwrap!(consumer.assign(&[TopicPartition::new("settings", 0)]));
    let mut settings = DEFAULTS;
    let mut booted = false;
    loop {
        match consumer.poll().await {
            Ok(Event::Records(records)) => {
                let before = settings;
                records.for_each(|record| settings.set(&record));
                // at boot, older values pass by
                if booted && settings != before {
                    defmt::println!("now {}", settings);
                }
            }
            Ok(Event::EndOfPartition(_)) if !booted => {
                booted = true;
                defmt::println!("booted with {}", settings);
                firmware::report_stack();
            }
            Ok(_) => {}
            Err(error) if error.is_fatal() => defmt::panic!("{}", error),
            Err(error) => defmt::warn!("{}", error), // going on may help
        }
    }
}
