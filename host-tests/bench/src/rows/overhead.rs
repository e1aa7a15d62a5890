//! What is received beside the log itself: answers' heads, and batches that were cut and come again.

use crate::broker::Broker;
use crate::programs::Who;
use crate::table::Row;
use crate::Error;

const RECORDS: usize = 100_000;

pub fn run(broker: &mut Broker) -> Result<Vec<Row>, Error> {
    let mut rows = vec![];
    let fetch = 1 << 20;
    for (partitions, called, limit) in [(1, "1 partition", 1.02), (64, "64 partitions", 1.05)] {
        let topic = broker.topic(partitions, 1000, RECORDS)?;
        let log = broker.log_bytes(&topic)? as f64;
        for (window, window_called) in [(4096, "4 KB"), (1 << 20, "1 MB")] {
            let bootstrap = broker.bootstrap()?;
            let options = format!("bootstrap={bootstrap} topic={topic} partitions={partitions} records={RECORDS}");
            let answer = Who::Nanokafka.run("read", &format!("{options} window={window} fetch={fetch} meter=true"))?;
            let missing = RECORDS as f64 - answer.number("records")?;
            if missing > 0.0 {
                return Err(format!("{missing} of {RECORDS} records did not come").into());
            }
            let received = answer.number("received")?;
            let case = format!("{called}, {window_called} window");
            let figure = "real Kafka, log of 100 MB, 1 MB fetches: bytes received over the log's";
            rows.push(Row::limited(figure, case, received / log, limit, format!("{:.4}", received / log)));
        }
    }
    Ok(rows)
}
