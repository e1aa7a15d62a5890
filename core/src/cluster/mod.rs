//! Which brokers there are and who leads what: bootstrap, ApiVersions, Metadata, FindCoordinator.
pub(crate) mod nodes;

use crate::config::{parse_server, servers};
use crate::connection::failure::Failure;
use crate::connection::{Link, CONTROL};
use crate::error::{BrokerError, ProtocolError};
use crate::partitions::{Phase, Slot};
use crate::seed::Random;
use crate::state::{topic, Control, Mode, State};
use crate::time::millis;
use crate::wire::{api_versions, find_coordinator, metadata};
use crate::{strings, Api, Config, ErrorCode, Instant, ProtocolErrorKind, TopicName};
use core::time::Duration;
use nodes::{Need, Node, Nodes, BOOTSTRAP};

/// Something to ask for until it is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub wanted: bool,
    pub failures: u8,
    pub not_before: Instant,
}

impl Job {
    pub const NEW: Job = Job { wanted: false, failures: 0, not_before: Instant::from_millis(0) };

    pub fn want(&mut self) {
        self.wanted = true;
    }

    pub fn done(&mut self) {
        *self = Job::NEW;
    }
}

/// Only other members of the group that we lead subscribe to it.
fn is_foreign(flags: u8) -> bool {
    flags & (topic::GROUP | topic::SUBSCRIBED) == topic::GROUP
}

/// `min(first * 2^failures, max)`, +-20 %, in milliseconds.
pub(crate) fn backoff(first: Duration, max: Duration, failures: u8, random: &mut Random) -> u64 {
    let grown = millis(first).saturating_mul(1 << failures.min(20)).min(millis(max));
    random.jitter(grown as u32).into()
}

#[derive(Debug)]
#[repr(C)] // the small fields first, where short instructions reach them
pub(crate) struct Cluster {
    pub coordinator_known: bool,
    /// How often in a row a coordinator that was named has not answered.
    pub unreached: u8,
    /// Entry of `bootstrap.servers` in use, and how many places were tried since the last success.
    bootstrap: u8,
    tried: u8,
    /// A broker has answered Metadata.
    pub contacted: bool,
    /// This Metadata has named a broker.
    named: bool,
    /// Leaders were missing from the table, and all brokers are being asked for again.
    again: bool,
    /// A topic of the Metadata that is being read could not be noted, as records were lent.
    missed: bool,
    /// Answers in a row that could not be noted; also 1 while the id of a topic has to be.
    pub unnoted: u8,
    /// What is to be reported: code, the topic's entry.
    report: i16,
    report_topic: u16,
    /// Node id of the coordinator, while [`Self::coordinator_known`].
    coordinator: i32,
    /// Or -1.
    report_partition: i32,
    /// The range of a needed API that the broker does not share with us.
    mismatch: (i16, i16, i16),
    /// Since when, or when that was told.
    pub unreached_since: Instant,
    pub refresh_at: Instant,
    /// Since when Metadata does not know a topic or a partition; 0 it does.
    unknown_since: Instant,
    pub metadata: Job,
    /// FindCoordinator.
    pub find: Job,
    pub nodes: Nodes,
}

/// A topic that Metadata does not know is reported after this long: brokers need a moment to agree on a new one.
const UNKNOWN_TOPIC_REPORT: Duration = Duration::from_secs(5);

/// After this a group's leader assigns without a topic that Metadata does not know. Brokers hear of a new one, or one made anew, one
/// after the other; and the group waits.
const BROKERS_AGREE: Duration = Duration::from_secs(1);

impl Cluster {
    pub const NEW: Cluster = Cluster {
        nodes: Nodes::NEW,
        metadata: Job::NEW,
        find: Job::NEW,
        coordinator: 0,
        coordinator_known: false,
        unreached: 0,
        unreached_since: Instant::from_millis(0),
        bootstrap: 0,
        tried: 0,
        contacted: false,
        named: false,
        again: false,
        missed: false,
        unnoted: 0,
        refresh_at: Instant::from_millis(0),
        unknown_since: Instant::from_millis(0),
        report: 0,
        report_topic: 0,
        report_partition: 0,
        mismatch: (0, 0, 0),
    };

    /// Index of the coordinator's node.
    pub fn coordinator(&self) -> Option<u8> {
        if self.coordinator_known {
            self.nodes.by_id(self.coordinator)
        } else {
            None
        }
    }

    pub fn lose_coordinator(&mut self) {
        self.coordinator_known = false;
    }
}

/// Host and port of a node.
pub(crate) fn address<'a>(cluster: &'a Cluster, config: &'a Config<'_>, node: u8) -> Option<(&'a str, u16)> {
    match node {
        BOOTSTRAP => servers(config.bootstrap_servers).nth(cluster.bootstrap.into()).and_then(parse_server),
        _ => cluster.nodes.get(node).filter(|node| node.used).map(|node| (cluster.nodes.host(node), node.port)),
    }
}

/// Whether a broker must stay in the table: a connection is for it, it coordinates, or an assigned partition is read from it.
fn needed<'a>(links: &'a [Link], slots: &'a [Slot], coordinator: Option<i32>) -> impl Fn(u8, &Node) -> bool + 'a {
    move |index, node| {
        coordinator == Some(node.id)
            || links.iter().any(|link| link.node == index)
            || slots.iter().any(|slot| slot.leader == node.id || slot.replica == index)
    }
}

impl Control<'_> {
    /// What an API's job asks for is asked for again, after `retry.backoff.ms` and its doublings.
    pub(crate) fn retry(&mut self, api: Api, now: Instant) {
        let State {
            cluster,
            commit,
            random,
            #[cfg(feature = "group")]
            group,
            ..
        } = &mut *self.state;
        let job = match api {
            Api::Metadata => &mut cluster.metadata,
            Api::FindCoordinator => &mut cluster.find,
            Api::OffsetFetch => &mut commit.fetch,
            #[cfg(feature = "group")]
            Api::JoinGroup => &mut group.job,
            _ => &mut commit.job,
        };
        let wait = backoff(self.config.retry_backoff, self.config.retry_backoff_max, job.failures, random);
        *job = Job { wanted: true, failures: job.failures.saturating_add(1), not_before: now.after_millis(wait) };
    }

    /// Metadata is asked for, and not at once, unless it is wanted anyway.
    pub(crate) fn doubt_metadata(&mut self, now: Instant) {
        if !self.state.cluster.metadata.wanted {
            self.retry(Api::Metadata, now);
        }
    }

    /// Where the control connection should go next: the coordinator if there is one, otherwise the next place of the list and of the
    /// brokers known so far.
    pub(crate) fn control_target(&mut self) -> u8 {
        let cluster = &mut self.state.cluster;
        if let Some(coordinator) = cluster.coordinator() {
            return coordinator;
        }
        let listed = servers(self.config.bootstrap_servers).count() as u8;
        let known = cluster.nodes.brokers().count() as u8;
        let place = cluster.tried.checked_rem(listed.saturating_add(known)).unwrap_or(0);
        cluster.tried = cluster.tried.wrapping_add(1);
        match place.checked_sub(known) {
            // brokers first: the list may be stale, and its order is what a fleet of devices would hammer
            None => cluster.nodes.brokers().nth(place.into()).map_or(BOOTSTRAP, |(index, _)| index),
            Some(entry) => {
                cluster.bootstrap = entry;
                if let Some(node) = cluster.nodes.get_mut(BOOTSTRAP) {
                    *node = Node::NEW;
                }
                BOOTSTRAP
            }
        }
    }

    /// The bootstrap connection reached a broker that is known by now: it becomes that broker's.
    pub(crate) fn recognise_bootstrap(&mut self) {
        let State { cluster, .. } = &mut *self.state;
        let Some(link) = self.links.first_mut().filter(|link| link.node == BOOTSTRAP) else { return };
        let Some((host, port)) = address(cluster, self.config, BOOTSTRAP) else { return };
        let same = |node: &Node| node.port == port && cluster.nodes.host(node) == host;
        let Some(index) = cluster.nodes.brokers().find(|(_, node)| same(node)).map(|(index, _)| index) else { return };
        if let (Some(Node { versions, asked, epochs, .. }), Some(node)) =
            (cluster.nodes.get(BOOTSTRAP).copied(), cluster.nodes.get_mut(index))
        {
            (node.versions, node.asked, node.epochs) = (versions, asked, epochs);
            link.node = index;
        }
    }

    /// What a broker must speak.
    fn need(&self) -> Need {
        #[cfg(feature = "group-consumer")]
        if self.state.mode == Mode::Subscribed && self.config.group_protocol == crate::GroupProtocol::Consumer {
            return Need::Consumer;
        }
        match self.config.group_id.is_empty() && self.state.mode != Mode::Subscribed {
            true => Need::Always,
            false => Need::Group,
        }
    }

    /// One item of an answer about the cluster.
    pub(crate) fn versions_item(&mut self, link: usize, item: api_versions::Item) -> Result<(), Failure> {
        let (index, need) = (self.link(link).map_or(0, |link| link.node), self.need());
        let mut others = self.links.iter().enumerate().filter(|&(other, _)| other != link);
        let alone = !others.any(|(_, other)| other.asks_versions(index));
        let cluster = &mut self.state.cluster;
        let Some(node) = cluster.nodes.get_mut(index) else { return Ok(()) };
        match item {
            api_versions::Item::Error(0) => {
                // what another connection reads or has read of the same list must not vanish in between
                if alone && !node.asked {
                    node.versions = nodes::Versions::NEW;
                }
                cluster.mismatch = (0, 0, -1);
            }
            api_versions::Item::Error(code) => {
                self.refused(Api::ApiVersions, ErrorCode(code), false);
                return Err(Failure::Fatal);
            }
            api_versions::Item::Range { api, min, max } => {
                node.versions.note(api, min, max);
                node.epochs |= api == Api::Metadata as i16 && max >= 9;
                if node.versions.missing(need).is_some_and(|(missing, ..)| missing as i16 == api) {
                    cluster.mismatch = (api, min, max);
                }
            }
        }
        Ok(())
    }

    /// All of ApiVersions is read.
    pub(crate) fn versions_done(&mut self, link: usize) -> Result<(), Failure> {
        let index = self.link(link).map_or(0, |link| link.node);
        let need = self.need();
        let cluster = &mut self.state.cluster;
        let Some(node) = cluster.nodes.get_mut(index) else { return Ok(()) };
        node.asked = true;
        self.state.plan = true; // others wait for it
        match node.versions.missing(need) {
            None => Ok(()),
            Some((api, min, max)) => {
                node.asked = false;
                let (_, their_min, their_max) =
                    Some(cluster.mismatch).filter(|range| range.0 == api as i16).unwrap_or((0, 0, -1));
                Err(self.mismatch(api, ProtocolErrorKind::Version(min, max, their_min, their_max)))
            }
        }
    }

    /// The broker does not share a version with us: told at once, tried again with backoff.
    pub(crate) fn mismatch(&mut self, api: Api, kind: ProtocolErrorKind) -> Failure {
        self.tell(ProtocolError { api, position: 0, kind }.into());
        Failure::Fatal
    }

    pub(crate) fn metadata_item(&mut self, item: metadata::Item<'_>, now: Instant) {
        match item {
            metadata::Item::Throttle(millis) => {
                self.throttle(CONTROL, millis, now);
                self.state.cluster.nodes.unlist();
                #[cfg(feature = "group")]
                self.forget_leaders();
                (self.state.cluster.named, self.state.cluster.missed) = (false, false);
            }
            metadata::Item::Broker { id, host, port } => {
                self.note_node(id, host, port);
                self.state.cluster.named = true;
            }
            metadata::Item::Topic { error, name, id, partitions } => {
                self.state.cluster.missed |= !self.names.is_exclusive();
                #[cfg(feature = "group-consumer")]
                self.note_topic_id(name, id, now);
                let _ = id;
                self.metadata_topic(error, name, partitions, now);
            }
            metadata::Item::Partition { index, leader, epoch } => self.metadata_partition(index, leader, epoch),
            metadata::Item::Part => {}
        }
    }

    fn note_node(&mut self, id: i32, host: &str, port: i32) -> Option<u8> {
        let State { cluster, slots_used, .. } = &mut *self.state;
        let slots = self.table.get(..usize::from(*slots_used)).unwrap_or_default();
        let coordinator = cluster.coordinator_known.then_some(cluster.coordinator);
        let port = u16::try_from(port).ok().filter(|_| !host.is_empty())?;
        cluster.nodes.note(id, host, port, needed(self.links, slots, coordinator))
    }

    fn metadata_topic(&mut self, error: i16, name: &str, partitions: u32, now: Instant) {
        let entry = strings::find(&self.names, self.state.names_used, name);
        self.inbox(CONTROL).topic = entry.map_or(0, |entry| entry.saturating_add(1));
        let Some(entry) = entry else { return };
        let flags = strings::flags(&self.names, entry);
        match ErrorCode(error) {
            ErrorCode::NONE | ErrorCode::LEADER_NOT_AVAILABLE if partitions > 0 => {
                let changed = strings::number(&self.names, entry) != partitions;
                self.topics().set_number(entry, partitions);
                let absent = self.slots().iter().find(|slot| slot.topic == entry && slot.is_beyond(partitions));
                if let Some(partition) = absent.map(|slot| slot.partition) {
                    self.topics().set_flags(entry, flags & !topic::ABSENT | topic::KNOWN);
                    self.unknown(entry, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, partition, now);
                } else {
                    self.topics().set_flags(entry, flags & !(topic::REPORTED | topic::ABSENT) | topic::KNOWN);
                }
                if changed {
                    #[cfg(feature = "group")]
                    self.partitions_changed();
                }
            }
            code => {
                debug!("topic {}: {}", name, code);
                self.topics().set_flags(entry, flags & !topic::KNOWN);
                self.unknown(entry, code, -1, now);
            }
        }
    }

    /// Metadata does not know a topic, or one of its partitions: told once, when it lasts.
    fn unknown(&mut self, entry: u16, code: ErrorCode, partition: i32, now: Instant) {
        let flags = strings::flags(&self.names, entry);
        let patient = !matches!(code, ErrorCode::TOPIC_AUTHORIZATION_FAILED | ErrorCode::INVALID_TOPIC_EXCEPTION);
        let cluster = &mut self.state.cluster;
        if cluster.unknown_since == Instant::from_millis(0) {
            cluster.unknown_since = now;
        }
        let waited = now >= cluster.unknown_since.after(UNKNOWN_TOPIC_REPORT);
        let mut said = flags;
        if now >= cluster.unknown_since.after(BROKERS_AGREE) {
            said |= topic::ABSENT;
        }
        if flags & topic::REPORTED == 0 && (waited || !patient) && cluster.report == 0 && !is_foreign(flags) {
            (cluster.report, cluster.report_topic, cluster.report_partition) = (code.0, entry, partition);
            said |= topic::REPORTED;
        }
        self.topics().set_flags(entry, said);
    }

    fn metadata_partition(&mut self, index: i32, leader: i32, epoch: i32) {
        let Some(topic) = self.inbox(CONTROL).topic.checked_sub(1) else { return };
        let State { cluster, slots_used, plan, .. } = &mut *self.state;
        let asked = self.links.first().and_then(|link| cluster.nodes.get(link.node));
        let (epochs, validates) =
            asked.map_or((false, false), |node| (node.epochs, node.versions.get(Api::OffsetForLeaderEpoch).is_some()));
        let slots = self.table.get_mut(..usize::from(*slots_used)).unwrap_or_default();
        let epoch = if epochs { epoch } else { -1 };
        let Ok(found) = crate::partitions::find(slots, topic, index) else {
            #[cfg(feature = "group")]
            self.remember_leader(topic, index, leader, epoch);
            return;
        };
        let Some(slot) = slots.get_mut(found) else { return };
        if epoch >= 0 && epoch < slot.leader_epoch {
            // a broker that lags behind, or a topic that was made anew, whose epochs begin at 0 again
            slot.older_epochs = slot.older_epochs.saturating_add(1);
            if !slot.is(Slot::DOUBTED) && slot.older_epochs < 3 {
                return;
            }
            slot.epoch = -1;
        }
        slot.older_epochs = 0;
        if leader < 0 {
            slot.set(Slot::LEADERLESS);
            return;
        }
        if slot.phase == Phase::Ready && slot.epoch >= 0 && epoch >= 0 && epoch != slot.leader_epoch && validates {
            slot.phase = Phase::Validate;
        }
        if slot.leader != leader {
            slot.link = 0;
        }
        if (slot.leader, slot.leader_epoch) != (leader, epoch) {
            slot.replica = 0;
        }
        (slot.leader, slot.leader_epoch) = (leader, epoch);
        slot.clear(Slot::LEADERLESS | Slot::DOUBTED);
        *plan = true;
    }

    /// All of Metadata is read.
    pub(crate) fn metadata_done(&mut self, now: Instant) -> Result<(), Failure> {
        self.recognise_bootstrap();
        let State { cluster, slots_used, plan, .. } = &mut *self.state;
        *plan = true;
        for slot in self.table.get_mut(..usize::from(*slots_used)).unwrap_or_default() {
            if cluster.nodes.get(slot.replica).is_some_and(|node| !node.listed) {
                slot.replica = 0;
            }
        }
        if !cluster.named {
            self.retry(Api::Metadata, now); // a broker that is still starting names nobody
            return Ok(());
        }
        cluster.contacted = true;
        cluster.tried = 0;
        cluster.refresh_at = now.after(self.config.metadata_max_age);
        let slots = self.table.get(..usize::from(*slots_used)).unwrap_or_default();
        let stranger =
            |slot: &Slot| !slot.is(Slot::LEADERLESS) && slot.leader >= 0 && cluster.nodes.by_id(slot.leader).is_none();
        let strangers = slots.iter().any(stranger);
        let leaderless = slots.iter().any(|slot| slot.is(Slot::LEADERLESS) || slot.leader < 0 || slot.older_epochs > 0);
        let absent = |slot: &Slot| slot.is_beyond(strings::number(&self.names, slot.topic));
        let unknown = slots.iter().any(absent)
            || strings::entries(&self.names, self.state.names_used)
                .map(|at| strings::flags(&self.names, at))
                .any(|flags| flags & topic::KNOWN == 0 && !(is_foreign(flags) && flags & topic::ABSENT != 0));
        #[cfg(feature = "group-consumer")]
        let unknown = unknown || self.wants_topic_ids();
        let cluster = &mut self.state.cluster;
        let unnoted = core::mem::take(&mut cluster.missed);
        cluster.unnoted = if unnoted { cluster.unnoted.saturating_add(1) } else { 0 };
        if !unknown {
            cluster.unknown_since = Instant::from_millis(0);
        }
        if strangers && !cluster.again {
            // the brokers came before their partitions: now it is known which of them are needed
            cluster.again = true;
            cluster.metadata.wanted = true;
            cluster.metadata.not_before = now;
        } else if strangers || leaderless || unknown || unnoted {
            cluster.again = false;
            self.retry(Api::Metadata, now);
            if strangers {
                return Err(self.no_room());
            }
        } else {
            cluster.again = false;
            cluster.metadata.done();
        }
        let cluster = &mut self.state.cluster;
        match core::mem::take(&mut cluster.report) {
            0 => Ok(()),
            code => {
                let topic = TopicName::new(strings::name(&self.names, cluster.report_topic));
                let error = BrokerError {
                    api: Api::Metadata,
                    code: ErrorCode(code),
                    topic,
                    partition: cluster.report_partition,
                    fatal: false,
                };
                Err(self.tell(error.into()))
            }
        }
    }

    /// A broker that is needed found none.
    fn no_room(&mut self) -> Failure {
        self.tell(self.state.cluster.nodes.full().into())
    }

    pub(crate) fn coordinator_item(&mut self, item: find_coordinator::Item<'_>, now: Instant) -> Result<(), Failure> {
        match item {
            find_coordinator::Item::Head { throttle, error } => {
                self.throttle(CONTROL, throttle, now);
                self.inbox(CONTROL).error = error;
                Ok(())
            }
            find_coordinator::Item::Node { id, host, port } => {
                let code = ErrorCode(self.inbox(CONTROL).error);
                let State { cluster, .. } = &mut *self.state;
                match code {
                    ErrorCode::NONE => {
                        (cluster.coordinator, cluster.coordinator_known) = (id, true);
                        if self.note_node(id, host, port).is_none() {
                            self.state.cluster.lose_coordinator();
                            self.retry(Api::FindCoordinator, now);
                            return Err(self.no_room());
                        }
                        self.state.cluster.find.done();
                        self.recognise_bootstrap();
                        Ok(())
                    }
                    // a fresh cluster creates __consumer_offsets at the first question
                    ErrorCode::COORDINATOR_NOT_AVAILABLE
                    | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
                    | ErrorCode::NOT_CONTROLLER
                    | ErrorCode::REQUEST_TIMED_OUT
                    | ErrorCode::NETWORK_EXCEPTION
                    | ErrorCode::UNKNOWN_SERVER_ERROR => {
                        self.retry(Api::FindCoordinator, now);
                        Ok(())
                    }
                    code => {
                        self.retry(Api::FindCoordinator, now);
                        let fatal = matches!(
                            code,
                            ErrorCode::GROUP_AUTHORIZATION_FAILED
                                | ErrorCode::INVALID_GROUP_ID
                                | ErrorCode::INVALID_REQUEST
                        );
                        Err(self.refused(Api::FindCoordinator, code, fatal))
                    }
                }
            }
        }
    }
}
