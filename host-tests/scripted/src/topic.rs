//! Topics and partitions as a test holds them.
use crate::batch::{Batch, Record};
use crate::control::Cluster;
use crate::log::Partition as Log;

/// A topic.
#[derive(Clone)]
pub struct Topic {
    cluster: Cluster,
    name: String,
}

impl Topic {
    pub(crate) fn new(cluster: Cluster, name: &str) -> Self {
        Topic { cluster, name: name.into() }
    }

    /// Appends to a partition.
    pub fn append(&self, partition: i32, batch: Batch) -> &Self {
        self.partition(partition).append(batch);
        self
    }

    /// One of its partitions.
    pub fn partition(&self, partition: i32) -> Partition {
        self.cluster.partition(&self.name, partition)
    }
}

/// A partition.
#[derive(Clone)]
pub struct Partition {
    cluster: Cluster,
    topic: String,
    partition: i32,
}

impl Partition {
    pub(crate) fn new(cluster: Cluster, topic: &str, partition: i32) -> Self {
        Partition { cluster, topic: topic.into(), partition }
    }

    fn change<R>(&self, change: impl FnOnce(&mut Log) -> R) -> R {
        self.cluster.with(|state| state.change(&self.topic, self.partition, change))
    }

    fn look<R>(&self, look: impl FnOnce(&Log) -> R) -> R {
        let state = self.cluster.state();
        let log = state.partition(&self.topic, self.partition);
        look(log.unwrap_or_else(|| panic!("there is no partition {}-{}", self.topic, self.partition)))
    }

    /// Appends a batch; where it begins.
    pub fn append(&self, batch: Batch) -> i64 {
        self.change(|log| log.append(&batch))
    }

    /// Appends batches of magic 2 as they are, offsets and epochs included; what is in them does not count as expected.
    pub fn append_encoded(&self, batches: impl AsRef<[u8]>) -> &Self {
        self.change(|log| log.append_encoded(batches.as_ref()));
        self
    }

    /// Begins a new segment: no Fetch answer crosses from one into the next.
    pub fn roll(&self) -> &Self {
        self.change(Log::roll);
        self
    }

    /// DeleteRecords or retention: the first offset that can be read. Batches that contain it stay whole.
    pub fn delete_before(&self, offset: i64) -> &Self {
        self.change(|log| {
            log.log_start = offset;
            log.end = log.end.max(offset);
            log.batches.retain(|batch| batch.last >= offset);
        });
        self
    }

    /// Holds the high watermark back, or lets it follow the log's end again.
    pub fn hold_high_watermark(&self, offset: Option<i64>) -> &Self {
        self.change(|log| log.held_high_watermark = offset);
        self
    }

    /// Loses everything from `offset` on (a batch that contains it goes whole) as an unclean election does: the leader stays
    /// or changes, its epoch rises.
    pub fn truncate(&self, offset: i64, leader: i32) -> &Self {
        self.change(|log| {
            log.truncate(offset);
            log.elect(leader);
        });
        self
    }

    /// A new leader (−1: none) with a new epoch. It becomes a replica if it was none.
    pub fn elect(&self, leader: i32) -> &Self {
        self.change(|log| log.elect(leader));
        self
    }

    /// Who has the data, the preferred leader first. Others answer 6.
    pub fn replicas(&self, nodes: impl IntoIterator<Item = i32>) -> &Self {
        let nodes: Vec<i32> = nodes.into_iter().collect();
        self.change(|log| log.replicas = nodes);
        self
    }

    /// The leader, or −1.
    pub fn leader(&self) -> i32 {
        self.look(|log| log.leader)
    }

    /// The leader's epoch.
    pub fn leader_epoch(&self) -> i32 {
        self.look(|log| log.epoch)
    }

    /// The first offset that can be read.
    pub fn log_start(&self) -> i64 {
        self.look(|log| log.log_start)
    }

    /// The next offset to be written.
    pub fn log_end(&self) -> i64 {
        self.look(|log| log.end)
    }

    /// Where read_uncommitted consumers end.
    pub fn high_watermark(&self) -> i64 {
        self.look(Log::high_watermark)
    }

    /// Where read_committed consumers end.
    pub fn last_stable_offset(&self) -> i64 {
        self.look(Log::last_stable_offset)
    }

    /// What a read_uncommitted consumer that begins at `offset` must be given, in order. Batches with opaque bytes do not
    /// count.
    pub fn records_from(&self, offset: i64) -> Vec<Record> {
        self.look(|log| log.expected(offset, false))
    }

    /// As [`records_from`](Self::records_from), for read_committed.
    pub fn committed_records_from(&self, offset: i64) -> Vec<Record> {
        self.look(|log| log.expected(offset, true))
    }

    /// The bytes of the log.
    pub fn bytes(&self) -> Vec<u8> {
        self.look(|log| log.batches.iter().flat_map(|batch| &batch.bytes).copied().collect())
    }
}
