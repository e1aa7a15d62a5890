//! This project's blocking consumer.

use crate::client::{Client, Options};
use crate::meter::{Counts, Meter};
use crate::tasks::parse;
use nanokafka::{
    Block, Blocking, Clock, Config, Consumer, Event, GroupProtocol, OffsetReset, Seed, Storage, TopicPartition,
    Transport,
};
use nanokafka_std::blocking::Tcp;
use std::cell::RefCell;
use std::fs;
use std::rc::Rc;
use std::time::Duration;

/// Control and one for fetching.
const CONNECTIONS: usize = 2;

/// What a consumer here can be carried by.
pub trait Carrier: Transport + Clock + Block + Sized {
    /// For that many connections, and what it counts.
    fn new(connections: usize) -> (Self, Option<Rc<RefCell<Counts>>>);
}

impl Carrier for Tcp {
    fn new(connections: usize) -> (Self, Option<Rc<RefCell<Counts>>>) {
        (Tcp::new(connections).expect("a poller"), None)
    }
}

impl Carrier for Meter<Tcp> {
    fn new(connections: usize) -> (Self, Option<Rc<RefCell<Counts>>>) {
        let this = Meter::new(Tcp::new(connections).expect("a poller"));
        let counts = this.counts();
        (this, Some(counts))
    }
}

/// A consumer with `window` bytes.
pub struct Ours<T: 'static> {
    consumer: Consumer<'static, Blocking<T>>,
    counts: Option<Rc<RefCell<Counts>>>,
    options: &'static Options,
}

impl<T: Carrier> Client for Ours<T> {
    fn new(options: &'static Options) -> Self {
        let partitions = options.partitions();
        let mut config = Config::new(options.bootstrap());
        if let Some(bytes) = options.text("fetch") {
            config = config.max_partition_fetch_bytes(parse(bytes));
        }
        if options.text("start") != Some("latest") {
            config = config.auto_offset_reset(OffsetReset::Earliest);
        }
        if let Some(group) = options.text("group") {
            config = config.group_id(group).group_instance_id(options.text("instance").unwrap_or_default());
        }
        if options.text("protocol") == Some("consumer") {
            config = config.group_protocol(GroupProtocol::Consumer);
        }
        let storage = Storage::boxed(partitions as usize, CONNECTIONS, options.number("window", 1 << 20));
        let seed = Seed::from_os().expect("entropy");
        let (carrier, counts) = T::new(CONNECTIONS);
        let mut consumer = Consumer::new(storage, config, carrier, seed).expect("a configuration");
        let topic = options.topic();
        let saved = options.text("saved").and_then(|file| fs::read(file).ok());
        match (options.text("group"), saved) {
            (Some(_), Some(saved)) => consumer.restore_membership(&[topic], &saved),
            (Some(_), None) => consumer.subscribe(&[topic]),
            (None, _) => {
                let list: Vec<_> = (0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect();
                let assigned = consumer.assign(&list);
                if let Some(offset) = options.text("offset").map(parse) {
                    list.iter().for_each(|&partition| consumer.seek(partition, offset).expect("assigned"));
                }
                assigned
            }
        }
        .expect("a topic");
        Ours { consumer, counts, options }
    }

    fn poll(&mut self, timeout: Duration, mut each: impl FnMut(&[u8], &[u8])) -> u64 {
        let mut count = 0;
        if let Some(Event::Records(records)) = self.consumer.poll(timeout).expect("poll") {
            for record in records {
                each(record.key().unwrap_or_default(), record.value().unwrap_or_default());
                count += 1;
            }
        }
        count
    }

    fn rewind(&mut self) -> bool {
        let topic = self.options.topic();
        (0..self.options.partitions()).for_each(|partition| {
            self.consumer.seek_to_beginning(TopicPartition::new(topic, partition)).expect("an assigned partition");
        });
        true
    }

    /// With its membership in the file `saved`; else a static member leaves as it ought to.
    fn sleep(mut self) {
        if let Some(file) = self.options.text("saved") {
            self.consumer.commit_sync().expect("a coordinator");
            let mut buffer = [0; 256];
            let membership = self.consumer.control().save_membership(&mut buffer).expect("a membership");
            fs::write(file, membership).expect("a folder");
        } else if self.options.text("instance").is_some() {
            self.consumer.close().expect("a coordinator");
        }
    }

    fn notes(&self) -> String {
        self.counts.as_ref().map_or(String::new(), |counts| counts.borrow().to_string())
    }
}
