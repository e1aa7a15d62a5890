//! The events: one JSON object a line, in the form that Kafka's harness reads.

use nanokafka::Record;
use serde_json::{json, Value};
use std::io::{Result, Write};
use std::time::SystemTime;

/// Consecutive records of one partition.
#[derive(Clone, Copy, Debug)]
pub struct Consumed {
    pub partition: i32,
    pub count: usize,
    /// Of the first record.
    pub first: i64,
    /// Of the last one.
    pub last: i64,
}

/// The events of one consumer of one topic.
pub struct Events<'t, W> {
    out: W,
    topic: &'t str,
}

impl<'t, W: Write> Events<'t, W> {
    pub fn new(out: W, topic: &'t str) -> Self {
        Events { out, topic }
    }

    pub fn startup_complete(&mut self) -> Result<()> {
        self.put("startup_complete", json!({}))
    }

    pub fn shutdown_complete(&mut self) -> Result<()> {
        self.put("shutdown_complete", json!({}))
    }

    pub fn partitions_assigned(&mut self, partitions: &[i32]) -> Result<()> {
        self.put("partitions_assigned", json!({ "partitions": self.partitions(partitions) }))
    }

    pub fn partitions_revoked(&mut self, partitions: &[i32]) -> Result<()> {
        self.put("partitions_revoked", json!({ "partitions": self.partitions(partitions) }))
    }

    pub fn records_consumed(&mut self, consumed: Consumed) -> Result<()> {
        let Consumed { partition, count, first, last } = consumed;
        let topic = self.topic;
        let range =
            json!({ "topic": topic, "partition": partition, "count": count, "minOffset": first, "maxOffset": last });
        self.put("records_consumed", json!({ "count": count, "partitions": [range] }))
    }

    /// What is not UTF-8 is replaced.
    pub fn record_data(&mut self, record: &Record<'_>) -> Result<()> {
        let (key, value) = (record.key().map(String::from_utf8_lossy), record.value().map(String::from_utf8_lossy));
        let (partition, offset) = (record.partition(), record.offset());
        let topic = self.topic;
        self.put(
            "record_data",
            json!({ "topic": topic, "partition": partition, "key": key, "value": value, "offset": offset }),
        )
    }

    /// `offsets`: partitions and the offsets of the records that come next. An error makes it a failure.
    pub fn offsets_committed<'o>(
        &mut self,
        offsets: impl IntoIterator<Item = (&'o i32, &'o i64)>,
        error: Option<&str>,
    ) -> Result<()> {
        let topic = self.topic;
        let offset = |(partition, offset)| json!({ "topic": topic, "partition": partition, "offset": offset });
        let offsets: Vec<_> = offsets.into_iter().map(offset).collect();
        let mut event = json!({ "offsets": offsets, "success": error.is_none() });
        if let Some(error) = error {
            event["error"] = error.into();
        }
        self.put("offsets_committed", event)
    }

    fn partitions(&self, partitions: &[i32]) -> Vec<Value> {
        partitions.iter().map(|partition| json!({ "topic": self.topic, "partition": partition })).collect()
    }

    fn put(&mut self, name: &str, mut event: Value) -> Result<()> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        event["timestamp"] = (now.as_millis() as u64).into();
        event["name"] = name.into();
        writeln!(self.out, "{event}")?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `put` writes, without the time.
    fn written(put: impl FnOnce(&mut Events<'_, &mut Vec<u8>>) -> Result<()>) -> Value {
        let mut out = vec![];
        put(&mut Events::new(&mut out, "t")).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.find('\n'), Some(text.len() - 1), "one line: {text}");
        let mut event: Value = serde_json::from_str(&text).unwrap();
        let time = event.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(time.as_u64().unwrap() > 1_600_000_000_000, "milliseconds since 1970: {time}");
        event
    }

    #[test]
    fn events_have_the_fields_that_the_harness_reads() {
        assert_eq!(written(|e| e.startup_complete()), json!({ "name": "startup_complete" }));
        assert_eq!(written(|e| e.shutdown_complete()), json!({ "name": "shutdown_complete" }));
        assert_eq!(
            written(|e| e.partitions_assigned(&[0, 2])),
            json!({ "name": "partitions_assigned",
                "partitions": [{ "topic": "t", "partition": 0 }, { "topic": "t", "partition": 2 }] })
        );
        assert_eq!(
            written(|e| e.partitions_revoked(&[1])),
            json!({ "name": "partitions_revoked", "partitions": [{ "topic": "t", "partition": 1 }] })
        );
        assert_eq!(
            written(|e| e.records_consumed(Consumed { partition: 1, count: 3, first: 7, last: 10 })),
            json!({ "name": "records_consumed", "count": 3,
                "partitions": [{ "topic": "t", "partition": 1, "count": 3, "minOffset": 7, "maxOffset": 10 }] })
        );
    }

    #[test]
    fn an_empty_assignment_is_an_empty_list() {
        assert_eq!(written(|e| e.partitions_assigned(&[])), json!({ "name": "partitions_assigned", "partitions": [] }));
    }

    #[test]
    fn a_commit_has_an_error_only_when_it_failed() {
        let offsets = json!([{ "topic": "t", "partition": 1, "offset": 11 }]);
        assert_eq!(
            written(|e| e.offsets_committed([(&1, &11)], None)),
            json!({ "name": "offsets_committed", "offsets": offsets, "success": true })
        );
        assert_eq!(
            written(|e| e.offsets_committed([(&1, &11)], Some("why"))),
            json!({ "name": "offsets_committed", "offsets": offsets, "success": false, "error": "why" })
        );
    }
}
