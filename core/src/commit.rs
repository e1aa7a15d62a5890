//! OffsetCommit and OffsetFetch: what was handed out goes to the coordinator, and comes back at the next start.
//! One commit is out at a time and takes the newest offset of every partition, so an older one never overwrites a newer one.
use crate::cluster::Job;
use crate::connection::failure::Failure;
use crate::connection::CONTROL;
use crate::drive::Op;
use crate::error::BrokerError;
use crate::partitions::{Phase, Slot};
#[cfg(feature = "group-consumer")]
use crate::state::Mode;
use crate::state::{Control, State};
use crate::wire::answer::Item;
use crate::{strings, Api, Error, ErrorCode, Instant, TopicName};

#[derive(Debug)]
#[repr(C)] // the small fields first, where short instructions reach them
pub(crate) struct Commit {
    pub in_flight: bool,
    /// Its result is awaited as an event.
    pub announce: bool,
    /// The partitions' `acked` are wanted.
    pub positions: bool,
    /// What the application has listed is wanted, after them.
    pub explicit: bool,
    /// It is of the list, the one that is out.
    pub sent_explicit: bool,
    /// The result waits to be handed out.
    pub finished: bool,
    /// The OffsetFetch that is out answers the application.
    pub queried: bool,
    /// What the application asked for is answered.
    pub answered: bool,
    /// The worst answer of this commit: code, partition and the topic's entry plus 1.
    pub code: i16,
    topic: u16,
    partition: i32,
    pub job: Job,
    /// OffsetFetch.
    pub fetch: Job,
    /// Next automatic commit; 0 not armed.
    pub auto_at: Instant,
}

impl Commit {
    pub const NEW: Commit = Commit {
        job: Job::NEW,
        in_flight: false,
        announce: false,
        positions: false,
        explicit: false,
        sent_explicit: false,
        finished: false,
        code: 0,
        partition: 0,
        topic: 0,
        auto_at: Instant::from_millis(0),
        fetch: Job::NEW,
        queried: false,
        answered: false,
    };

    pub fn is_open(&self) -> bool {
        self.job.wanted || self.in_flight
    }
}

/// Retried inside; the rest is the application's or the group's business.
fn is_retriable(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::REQUEST_TIMED_OUT
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::NOT_COORDINATOR
            | ErrorCode::NETWORK_EXCEPTION
            | ErrorCode::UNSTABLE_OFFSET_COMMIT
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::UNKNOWN_SERVER_ERROR
            | ErrorCode::STALE_MEMBER_EPOCH
    )
}

/// A topic that is gone stays gone: its commits are given up after this many tries.
const UNKNOWN_TOPIC_TRIES: u8 = 8;

impl Control<'_> {
    /// Wants a commit of everything acknowledged since the last one.
    pub(crate) fn want_commit(&mut self) {
        let dirty = self.any(Slot::DIRTY);
        #[cfg(feature = "group")]
        let lost = self.state.group.lost;
        #[cfg(not(feature = "group"))]
        let lost = false;
        let commit = &mut self.state.commit;
        if dirty || lost {
            commit.job.want();
            (commit.positions, commit.explicit, commit.finished) = (true, false, false);
            #[cfg(feature = "group")]
            if lost {
                self.give_up_commit(); // they are somebody else's by now
            }
        } else if !commit.positions && (!commit.in_flight || commit.sent_explicit) {
            // what is out, if anything, is of a list whose caller has gone
            (commit.finished, commit.code) = (true, 0);
        }
    }

    /// Arms and fires the automatic commit.
    pub(crate) fn auto_commit(&mut self, now: Instant) {
        if !self.commits_automatically() {
            return;
        }
        let due = self.state.commit.auto_at;
        if due == Instant::from_millis(0) {
            self.state.commit.auto_at = now.after(self.config.auto_commit_interval);
        } else if now >= due {
            self.state.commit.auto_at = now.after(self.config.auto_commit_interval);
            if !self.state.commit.is_open() && self.any(Slot::DIRTY) {
                self.state.commit.job.want();
                self.state.commit.positions = true;
            }
        }
    }

    pub(crate) fn commits_automatically(&self) -> bool {
        self.config.enable_auto_commit && !self.consumer_group().is_empty()
    }

    /// Lists what the commit that is being sent covers. False: nothing.
    pub(crate) fn list_commit(&mut self) -> bool {
        let any = core::mem::take(&mut self.state.commit.positions) && self.exchange(Slot::DIRTY, Slot::COMMITTING);
        let commit = &mut self.state.commit;
        commit.sent_explicit = !any && core::mem::take(&mut commit.explicit);
        commit.job.wanted = commit.explicit;
        (commit.in_flight, commit.code, commit.finished) = (any || commit.sent_explicit, 0, false);
        commit.in_flight
    }

    /// The commit that was out got no answer.
    pub(crate) fn commit_lost(&mut self, now: Instant) {
        if core::mem::take(&mut self.state.commit.in_flight) {
            let listed = self.exchange(Slot::COMMITTING, Slot::DIRTY);
            if !self.state.commit.sent_explicit && !listed {
                // the partitions were lost meanwhile: nobody knows whether it counted
                let commit = &mut self.state.commit;
                (commit.finished, commit.code, commit.topic) = (true, ErrorCode::ILLEGAL_GENERATION.0, 0);
                return;
            }
            let commit = &mut self.state.commit;
            commit.positions |= !commit.sent_explicit;
            // if something else is wanted by now, the list's caller has gone
            commit.explicit |= core::mem::take(&mut commit.sent_explicit) && !commit.job.wanted;
            self.retry(Api::OffsetCommit, now);
        }
    }

    pub(crate) fn commit_item(&mut self, item: Item<'_>, now: Instant) {
        match item {
            Item::Throttle(millis) => self.throttle(CONTROL, millis, now),
            Item::Topic(name) => self.enter_topic(CONTROL, name),
            Item::Row(row) => {
                let topic = self.inbox(CONTROL).topic;
                let explicit = self.state.commit.sent_explicit;
                let slot = self.row_slot(CONTROL, row.partition);
                let code = ErrorCode(row.error);
                let gone = is_retriable(code) && !self.commit_retries(code);
                if let Some(slot) = slot.and_then(|slot| self.slot_mut(slot)) {
                    slot.clear(Slot::COMMITTING);
                    if (row.error != 0) != explicit && slot.acked >= 0 && !gone {
                        slot.set(Slot::DIRTY); // also where what was listed has taken the position's place
                    }
                }
                // one that is final outweighs one that is retried
                let replaces = self.commit_retries(ErrorCode(self.state.commit.code));
                let commit = &mut self.state.commit;
                if row.error != 0 && (commit.code == 0 || replaces) {
                    (commit.code, commit.partition, commit.topic) = (row.error, row.partition, topic);
                }
            }
            Item::Error(_) | Item::Part => {}
        }
    }

    /// Whether a commit that was refused so is sent again.
    fn commit_retries(&self, code: ErrorCode) -> bool {
        // a broker that assigns takes back what is deleted; a topic made anew has no use for the offset
        #[cfg(feature = "group")]
        let gone = self.is_next_gen() && self.state.group.handover == crate::group::Handover::Committing;
        #[cfg(not(feature = "group"))]
        let gone = false;
        let tries = if gone { 0 } else { UNKNOWN_TOPIC_TRIES };
        is_retriable(code) && (code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION || self.state.commit.job.failures < tries)
    }

    /// All of the answer is read.
    pub(crate) fn commit_done(&mut self, now: Instant) {
        let omitted = self.exchange(Slot::COMMITTING, Slot::DIRTY);
        let code = ErrorCode(self.state.commit.code);
        let retries = self.commit_retries(code);
        let State { commit, cluster, .. } = &mut *self.state;
        commit.in_flight = false;
        if matches!(code, ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE) {
            cluster.lose_coordinator();
        }
        if code != ErrorCode::NONE {
            warn!("commit: {}", code);
        }
        let explicit = core::mem::take(&mut commit.sent_explicit);
        if retries || (code == ErrorCode::NONE && omitted) {
            commit.positions |= !explicit;
            commit.explicit |= explicit && !commit.job.wanted;
            self.retry(Api::OffsetCommit, now);
            self.epoch_refused(code);
            return;
        }
        // what was wanted while this one was out is not in it: the next one's result counts
        let again = commit.job.wanted;
        commit.job.done();
        (commit.job.wanted, commit.finished) = (again, !again);
        #[cfg(feature = "group")]
        self.group_commit_error(code);
    }

    /// The membership is over: a commit that waits to be sent never will be. One that is out is still answered.
    #[cfg(feature = "group")]
    pub(crate) fn give_up_commit(&mut self) {
        self.refuse_commit(ErrorCode::ILLEGAL_GENERATION);
        self.state.awaited = false; // what is asked for from now on is another one
        self.exchange(Slot::DIRTY, 0);
    }

    #[cfg(feature = "group")]
    pub(crate) fn refuse_commit(&mut self, code: ErrorCode) {
        let commit = &mut self.state.commit;
        (commit.positions, commit.explicit) = (false, false);
        // (what is wanted while one is out is refused when that one is answered: its result is its own)
        if !commit.in_flight && core::mem::take(&mut commit.job.wanted) {
            commit.job.done();
            (commit.finished, commit.code, commit.topic) = (true, code.0, 0);
        }
    }

    /// The result, once for who waits for it and once as an event, where that was announced.
    pub(crate) fn take_commit_result(&mut self, event: bool) -> Result<(), Error> {
        let commit = &mut self.state.commit;
        commit.announce &= !event;
        (commit.finished, commit.explicit) = (commit.announce, false);
        match ErrorCode(commit.code) {
            ErrorCode::NONE => Ok(()),
            code => {
                let topic = commit.topic.checked_sub(1).map_or("", |topic| strings::name(&self.names, topic));
                let fatal = matches!(code, ErrorCode::GROUP_AUTHORIZATION_FAILED | ErrorCode::FENCED_INSTANCE_ID);
                let topic = TopicName::new(topic);
                Err(BrokerError { api: Api::OffsetCommit, code, topic, partition: commit.partition, fatal }.into())
            }
        }
    }

    /// What became of the last commit before a `close`.
    pub(crate) fn last_commit(&mut self) -> Result<(), Error> {
        match &self.state.commit {
            commit if commit.finished => self.take_commit_result(false),
            commit if commit.is_open() => Err(Error::Timeout(Api::OffsetCommit)),
            _ => Ok(()),
        }
    }

    /// Whether a partition waits for its committed offset.
    pub(crate) fn wants_committed(&self) -> bool {
        self.slots().iter().any(|slot| slot.phase == Phase::Committed)
    }

    pub(crate) fn list_committed(&mut self) {
        for slot in self.slots_mut() {
            slot.clear(Slot::FETCHING_OFFSET);
            if slot.phase == Phase::Committed {
                slot.set(Slot::FETCHING_OFFSET);
            }
        }
    }

    pub(crate) fn committed_item(&mut self, item: Item<'_>, op: &mut Op<'_, '_>, now: Instant) -> Result<(), Failure> {
        self.state.commit.queried &= matches!(op, Op::Committed(_));
        match item {
            Item::Throttle(millis) => self.throttle(CONTROL, millis, now),
            Item::Topic(name) => {
                self.enter_topic(CONTROL, name);
                if let Op::Committed(wanted) = op {
                    // a topic that is not in the table is found by its place in the list
                    let place = wanted.iter().position(|entry| entry.topic == name);
                    self.inbox(CONTROL).progress.left = place.map_or(0, |place| place as u32 + 1);
                }
            }
            Item::Row(row) if self.state.commit.queried => {
                let Op::Committed(wanted) = op else { return Ok(()) };
                let place = self.inbox(CONTROL).progress.left.checked_sub(1);
                let topic = place.and_then(|place| wanted.get(place as usize)).map_or("", |entry| entry.topic);
                for entry in wanted.iter_mut().filter(|entry| entry.topic == topic && entry.partition == row.partition)
                {
                    entry.offset = Some(row.offset).filter(|&offset| offset >= 0);
                    entry.leader_epoch = row.epoch;
                }
                if row.error != 0 {
                    self.inbox(CONTROL).error = row.error;
                }
            }
            Item::Row(row) => {
                let Some(found) = self.row_slot(CONTROL, row.partition) else { return Ok(()) };
                let Some(slot) = self.slot_mut(found).filter(|slot| slot.is(Slot::FETCHING_OFFSET)) else {
                    return Ok(());
                };
                slot.clear(Slot::FETCHING_OFFSET);
                if slot.phase != Phase::Committed {
                    return Ok(()); // the application has sought meanwhile
                }
                return match ErrorCode(row.error) {
                    ErrorCode::NONE if row.offset >= 0 => {
                        self.start_at(found, row.offset, row.epoch);
                        Ok(())
                    }
                    ErrorCode::NONE => self.reset_position(found, crate::error::PartitionErrorKind::NoOffset),
                    code if is_retriable(code) => Ok(()), // still `Phase::Committed`
                    code => {
                        let fatal = code == ErrorCode::GROUP_AUTHORIZATION_FAILED;
                        Err(self.refused_for(found, Api::OffsetFetch, code, fatal))
                    }
                };
            }
            Item::Error(0) => {} // a row may have had one
            Item::Error(code) => self.inbox(CONTROL).error = code,
            Item::Part => {}
        }
        Ok(())
    }

    /// KIP-848: what was refused is asked again with the epoch that a heartbeat brings, so that comes first.
    fn epoch_refused(&mut self, code: ErrorCode) {
        #[cfg(feature = "group-consumer")]
        if code == ErrorCode::STALE_MEMBER_EPOCH {
            self.state.group.beat_now();
        }
        let _ = code;
    }

    /// All of the answer is read.
    pub(crate) fn committed_done(&mut self, now: Instant) -> Result<(), Failure> {
        let code = ErrorCode(self.inbox(CONTROL).error);
        let waiting = self.wants_committed();
        #[cfg(feature = "group-consumer")]
        let subscribed = self.state.mode == Mode::Subscribed;
        let State { commit, cluster, .. } = &mut *self.state;
        let queried = core::mem::take(&mut commit.queried);
        if matches!(code, ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE) {
            cluster.lose_coordinator();
        }
        // an error that is the answer to nobody's question is nobody's
        if !queried && !waiting || code == ErrorCode::NONE && queried {
            commit.fetch.done();
            commit.answered |= queried;
            return Ok(());
        }
        // also partitions that the broker left out: "no offset" would be a guess
        self.retry(Api::OffsetFetch, now);
        match code {
            ErrorCode::NONE => Ok(()),
            code if is_retriable(code) => {
                self.epoch_refused(code);
                Ok(())
            }
            #[cfg(feature = "group-consumer")]
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::FENCED_MEMBER_EPOCH if subscribed => {
                self.lose_membership(false);
                Ok(())
            }
            code => {
                self.state.commit.answered |= queried;
                Err(self.refused(Api::OffsetFetch, code, code == ErrorCode::GROUP_AUTHORIZATION_FAILED))
            }
        }
    }
}
