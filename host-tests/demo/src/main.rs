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
}
