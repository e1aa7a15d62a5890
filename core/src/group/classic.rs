//! What the answers of the classic protocol mean: Heartbeat, JoinGroup, SyncGroup.
use super::Phase;
use crate::cluster::broker_error;
use crate::connection::CONTROL;
use crate::partitions::Slot;
use crate::state::{topic, Control, State};
use crate::wire::{join_group, sync_group};
use crate::{strings, Api, Capacity, Error, ErrorCode, Instant, Resource};

impl Control<'_> {
    /// The answer to Heartbeat.
    pub(crate) fn heartbeat_done(&mut self, throttle: i32, error: i16, now: Instant) -> Result<(), Error> {
        self.throttle(CONTROL, throttle, now);
        let sent = self.links.first().map_or(now, |link| link.sent_at);
        let group = &mut self.state.group;
        if group.phase != Phase::Stable {
            return Ok(()); // an answer to the membership before
        }
        match ErrorCode(error) {
            ErrorCode::NONE => group.session_ends = sent.after(self.config.session_timeout),
            ErrorCode::REBALANCE_IN_PROGRESS => {
                info!("group: rebalance");
                group.session_ends = sent.after(self.config.session_timeout);
                group.rejoin = true;
            }
            ErrorCode::ILLEGAL_GENERATION => self.lose_membership(false),
            ErrorCode::UNKNOWN_MEMBER_ID => self.lose_membership(true),
            ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => {
                // the brokers may need a moment to agree on the next one
                group.heartbeat_at = now.after(self.config.retry_backoff);
                self.state.cluster.lose_coordinator();
            }
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => group.heartbeat_at = now.after(self.config.retry_backoff),
            code @ (ErrorCode::FENCED_INSTANCE_ID | ErrorCode::GROUP_AUTHORIZATION_FAILED) => {
                return self.give_up(Api::Heartbeat, code);
            }
            _ => {}
        }
        Ok(())
    }

    fn give_up(&mut self, api: Api, code: ErrorCode) -> Result<(), Error> {
        self.lose_membership(true);
        self.state.group.fatal = true;
        Err(broker_error(api, code, true).into())
    }

    pub(crate) fn join_item(&mut self, item: join_group::Item<'_>, now: Instant) -> Result<(), Error> {
        match item {
            join_group::Item::Head { throttle, error, generation } => {
                self.throttle(CONTROL, throttle, now);
                self.inbox(CONTROL).error = error;
                let group = &mut self.state.group;
                (group.answer, group.members, group.memory_used, group.memory_needed, group.names_needed) =
                    (generation, 0, 0, 0, 0);
                Ok(())
            }
            join_group::Item::MemberId("") => Ok(()),
            join_group::Item::MemberId(id) => self.state.group.set_member_id(id),
            join_group::Item::Members(n) => {
                self.state.group.members = n;
                Ok(())
            }
            join_group::Item::Member(id) => {
                self.members().member(id);
                Ok(())
            }
            join_group::Item::Instance(id) => {
                self.members().instance(id);
                Ok(())
            }
            join_group::Item::Topic(name) => {
                self.note_member_topic(name);
                Ok(())
            }
            join_group::Item::Part => Ok(()),
        }
    }

    /// All of JoinGroup's answer is read.
    pub(crate) fn join_done(&mut self, now: Instant) -> Result<(), Error> {
        if self.state.group.phase != Phase::Joining {
            // the application has unsubscribed meanwhile; the broker counts us as a member, or will
            return Ok(());
        }
        let code = ErrorCode(self.inbox(CONTROL).error);
        let have = self.memory.len();
        let names = self.names.len();
        let State { group, cluster, random, .. } = &mut *self.state;
        group.phase = Phase::Out;
        match code {
            ErrorCode::NONE => {
                let others = group.members > 1;
                if others && (group.memory_needed > have || group.names_needed > names) {
                    let capacity = if group.memory_needed > have {
                        Capacity { what: Resource::GroupMemory, needed: group.memory_needed, have }
                    } else {
                        Capacity { what: Resource::Names, needed: group.names_needed, have: names }
                    };
                    // another member leads; we come back as a follower when it has
                    group.leaving = true;
                    group.job.failures = u8::MAX;
                    group.job.retry(self.config, random, now);
                    self.forget_group_topics();
                    return Err(capacity.into());
                }
                (group.phase, group.generation, group.leads) = (Phase::Syncing, group.answer, group.members > 0);
                group.job.done();
                if group.members > 0 && self.knows_less_than_the_group() {
                    self.state.cluster.metadata.want();
                    self.state.cluster.metadata.not_before = now;
                }
                Ok(())
            }
            ErrorCode::MEMBER_ID_REQUIRED => {
                group.job.want();
                Ok(())
            }
            ErrorCode::UNKNOWN_MEMBER_ID => {
                group.member_len = 0;
                group.job.retry(self.config, random, now);
                Ok(())
            }
            ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => {
                cluster.lose_coordinator();
                group.job.retry(self.config, random, now);
                Ok(())
            }
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::REBALANCE_IN_PROGRESS
            | ErrorCode::ILLEGAL_GENERATION
            | ErrorCode::REQUEST_TIMED_OUT
            | ErrorCode::UNKNOWN_SERVER_ERROR => {
                group.job.retry(self.config, random, now);
                Ok(())
            }
            code => self.give_up(Api::JoinGroup, code),
        }
    }

    /// Whether the assignment needs a topic whose partitions are not counted yet.
    pub(crate) fn knows_less_than_the_group(&self) -> bool {
        strings::entries(&self.names, self.state.names_used)
            .any(|at| strings::flags(&self.names, at) & (topic::GROUP | topic::KNOWN | topic::REPORTED) == topic::GROUP)
    }

    pub(crate) fn sync_item(&mut self, item: sync_group::Item<'_>, now: Instant) {
        if self.state.group.phase != Phase::Syncing {
            return; // the application has unsubscribed meanwhile
        }
        match item {
            sync_group::Item::Head { throttle, error, bytes } => {
                self.throttle(CONTROL, throttle, now);
                let nothing = error == 0 && bytes == 0;
                // the leader has forgotten us: join again
                self.inbox(CONTROL).error = if nothing { ErrorCode::REBALANCE_IN_PROGRESS.0 } else { error };
                let group = &mut self.state.group;
                (group.names_needed, group.partitions_needed) = (0, 0);
            }
            sync_group::Item::Topic(name) => {
                let inserted = self.topics().insert(name);
                self.inbox(CONTROL).topic = inserted.map_or(0, |at| at.saturating_add(1));
                if let Err(needed) = inserted {
                    self.state.group.names_needed = needed;
                }
            }
            sync_group::Item::Partition(partition) => {
                if let Some(topic) = self.inbox(CONTROL).topic.checked_sub(1) {
                    self.own(topic, partition);
                }
            }
            sync_group::Item::Part => {}
        }
    }

    /// All of SyncGroup's answer is read.
    pub(crate) fn sync_done(&mut self, now: Instant) -> Result<(), Error> {
        if self.state.group.phase != Phase::Syncing {
            return Ok(());
        }
        let code = ErrorCode(self.inbox(CONTROL).error);
        let (partitions, names) = (self.table.len(), self.names.len());
        self.forget_group_topics();
        let State { group, cluster, random, plan, .. } = &mut *self.state;
        *plan = true;
        group.cached = 0;
        if code == ErrorCode::NONE {
            let capacity = if group.partitions_needed > partitions {
                Some(Capacity { what: Resource::Partitions, needed: group.partitions_needed, have: partitions })
            } else if group.names_needed > 0 {
                Some(Capacity { what: Resource::Names, needed: group.names_needed, have: names })
            } else {
                None
            };
            if let Some(capacity) = capacity {
                // leave, so that somebody with more room gets them
                (group.phase, group.leaving) = (Phase::Out, true);
                group.job.want();
                group.job.not_before = now.after(self.config.session_timeout);
                self.clear_slots();
                return Err(capacity.into());
            }
            let known = |slot: &Slot| strings::flags(&self.names, slot.topic) & topic::SUBSCRIBED != 0;
            if !self.slots().iter().all(known) && !self.state.group.rejoin {
                // KIP-345: a static member that is back gets what it had, whatever it subscribes to now. Only leaving makes
                // the group spread its partitions anew.
                let State { group, random, .. } = &mut *self.state;
                (group.phase, group.leaving) = (Phase::Out, true);
                group.job.retry(self.config, random, now);
                self.clear_slots();
                return Ok(());
            }
            let State { group, commit, .. } = &mut *self.state;
            info!("group: generation {}, {} partitions", group.generation, group.partitions_needed);
            (group.phase, group.assigned, group.members) = (Phase::Stable, true, 0);
            group.heartbeat_at = now.after(self.config.heartbeat_interval);
            group.session_ends = now.after(self.config.session_timeout);
            group.job.done();
            commit.auto_at = Instant::from_millis(0);
            let unknown = self.slots().iter().any(|slot| slot.leader < 0);
            if unknown {
                self.state.cluster.metadata.want();
            }
            return Ok(());
        }
        group.phase = Phase::Out;
        match code {
            ErrorCode::REBALANCE_IN_PROGRESS | ErrorCode::ILLEGAL_GENERATION => group.job.want(),
            ErrorCode::UNKNOWN_MEMBER_ID => {
                group.member_len = 0;
                group.job.want();
            }
            ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => {
                cluster.lose_coordinator();
                group.job.retry(self.config, random, now);
            }
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::REQUEST_TIMED_OUT
            | ErrorCode::UNKNOWN_SERVER_ERROR => {
                group.job.retry(self.config, random, now);
            }
            code => {
                self.clear_slots();
                return self.give_up(Api::SyncGroup, code);
            }
        }
        self.clear_slots();
        Ok(())
    }

    /// The request that was out got no answer; the membership outlives the connection.
    pub(crate) fn group_request_lost(&mut self, api: Api, now: Instant) {
        let State { group, random, .. } = &mut *self.state;
        match api {
            Api::JoinGroup | Api::SyncGroup => {
                group.phase = Phase::Out;
                group.job.retry(self.config, random, now);
                group.cached = 0;
                if api == Api::SyncGroup {
                    self.clear_slots();
                }
                self.forget_group_topics();
            }
            Api::Heartbeat => group.heartbeat_at = now,
            Api::LeaveGroup => group.leaving = false,
            _ => {}
        }
    }
}
