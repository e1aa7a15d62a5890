//! Events, owned.
use nanokafka::{Error, Event, Partitions, Tend};
use nanokafka_scripted::Record;

/// What a poll brought.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Seen {
    /// Of one partition.
    Records(String, i32, Vec<Record>),
    /// A record larger than the window: topic, partition, offset, value.
    Large(String, i32, i64, Vec<u8>),
    /// Topics and partitions.
    Assigned(Vec<(String, i32)>),
    /// Topics and partitions.
    Revoked(Vec<(String, i32)>),
    /// Topics and partitions.
    Lost(Vec<(String, i32)>),
    /// Topic and partition.
    End(String, i32),
    /// Of a `commit_async`.
    Committed(Result<(), Error>),
    /// What no scenario expects.
    Other,
}

fn owned(record: &nanokafka::Record<'_>) -> Record {
    Record {
        offset: record.offset(),
        timestamp: record.timestamp(),
        key: record.key().map(<[u8]>::to_vec),
        value: record.value().map(<[u8]>::to_vec),
        headers: record.headers().map(|h| (h.key_str().to_string(), h.value.map(<[u8]>::to_vec))).collect(),
    }
}

fn list(partitions: Partitions<'_>) -> Vec<(String, i32)> {
    partitions.map(|partition| (partition.topic.to_string(), partition.partition)).collect()
}

/// Takes an event whole. A large record's value needs the front end: the client reads it.
pub fn seen<IO: Tend>(event: Event<'_, IO>) -> Seen {
    match event {
        Event::Records(mut records) => {
            let (topic, partition) = (records.topic().to_string(), records.topic_partition().partition);
            Seen::Records(topic, partition, records.by_ref().map(|record| owned(&record)).collect())
        }
        Event::Assigned(partitions) => Seen::Assigned(list(partitions)),
        Event::Revoked(partitions) => Seen::Revoked(list(partitions)),
        Event::Lost(partitions) => Seen::Lost(list(partitions)),
        Event::EndOfPartition(partition) => Seen::End(partition.topic.to_string(), partition.partition),
        Event::CommitCompleted(result) => Seen::Committed(result),
        _ => Seen::Other,
    }
}
