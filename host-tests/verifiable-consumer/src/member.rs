//! The loop: poll, tell what came, commit, tell that.

use crate::args::Args;
use crate::events::{Consumed, Events};
use nanokafka::{BrokerError, Error, ErrorCode, LargeRecords, Seed, Storage};
use nanokafka_std::blocking::{Consumer, Event, Tcp};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Partitions of the topic that one member may get.
const PARTITIONS: usize = 1024;

/// For the group and for seven leaders at a time.
const CONNECTIONS: usize = 8;

/// A batch that fits may be committed record by record; Kafka's largest is 1 MB unless it is told otherwise.
const WINDOW: usize = 2 << 20;

/// How long a signal may wait in a poll.
const TICK: Duration = Duration::from_millis(100);

/// How long a commit is waited for at a time. A signal comes at worst in one, a last one follows, and closing takes 5 s: the
/// harness wants the end within 10 s.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Consumes until it is told to stop, has seen enough or fails for good; and ends in order in any case.
///
/// # Errors
/// Why it failed. What passes is told on standard error.
pub fn run(args: &Args, stop: &AtomicBool, out: impl Write) -> Outcome {
    let config = args.properties.config().default_api_timeout(COMMIT_TIMEOUT).large_records(LargeRecords::Error);
    let storage = Storage::boxed(PARTITIONS, CONNECTIONS, WINDOW);
    let mut consumer = Consumer::new(storage, config, Tcp::new(CONNECTIONS)?, Seed::from_os()?)?;
    consumer.subscribe(&[&args.topic])?;
    let mut member = Member {
        consumer,
        events: Events::new(out, &args.topic),
        owned: vec![],
        uncommitted: BTreeMap::new(),
        left: args.max_messages,
        commits: !config.enable_auto_commit,
        verbose: args.verbose,
    };
    member.events.startup_complete()?;
    let consumed = member.consume(stop);
    let closed = member.close(!config.group_instance_id.is_empty());
    consumed.and(closed)
}

struct Member<'a, W> {
    consumer: Consumer<'a>,
    events: Events<'a, W>,
    /// Partitions, by the events that were told.
    owned: Vec<i32>,
    /// The offset behind the last record consumed, of partitions whose commit was not answered since.
    uncommitted: BTreeMap<i32, i64>,
    /// Records until the end.
    left: usize,
    /// After every poll; otherwise that is automatic and not told.
    commits: bool,
    verbose: bool,
}

impl<W: Write> Member<'_, W> {
    fn consume(&mut self, stop: &AtomicBool) -> Outcome {
        while self.left > 0 && !stop.load(Ordering::Relaxed) {
            match self.consumer.poll(TICK) {
                Ok(Some(Event::Records(records))) => {
                    let mut consumed: Option<Consumed> = None;
                    for record in records.take(self.left) {
                        let (partition, offset) = (record.partition(), record.offset());
                        let range =
                            consumed.get_or_insert(Consumed { partition, count: 0, first: offset, last: offset });
                        (range.count, range.last) = (range.count + 1, offset);
                        if self.verbose {
                            self.events.record_data(&record)?;
                        }
                    }
                    if let Some(consumed) = consumed {
                        self.left -= consumed.count;
                        self.events.records_consumed(consumed)?;
                        self.uncommitted.insert(consumed.partition, consumed.last + 1);
                    }
                }
                Ok(Some(Event::Assigned(partitions))) => {
                    let new: Vec<_> = partitions.map(|entry| entry.partition).collect();
                    self.events.partitions_assigned(&new)?;
                    self.owned.extend(new);
                }
                Ok(Some(Event::Revoked(partitions))) => {
                    let revoked: Vec<_> = partitions.map(|entry| entry.partition).collect();
                    self.commit()?;
                    self.give_up(&revoked)?;
                }
                Ok(Some(Event::Lost(_))) => self.give_up(&self.owned.clone())?,
                Ok(_) => {}
                Err(error) => tell(error)?,
            }
            self.commit()?;
        }
        Ok(())
    }

    /// Commits what is consumed. An answer that does not come in time is waited for again after the next poll.
    fn commit(&mut self) -> Outcome {
        if !self.commits || self.uncommitted.is_empty() {
            return Ok(());
        }
        let refusal = match self.consumer.commit_sync() {
            Ok(()) => None,
            // a cooperative member reads on meanwhile, and commits when the group has agreed
            Err(Error::Broker(BrokerError { code: ErrorCode::REBALANCE_IN_PROGRESS, .. })) => return Ok(()),
            Err(error @ Error::Broker(_)) => Some(error),
            Err(error) => return tell(error),
        };
        let offsets = std::mem::take(&mut self.uncommitted);
        self.events.offsets_committed(&offsets, refusal.map(|error| error.to_string()).as_deref())?;
        refusal.map_or(Ok(()), tell)
    }

    fn give_up(&mut self, partitions: &[i32]) -> Outcome {
        self.uncommitted.retain(|partition, _| !partitions.contains(partition));
        self.owned.retain(|partition| !partitions.contains(partition));
        match partitions {
            [] => Ok(()),
            _ => Ok(self.events.partitions_revoked(partitions)?),
        }
    }

    /// A static member keeps its partitions: it is expected back.
    fn close(mut self, is_static: bool) -> Outcome {
        let committed = self.commit().and_then(|()| match self.commits && !self.uncommitted.is_empty() {
            true => Err("the last commit had no answer".into()),
            false => Ok(()),
        });
        // before the group can give them to somebody else
        let given_up = if is_static { Ok(()) } else { self.give_up(&self.owned.clone()) };
        let closed = self.consumer.close();
        self.events.shutdown_complete()?;
        committed.and(given_up).and(closed.map_err(Into::into))
    }
}

/// What passes is said and forgotten: the consumer retries it.
///
/// # Errors
/// What does not pass.
fn tell(error: Error) -> Outcome {
    match error {
        Error::Transport(_)
        | Error::Protocol(_)
        | Error::Timeout(_)
        | Error::Broker(BrokerError { fatal: false, .. }) => {
            eprintln!("{error}");
            Ok(())
        }
        _ => Err(error.into()),
    }
}
