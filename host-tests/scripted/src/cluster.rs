//! The cluster's state: brokers, topics, connections. What tests do with it is in [`control`](crate::control).
use crate::broker::Broker;
use crate::chaos::{Blow, Trouble};
use crate::connection::Connection;
use crate::control::Cluster;
use crate::coordinator::Coordinator;
use crate::faults::{End, Faults};
use crate::group::consumer::TopicId;
use crate::group::Group;
use crate::history::History;
use crate::log::Partition;
use crate::quota::Quotas;
use crate::random::Random;
use crate::settings::Settings;
use crate::stream::NetState;
use nanokafka::Api;
use std::collections::{BTreeMap, BTreeSet};

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const NOT_LEADER_OR_FOLLOWER: i16 = 6;
const FENCED_LEADER_EPOCH: i16 = 74;
const UNKNOWN_LEADER_EPOCH: i16 = 75;

pub(crate) type Action = Box<dyn FnOnce(&Cluster)>;

/// What Metadata says about one partition.
#[derive(Clone)]
pub(crate) struct PartitionView {
    pub(crate) leader: i32,
    pub(crate) epoch: i32,
    pub(crate) replicas: Vec<i32>,
}

pub(crate) type TopicView = Vec<PartitionView>;

/// Runs when the `countdown`-th request of an API arrives, before it is handled.
pub(crate) struct Trigger {
    pub(crate) api: Api,
    pub(crate) countdown: usize,
    pub(crate) action: Option<Action>,
}

pub(crate) struct State {
    pub(crate) now: u64,
    pub(crate) time_limit: u64,
    pub(crate) settings: Settings,
    pub(crate) brokers: Vec<Broker>,
    pub(crate) topics: BTreeMap<String, Vec<Partition>>,
    pub(crate) topic_ids: BTreeMap<String, TopicId>,
    /// Topics being created: when, and with how many partitions.
    pub(crate) creations: BTreeMap<String, (u64, usize)>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) coordinators: BTreeMap<String, Coordinator>,
    /// Since when there is (or will be) an offsets topic; the first FindCoordinator creates it.
    pub(crate) offsets_topic: Option<u64>,
    pub(crate) denied_topics: BTreeSet<String>,
    pub(crate) denied_groups: BTreeSet<String>,
    pub(crate) connections: BTreeMap<u64, Connection>,
    pub(crate) opened: u64,
    pub(crate) nets: Vec<NetState>,
    pub(crate) faults: Faults,
    pub(crate) chaos: Trouble,
    pub(crate) quotas: Quotas,
    pub(crate) history: History,
    pub(crate) random: Random,
    /// Connections to be looked at.
    pub(crate) dirty: Vec<u64>,
    /// Logs or leaders have changed: long polls may end.
    pub(crate) news: bool,
    /// By time and order of entry.
    pub(crate) actions: BTreeMap<(u64, u64), Action>,
    pub(crate) action_number: u64,
    /// No topic's id comes again.
    pub(crate) topics_made: u64,
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) triggered: Vec<Action>,
    /// Counts what a consumer could have noticed.
    pub(crate) progress: u64,
    pub(crate) ticked: u64,
    pub(crate) ticks_at_once: u64,
    pub(crate) idle_turns: u64,
}

impl State {
    pub(crate) fn new(nodes: impl IntoIterator<Item = i32>) -> Self {
        State {
            now: 0,
            time_limit: 3_600_000,
            settings: Settings::default(),
            brokers: nodes.into_iter().map(Broker::new).collect(),
            topics: BTreeMap::new(),
            topic_ids: BTreeMap::new(),
            creations: BTreeMap::new(),
            groups: BTreeMap::new(),
            coordinators: BTreeMap::new(),
            offsets_topic: None,
            denied_topics: BTreeSet::new(),
            denied_groups: BTreeSet::new(),
            connections: BTreeMap::new(),
            opened: 0,
            nets: vec![],
            faults: Faults::default(),
            chaos: Trouble::default(),
            quotas: Quotas::default(),
            history: History::default(),
            random: Random::new(1),
            dirty: vec![],
            news: false,
            actions: BTreeMap::new(),
            action_number: 0,
            topics_made: 0,
            triggers: vec![],
            triggered: vec![],
            progress: 0,
            ticked: 0,
            ticks_at_once: 0,
            idle_turns: 0,
        }
    }

    pub(crate) fn note(&mut self, text: String) {
        self.history.note(self.now, text);
    }

    pub(crate) fn violation(&mut self, text: String) {
        self.history.violation(self.now, text);
    }

    pub(crate) fn broker(&self, node: i32) -> &Broker {
        self.brokers.iter().find(|broker| broker.node == node).unwrap_or_else(|| panic!("there is no broker {node}"))
    }

    pub(crate) fn broker_mut(&mut self, node: i32) -> &mut Broker {
        let found = self.brokers.iter_mut().find(|broker| broker.node == node);
        found.unwrap_or_else(|| panic!("there is no broker {node}"))
    }

    pub(crate) fn partition(&self, topic: &str, partition: i32) -> Option<&Partition> {
        self.topics.get(topic)?.get(usize::try_from(partition).ok()?)
    }

    /// Changes a log or its leader; long polls look again.
    pub(crate) fn change<R>(&mut self, topic: &str, partition: i32, change: impl FnOnce(&mut Partition) -> R) -> R {
        self.news = true;
        let log = self.topics.get_mut(topic).and_then(|topic| topic.get_mut(partition as usize));
        change(log.unwrap_or_else(|| panic!("there is no partition {topic}-{partition}")))
    }

    /// The partition if this node leads it and the client's epoch is the current one (KIP-320).
    pub(crate) fn leader_of(&self, node: i32, topic: &str, partition: i32, epoch: i32) -> Result<&Partition, i16> {
        let log = self.partition(topic, partition).ok_or(UNKNOWN_TOPIC_OR_PARTITION)?;
        if !log.replicas.contains(&node) {
            Err(NOT_LEADER_OR_FOLLOWER)
        } else if epoch >= 0 && epoch < log.epoch {
            Err(FENCED_LEADER_EPOCH)
        } else if epoch > log.epoch {
            Err(UNKNOWN_LEADER_EPOCH)
        } else if log.leader != node {
            Err(NOT_LEADER_OR_FOLLOWER)
        } else {
            Ok(log)
        }
    }

    /// A topic as this node's Metadata shows it.
    pub(crate) fn view(&self, node: i32, topic: &str) -> TopicView {
        if let Some(frozen) = self.broker(node).frozen.as_ref().and_then(|frozen| frozen.get(topic)) {
            return frozen.clone();
        }
        let view =
            |log: &Partition| PartitionView { leader: log.leader, epoch: log.epoch, replicas: log.replicas.clone() };
        self.topics.get(topic).into_iter().flatten().map(view).collect()
    }

    pub(crate) fn create_topic(&mut self, name: &str, partitions: usize, replicas: usize) {
        self.news = true;
        let nodes: Vec<i32> = self.brokers.iter().map(|broker| broker.node).collect();
        if !self.topics.contains_key(name) {
            self.topics_made += 1;
            let id = (0x4b41_464b_0000_4000_8000_0000_0000_0000_u128 | u128::from(self.topics_made)).to_be_bytes();
            self.topic_ids.insert(name.into(), id);
        }
        let topic = self.topics.entry(name.into()).or_default();
        for index in topic.len()..partitions {
            let mut log = Partition::new(nodes[index % nodes.len()]);
            log.replicas = (0..replicas.clamp(1, nodes.len())).map(|i| nodes[(index + i) % nodes.len()]).collect();
            topic.push(log);
        }
    }

    pub(crate) fn kill(&mut self, node: i32) {
        let session_ends = self.now + self.settings.broker_session_timeout_ms;
        let broker = self.broker_mut(node);
        if !broker.alive {
            return;
        }
        (broker.alive, broker.paused, broker.session_ends) = (false, false, Some(session_ends));
        self.note(format!("node {node} killed"));
        let of_node = self.connections.iter().filter(|(_, connection)| connection.node == node);
        for id in of_node.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.close(id, End::Reset);
        }
        self.forget_unwritten(node);
    }

    /// What other brokers do when a killed one has not come back in time.
    pub(crate) fn end_session(&mut self, node: i32) {
        self.note(format!("node {node} is given up"));
        let broker = self.broker_mut(node);
        (broker.registered, broker.session_ends) = (false, None);
        let alive: Vec<i32> = self.brokers.iter().filter(|b| b.registered && b.alive).map(|b| b.node).collect();
        for log in self.topics.values_mut().flatten().filter(|log| log.leader == node) {
            let next = log.replicas.iter().copied().find(|replica| alive.contains(replica));
            log.elect(next.unwrap_or(-1));
        }
        self.news = true;
        self.fail_over_groups(node);
    }

    pub(crate) fn restart(&mut self, node: i32) {
        self.note(format!("node {node} starts"));
        let broker = self.broker_mut(node);
        (broker.alive, broker.paused, broker.registered, broker.session_ends) = (true, false, true, None);
        // its partitions get a new epoch: leaderless ones a leader, the others the same one anew
        for log in self.topics.values_mut().flatten() {
            if log.leader == node || log.leader < 0 && log.replicas.contains(&node) {
                log.elect(node);
            }
        }
        let loaded_from = self.now + self.settings.coordinator_load_ms;
        for group in self.groups_of(node) {
            self.coordinators.insert(group, Coordinator { node, found_from: 0, loaded_from });
        }
        self.news = true;
    }

    /// Does everything that is due now, until somebody else must act: actions of the test are returned.
    pub(crate) fn pump(&mut self) -> Vec<Action> {
        loop {
            if !self.triggered.is_empty() {
                return std::mem::take(&mut self.triggered);
            }
            if let Some(entry) = self.actions.first_entry().filter(|entry| entry.key().0 <= self.now) {
                return vec![entry.remove()];
            }
            if let Some(id) = self.dirty.pop() {
                self.pump_connection(id);
                continue;
            }
            if std::mem::take(&mut self.news) {
                self.look_at_long_polls();
                continue;
            }
            if !self.pump_brokers() && !self.advance_groups() {
                return vec![];
            }
        }
    }

    /// Whether anything was due.
    fn pump_brokers(&mut self) -> bool {
        let now = self.now;
        let gone = self.brokers.iter().find(|broker| broker.session_ends.is_some_and(|at| at <= now));
        if let Some(node) = gone.map(|broker| broker.node) {
            self.end_session(node);
            return true;
        }
        let created = self.creations.iter().find(|(_, (at, _))| *at <= now).map(|(name, (_, n))| (name.clone(), *n));
        if let Some((name, partitions)) = created {
            self.creations.remove(&name);
            self.create_topic(&name, partitions, 1);
            self.note(format!("topic {name} was created"));
            return true;
        }
        let blow = self.chaos.blow(now);
        if let Some((blow, down)) = blow {
            self.strike(blow, down);
            return true;
        }
        false
    }

    fn strike(&mut self, blow: Blow, down: u64) {
        let up: Vec<i32> = self.brokers.iter().filter(|b| b.alive && b.registered).map(|b| b.node).collect();
        match blow {
            Blow::Leader => {
                let sizes: Vec<(String, usize)> = self.topics.iter().map(|(name, t)| (name.clone(), t.len())).collect();
                let Some((topic, size)) = sizes.get(self.chaos.pick(sizes.len())).cloned() else { return };
                let partition = self.chaos.pick(size);
                let Some(&to) = up.get(self.chaos.pick(up.len())) else { return };
                self.note(format!("leader of {topic}-{partition} moves to node {to}"));
                self.change(&topic, partition as i32, |log| log.elect(to));
            }
            Blow::Coordinator => {
                let groups: Vec<String> = self.coordinators.keys().cloned().collect();
                let Some(group) = groups.get(self.chaos.pick(groups.len())).cloned() else { return };
                let Some(&to) = up.get(self.chaos.pick(up.len())) else { return };
                self.move_coordinator(&group, to, down.min(500));
            }
            Blow::Kill => {
                if self.brokers.iter().any(|broker| !broker.alive) {
                    return;
                }
                let Some(&node) = up.get(self.chaos.pick(up.len())) else { return };
                self.kill(node);
                self.schedule(
                    self.now + down,
                    Box::new(move |cluster| {
                        cluster.restart(node);
                    }),
                );
            }
        }
    }

    pub(crate) fn schedule(&mut self, at: u64, action: Action) {
        self.action_number += 1;
        self.actions.insert((at, self.action_number), action);
    }

    /// When something will happen without anybody's doing, after now.
    pub(crate) fn next_event(&self) -> Option<u64> {
        let idle = self.settings.connections_max_idle_ms;
        let connections = self.connections.values().filter_map(|connection| connection.next_event(self.now, idle));
        let nets = self.nets.iter().filter_map(|net| net.next_event(self.now));
        let brokers = self.brokers.iter().filter_map(|broker| broker.session_ends);
        let created = self.creations.values().map(|(at, _)| *at).chain(self.offsets_topic);
        let others =
            [self.next_group_event(), self.chaos.next_event(self.now), self.actions.keys().next().map(|k| k.0)];
        let all = connections.chain(nets).chain(brokers).chain(created).chain(others.into_iter().flatten());
        all.filter(|&at| at > self.now).min()
    }

    /// Time passes; whoever sleeps is woken by what has arrived.
    pub(crate) fn set_now(&mut self, now: u64) {
        let before = std::mem::replace(&mut self.now, now);
        assert!(now <= self.time_limit, "{now} ms: the virtual time limit has passed");
        let arrived: Vec<(usize, usize)> = self
            .connections
            .values()
            .filter(|connection| connection.arrived_between(before, now))
            .map(|connection| (connection.net, connection.index))
            .collect();
        for (net, index) in arrived {
            self.wake(net, index);
        }
        for net in &mut self.nets {
            if net.wake_due(now) {
                self.progress += 1;
            }
        }
        self.dirty.extend(self.connections.keys());
    }

    pub(crate) fn wake(&mut self, net: usize, index: usize) {
        if self.nets[net].wake(index) {
            self.progress += 1;
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.history.tail());
        } else if !self.history.violations.is_empty() {
            panic!("violations of the protocol:\n{}\n{}", self.history.violations.join("\n"), self.history.tail());
        }
    }
}
