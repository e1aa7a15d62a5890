//! What the answers of the classic protocol mean: Heartbeat, JoinGroup, SyncGroup.
use super::Phase;
use crate::connection::failure::Failure;
use crate::connection::CONTROL;
use crate::state::{topic, Control, State};
use crate::wire::{join_group, sync_group};
#[cfg(feature = "group-sticky")]
use crate::Assignor;
use crate::{strings, Api, Capacity, ErrorCode, Instant, Resource};

impl Control<'_> {
    /// The answer to Heartbeat.
    pub(crate) fn heartbeat_done(&mut self, throttle: i32, error: i16, now: Instant) -> Result<(), Failure> {
        self.throttle(CONTROL, throttle, now);
        let sent = self.links.first().map_or(now, |link| link.sent_at);
        let group = &mut self.state.group;
        if group.phase == Phase::Returning {
            return self.returned(ErrorCode(error), sent, now);
        }
        if group.phase != Phase::Stable {
            return Ok(()); // an answer to the membership before
        }
        match ErrorCode(error) {
            ErrorCode::NONE => self.state.is_known_until(sent.after(self.config.session_timeout)),
            ErrorCode::REBALANCE_IN_PROGRESS => {
                info!("group: rebalance");
                group.rejoin = true;
                self.state.is_known_until(sent.after(self.config.session_timeout));
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

    pub(super) fn give_up(&mut self, api: Api, code: ErrorCode) -> Result<(), Failure> {
        self.lose_membership(true);
        self.state.group.fatal = true;
        Err(self.refused(api, code, true))
    }

    /// Whether what the members had matters to the assignor.
    pub(crate) fn reads_claims(&self) -> bool {
        #[cfg(feature = "group-sticky")]
        return matches!(self.assignor(), Some(Assignor::Sticky | Assignor::CooperativeSticky));
        #[cfg(not(feature = "group-sticky"))]
        false
    }

    pub(crate) fn join_item(&mut self, item: join_group::Item<'_>, now: Instant) -> Result<(), Failure> {
        match item {
            join_group::Item::Head { throttle, error, generation } => {
                self.throttle(CONTROL, throttle, now);
                self.inbox(CONTROL).error = error;
                self.forget_group_topics();
                let group = &mut self.state.group;
                (group.answer, group.members, group.memory_used, group.memory_needed, group.names_needed) =
                    (generation, 0, 0, 0, 0);
                group.postponed = false;
                Ok(())
            }
            join_group::Item::Assignor(name) => {
                let place = self.config.partition_assignment_strategy.iter().position(|ours| ours.name() == name);
                self.state.group.assignor = place.map_or(0, |place| (place as u8).saturating_add(1));
                #[cfg(feature = "group-sticky")]
                self.begin_claims();
                Ok(())
            }
            join_group::Item::Leader(led) => {
                self.state.led = led;
                Ok(())
            }
            join_group::Item::MemberId("") => Ok(()),
            join_group::Item::MemberId(id) => {
                let kept = self.state.group.set_member_id(id);
                kept.map_err(|capacity| self.full(capacity))
            }
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
    pub(crate) fn join_done(&mut self, now: Instant) -> Result<(), Failure> {
        if self.state.group.phase != Phase::Joining {
            // the application has unsubscribed meanwhile; the broker counts us as a member, or will
            return Ok(());
        }
        let code = ErrorCode(self.inbox(CONTROL).error);
        let have = self.memory.len();
        let names = self.names.len();
        let (known, session_ends) = (self.state.is_known(now), now.after(self.config.session_timeout));
        if matches!(code, ErrorCode::NONE | ErrorCode::REBALANCE_IN_PROGRESS) {
            self.state.is_known_until(session_ends);
        }
        let State { group, cluster, slots_used, led, .. } = &mut *self.state;
        (group.phase, group.session_ends) = (Phase::Out, session_ends);
        match code {
            ErrorCode::NONE if group.assignor == 0 => {
                self.give_up(Api::JoinGroup, ErrorCode::INCONSISTENT_GROUP_PROTOCOL)
            }
            // A group with a leader knows its members. One with members of KIP-848 in it has none, and takes any id, also of one
            // that it has thrown out: others may have had what we have, and what we commit of it would count
            ErrorCode::NONE if !*led && !known && *slots_used > 0 => {
                self.lose_membership(false);
                Ok(())
            }
            ErrorCode::NONE => {
                let others = group.members > 1;
                if others && group.postponed {
                    group.job.want(); // the broker repeats its answer
                    return Ok(());
                }
                if others && (group.memory_needed > have || group.names_needed > names) {
                    let capacity = if group.memory_needed > have {
                        Capacity { what: Resource::GroupMemory, needed: group.memory_needed, have }
                    } else {
                        Capacity { what: Resource::Names, needed: group.names_needed, have: names }
                    };
                    // another member leads; we come back as a follower when it has
                    self.resign(u8::MAX, now);
                    return Err(self.full(capacity));
                }
                (group.phase, group.generation, group.leads) = (Phase::Syncing, group.answer, group.members > 0);
                #[cfg(feature = "group-sticky")]
                {
                    group.second_round = Instant::NEVER;
                }
                group.job.wanted = false; // how often it failed counts until there is an assignment
                if self.leads_without_knowing() {
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
                self.lose_membership(true);
                self.retry(Api::JoinGroup, now);
                Ok(())
            }
            ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => {
                cluster.lose_coordinator();
                self.retry(Api::JoinGroup, now);
                Ok(())
            }
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::REBALANCE_IN_PROGRESS
            | ErrorCode::ILLEGAL_GENERATION
            | ErrorCode::REQUEST_TIMED_OUT
            | ErrorCode::UNKNOWN_SERVER_ERROR => {
                self.retry(Api::JoinGroup, now);
                Ok(())
            }
            code => self.give_up(Api::JoinGroup, code),
        }
    }

    /// Whether the assignment that we owe the group needs a topic of which Metadata has not said how many partitions it has, or that
    /// there is none.
    pub(crate) fn leads_without_knowing(&self) -> bool {
        let owes = self.state.group.phase == Phase::Syncing && self.state.group.members > 0;
        owes && strings::entries(&self.names, self.state.names_used)
            .any(|at| strings::flags(&self.names, at) & (topic::GROUP | topic::KNOWN | topic::ABSENT) == topic::GROUP)
    }

    pub(crate) fn sync_item(&mut self, item: sync_group::Item<'_>, now: Instant) {
        if self.state.group.phase != Phase::Syncing {
            return; // the application has unsubscribed meanwhile
        }
        match item {
            sync_group::Item::Head { throttle, error, bytes } => {
                self.throttle(CONTROL, throttle, now);
                let nothing = error == 0 && bytes == 0;
                // the leader has forgotten us
                self.inbox(CONTROL).error = if nothing { ErrorCode::ILLEGAL_GENERATION.0 } else { error };
                self.state.group.strange = false;
                self.forget_given();
            }
            sync_group::Item::Topic(name) => {
                let subscribed = |at: &u16| strings::flags(&self.names, *at) & topic::SUBSCRIBED != 0;
                let found = strings::find(&self.names, self.state.names_used, name).filter(subscribed);
                self.state.group.strange |= found.is_none();
                self.inbox(CONTROL).topic = found.map_or(0, |at| at.saturating_add(1));
            }
            sync_group::Item::Partition(partition) => {
                if let Some(topic) = self.inbox(CONTROL).topic.checked_sub(1).filter(|_| partition >= 0) {
                    self.give(topic, partition);
                }
            }
            sync_group::Item::Part => {}
        }
    }

    /// All of SyncGroup's answer is read.
    pub(crate) fn sync_done(&mut self, now: Instant) -> Result<(), Failure> {
        if self.state.group.phase != Phase::Syncing {
            return Ok(());
        }
        let code = ErrorCode(self.inbox(CONTROL).error);
        let have = self.table.len();
        let needed = usize::from(self.state.slots_used).saturating_add(self.state.group.partitions_needed);
        let State { group, cluster, plan, commit, .. } = &mut *self.state;
        *plan = true;
        if code == ErrorCode::NONE {
            if needed > have {
                // somebody with more room gets them
                self.resign(0, now);
                self.state.group.job.not_before = now.after(self.config.session_timeout);
                return Err(self.full(Capacity { what: Resource::Partitions, needed, have }));
            }
            if group.strange && !group.rejoin {
                // KIP-345: a static member that is back gets what it had, whatever it subscribes to now. Only leaving makes
                // the group spread its partitions anew. A leader that goes on so is somebody's to mend
                let failures = group.job.failures;
                self.resign(failures, now);
                return match failures {
                    0 | 1 => Ok(()),
                    _ => Err(self.refused(Api::SyncGroup, ErrorCode::INCONSISTENT_GROUP_PROTOCOL, false)),
                };
            }
            (group.phase, group.synced, group.members) = (Phase::Stable, true, 0);
            group.heartbeat_at = now.after(self.config.heartbeat_interval);
            group.job.done();
            commit.auto_at = Instant::from_millis(0);
            self.state.is_known_until(now.after(self.config.session_timeout));
            return Ok(());
        }
        group.phase = Phase::Out;
        match code {
            // our partitions are still ours: nobody can have got them in a generation that has no assignment. At once the first
            // time; a group on its way to KIP-848 says so again and again, without a JoinGroup that waits for the others
            ErrorCode::REBALANCE_IN_PROGRESS if group.job.failures == 0 => {
                group.job.want();
                group.job.failures = 1;
            }
            ErrorCode::ILLEGAL_GENERATION => self.lose_membership(false),
            ErrorCode::UNKNOWN_MEMBER_ID => self.lose_membership(true),
            ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => {
                cluster.lose_coordinator();
                self.retry(Api::JoinGroup, now);
            }
            ErrorCode::REBALANCE_IN_PROGRESS
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::REQUEST_TIMED_OUT
            | ErrorCode::UNKNOWN_SERVER_ERROR => {
                self.retry(Api::JoinGroup, now);
            }
            code => return self.give_up(Api::SyncGroup, code),
        }
        self.forget_group_topics();
        Ok(())
    }

    /// The request that was out got no answer; the membership outlives the connection.
    pub(crate) fn group_request_lost(&mut self, api: Api, now: Instant) {
        // to a connection that was ended the coordinator was at its other end until now
        let heard = self.links.first().filter(|link| now >= link.deadline).map_or(now, |link| link.sent_at);
        let group = &mut self.state.group;
        match api {
            Api::JoinGroup | Api::SyncGroup => {
                group.phase = Phase::Out;
                group.session_ends = heard.after(self.config.session_timeout);
                self.retry(Api::JoinGroup, now);
                self.forget_leaders();
                self.forget_group_topics();
            }
            Api::Heartbeat => group.heartbeat_at = now,
            #[cfg(feature = "group-consumer")]
            Api::ConsumerGroupHeartbeat => self.beat_lost(now),
            Api::LeaveGroup => group.leaving = false,
            _ => {}
        }
    }
}
