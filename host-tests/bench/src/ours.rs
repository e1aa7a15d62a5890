//! This project's blocking consumer.

use crate::client::{Client, Options};
use crate::meter::{Counts, Meter};
use nanokafka::{
    Block, Blocking, Clock, Config, Consumer, Event, OffsetReset, Seed, Storage, TopicPartition, Transport,
};
use nanokafka_std::blocking::Tcp;
use std::cell::RefCell;
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
        if options.text("start") != Some("latest") {
            config = config.auto_offset_reset(OffsetReset::Earliest);
        }
        if let Some(group) = options.text("group") {
            config = config.group_id(group);
        }
        let storage = Storage::boxed(partitions as usize, CONNECTIONS, options.number("window", 1 << 20));
        let seed = Seed::from_os().expect("entropy");
        let (carrier, counts) = T::new(CONNECTIONS);
        let mut consumer = Consumer::new(storage, config, carrier, seed).expect("a configuration");
        let topic = options.topic();
        match options.text("group") {
            Some(_) => consumer.subscribe(&[topic]),
            None => {
                let list: Vec<_> = (0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect();
                consumer.assign(&list)
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

    fn notes(&self) -> String {
        self.counts.as_ref().map_or(String::new(), |counts| counts.borrow().to_string())
    }
}
