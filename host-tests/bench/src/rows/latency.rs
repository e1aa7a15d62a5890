//! From `send` to the application, one record every 10 ms.

use crate::broker::Broker;
use crate::programs::{Answer, Who};
use crate::table::{median, Row};
use crate::Error;
use nanokafka_bench::tasks::now;
use nanokafka_brokers::mock::{Producer, Record};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const TOPIC: &str = "latency";
const RUNS: usize = 15;
const INTERVAL: Duration = Duration::from_millis(10);

pub fn run(broker: &mut Broker) -> Result<Vec<Row>, Error> {
    broker.create(TOPIC, 1)?;
    let producer = broker.producer(&[("linger.ms", "0")])?;
    let options = format!("bootstrap={} topic={TOPIC} start=latest single=true", broker.bootstrap()?);
    let stop = AtomicBool::new(false);
    let [mut ours, mut theirs] = [const { vec![] }; 2];
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                send(&producer).map_err(|error| error.to_string())?;
                std::thread::sleep(INTERVAL);
            }
            Ok::<_, String>(())
        });
        let runs = (0..=RUNS).try_for_each(|run| {
            let mut clients = [(Who::Nanokafka, &mut ours), (Who::Librdkafka, &mut theirs)];
            if run % 2 == 1 {
                clients.reverse(); // neither always finds the broker in the state in which the other has left it
            }
            for (who, answers) in clients {
                let answer = who.run("latency", &options)?;
                // it becomes quicker in its first seconds
                if run > 0 {
                    answers.push(answer);
                }
            }
            Ok::<_, Error>(())
        });
        stop.store(true, Ordering::Relaxed);
        sender.join().map_err(|_| "the producer panicked")??;
        runs
    })?;
    let mut rows = vec![];
    for (percentile, limit) in [("p50", 1.0), ("p99", 1.1)] {
        let of = |runs: &[Answer]| {
            let milliseconds = runs.iter().map(|run| run.number(percentile).map(|micros| micros / 1000.0));
            milliseconds.collect::<Result<Vec<_>, _>>()
        };
        let (ours, theirs) = (of(&ours)?, of(&theirs)?);
        // of each pair, between which the broker has hardly changed
        let ratio = median(ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect());
        let figure = "real Kafka, 100 records/s: produce to delivery over librdkafka's poll";
        let measured = format!("{ratio:.2} ({:.2} ms / {:.2} ms)", median(ours), median(theirs));
        rows.push(Row::limited(figure, percentile, ratio, limit, measured));
    }
    Ok(rows)
}

/// A record that says when it was sent.
fn send(producer: &Producer) -> Result<(), Error> {
    let mut value = [b'x'; 100];
    value[..8].copy_from_slice(&now().to_be_bytes());
    producer.send(&Record { topic: TOPIC, value: Some(&value), ..Record::default() })?;
    Ok(())
}
