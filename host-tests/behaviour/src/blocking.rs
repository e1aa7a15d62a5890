//! The blocking front end.
use crate::{seen, Client, Seen, Sizes, CONNECTIONS};
use nanokafka::{
    Block, Blocking, Clock, Config, Consumer, Control, Error, Event, Seed, Storage, TopicPartition, Transport,
};
use std::time::Duration;

/// A consumer over a blocking transport.
pub struct BlockingClient<T>(Consumer<'static, Blocking<T>>);

impl<T: Transport + Clock + Block> BlockingClient<T> {
    /// Over this transport.
    pub fn new(sizes: &Sizes, config: Config<'static>, transport: T) -> Self {
        let storage = Storage::boxed(sizes.partitions, CONNECTIONS, sizes.window);
        BlockingClient(Consumer::new(storage, config, transport, Seed::new([7; 32])).expect("a configuration"))
    }
}

impl<T: Transport + Clock + Block> Client for BlockingClient<T> {
    fn subscribe(&mut self, topics: &[&str]) -> Result<(), Error> {
        self.0.subscribe(topics)
    }

    fn assign(&mut self, partitions: &[TopicPartition<'_>]) -> Result<(), Error> {
        self.0.assign(partitions)
    }

    fn control(&mut self) -> Control<'_> {
        self.0.control()
    }

    fn poll(&mut self, within: Duration) -> Option<Result<Seen, Error>> {
        match self.0.poll(within).transpose()? {
            Ok(Event::LargeRecord(mut record)) => {
                let (topic, partition, offset) = (record.topic().to_string(), record.partition(), record.offset());
                let mut value = vec![];
                loop {
                    match record.chunk() {
                        Ok([]) => return Some(Ok(Seen::Large(topic, partition, offset, value))),
                        Ok(chunk) => value.extend_from_slice(chunk),
                        Err(error) => return Some(Err(error)),
                    }
                }
            }
            event => Some(event.map(seen)),
        }
    }

    fn commit_sync(&mut self) -> Result<(), Error> {
        self.0.commit_sync()
    }

    fn close(self) -> Result<(), Error> {
        self.0.close()
    }
}
