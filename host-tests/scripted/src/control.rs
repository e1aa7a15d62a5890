//! The cluster as a test holds it.
use crate::broker::Broker;
use crate::cluster::{Action, State, Trigger};
use crate::connection::Work;
use crate::faults::{Connecting, Cut, End, Instead};
use crate::group::consumer::TopicId;
use crate::history::{Accepted, Connect, Received};
use crate::net::Net;
use crate::settings::{Profile, Settings};
use crate::topic::{Partition, Topic};
use crate::Chaos;
use nanokafka::Api;
use std::cell::{RefCell, RefMut};
use std::rc::Rc;

pub(crate) struct Shared {
    pub(crate) state: RefCell<State>,
}

impl Shared {
    /// Lets everything happen that happens now. Actions of the test run between steps, with the cluster at their disposal.
    pub(crate) fn settle(self: &Rc<Self>) {
        loop {
            let actions = self.state.borrow_mut().pump();
            if actions.is_empty() {
                return;
            }
            let cluster = Cluster::of(self.clone());
            actions.into_iter().for_each(|action| action(&cluster));
        }
    }
}

/// A Kafka cluster in memory and virtual time. A handle: clones are the same cluster.
///
/// Violations of the protocol fail the test: when the last handle goes, they are a panic. When a test panics, the end of
/// the cluster's log is printed.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) shared: Rc<Shared>,
}

impl Cluster {
    /// Brokers 1 to `brokers`, called `b1:9092` and so on, of Kafka 4.3; no topics. Time is 0 ms.
    pub fn new(brokers: usize) -> Self {
        Cluster::with_nodes((1..=brokers as i32).collect::<Vec<_>>())
    }

    /// As [`new`](Self::new), with broker ids of one's own: any `i32` of at least 0, called `b<id>`.
    pub fn with_nodes(nodes: impl IntoIterator<Item = i32>) -> Self {
        Cluster { shared: Rc::new(Shared { state: RefCell::new(State::new(nodes)) }) }
    }

    pub(crate) fn of(shared: Rc<Shared>) -> Self {
        Cluster { shared }
    }

    pub(crate) fn state(&self) -> RefMut<'_, State> {
        self.shared.state.borrow_mut()
    }

    /// Changes the state, then lets happen what follows from it.
    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.state());
        self.shared.settle();
        result
    }

    /// A consumer's transport and clock with `connections` connections.
    pub fn net(&self, connections: usize) -> Net {
        Net::new(self.shared.clone(), connections)
    }

    /// Changes what an operator could configure.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) -> &Self {
        self.with(|state| change(&mut state.settings));
        self
    }

    /// What every broker advertises from now on, and how those releases differ in other ways.
    pub fn profile(&self, profile: Profile) -> &Self {
        self.with(|state| {
            state.settings.heartbeat_during_sync_is_27 = profile == Profile::kafka_2_1();
            state.settings.auto_create_error = if profile == Profile::kafka_4_3() { 3 } else { 5 };
            for broker in &mut state.brokers {
                broker.profile = profile.clone();
            }
        });
        self
    }

    /// What one broker advertises from now on.
    pub fn profile_of(&self, node: i32, profile: Profile) -> &Self {
        self.with(|state| state.broker_mut(node).profile = profile);
        self
    }

    // -- topics

    /// The topic, created with at least `partitions` partitions of one replica each, led by the brokers in turn.
    pub fn topic(&self, name: &str, partitions: usize) -> Topic {
        self.replicated_topic(name, partitions, 1)
    }

    /// The topic, created with at least `partitions` partitions of `replicas` replicas each. More partitions than there are
    /// adds some.
    pub fn replicated_topic(&self, name: &str, partitions: usize, replicas: usize) -> Topic {
        self.with(|state| state.create_topic(name, partitions, replicas));
        Topic::new(self.clone(), name)
    }

    /// The topic is gone; created again it begins at epoch 0 with empty logs.
    pub fn delete_topic(&self, name: &str) -> &Self {
        self.with(|state| {
            state.topics.remove(name);
            state.topic_ids.remove(name);
            state.news = true;
        });
        self
    }

    /// The id of an existing topic; created again it has another one.
    pub fn topic_id(&self, topic: &str) -> TopicId {
        self.state().topic_ids.get(topic).copied().unwrap_or_else(|| panic!("there is no topic {topic}"))
    }

    /// One partition of an existing topic.
    pub fn partition(&self, topic: &str, partition: i32) -> Partition {
        Partition::new(self.clone(), topic, partition)
    }

    /// The client is (not) authorised to see and read a topic.
    pub fn deny_topic(&self, topic: &str, denied: bool) -> &Self {
        self.with(|state| {
            state.news = true;
            if denied {
                state.denied_topics.insert(topic.into());
            } else {
                state.denied_topics.remove(topic);
            }
        });
        self
    }

    /// The client is (not) authorised to use a group.
    pub fn deny_group(&self, group: &str, denied: bool) -> &Self {
        self.with(|state| {
            if denied {
                state.denied_groups.insert(group.into());
            } else {
                state.denied_groups.remove(group);
            }
        });
        self
    }

    // -- brokers

    /// kill -9: connections are reset, new ones refused. Others name it until its session ends; then they elect leaders
    /// and coordinators.
    pub fn kill(&self, node: i32) -> &Self {
        self.with(|state| state.kill(node));
        self
    }

    /// Starts a killed broker; its partitions get a new leader epoch.
    pub fn restart(&self, node: i32) -> &Self {
        self.with(|state| state.restart(node));
        self
    }

    /// One more broker, called `b<id>`.
    pub fn add_broker(&self, node: i32) -> &Self {
        self.with(|state| state.brokers.push(Broker::new(node)));
        self
    }

    /// A broker is gone for good: others lead and coordinate at once.
    pub fn remove_broker(&self, node: i32) -> &Self {
        self.with(|state| {
            state.kill(node);
            state.end_session(node);
        });
        self
    }

    /// kill -STOP: connections are accepted and bytes taken, nothing is answered.
    pub fn pause(&self, node: i32) -> &Self {
        self.with(|state| state.broker_mut(node).paused = true);
        self
    }

    /// kill -CONT: what has piled up is answered.
    pub fn resume(&self, node: i32) -> &Self {
        self.with(|state| {
            state.broker_mut(node).paused = false;
            let all: Vec<u64> = state.connections.keys().copied().collect();
            state.dirty.extend(all);
            state.news = true;
        });
        self
    }

    /// What Metadata and FindCoordinator say about a broker, whether or not it listens there.
    pub fn advertise(&self, node: i32, host: &str, port: u16) -> &Self {
        self.with(|state| state.broker_mut(node).advertised = (host.into(), port));
        self
    }

    /// A broker listens at one more address.
    pub fn listen(&self, node: i32, host: &str, port: u16) -> &Self {
        self.with(|state| state.broker_mut(node).listens.push((host.into(), port)));
        self
    }

    /// A broker listens at this address only, and says so.
    pub fn readdress(&self, node: i32, host: &str, port: u16) -> &Self {
        self.with(|state| state.broker_mut(node).listens.clear());
        self.listen(node, host, port).advertise(node, host, port)
    }

    /// `broker.rack`.
    pub fn rack(&self, node: i32, rack: &str) -> &Self {
        self.with(|state| state.broker_mut(node).rack = Some(rack.into()));
        self
    }

    /// This broker's Metadata answers stay as they are now, or follow the truth again.
    pub fn freeze_metadata(&self, node: i32, frozen: bool) -> &Self {
        self.with(|state| {
            let names: Vec<String> = state.topics.keys().cloned().collect();
            let views = names.into_iter().map(|name| (name.clone(), state.view(node, &name))).collect();
            state.broker_mut(node).frozen = frozen.then_some(views);
        });
        self
    }

    // -- faults

    /// The next `times` requests of an API are answered with this error: top-level where there is one, otherwise for every
    /// topic or partition of the request. What was asked is not done.
    pub fn fail(&self, api: Api, code: i16, times: usize) -> &Self {
        self.with(|state| state.faults.add_code(api, code, times));
        self
    }

    /// The next `times` answers of an API about this partition carry this error.
    pub fn fail_partition(&self, api: Api, topic: &str, partition: i32, code: i16, times: usize) -> &Self {
        self.with(|state| {
            state.faults.add_partition_code(api, topic, partition, code, times);
            state.news = true;
        });
        self
    }

    /// The next `times` answers of an API carry this throttle time, and the connection is muted that long.
    pub fn throttle(&self, api: Api, millis: i32, times: usize) -> &Self {
        self.with(|state| state.faults.add_throttle(api, millis, times));
        self
    }

    /// The next `times` answers of an API leave the broker that much later.
    pub fn delay(&self, api: Api, millis: i32, times: usize) -> &Self {
        self.with(|state| state.faults.add_delay(api, millis, times));
        self
    }

    /// The next answer of an API is these bytes, size prefix included or not as you like.
    pub fn answer_raw(&self, api: Api, bytes: impl AsRef<[u8]>) -> &Self {
        self.with(|state| state.faults.add_instead(api, Instead::Raw(bytes.as_ref().to_vec())));
        self
    }

    /// The next answer of an API has this body, after a right size prefix and header.
    pub fn answer_body(&self, api: Api, body: impl AsRef<[u8]>) -> &Self {
        self.with(|state| state.faults.add_instead(api, Instead::Body(body.as_ref().to_vec())));
        self
    }

    /// The next request of an API is done but never answered; its connection says nothing more.
    pub fn never_answer(&self, api: Api) -> &Self {
        self.with(|state| state.faults.add_instead(api, Instead::Nothing));
        self
    }

    /// The next request of an API is done, and its connection ends in place of the answer.
    pub fn end_instead(&self, api: Api, end: End) -> &Self {
        self.with(|state| state.faults.add_instead(api, Instead::End(end)));
        self
    }

    /// Changes the next `times` answers of an API. The closure gets the version and the whole frame: size prefix,
    /// correlation id, body; nothing is corrected afterwards.
    pub fn mutate(&self, api: Api, times: usize, mutation: impl FnMut(i16, &mut Vec<u8>) + 'static) -> &Self {
        self.with(|state| state.faults.add_mutation(api, Box::new(mutation), times));
        self
    }

    /// As [`mutate`](Self::mutate), but the closure gets the body alone (after the correlation id), and the size prefix is
    /// made right afterwards.
    pub fn mutate_body(&self, api: Api, times: usize, mut mutation: impl FnMut(i16, &mut Vec<u8>) + 'static) -> &Self {
        self.mutate(api, times, move |version, frame| {
            let mut body = frame.split_off(8.min(frame.len()));
            mutation(version, &mut body);
            frame.append(&mut body);
            let size = frame.len() as i32 - 4;
            frame[..4].copy_from_slice(&size.to_be_bytes());
        })
    }

    /// The next connection to this broker ends at a byte. (Node 0: to a [`Connecting::Silent`] or foreign server.)
    pub fn cut_next(&self, node: i32, cut: Cut) -> &Self {
        self.with(|state| state.faults.cuts.entry(node).or_default().push_back(cut));
        self
    }

    /// Ends all open connections of a broker now.
    pub fn end_all(&self, node: i32, end: End) -> &Self {
        self.with(|state| {
            let of_node = state.connections.iter().filter(|(_, connection)| connection.node == node);
            let ids: Vec<u64> = of_node.map(|(id, _)| *id).collect();
            ids.into_iter().for_each(|id| state.close(id, end));
        });
        self
    }

    /// What the next `times` attempts to connect to an address find; it need not be a broker's.
    pub fn connecting(&self, host: &str, port: u16, found: Connecting, times: usize) -> &Self {
        self.with(|state| state.faults.connecting.entry((host.into(), port)).or_default().push_back((found, times)));
        self
    }

    /// Forgets every fault that has not happened yet, chaos included.
    pub fn heal(&self) -> &Self {
        self.with(|state| {
            state.faults.clear();
            state.chaos.end();
        });
        self
    }

    /// Random trouble from now on.
    pub fn chaos(&self, plan: Chaos) -> &Self {
        self.with(|state| {
            let now = state.now;
            state.chaos.begin(plan, now);
        });
        self
    }

    // -- plans

    /// Does something at a time.
    pub fn at(&self, millis: u64, action: impl FnOnce(&Cluster) + 'static) -> &Self {
        self.with(|state| state.schedule(millis, Box::new(action)));
        self
    }

    /// Does something when the `nth` request of an API from now on arrives (1: the next), before it is handled.
    pub fn when(&self, api: Api, nth: usize, action: impl FnOnce(&Cluster) + 'static) -> &Self {
        let action: Action = Box::new(action);
        self.with(|state| state.triggers.push(Trigger { api, countdown: nth, action: Some(action) }));
        self
    }

    // -- what happened

    /// Requests in the order they were received.
    pub fn requests(&self) -> Vec<Received> {
        self.state().history.requests.clone()
    }

    /// Requests of one API in the order they were received.
    pub fn requests_of(&self, api: Api) -> Vec<Received> {
        self.state().history.requests.iter().filter(|request| request.api == api).cloned().collect()
    }

    /// How many requests of one API were received.
    pub fn count(&self, api: Api) -> usize {
        self.state().history.requests.iter().filter(|request| request.api == api).count()
    }

    /// Attempts to connect, in order.
    pub fn connects(&self) -> Vec<Connect> {
        self.state().history.connects.clone()
    }

    /// Requests in the order they were received, without the first `known`.
    pub fn requests_since(&self, known: usize) -> Vec<Received> {
        self.state().history.requests[known..].to_vec()
    }

    /// The last request of which this is true.
    pub fn last_request(&self, is_it: impl Fn(&Received) -> bool) -> Option<Received> {
        self.state().history.requests.iter().rev().find(|request| is_it(request)).cloned()
    }

    /// Commits that were taken, in order, without the first `known`.
    pub fn accepted_since(&self, known: usize) -> Vec<Accepted> {
        self.state().history.accepted[known..].to_vec()
    }

    /// Everything that happened, a line each.
    pub fn log(&self) -> String {
        self.state().history.to_string()
    }

    /// A line of the test's own in the log.
    pub fn note(&self, text: impl Into<String>) -> &Self {
        self.with(|state| state.note(text.into()));
        self
    }

    /// Violations so far; they stay.
    pub fn violations(&self) -> Vec<String> {
        self.state().history.violations.clone()
    }

    /// Violations so far, for tests that expect them: forgiven.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.state().history.violations)
    }

    /// Connections that have died in silence and that a consumer still has.
    pub fn stalled(&self) -> usize {
        let state = self.state();
        state.connections.values().filter(|connection| connection.stalled() && !connection.client_gone).count()
    }

    /// Fetches that wait at a broker for data.
    pub fn long_polls(&self) -> usize {
        let state = self.state();
        state.connections.values().filter(|connection| matches!(connection.work, Work::LongPoll(_))).count()
    }
}
