//! Large things through a small window, slow and broken links, brokers that die, others in the group.

use crate::harness::{kafka, prints, says, Device, PATIENCE};
use crate::programs::{assert_readings, produce_readings};
use nanokafka::{Config, OffsetReset, Seed, Storage};
use nanokafka_brokers::mock::{Producer, Record};
use nanokafka_brokers::{Cluster, RELEASE};
use nanokafka_firmware::{noise, App, Board, Broker, Cable, Emulator, Image};
use nanokafka_std::blocking::{Consumer, Event, Tcp};
use sha2::{Digest, Sha256};
use std::io::{Error, Result};
use std::time::{Duration, Instant};

/// What was produced to a partition of `everything`, digested as the program `digest` does.
#[derive(Clone, Default)]
struct Partition {
    records: u32,
    digest: Sha256,
}

impl Partition {
    fn send(&mut self, producer: &Producer, partition: i32, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<()> {
        let record = Record { topic: "everything", partition, key, value, ..Record::default() };
        producer.send(&record).map_err(Error::other)?;
        self.digest.update(i64::from(self.records).to_be_bytes());
        for field in [key, value] {
            self.digest.update(field.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
            self.digest.update(field.unwrap_or_default());
        }
        self.records += 1;
        Ok(())
    }

    fn line(&self, partition: usize) -> String {
        let digest: Vec<_> = self.digest.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{partition}: {} records, [{}]", self.records, digest.join(", "))
    }
}

/// Reads until each partition's digest is this.
fn digests(emulator: &mut Emulator, partitions: &[Partition; 4]) -> Result<()> {
    let mut missing: Vec<_> = partitions.iter().enumerate().map(|(number, partition)| partition.line(number)).collect();
    while !missing.is_empty() {
        let line = prints(emulator, 1)?.concat();
        // an end may be reached before the last record is there
        missing.retain(|wanted| *wanted != line);
    }
    Ok(())
}

#[test]
fn ten_thousand_records_are_what_was_produced_also_with_20_ms_of_latency() -> Result<()> {
    let broker = kafka()?;
    broker.create_topic("everything", 4, &[])?;
    let producer = broker.producer(&[("enable.idempotence", "true"), ("linger.ms", "5")])?;
    let mut partitions: [Partition; 4] = Default::default();
    let noise = noise(1_000);
    let mut bytes = 0;
    for i in 0..10_000 {
        let key = [None, Some(&b""[..]), Some(&noise[..i % 40])][i % 3];
        let value = Some(&noise[..i * 7 % 300]).filter(|_| i % 50 > 0);
        bytes += value.map_or(0, <[u8]>::len);
        partitions[i % 4].send(&producer, i as i32 % 4, key, value)?;
    }
    producer.flush().map_err(Error::other)?;
    let [near, far] = Board::ALL;
    digests(&mut Device::new("digest", near, broker.address()?)?.power_on()?, &partitions)?;

    let latency = Duration::from_millis(20);
    let mut emulator =
        Device::new("digest", far, broker.address()?)?.connected(Cable { latency, ..Cable::default() })?;
    let start = Instant::now();
    digests(&mut emulator, &partitions)?;
    // 4 KB, the socket's buffer, for each round trip. A frame waits for half an interval on average.
    let least = latency / 2 * (bytes / 4096) as u32;
    assert!(start.elapsed() > least, "{:?}, without the latency?", start.elapsed());
    Ok(())
}

#[test]
fn a_batch_of_10_mb_and_a_record_of_5_mb_pass_through_a_window_of_4_kb() -> Result<()> {
    let broker = kafka()?;
    broker.create_topic("everything", 4, &[("max.message.bytes", "12000000")])?;
    let one_batch = [("batch.num.messages", "1000"), ("batch.size", "12000000"), ("message.max.bytes", "12000000")];
    let producer = broker.producer(&[&one_batch[..], &[("linger.ms", "5000")]].concat())?;
    let mut partitions: [Partition; 4] = Default::default();
    let noise = noise(5_000_000);
    // that it is one batch shows where it may not be one
    broker.create_topic("small", 1, &[("max.message.bytes", "10000000")])?;
    for i in 0..1_000 {
        let value = Some(&noise[i..][..10_400]);
        partitions[0].send(&producer, 0, None, value)?;
        let copy = Record { topic: "small", value, ..Record::default() };
        producer.send(&copy).map_err(Error::other)?;
    }
    let error = producer.flush().expect_err("a batch of 10 MB is too large for `small`").to_string();
    assert!(error.contains("too large"), "{error}");
    partitions[1].send(&producer, 1, Some(b"image"), Some(&noise))?;
    producer.flush().map_err(Error::other)?;
    for board in Board::ALL {
        digests(&mut Device::new("digest", board, broker.address()?)?.power_on()?, &partitions)?;
    }
    Ok(())
}

/// As its users see it: a gateway and a device share the work.
#[test]
fn a_board_and_a_host_share_a_group() -> Result<()> {
    let broker = kafka()?;
    App::Subscribe.prepare(&broker)?;
    let mut board = Device::new("subscribe", Board::Lm3s6965evb, broker.address()?)?.power_on()?;
    assert_readings(&prints(&mut board, 8)?, 0..8);

    let bootstrap = broker.bootstrap();
    let config = Config::new(&bootstrap)
        .group_id("readings_display")
        .session_timeout(Duration::from_secs(30))
        .auto_offset_reset(OffsetReset::Earliest);
    let seed = Seed::from_os()?;
    let mut host = Consumer::new(Storage::boxed(4, 2, 4096), config, Tcp::new(2)?, seed).map_err(Error::other)?;
    host.subscribe(&["readings"]).map_err(Error::other)?;
    let mut assigned = 0;
    let mut on_the_host = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    let mut poll = |count: usize, assigned: &mut usize| -> Result<Vec<String>> {
        while *assigned < 2 || on_the_host.len() < count {
            assert!(Instant::now() < deadline, "{assigned} partitions, {on_the_host:?}");
            match host.poll(Duration::from_millis(200)).map_err(Error::other)? {
                Some(Event::Assigned(partitions)) => *assigned += partitions.count(),
                Some(Event::Records(records)) => on_the_host.extend(records.map(|record| {
                    let value: &str = record.value_as().expect("text");
                    format!("readings-{} @{}: {value}", record.partition(), record.offset())
                })),
                _ => {}
            }
        }
        Ok(on_the_host.clone())
    };
    poll(0, &mut assigned)?;
    for _ in 0..2 {
        board.until(PATIENCE, says("assigned: "))?;
    }
    produce_readings(&broker, 8..24)?;
    let on_the_board = prints(&mut board, 8)?;
    let on_the_host = poll(8, &mut assigned)?;
    assert_eq!(assigned, 2);
    assert_readings(&[on_the_board, on_the_host].concat(), 8..24);
    Ok(())
}

#[test]
fn a_broker_that_is_killed_and_comes_back_is_found_again() -> Result<()> {
    let mut cluster = Cluster::start(1, RELEASE, &[])?;
    let broker = Broker::Running(cluster.bootstrap().to_owned());
    App::Subscribe.prepare(&broker)?;
    let mut boards = Vec::new();
    let mut board = Device::new("subscribe", Board::Lm3s6965evb, broker.address()?)?.power_on()?;
    assert_readings(&prints(&mut board, 8)?, 0..8);
    boards.push(board);
    // its last commit is answered before the end of the partition is told
    boards[0].until(PATIENCE, says("stack: "))?;
    for round in 1..3 {
        cluster.kill(1)?;
        std::thread::sleep(Duration::from_secs(3));
        cluster.restart(1)?;
        produce_readings(&broker, 8 * round..8 * round + 8)?;
        assert_readings(&prints(&mut boards[0], 8)?, 8 * round..8 * round + 8);
        boards[0].until(PATIENCE, says("stack: "))?;
    }
    Ok(())
}

/// The consumer's clock has 64 bits and never wraps; what does is the board's counter of microseconds, which is full at the
/// same moment as 32 bits of milliseconds would be.
#[test]
fn nothing_happens_when_32_bits_of_milliseconds_are_full() -> Result<()> {
    for board in Board::ALL {
        let broker = kafka()?;
        broker.create_topic("readings", 4, &[])?;
        let mut device = Device::new("subscribe", board, broker.address()?)?;
        device.image = Image::build("subscribe", board, &["wrap"])?;
        let mut emulator = device.power_on()?;
        emulator.until(PATIENCE, says("stack: "))?;
        let mut times = Vec::new();
        while times.last().is_none_or(|&time| time < 4_294_967.3 + 5.0) {
            produce_readings(&broker, times.len()..times.len() + 1)?;
            let sent = Instant::now();
            let lines = emulator.until(PATIENCE, |line| line.level.is_none())?;
            assert!(sent.elapsed() < Duration::from_secs(2), "{:?}", sent.elapsed());
            assert!(
                !lines.iter().any(|line| line.text.starts_with("lost") || line.text.starts_with("group")),
                "{lines:#?}"
            );
            times.push(lines[lines.len() - 1].time.parse::<f64>().expect("a number of seconds"));
            assert!(times.is_sorted(), "{times:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
        assert!(times[0] < 4_294_967.0, "too late: {}", times[0]);
    }
    Ok(())
}
