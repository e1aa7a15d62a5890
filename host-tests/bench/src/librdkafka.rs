//! librdkafka's consumer as C programs use it, since its Rust wrapper would add to what is measured.

use crate::client::{Client, Options};
use nanokafka_brokers::mock::rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::time::Duration;

/// With `single=true` it polls record by record, else it takes batches from the consumer's queue.
pub struct Librdkafka {
    consumer: ffi::Consumer,
    single: bool,
}

impl Client for Librdkafka {
    fn new(options: &'static Options) -> Self {
        let single = options.number("single", false);
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", options.bootstrap());
        // it has no consumer without a group
        config.set("group.id", options.text("group").unwrap_or("unused"));
        if !single {
            // rd_kafka_consume_batch_queue aborts the process otherwise
            config.set("enable.auto.commit", "false");
        }
        let (reset, start) = match options.text("start") {
            Some("latest") => ("latest", Offset::End),
            _ => ("earliest", Offset::Beginning),
        };
        config.set("auto.offset.reset", reset);
        let consumer = ffi::Consumer::new(&config);
        let mut list = TopicPartitionList::new();
        if options.text("group").is_some() {
            list.add_topic_unassigned(options.topic());
            consumer.subscribe(&list);
        } else {
            for partition in 0..options.partitions() {
                list.add_partition_offset(options.topic(), partition, start).expect("an offset");
            }
            consumer.assign(&list);
        }
        Librdkafka { consumer, single }
    }

    fn poll(&mut self, timeout: Duration, each: impl FnMut(&[u8], &[u8])) -> u64 {
        let timeout_ms = timeout.as_millis() as i32;
        match self.single {
            true => self.consumer.poll(timeout_ms, each),
            false => self.consumer.batch(timeout_ms, each),
        }
    }

    /// It would wait for its long poll, and throw away what it has read ahead.
    fn rewind(&mut self) -> bool {
        false
    }
}

/// The calls, and what they need to be sound.
#[allow(unsafe_code)]
mod ffi {
    use nanokafka_brokers::mock::rdkafka::bindings::*;
    use nanokafka_brokers::mock::rdkafka::types::{RDKafkaRespErr, RDKafkaType};
    use nanokafka_brokers::mock::rdkafka::{ClientConfig, TopicPartitionList};
    use std::ptr::{null_mut, NonNull};
    use std::slice;

    /// Never freed: the process ends with it.
    pub(super) struct Consumer {
        client: NonNull<rd_kafka_t>,
        queue: NonNull<rd_kafka_queue_t>,
        messages: [*mut rd_kafka_message_t; 1000],
    }

    impl Consumer {
        pub(super) fn new(config: &ClientConfig) -> Self {
            let config = config.create_native_config().expect("keys of librdkafka");
            let mut error = [0; 512];
            // SAFETY: rd_kafka_new takes the copy over; it writes at most `error.len()` bytes of text.
            let client = unsafe {
                let config = rd_kafka_conf_dup(config.ptr());
                rd_kafka_new(RDKafkaType::RD_KAFKA_CONSUMER, config, error.as_mut_ptr(), error.len())
            };
            let client = NonNull::new(client).expect("a client");
            // SAFETY: the handle is alive, and a consumer with a group has a queue.
            let queue = unsafe {
                rd_kafka_poll_set_consumer(client.as_ptr());
                rd_kafka_queue_get_consumer(client.as_ptr())
            };
            Consumer { client, queue: NonNull::new(queue).expect("a queue"), messages: [null_mut(); 1000] }
        }

        pub(super) fn subscribe(&self, topics: &TopicPartitionList) {
            // SAFETY: both are alive; the list is copied.
            ok(unsafe { rd_kafka_subscribe(self.client.as_ptr(), topics.ptr()) });
        }

        pub(super) fn assign(&self, partitions: &TopicPartitionList) {
            // SAFETY: both are alive; the list is copied.
            ok(unsafe { rd_kafka_assign(self.client.as_ptr(), partitions.ptr()) });
        }

        pub(super) fn poll(&mut self, timeout_ms: i32, mut each: impl FnMut(&[u8], &[u8])) -> u64 {
            // SAFETY: the handle is alive, and a message that is not null is ours until it is destroyed.
            unsafe {
                match NonNull::new(rd_kafka_consumer_poll(self.client.as_ptr(), timeout_ms)) {
                    Some(message) => take(message.as_ptr(), &mut each),
                    None => 0,
                }
            }
        }

        pub(super) fn batch(&mut self, timeout_ms: i32, mut each: impl FnMut(&[u8], &[u8])) -> u64 {
            let (into, size) = (self.messages.as_mut_ptr(), self.messages.len());
            // SAFETY: the queue is alive; at most `size` messages are written, and they are ours until destroyed.
            unsafe {
                let count = rd_kafka_consume_batch_queue(self.queue.as_ptr(), timeout_ms, into, size);
                let count = usize::try_from(count).expect("a queue that can be read");
                self.messages[..count].iter().map(|&message| take(message, &mut each)).sum()
            }
        }
    }

    /// Lends a message, and destroys it. A message may be an error instead; those of a retry are passed over.
    ///
    /// # Safety
    /// It is a message of librdkafka that nobody has destroyed.
    unsafe fn take(message: *mut rd_kafka_message_t, each: &mut impl FnMut(&[u8], &[u8])) -> u64 {
        let rd_kafka_message_t { err, key, key_len, payload, len, .. } = *message;
        let good = err == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
        if good {
            let bytes = |start: *mut std::ffi::c_void, len| match start.is_null() {
                true => &[][..],
                // SAFETY: librdkafka's own bytes, until the message is destroyed below.
                false => unsafe { slice::from_raw_parts(start.cast::<u8>(), len) },
            };
            each(bytes(key, key_len), bytes(payload, len));
        }
        rd_kafka_message_destroy(message);
        u64::from(good)
    }

    fn ok(error: RDKafkaRespErr) {
        assert_eq!(error, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
    }
}
