//! What producers have written: the logs as they must be handed out, kept beside the brokers' own.
use nanokafka_scripted::{batch, marker, record, Batch, Cluster, Marker, Random};

/// One record that is to be handed out.
pub(crate) struct Entry {
    pub(crate) offset: i64,
    /// Of its value.
    size: usize,
    /// Where its batch begins, and about how many bytes it has.
    pub(crate) base: i64,
    pub(crate) batch_bytes: usize,
    /// Nobody has to see it: deleted, or passed over by an application's seek.
    pub(crate) waived: bool,
    pub(crate) delivered: bool,
    /// While nothing went wrong, to an application that commits before it gives a partition up.
    pub(crate) settled: bool,
}

/// One partition.
pub(crate) struct Log {
    pub(crate) topic: &'static str,
    pub(crate) partition: i32,
    pub(crate) entries: Vec<Entry>,
    pub(crate) start: i64,
    /// Everything before this entry was handed out or waived.
    complete: usize,
    producer: i64,
    in_transaction: bool,
}

/// How the parts of a record follow from its place.
fn value(partition: i32, offset: i64, size: usize) -> impl Iterator<Item = u8> {
    (0..size).map(move |at| (at as i64 * 31 + offset * 7 + i64::from(partition) * 101 + 3) as u8)
}

pub(crate) fn key(partition: i32, offset: i64) -> [u8; 9] {
    let mut key = [partition as u8; 9];
    key[1..].copy_from_slice(&offset.to_be_bytes());
    key
}

impl Log {
    pub(crate) fn new(topic: &'static str, partition: i32) -> Self {
        Log {
            topic,
            partition,
            entries: vec![],
            start: 0,
            complete: 0,
            producer: 1_000 + i64::from(partition),
            in_transaction: false,
        }
    }

    /// The first entry at or after an offset.
    pub(crate) fn at(&self, offset: i64) -> usize {
        self.entries.partition_point(|entry| entry.offset < offset)
    }

    /// The offset of the first record at or after this one, or the log's end.
    pub(crate) fn next(&self, offset: i64, cluster: &Cluster) -> i64 {
        let found = self.entries.get(self.at(offset)).map(|entry| entry.offset);
        found.unwrap_or_else(|| self.end(offset, cluster))
    }

    fn end(&self, offset: i64, cluster: &Cluster) -> i64 {
        cluster.partition(self.topic, self.partition).log_end().max(offset)
    }

    /// As [`next`](Self::next), passing over what nobody has to see.
    pub(crate) fn next_due(&self, offset: i64, cluster: &Cluster) -> i64 {
        let due = self.entries[self.at(offset)..].iter().find(|entry| !entry.waived);
        due.map_or_else(|| self.end(offset, cluster), |entry| entry.offset)
    }

    /// Whether a value is the one that was written.
    pub(crate) fn is_value(&self, entry: &Entry, bytes: &[u8]) -> bool {
        bytes.len() == entry.size && value(self.partition, entry.offset, entry.size).eq(bytes.iter().copied())
    }

    /// The first record that nobody has seen.
    pub(crate) fn missing(&mut self) -> Option<i64> {
        while self.entries.get(self.complete).is_some_and(|entry| entry.delivered || entry.waived) {
            self.complete += 1;
        }
        self.entries.get(self.complete).map(|entry| entry.offset)
    }

    /// Nobody has to see what is between.
    pub(crate) fn waive(&mut self, from: i64, to: i64) {
        let (from, to) = (self.at(from), self.at(to));
        self.entries.get_mut(from..to).unwrap_or_default().iter_mut().for_each(|entry| entry.waived = true);
    }

    /// Whether the log no longer goes back to `offset`.
    pub(crate) fn deleted(&self, offset: i64) -> bool {
        offset <= self.start
    }

    /// Retention: what is before `offset` is gone.
    pub(crate) fn delete_before(&mut self, offset: i64, cluster: &Cluster) {
        cluster.partition(self.topic, self.partition).delete_before(offset);
        self.waive(self.start, offset);
        self.start = offset;
    }

    fn fill(&mut self, mut batch: Batch, base: i64, sizes: &[usize], gap: impl Fn(usize) -> i64) -> Batch {
        let bytes = 80 + sizes.iter().map(|size| size + 40).sum::<usize>();
        let mut delta = 0;
        for (i, &size) in sizes.iter().enumerate() {
            delta += gap(i);
            let (offset, partition) = (base + delta, self.partition);
            let body = value(partition, offset, size).collect::<Vec<_>>();
            batch = batch.with(record().key(key(partition, offset)).value(body).header("h", b"v").delta(delta));
            let (waived, delivered, settled) = (false, false, false);
            self.entries.push(Entry { offset, size, base, batch_bytes: bytes, waived, delivered, settled });
            delta += 1;
        }
        batch
    }

    /// Something new at the end: mostly a small batch, sometimes one that a window does not hold, a marker, or what a log
    /// cleaner leaves.
    pub(crate) fn produce(&mut self, random: &mut Random, cluster: &Cluster) {
        let partition = cluster.partition(self.topic, self.partition);
        let end = partition.log_end();
        let dice = random.below(20);
        let mut sizes = |n: u64, size: u64| (0..1 + random.below(n)).map(|_| random.below(size) as usize).collect();
        let appended = match dice {
            0 if self.in_transaction => {
                self.in_transaction = false;
                let kind = if end % 2 == 0 { Marker::Abort } else { Marker::Commit };
                marker(kind, self.producer)
            }
            0 | 1 => {
                self.in_transaction = true;
                let sizes: Vec<usize> = sizes(4, 60);
                // read_uncommitted: handed out however the transaction ends
                self.fill(batch().producer(self.producer, 0, 0).transactional(), end, &sizes, |_| 0)
            }
            // a batch of which the cleaner has left nothing
            2 => batch().at(end).last_offset_delta(3),
            // a gap before, gaps inside, and the end cleaned away
            3 | 4 => {
                let (sizes, base): (Vec<usize>, _) = (sizes(5, 50), end + 4);
                let last = sizes.len() as i32 * 2 + 5;
                self.fill(batch(), base, &sizes, |i| i as i64 % 2).at(base).last_offset_delta(last)
            }
            // larger than most windows, of records that are not
            5 | 6 => {
                let sizes: Vec<usize> = sizes(12, 150);
                self.fill(batch(), end, &sizes, |_| 0)
            }
            7 => {
                let sizes: Vec<usize> = sizes(2, 3_000);
                self.fill(batch(), end, &sizes, |_| 0)
            }
            _ => {
                let sizes: Vec<usize> = sizes(6, 40);
                self.fill(batch(), end, &sizes, |_| 0)
            }
        };
        partition.append(appended);
        if random.below(10) == 0 {
            partition.roll();
        }
    }

    /// Nothing is left open.
    pub(crate) fn finish(&mut self, cluster: &Cluster) {
        let partition = cluster.partition(self.topic, self.partition);
        if std::mem::take(&mut self.in_transaction) {
            partition.append(marker(Marker::Commit, self.producer));
        }
        partition.hold_high_watermark(None);
    }
}
