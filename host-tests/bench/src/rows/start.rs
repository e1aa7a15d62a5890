//! From nothing to the first record, through a group that nobody else is in.

use crate::broker::Broker;
use crate::programs::Who;
use crate::table::{median, Row};
use crate::Error;

const RUNS: usize = 5;

pub fn run(broker: &mut Broker) -> Result<Vec<Row>, Error> {
    let topic = broker.topic(1, 100, 1000)?;
    let options = format!("bootstrap={} topic={topic} single=true", broker.bootstrap()?);
    let milliseconds = |who: Who, group: String| {
        Ok::<_, Error>(who.run("first", &format!("{options} group={group}"))?.number("wall")? / 1000.0)
    };
    let (mut ours, mut theirs) = (vec![], vec![]);
    for run in 0..RUNS {
        ours.push(milliseconds(Who::Nanokafka, format!("ours-{run}"))?);
        theirs.push(milliseconds(Who::Librdkafka, format!("theirs-{run}"))?);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let figure = "real Kafka: start to first record through a group, over librdkafka's";
    let measured = format!("{:.3} ({ours:.1} ms / {theirs:.1} ms)", ours / theirs);
    Ok(vec![Row::limited(figure, "", ours / theirs, 0.1, measured)])
}
