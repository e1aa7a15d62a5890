//! What is written: each request as a function of what there is, run once to count and again for every fill of the send buffer.
use super::{Broken, Link, CONTROL, SEND_BUFFER};
use crate::connection::failure::Failure;
use crate::drive::Op;
use crate::partitions::Slot;
#[cfg(feature = "group")]
use crate::state::topic;
use crate::state::Control;
use crate::strings;
use crate::time::millis;
#[cfg(feature = "group")]
use crate::time::millis_i32;
use crate::wire::encode::Encoder;
use crate::wire::{
    fetch, find_coordinator, list_offsets, metadata, offset_commit, offset_fetch, offset_for_leader_epoch,
};
#[cfg(feature = "group")]
use crate::wire::{heartbeat, join_group, sync_group};
use crate::{Api, Instant, PartitionOffset};

impl Control<'_> {
    /// Sends a request of which everything that it lists is marked already.
    pub(crate) fn send(
        &mut self,
        link: usize,
        api: Api,
        version: i16,
        op: &Op<'_, '_>,
        now: Instant,
    ) -> Result<(), Failure> {
        let (first, tables) = (if link == CONTROL { 0 } else { self.state.first_slot }, self.state.tables);
        if let Some(link) = self.link_mut(link) {
            (link.first_slot, link.tables) = (first, tables);
        }
        let mut counted = Encoder::count();
        let correlation = self.link(link).map_or(0, Link::next_id);
        self.encode(&mut counted, link, api, version, correlation, 0, op);
        let size = counted.size() as u32;
        let deadline = now.after_millis(self.patience(api));
        if let Some(link) = self.link_mut(link) {
            link.begin(api as i16, version, size, now, deadline);
        }
        self.fill(link, op)
    }

    /// How long an answer may take, in milliseconds.
    pub(crate) fn patience(&self, api: Api) -> u64 {
        let request = millis(self.config.request_timeout);
        let extra = match api {
            // the first word on a connection belongs to setting it up
            Api::ApiVersions => return request.min(millis(self.config.socket_connection_setup_timeout)),
            Api::Fetch => millis(self.config.fetch_max_wait),
            // whoever keeps its partitions has to make sure in time that the coordinator still knows it
            #[cfg(feature = "group")]
            Api::JoinGroup | Api::SyncGroup if self.state.slots_used > 0 => {
                let session = millis(self.config.session_timeout);
                return session.saturating_sub(session / 4);
            }
            // the broker answers when the slowest member has joined
            Api::JoinGroup => millis(self.config.max_poll_interval).saturating_add(5_000),
            _ => 0,
        };
        request.saturating_add(extra)
    }

    /// Writes what fits the send buffer of the request's next part.
    pub(crate) fn fill(&mut self, index: usize, op: &Op<'_, '_>) -> Result<(), Failure> {
        let Some(link) = self.link_mut(index).filter(|link| link.wants_filling()) else { return Ok(()) };
        let (request, size, unwritten, tables) = (link.newest(), link.size, link.unwritten, link.tables);
        let Some(api) = Api::from_key(request.api) else { return Ok(()) };
        let listed = match api {
            Api::OffsetCommit => !self.state.commit.sent_explicit || matches!(op, Op::CommitOffsets(_)),
            Api::OffsetFetch => !self.state.commit.queried || matches!(op, Op::Committed(_)),
            _ => true,
        };
        if tables != self.state.tables || !listed {
            return Err(self.broken(Broken::Closed)); // what it lists is gone, or nobody waits for it
        }
        let mut tx = [0; SEND_BUFFER];
        let mut e = Encoder::fill(&mut tx, size.saturating_sub(unwritten) as usize);
        self.encode(&mut e, index, api, request.version, request.id, size.saturating_sub(4), op);
        if e.size() != size as usize {
            return Err(self.broken(Broken::Closed)); // it no longer has the size that was announced
        }
        let written = e.written();
        if let Some(link) = self.link_mut(index) {
            link.fill(tx.get(..written).unwrap_or_default());
        }
        Ok(())
    }

    fn encode(&self, e: &mut Encoder<'_>, link: usize, api: Api, version: i16, id: i32, size: u32, op: &Op<'_, '_>) {
        let config = self.config;
        e.header(size, api, version, id, config.client_id);
        match api {
            Api::ApiVersions => {}
            Api::Metadata => {
                let topics = strings::entries(&self.names, self.state.names_used)
                    .filter(|&at| !strings::is_pattern(&self.names, at))
                    .map(|at| (strings::name(&self.names, at), strings::id(&self.names, at)));
                metadata::request(e, topics, config.allow_auto_create_topics);
            }
            Api::FindCoordinator => find_coordinator::request(e, self.consumer_group()),
            Api::Fetch => {
                fetch::head(e, config, self.fetch_wait(link));
                self.topics_of(e, link, Slot::LISTED, &|e, slot| {
                    let offset = self.fetch_offset(link, slot);
                    fetch::request_row(e, slot.partition, slot.leader_epoch, offset, config.max_partition_fetch_bytes);
                });
                fetch::tail(e, version, if self.state.rackless { "" } else { self.config.client_rack });
            }
            Api::ListOffsets => {
                list_offsets::head(e);
                self.topics_of(e, link, Slot::LISTED, &|e, slot| {
                    list_offsets::request_row(e, slot.partition, slot.leader_epoch, self.wanted_time(slot, op));
                });
            }
            Api::OffsetForLeaderEpoch => {
                offset_for_leader_epoch::head(e);
                self.topics_of(e, link, Slot::LISTED, &|e, slot| {
                    offset_for_leader_epoch::request_row(e, slot.partition, slot.leader_epoch, slot.epoch);
                });
            }
            Api::OffsetCommit => {
                let (generation, member, instance) = self.membership();
                offset_commit::head(e, version, self.consumer_group(), generation, member, instance);
                match op {
                    Op::CommitOffsets(listed) if self.state.commit.sent_explicit => {
                        by_topic(e, listed, &|e, entry| {
                            let offset = entry.offset.unwrap_or(-1);
                            offset_commit::request_row(e, entry.partition, offset, entry.leader_epoch, entry.metadata);
                        });
                    }
                    _ if self.state.commit.sent_explicit => {} // the caller is gone, and `fill` refuses
                    _ => self.topics_of(e, CONTROL, Slot::COMMITTING, &|e, slot| {
                        offset_commit::request_row(e, slot.partition, slot.acked, slot.epoch, "");
                    }),
                }
                e.tags();
            }
            Api::OffsetFetch => {
                let (epoch, member, _) = self.membership();
                // who is no member may ask as nobody, but not as who it was
                let member = if epoch < 0 { "" } else { member };
                offset_fetch::head(e, self.consumer_group(), epoch, member);
                match op {
                    Op::Committed(listed) if self.state.commit.queried => {
                        by_topic(e, listed, &|e, entry| offset_fetch::request_row(e, entry.partition));
                    }
                    _ if self.state.commit.queried => {}
                    _ => self.topics_of(e, CONTROL, Slot::FETCHING_OFFSET, &|e, slot| {
                        offset_fetch::request_row(e, slot.partition)
                    }),
                }
                offset_fetch::tail(e);
            }
            #[cfg(feature = "group")]
            Api::JoinGroup => {
                let join = join_group::Join {
                    group: self.consumer_group(),
                    session_timeout: millis_i32(config.session_timeout),
                    rebalance_timeout: millis_i32(config.max_poll_interval),
                    member: self.state.group.member_id(),
                    instance: config.group_instance_id,
                    rack: config.client_rack,
                };
                let (topics, assignors) = (self.subscribed_topics(), config.partition_assignment_strategy);
                join_group::request(e, version, &join, assignors, topics, &self.claimed());
            }
            #[cfg(feature = "group")]
            Api::SyncGroup => {
                let (generation, member, instance) = self.membership();
                sync_group::head(
                    e,
                    version,
                    self.consumer_group(),
                    generation,
                    member,
                    instance,
                    self.state.group.members,
                );
                if self.state.group.members > 0 {
                    self.encode_assignments(e);
                }
            }
            #[cfg(feature = "group")]
            Api::Heartbeat => {
                let (generation, member, instance) = self.membership();
                heartbeat::request(e, version, self.consumer_group(), generation, member, instance);
            }
            #[cfg(feature = "group-consumer")]
            Api::ConsumerGroupHeartbeat => self.encode_beat(e, version),
            #[cfg(feature = "group")]
            Api::LeaveGroup => heartbeat::leave(e, self.consumer_group(), self.state.group.member_id()),
            #[cfg(not(all(feature = "group", feature = "group-consumer")))]
            _ => {}
        }
    }

    /// The names of the topics that are subscribed to.
    #[cfg(feature = "group")]
    pub(crate) fn subscribed_topics(&self) -> impl Iterator<Item = &str> + Clone {
        strings::entries(&self.names, self.state.names_used)
            .filter(|&at| strings::flags(&self.names, at) & topic::SUBSCRIBED != 0)
            .map(|at| strings::name(&self.names, at))
    }

    /// `group.id`, or the one that was invented.
    pub(crate) fn consumer_group(&self) -> &str {
        #[cfg(feature = "group")]
        if self.config.group_id.is_empty()
            && (self.state.mode == crate::state::Mode::Subscribed || self.state.group.leaving)
        {
            return self.state.group.invented_id();
        }
        self.config.group_id
    }

    /// Generation, member id, instance id. Those of nobody when partitions were assigned by hand.
    fn membership(&self) -> (i32, &str, &str) {
        #[cfg(feature = "group")]
        if self.state.mode == crate::state::Mode::Subscribed {
            return (self.state.group.generation(), self.state.group.member_id(), self.config.group_instance_id);
        }
        (-1, "", "")
    }

    /// `array of (topic, array of partition)` over the slots with `flag`, with [`Slot::ANY`] over all and by topics' ids; on fetch connections only over those of `link`.
    /// The first slot in turn comes first: its data is what the answer has room for.
    pub(crate) fn topics_of(&self, e: &mut Encoder<'_>, link: usize, flag: u16, row: &dyn Fn(&mut Encoder<'_>, &Slot)) {
        let first = self.link(link).map_or(0, |link| link.first_slot);
        let (before, after) = self.slots().split_at_checked(first.into()).unwrap_or((self.slots(), &[]));
        let listed = after
            .iter()
            .chain(before)
            .filter(|slot| (slot.is(flag) || flag == Slot::ANY) && (link == CONTROL || usize::from(slot.link) == link));
        let rows = listed.map(|slot| (slot.topic, slot));
        let by_id = cfg!(feature = "group-consumer") && flag == Slot::ANY;
        let topic = |e: &mut Encoder<'_>, topic: u16| {
            match by_id {
                true => e.bytes(strings::id(&self.names, topic)),
                false => e.str(strings::name(&self.names, topic)),
            };
        };
        runs(e, rows, topic, row);
    }
}

/// The same over the application's list.
fn by_topic(e: &mut Encoder<'_>, listed: &[PartitionOffset<'_>], row: &dyn Fn(&mut Encoder<'_>, &PartitionOffset<'_>)) {
    let rows = listed.iter().map(|entry| (entry.topic, entry));
    runs(
        e,
        rows,
        |e, name| {
            e.str(name);
        },
        row,
    );
}

/// Rows of one topic that follow each other share its name.
fn runs<'a, K: PartialEq + Copy, T: 'a>(
    e: &mut Encoder<'_>,
    rows: impl Iterator<Item = (K, &'a T)> + Clone,
    topic: impl Fn(&mut Encoder<'_>, K),
    row: &dyn Fn(&mut Encoder<'_>, &T),
) {
    let (mut count, mut last) = (0i32, None);
    for (key, _) in rows.clone() {
        if last != Some(key) {
            (count, last) = (count.saturating_add(1), Some(key));
        }
    }
    e.array(count);
    let mut rest = rows;
    let mut last = None;
    loop {
        let ahead = rest.clone();
        let Some((key, item)) = rest.next() else { break };
        if last != Some(key) {
            if last.is_some() {
                e.tags();
            }
            let run = ahead.take_while(|(other, _)| *other == key).count();
            topic(e, key);
            e.array(run as i32).mark();
            last = Some(key);
        }
        row(e, item);
        e.mark();
    }
    if last.is_some() {
        e.tags();
    }
}
