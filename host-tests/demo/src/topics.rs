//! Topics of a real cluster, through librdkafka: nanokafka only consumes.

use crate::failure::Failure;
use nanokafka_brokers::mock::rdkafka;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::ClientConfig;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// For an answer, and for a new topic to get its leaders.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Topics(AdminClient<DefaultClientContext>);

impl Topics {
    pub fn new(bootstrap: &str) -> Result<Self, Failure> {
        let admin = ClientConfig::new().set("bootstrap.servers", bootstrap).create();
        admin.map(Topics).map_err(|error| {
            Failure::new(format!("librdkafka's admin client: {error}"), "a bug of the demo: report it")
        })
    }

    /// Creates the topic if it is missing, and waits until all of its partitions have leaders.
    pub fn create(&self, topic: &str, partitions: i32) -> Result<(), Failure> {
        // -1: the broker's default, which it knows since Kafka 2.4
        let created = match self.try_create(topic, partitions, -1) {
            Err(RDKafkaErrorCode::UnsupportedFeature | RDKafkaErrorCode::InvalidReplicationFactor) => {
                self.try_create(topic, partitions, 1)
            }
            other => other,
        };
        match created {
            Ok(()) => eprintln!("created {topic}, {partitions} partitions"),
            Err(RDKafkaErrorCode::TopicAlreadyExists) => {}
            // also the answer about a topic that exists: the broker looks at our rights first
            Err(code) if self.leaders(topic).is_ok_and(|leaders| leaders.is_some()) => {
                eprintln!("{topic} exists ({code})");
            }
            Err(code) => return Err(refused(topic, partitions, code)),
        }
        self.wait_for_leaders(topic, partitions)
    }

    fn try_create(&self, topic: &str, partitions: i32, replicas: i32) -> Result<(), RDKafkaErrorCode> {
        // the default, but of the oldest brokers
        let topic =
            NewTopic::new(topic, partitions, TopicReplication::Fixed(replicas)).set("max.message.bytes", "1048588");
        let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
        let code = |error| match error {
            KafkaError::AdminOp(code) => code,
            other => other.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail),
        };
        let results = wait(self.0.create_topics([&topic], &options)).map_err(code)?;
        results.into_iter().try_for_each(|result| result.map(|_| ()).map_err(|(_, code)| code))
    }

    fn wait_for_leaders(&self, topic: &str, partitions: i32) -> Result<(), Failure> {
        let start = Instant::now();
        loop {
            let answer = match self.leaders(topic) {
                Ok(Some((all, led))) if all == led => {
                    return match i32::try_from(all) {
                        Ok(all) if all == partitions => Ok(()),
                        _ => Err(Failure::new(
                            format!("{topic} has {all} partitions, the demo needs {partitions}"),
                            "--fresh makes topics of its own, with a random suffix",
                        )),
                    };
                }
                Ok(Some((all, led))) => format!("{led} of its {all} partitions have a leader"),
                Ok(None) => "no broker shows it".to_owned(),
                Err(error) => error.to_string(),
            };
            if start.elapsed() > PATIENCE {
                let what = format!("{topic} is not ready after {PATIENCE:?}: {answer}");
                return Err(Failure::new(what, "see whether all brokers of the cluster are up, and their logs"));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// How many partitions the topic has, and how many of them a leader; `None`: there is no such topic.
    fn leaders(&self, topic: &str) -> KafkaResult<Option<(usize, usize)>> {
        // of all topics: asked for one, a broker may create it, with as many partitions as it likes
        let metadata = self.0.inner().fetch_metadata(None, PATIENCE)?;
        let topic = metadata.topics().iter().find(|entry| entry.name() == topic);
        Ok(topic.map(|topic| {
            let partitions = topic.partitions();
            (partitions.len(), partitions.iter().filter(|partition| partition.leader() >= 0).count())
        }))
    }
}

fn refused(topic: &str, partitions: i32, code: RDKafkaErrorCode) -> Failure {
    let remedy = match code {
        RDKafkaErrorCode::TopicAuthorizationFailed
        | RDKafkaErrorCode::ClusterAuthorizationFailed
        | RDKafkaErrorCode::PolicyViolation => format!(
            "allow this client to CREATE topics, or create it: kafka-topics.sh --create --topic {topic} --partitions \
             {partitions} --bootstrap-server …"
        ),
        _ => "see whether all brokers of the cluster are up, a controller among them, and their logs".to_owned(),
    };
    Failure::new(format!("creating {topic}: {code}"), remedy)
}

/// librdkafka answers from a thread of its own.
fn wait<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
