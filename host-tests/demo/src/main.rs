<<<<<<< HEAD
//! `cargo demo`: nanokafka's seed example, on an embedded broker, a real one, or yours. `cargo demo -- --help` says more.

mod args;
mod broker;
mod failure;
mod names;
mod parts;
mod produce;
mod topics;

use args::Args;
use broker::Broker;
use failure::Failure;
use names::Names;
use produce::Producer;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let args = match args::parse(std::env::args().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            println!("{}", args::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("{why}: see cargo demo -- --help");
            return ExitCode::from(2);
        }
    };
    let start = Instant::now();
    match run(&args) {
        Ok(()) => {
            eprintln!("\nall four parts did as they should, in {:.2} s", start.elapsed().as_secs_f32());
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("\n{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    let names = Names::new(args.fresh);
    let broker = Broker::start(&args.broker)?;
    let bootstrap = broker.bootstrap();
    let producer = Producer::new(bootstrap)?;

    let (topic, group) = (names.of("topic-04"), names.of("topic-04_group"));
    eprintln!("\n1. subscribe: {topic}, group {group}");
    broker.create_topic(&topic, 4)?;
    producer.four_records(&topic)?;
    parts::subscribe::run(bootstrap, &topic, &group)?;

    let assigned = names.of("topic-partition-04");
    eprintln!("\n2. assign: {assigned}, two consumers");
    broker.create_topic(&assigned, 4)?;
    producer.four_records(&assigned)?;
    let groups = ["topic-partition_01", "topic-partition_23"].map(|group| names.of(group));
    parts::assign::run(bootstrap, &assigned, &groups)?;

    eprintln!("\n3. it remembers: a new consumer in {group}");
    parts::remember::run(bootstrap, &topic, &group)?;

    let large = names.of("topic-large-01");
    eprintln!("\n4. it fits: {large} through a window of 4 KB");
    broker.create_topic(&large, 1)?;
    parts::fit::run(bootstrap, &large, &producer)
=======
//! smoke
use nanokafka::*;
use nanokafka_std::blocking::{Consumer, Tcp};
use std::time::{Duration, Instant as T};
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mode = std::env::args().nth(1).unwrap();
    let (b, _keep): (String, Box<dyn std::any::Any>) = if mode == "mock" {
        let mock = nanokafka_brokers::mock::Mock::start(1)?;
        mock.create_topic("topic-04", 4)?;
        for i in 0..4 {
            mock.producer().send(&nanokafka_brokers::mock::Record {
                topic: "topic-04",
                partition: i,
                key: Some(b"key"),
                value: Some(b"value"),
                ..Default::default()
            })?;
        }
        mock.producer().flush()?;
        (mock.bootstrap(), Box::new(mock))
    } else {
        let k = nanokafka_brokers::Kafka::single()?;
        k.admin("create topic-04 4 1")?;
        k.admin("producer p")?;
        for i in 0..4 {
            k.admin(&format!("send p topic-04 {i} 3 20"))?;
        }
        (k.bootstrap().to_owned(), Box::new(k))
    };
    let assign = std::env::args().nth(2).as_deref() == Some("assign");
    let mut config = Config::new(&b).auto_offset_reset(OffsetReset::Earliest).session_timeout(Duration::from_secs(10));
    if !assign {
        config = config.group_id("g");
    }
    let t = T::now();
    let mut c = Consumer::new(Storage::boxed(8, 2, 4096), config, Tcp::new(2)?, Seed::from_os()?)?;
    if assign {
        c.assign(&[TopicPartition::new("topic-04", 0), TopicPartition::new("topic-04", 2)])?;
    } else {
        c.subscribe(&["topic-04"])?;
    }
    let end = T::now() + Duration::from_secs(5);
    while T::now() < end {
        match c.poll(Duration::from_millis(500)) {
            Ok(Some(Event::Records(records))) => {
                for r in records {
                    println!(
                        "{:?} {}-{} @{} {:?}",
                        t.elapsed(),
                        r.topic(),
                        r.partition(),
                        r.offset(),
                        r.value().map(String::from_utf8_lossy)
                    );
                }
            }
            Ok(Some(Event::Assigned(p))) => println!("{:?} assigned {p:?}", t.elapsed()),
            Ok(Some(Event::EndOfPartition(p))) => println!("end {p}"),
            Ok(Some(_)) => println!("other"),
            Ok(None) => println!("{:?} nothing", t.elapsed()),
            Err(e) => println!("{:?} error {e}", t.elapsed()),
        }
    }
    if !assign {
        c.commit_sync()?;
        let mut o = [PartitionOffset::new("topic-04", 0), PartitionOffset::new("topic-04", 3)];
        c.committed(&mut o)?;
        println!("{o:?}");
    }
    let mut o = [PartitionOffset::new("topic-04", 0)];
    c.end_offsets(&mut o)?;
    println!("{o:?}");
    println!("close {:?}", c.close());
    Ok(())
>>>>>>> real
}
