//! The coordinator of a group of KIP-848: members say what they have, the broker says what they should have, and a partition
//! goes to its next owner only after the one before has let it go.
//!
//! ```text
//! group epoch      rises when a member comes, goes or subscribes anew, or topics change
//! target           who should have what, computed for a group epoch, at most once per interval
//! member epoch     the target that a member has reached: it stays behind while the member must give something up
//! ```
mod assignor;
mod classic;
mod member;

use super::{Turn, ILLEGAL_GENERATION};
use crate::apis::ConsumerGroupHeartbeatRequest;
use assignor::Assignor;
use member::{Member, State};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// A topic's id.
pub type TopicId = [u8; 16];
/// A partition by its topic's id.
pub(crate) type IdPartition = (TopicId, i32);

const UNKNOWN_MEMBER_ID: i16 = 25;
const INVALID_REQUEST: i16 = 42;
const GROUP_MAX_SIZE_REACHED: i16 = 81;
const FENCED_INSTANCE_ID: i16 = 82;
const FENCED_MEMBER_EPOCH: i16 = 110;
const UNRELEASED_INSTANCE_ID: i16 = 111;
const UNSUPPORTED_ASSIGNOR: i16 = 112;
const STALE_MEMBER_EPOCH: i16 = 113;
const INVALID_REGULAR_EXPRESSION: i16 = 128;

/// The epoch of a static member that leaves and will be back within its session; -1 is one that leaves.
const LEAVES_FOR_A_WHILE: i32 = -2;

/// Topics by name: id and number of partitions.
pub(crate) type Catalog = BTreeMap<String, (TopicId, usize)>;

/// What a heartbeat is answered with when it is good.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Beat {
    pub(crate) member_id: String,
    pub(crate) member_epoch: i32,
    pub(crate) interval_ms: i32,
    /// `None`: nothing has changed since it was last said.
    pub(crate) assignment: Option<BTreeSet<IdPartition>>,
}

pub(crate) struct ConsumerGroup {
    pub(crate) epoch: i32,
    members: Vec<Member>,
    target_epoch: i32,
    target: BTreeMap<String, BTreeSet<IdPartition>>,
    target_made: Option<u64>,
    /// Subscribed topics as the group epoch knows them.
    topics: Catalog,
}

impl Default for ConsumerGroup {
    fn default() -> Self {
        ConsumerGroup {
            // 2 once it has a member
            epoch: 1,
            members: vec![],
            target_epoch: 0,
            target: BTreeMap::new(),
            target_made: None,
            topics: Catalog::new(),
        }
    }
}

impl ConsumerGroup {
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Nobody has anything to do or to wait for.
    pub(crate) fn is_stable(&self) -> bool {
        let there = |member: &Member| member.state == State::Stable && member.epoch == self.epoch;
        self.target_epoch == self.epoch && self.members.iter().all(there)
    }

    /// Id, instance, epoch and partitions of the members.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (&str, Option<&str>, i32, BTreeSet<IdPartition>)> {
        self.members.iter().map(|member| (&member.id[..], member.instance.as_deref(), member.epoch, member.held()))
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.members.iter().position(|member| member.id == id)
    }

    pub(crate) fn heartbeat(
        &mut self,
        version: i16,
        request: &ConsumerGroupHeartbeatRequest,
        turn: &mut Turn,
    ) -> Result<Beat, i16> {
        let regex = validate(version, request)?;
        if request.member_epoch < 0 {
            return self.leave(request);
        }
        let mut id = request.member_id.clone();
        if id.is_empty() {
            id = turn.random.uuid().replace('-', "")[..22].into();
        }
        let (at, joined) = self.find(&id, request, turn)?;
        if request.member_epoch > 0 {
            self.members[at].validate(request.member_epoch, request.owned().as_ref())?;
        }
        self.members[at].leave_classic();
        let subscribed = self.members[at].subscribe(request, regex, turn);
        self.look_at_topics(joined || subscribed, turn);
        self.make_target(turn);
        let before = self.members[at].assigned.clone();
        self.reconcile(at, request.owned().as_ref(), turn);
        let interval_ms = turn.settings.consumer_heartbeat_interval_ms as i32;
        let member = &mut self.members[at];
        member.refresh(turn.now, turn.settings.consumer_session_timeout_ms);
        let said = request.member_epoch == 0 || request.is_full() || member.assigned != before;
        let assignment = said.then(|| member.assigned.clone());
        Ok(Beat { member_id: id, member_epoch: member.epoch, interval_ms, assignment })
    }

    /// The member that asks, new or known; whether the group is another one with it.
    fn find(&mut self, id: &str, request: &ConsumerGroupHeartbeatRequest, turn: &Turn) -> Result<(usize, bool), i16> {
        let joins = request.member_epoch == 0;
        let known = self.position(id);
        let holder = request
            .instance_id
            .as_ref()
            .and_then(|instance| self.members.iter().position(|member| member.instance.as_ref() == Some(instance)));
        if request.instance_id.is_some() && !joins {
            return match holder {
                None => Err(UNKNOWN_MEMBER_ID),
                Some(at) if self.members[at].id != id => Err(FENCED_INSTANCE_ID),
                Some(at) => Ok((at, false)),
            };
        }
        match (holder, known) {
            (Some(at), _) if self.members[at].id == id => Ok((at, false)),
            (Some(at), _) if self.members[at].epoch != LEAVES_FOR_A_WHILE => Err(UNRELEASED_INSTANCE_ID),
            // back under another id: it has what it had, and the others hear nothing
            (Some(at), _) => {
                let old = std::mem::replace(&mut self.members[at].id, id.into());
                if let Some(target) = self.target.remove(&old) {
                    self.target.insert(id.into(), target);
                }
                self.members[at].epoch = 0;
                Ok((at, false))
            }
            (None, Some(at)) => Ok((at, false)),
            (None, None) if !joins => Err(UNKNOWN_MEMBER_ID),
            (None, None) if self.members.len() >= turn.settings.consumer_max_size => Err(GROUP_MAX_SIZE_REACHED),
            (None, None) => {
                self.members.push(Member::new(id.into(), request.instance_id.clone()));
                Ok((self.members.len() - 1, true))
            }
        }
    }

    fn leave(&mut self, request: &ConsumerGroupHeartbeatRequest) -> Result<Beat, i16> {
        let member_epoch = request.member_epoch;
        let at = match &request.instance_id {
            Some(instance) => {
                let holder = self.members.iter().position(|member| member.instance.as_ref() == Some(instance));
                holder.filter(|&at| self.members[at].id == request.member_id).ok_or(match holder {
                    Some(_) => FENCED_INSTANCE_ID,
                    None => UNKNOWN_MEMBER_ID,
                })?
            }
            None => self.position(&request.member_id).ok_or(UNKNOWN_MEMBER_ID)?,
        };
        if member_epoch == LEAVES_FOR_A_WHILE {
            self.members[at].leave_for_a_while();
        } else {
            self.remove(at);
        }
        Ok(Beat { member_id: request.member_id.clone(), member_epoch, interval_ms: 0, assignment: None })
    }

    fn remove(&mut self, at: usize) {
        let member = self.members.remove(at);
        self.target.remove(&member.id);
        // a group that is classic again goes on with the epoch that its members know
        if self.members.is_empty() || self.members.iter().any(|member| member.classic.is_none()) {
            self.epoch += 1;
        }
    }

    /// A new epoch when there is something new.
    fn look_at_topics(&mut self, changed: bool, turn: &Turn) {
        let names: BTreeSet<String> = self.members.iter().flat_map(|m| m.topics(turn.now, &turn.catalog)).collect();
        let topics = turn.catalog.iter().filter(|(name, _)| names.contains(*name));
        let topics: Catalog = topics.map(|(name, topic)| (name.clone(), *topic)).collect();
        if changed || topics != self.topics {
            self.topics = topics;
            self.epoch += 1;
        }
    }

    fn make_target(&mut self, turn: &Turn) {
        let due = self.target_made.map_or(0, |made| made + turn.settings.assignment_interval_ms);
        if self.target_epoch == self.epoch || due > turn.now {
            return;
        }
        let subscriptions: Vec<(&str, BTreeSet<IdPartition>)> = self
            .members
            .iter()
            .map(|member| {
                let topics =
                    member.topics(turn.now, &turn.catalog).into_iter().filter_map(|name| self.topics.get(&name));
                let partitions = topics.flat_map(|&(id, n)| (0..n as i32).map(move |partition| (id, partition)));
                (&member.id[..], partitions.collect())
            })
            .collect();
        self.target = self.assignor().assign(&subscriptions, &self.target);
        (self.target_epoch, self.target_made) = (self.epoch, Some(turn.now));
    }

    /// Most members' wish, `uniform` when nobody has one.
    fn assignor(&self) -> Assignor {
        let wishes = |assignor| self.members.iter().filter(|member| member.assignor == Some(assignor)).count();
        if wishes(Assignor::Range) > wishes(Assignor::Uniform) {
            Assignor::Range
        } else {
            Assignor::Uniform
        }
    }

    /// One step of a member towards the target.
    fn reconcile(&mut self, at: usize, owned: Option<&BTreeSet<IdPartition>>, turn: &Turn) {
        let taken: BTreeSet<IdPartition> = {
            let others = self.members.iter().enumerate().filter(|(other, _)| *other != at);
            others.flat_map(|(_, member)| member.held()).collect()
        };
        let nothing = BTreeSet::new();
        let target = self.target.get(&self.members[at].id).unwrap_or(&nothing);
        self.members[at].reconcile(self.target_epoch, target, owned, &taken, turn.now);
    }

    /// Timeouts that have passed. A target that is due waits for somebody to ask.
    pub(crate) fn advance(&mut self, turn: &Turn) {
        while let Some(at) = self.members.iter().position(|member| member.expires() <= turn.now) {
            self.remove(at);
        }
    }

    pub(crate) fn next_event(&self) -> Option<u64> {
        self.members.iter().map(Member::expires).min()
    }

    /// Another node has read the group: everybody's session begins anew.
    pub(crate) fn load(&mut self, now: u64, session_ms: u64) {
        self.members.iter_mut().for_each(|member| member.load(now, session_ms));
    }

    /// OffsetCommit (KIP-1251: an epoch from when the partition was assigned on is as good as the current one).
    pub(crate) fn may_commit(&self, version: i16, member_id: &str, epoch: i32) -> Result<CommitRule, i16> {
        if epoch < 0 && self.members.is_empty() {
            return Ok(CommitRule::Any);
        }
        let member = &self.members[self.position(member_id).ok_or(UNKNOWN_MEMBER_ID)?];
        let stale = match &member.classic {
            Some(_) => ILLEGAL_GENERATION,
            None if version < 9 => return Err(super::UNSUPPORTED_VERSION),
            None => STALE_MEMBER_EPOCH,
        };
        match epoch.cmp(&member.epoch) {
            std::cmp::Ordering::Equal => Ok(CommitRule::Any),
            std::cmp::Ordering::Greater => Err(stale),
            std::cmp::Ordering::Less => Ok(CommitRule::AssignedBy { since: member.since.clone(), epoch, stale }),
        }
    }

    /// OffsetFetch v9, which names the member.
    pub(crate) fn may_fetch(&self, member_id: &str, epoch: i32) -> Result<(), i16> {
        let at = self.position(member_id).ok_or(UNKNOWN_MEMBER_ID)?;
        if epoch == self.members[at].epoch {
            Ok(())
        } else {
            Err(STALE_MEMBER_EPOCH)
        }
    }
}

/// Of which partitions a commit is taken.
pub(crate) enum CommitRule {
    Any,
    /// Those that the member was given at this epoch or before, and has not let go; others are answered with `stale`.
    AssignedBy {
        since: BTreeMap<IdPartition, i32>,
        epoch: i32,
        stale: i16,
    },
}

impl CommitRule {
    pub(crate) fn check(&self, partition: IdPartition) -> Result<(), i16> {
        match self {
            CommitRule::AssignedBy { since, epoch, stale }
                if since.get(&partition).is_none_or(|since| since > epoch) =>
            {
                Err(*stale)
            }
            _ => Ok(()),
        }
    }
}

/// The regular expression of a good request; an empty one is none.
fn validate(version: i16, request: &ConsumerGroupHeartbeatRequest) -> Result<Option<Regex>, i16> {
    let epoch = request.member_epoch;
    let empty = |text: &Option<String>| text.as_deref() == Some("");
    // before v1 the broker makes the id
    let no_id = request.member_id.is_empty() && (version >= 1 || epoch != 0);
    let invalid = request.group_id.is_empty()
        || no_id
        || empty(&request.instance_id)
        || empty(&request.rack_id)
        || epoch < LEAVES_FOR_A_WHILE
        || epoch == LEAVES_FOR_A_WHILE && request.instance_id.is_none()
        || epoch == 0
            && (request.rebalance_timeout_ms == -1
                || request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty())
                || request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none());
    if invalid {
        return Err(INVALID_REQUEST);
    }
    let known = |name: &str| Assignor::named(name).is_some();
    match request.server_assignor.as_deref() {
        Some(name) if !known(name) => return Err(UNSUPPORTED_ASSIGNOR),
        _ => {}
    }
    let pattern = request.subscribed_topic_regex.as_deref().filter(|pattern| !pattern.is_empty());
    pattern.map(|pattern| Regex::new(&format!("^(?:{pattern})$"))).transpose().map_err(|_| INVALID_REGULAR_EXPRESSION)
}
