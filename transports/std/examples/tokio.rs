//! Prints a topic until Ctrl-C: `cargo run -p nanokafka-std --features tokio --example tokio HOST:PORT TOPIC`
use nanokafka::{Config, Error, OffsetReset, Seed, Storage};
use nanokafka_std::tokio::{Consumer, Event, Tcp};

async fn consume(bootstrap: String, topic: String, seed: Seed) -> Result<(), Error> {
    let config = Config::new(&bootstrap).group_id("store").auto_offset_reset(OffsetReset::Earliest);
    let mut consumer = Consumer::new(Storage::boxed(64, 2, 65_536), config, Tcp::new(2), seed)?;
    consumer.subscribe(&[&topic])?;
    loop {
        match tokio::select! { event = consumer.poll() => event, _ = tokio::signal::ctrl_c() => break } {
            Ok(Event::Records(mut records)) => {
                while let Some(record) = records.next() {
                    let work = async { println!("@{}: {:?}", record.offset(), record.value_as::<&str>()) };
                    records.keep_alive(work).await; // as slow as it likes: heartbeats go on
                    records.commit_sync(&record).await.unwrap_or_else(|error| eprintln!("{error}"));
                    // it comes again
                }
            }
            Ok(_) => {} // partitions come and go; a record larger than the window would be read here
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => eprintln!("{error}"), // going on may help
        }
    }
    consumer.close().await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (bootstrap, topic) = std::env::args().nth(1).zip(std::env::args().nth(2)).ok_or("usage: HOST:PORT TOPIC")?;
    Ok(tokio::spawn(consume(bootstrap, topic, Seed::from_os()?)).await??)
}
