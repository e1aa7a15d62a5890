//! librdkafka's mock cluster and a small producer.

use rdkafka::client::{Client, ClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use std::sync::Mutex;
use std::time::Duration;

/// The client itself, for what is not wrapped here.
pub use rdkafka;
/// Names of Kafka's APIs, for [`Mock::push_errors`].
pub use rdkafka::types::RDKafkaApiKey as ApiKey;

/// In [`Mock::push_errors`], the connection is cut instead of an answer.
pub const CUT: i32 = RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT as i32;

/// A cluster without a log on disk, without TLS and SASL, that answers what librdkafka's own tests need.
///
/// Broker ids count from 1. Groups rebalance at once.
pub struct Mock(Producer);

impl Mock {
    /// Starts `brokers` brokers on ephemeral ports of 127.0.0.1.
    pub fn start(brokers: u16) -> KafkaResult<Self> {
        let mut config = ClientConfig::new();
        // this way the client owns the cluster, which is the only one whose handle can be had
        config.set("test.mock.num.brokers", brokers.to_string());
        let this = Mock(Producer::create(&mut config)?);
        ffi::rebalance_at_once(this.0 .0.client());
        Ok(this)
    }

    /// `host:port` of all brokers, separated by commas.
    pub fn bootstrap(&self) -> String {
        self.control().bootstrap_servers()
    }

    /// A producer to this cluster.
    pub fn producer(&self) -> &Producer {
        &self.0
    }

    /// What else the cluster can be told: `broker_down` and `broker_up`, `broker_round_trip_time`, `partition_leader`,
    /// `coordinator`, `apiversion`, `topic_error`, `broker_rack`.
    pub fn control(&self) -> MockCluster<'_, Deliveries> {
        self.0 .0.client().mock_cluster().expect("`start` made one")
    }

    /// Creates a topic whose replicas are on all brokers.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> KafkaResult<()> {
        let brokers = self.bootstrap().split(',').count();
        self.control().create_topic(topic, partitions, brokers as i32)
    }

    /// The next requests of `api` get these error codes, one each; [`CUT`] cuts the connection.
    ///
    /// # Panics
    /// If librdkafka does not know a code.
    pub fn push_errors(&self, api: ApiKey, codes: &[i32]) {
        let known =
            |code: &i32| RDKafkaRespErr::try_from(*code).unwrap_or_else(|_| panic!("unknown error code {code}"));
        let errors: Vec<_> = codes.iter().map(known).collect();
        self.control().request_errors(api, &errors);
    }
}

/// A record to produce. `Default` is partition 0 of no topic, everything else null.
#[derive(Clone, Copy, Default)]
pub struct Record<'a> {
    /// Topic, which must exist.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
    /// `None`: a null key.
    pub key: Option<&'a [u8]>,
    /// `None`: a null value (a tombstone).
    pub value: Option<&'a [u8]>,
    /// Names and values in order.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// Milliseconds since 1970; `None`: now.
    pub timestamp: Option<i64>,
}

/// librdkafka's producer, for the mock cluster or a real one.
pub struct Producer(BaseProducer<Deliveries>);

impl Producer {
    /// `properties` are librdkafka's, such as `("batch.size", "1000000")` or `("compression.type", "lz4")`.
    pub fn new(bootstrap: &str, properties: &[(&str, &str)]) -> KafkaResult<Self> {
        let mut config = ClientConfig::new();
        for (key, value) in properties {
            config.set(*key, *value);
        }
        Self::create(config.set("bootstrap.servers", bootstrap))
    }

    fn create(config: &mut ClientConfig) -> KafkaResult<Self> {
        config.create_with_context(Deliveries::default()).map(Producer)
    }

    /// The client itself: metadata, watermarks.
    pub fn client(&self) -> &Client<Deliveries> {
        self.0.client()
    }

    /// Queues a record; waits while the queue is full.
    pub fn send(&self, record: &Record<'_>) -> KafkaResult<()> {
        let headers =
            record.headers.iter().fold(OwnedHeaders::new_with_capacity(record.headers.len()), |all, header| {
                all.insert(Header { key: header.0, value: header.1 })
            });
        let mut next = BaseRecord::<[u8], [u8]>::to(record.topic).partition(record.partition);
        if !record.headers.is_empty() {
            next = next.headers(headers);
        }
        next.key = record.key;
        next.payload = record.value;
        next.timestamp = record.timestamp;
        loop {
            match self.0.send(next) {
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned)) => next = returned,
                Err((error, _)) => return Err(error),
                Ok(()) => {
                    self.0.poll(Duration::ZERO);
                    return Ok(());
                }
            }
            self.0.poll(Duration::from_millis(10));
        }
    }

    /// Waits until all that was sent is delivered; the first failure since the last `flush` is returned.
    pub fn flush(&self) -> KafkaResult<()> {
        self.0.flush(crate::DEADLINE)?;
        match self.0.context().0.lock().expect("nothing panics while it is held").take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// Keeps the first failed delivery.
#[derive(Default)]
pub struct Deliveries(Mutex<Option<KafkaError>>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        if let Err((error, _)) = result {
            self.0.lock().expect("nothing panics while it is held").get_or_insert_with(|| error.clone());
        }
    }
}

/// The one setting that has no safe wrapper.
mod ffi {
    use rdkafka::bindings::{rd_kafka_handle_mock_cluster, rd_kafka_mock_group_initial_rebalance_delay_ms};
    use rdkafka::client::{Client, ClientContext};

    #[allow(unsafe_code)]
    pub(super) fn rebalance_at_once<C: ClientContext>(client: &Client<C>) {
        // SAFETY: `native_ptr` is the live handle of `client`. The cluster it returns is owned by that handle and thus
        // lives as long as `client`, which we borrow; null (no cluster) is not passed on. The setter takes a lock.
        unsafe {
            let cluster = rd_kafka_handle_mock_cluster(client.native_ptr());
            assert!(!cluster.is_null(), "the client was configured with a mock cluster");
            rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
        }
    }
}
