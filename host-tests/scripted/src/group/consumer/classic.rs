//! Members of the classic protocol in a group of KIP-848 (online migration): they came along when a first member of the other
//! protocol joined, or come later, and go on with JoinGroup, Heartbeat and SyncGroup, which nobody waits in. The broker assigns.
//! Only dynamic members.
use super::member::{Member, State};
use super::{ConsumerGroup, IdPartition, UNKNOWN_MEMBER_ID};
use crate::apis::JoinGroupRequest;
use crate::group::{self, Joined, Turn, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS};
use crate::wire::{Malformed, Reader, Writer};
use std::collections::BTreeSet;

const UNKNOWN_SERVER_ERROR: i16 = -1;
const INCONSISTENT_GROUP_PROTOCOL: i16 = 23;
const MEMBER_ID_REQUIRED: i16 = 79;

type Topics = Vec<(String, Vec<i32>)>;

fn topics(body: &mut Reader) -> Result<Topics, Malformed> {
    body.array(|body| Ok((body.str()?, body.array(Reader::i32)?)))
}

/// `ConsumerProtocolSubscription.json`: topics, and from v1 on what the member has.
fn subscription(request: &JoinGroupRequest) -> Result<(BTreeSet<String>, Topics), Malformed> {
    let (_, bytes) = request.protocols.first().ok_or("no protocol")?;
    let body = &mut Reader::new(bytes);
    let (version, names) = (body.i16()?, body.array(Reader::str)?);
    body.nullable_array(Reader::i8)?; // user data
    let owned = if version >= 1 { topics(body)? } else { vec![] };
    Ok((names.into_iter().collect(), owned))
}

fn by_id(topics: &Topics, turn: &Turn) -> BTreeSet<IdPartition> {
    let known = topics.iter().filter_map(|(name, all)| Some((turn.catalog.get(name)?.0, all)));
    known.flat_map(|(id, all)| all.iter().map(move |&partition| (id, partition))).collect()
}

/// `ConsumerProtocolAssignment.json`, in the version of the member's subscription.
fn assignment(member: &Member, turn: &Turn) -> Vec<u8> {
    let partitions = &member.assigned;
    let version = member.classic.as_ref().and_then(|request| Reader::new(&request.protocols.first()?.1).i16().ok());
    let of = |id| partitions.iter().filter(move |(topic, _)| *topic == id).map(|(_, partition)| *partition);
    let topics = turn.catalog.iter().map(|(name, &(id, _))| (name, of(id).collect::<Vec<_>>()));
    let topics: Vec<_> = topics.filter(|(_, all)| !all.is_empty()).collect();
    let mut out = Writer::default();
    out.i16(version.unwrap_or(0)).array(topics, |out, (name, all)| {
        out.str(name).array(all, |out, partition| _ = out.i32(partition));
    });
    out.i32(-1);
    out.bytes
}

impl ConsumerGroup {
    /// A classic group with what its members have; `None` when one of them cannot come along.
    pub(crate) fn of_classic(generation: i32, members: &[group::Member], turn: &Turn) -> Option<Self> {
        let mut group = ConsumerGroup { epoch: generation, target_epoch: generation, ..Self::default() };
        for old in members {
            let request = old.as_request();
            let (names, _) = subscription(&request).ok().filter(|_| old.instance.is_none())?;
            let mut has = Reader::new(&old.assignment);
            let has = has.i16().and_then(|_| topics(&mut has)).unwrap_or_default();
            let mut member = Member::new(old.id.clone(), None);
            (member.epoch, member.names, member.assigned) = (generation, names, by_id(&has, turn));
            member.since = member.assigned.iter().map(|partition| (*partition, generation)).collect();
            group.target.insert(old.id.clone(), member.assigned.clone());
            member.classic = Some(request);
            member.rebalance_ms = old.rebalance_ms;
            member.refresh(turn.now, turn.settings.consumer_session_timeout_ms);
            group.members.push(member);
        }
        Some(group)
    }

    /// The members, when all are classic ones: the group is theirs again.
    pub(crate) fn to_classic(&self, turn: &Turn) -> Option<Vec<group::Member>> {
        let back = |member: &Member| {
            let mut classic = group::Member::new(member.id.clone(), member.classic.as_ref()?, turn.now);
            (classic.new_since, classic.assignment) = (None, assignment(member, turn));
            Some(classic)
        };
        self.members.iter().map(back).collect::<Option<Vec<_>>>().filter(|members| !members.is_empty())
    }

    fn classic(&self, id: &str) -> Result<usize, i16> {
        self.position(id).filter(|&at| self.members[at].classic.is_some()).ok_or(UNKNOWN_MEMBER_ID)
    }

    /// An id that nobody was given is as good as another.
    pub(crate) fn classic_join(&mut self, version: i16, request: &JoinGroupRequest, turn: &mut Turn) -> Joined {
        let named = |name| self.members.iter().filter_map(|m| m.classic.as_ref()).all(|it| it.supports(name));
        let common = request.protocols.iter().any(|(name, _)| named(name));
        if request.protocol_type != "consumer" || !common || request.group_instance_id.is_some() {
            return Joined::error(INCONSISTENT_GROUP_PROTOCOL, "");
        }
        let mut id = request.member_id.clone();
        if id.is_empty() {
            id = turn.random.uuid();
            if version >= 4 {
                return Joined::error(MEMBER_ID_REQUIRED, &id);
            }
        }
        let Ok((names, owned)) = subscription(request) else { return Joined::error(UNKNOWN_SERVER_ERROR, "") };
        let known = self.position(&id);
        let at = known.unwrap_or_else(|| {
            self.members.push(Member::new(id.clone(), None));
            self.members.len() - 1
        });
        let member = &mut self.members[at];
        let changed = known.is_none() || member.names != names;
        (member.names, member.rebalance_ms) = (names, request.rebalance_timeout_ms.max(0) as u64);
        member.classic = Some(request.clone());
        member.has_joined(turn.now);
        self.look_at_topics(changed, turn);
        self.make_target(turn);
        self.reconcile(at, Some(&by_id(&owned, turn)), turn);
        let member = &mut self.members[at];
        member.refresh(turn.now, turn.settings.consumer_session_timeout_ms);
        let protocol = request.protocols[0].0.clone();
        Joined { generation: member.epoch, protocol, member_id: id, ..Joined::default() }
    }

    pub(crate) fn classic_sync(&mut self, id: &str, generation: i32, turn: &Turn) -> Result<Vec<u8>, i16> {
        let at = self.classic(id)?;
        let member = &mut self.members[at];
        if generation != member.epoch {
            return Err(ILLEGAL_GENERATION);
        }
        // who must give something up has to hear of it first
        if self.target_epoch > member.epoch && member.state != State::Unrevoked {
            member.must_join(turn.now);
            return Err(REBALANCE_IN_PROGRESS);
        }
        member.has_synced();
        member.refresh(turn.now, turn.settings.consumer_session_timeout_ms);
        Ok(assignment(member, turn))
    }

    pub(crate) fn classic_heartbeat(&mut self, id: &str, generation: i32, turn: &Turn) -> Result<(), i16> {
        let at = self.classic(id)?;
        if generation != self.members[at].epoch {
            return Err(ILLEGAL_GENERATION);
        }
        self.members[at].refresh(turn.now, turn.settings.consumer_session_timeout_ms);
        let waits = || {
            let others = self.members.iter().enumerate().filter(|(other, _)| *other != at);
            let target = self.target.get(id);
            others.flat_map(|(_, member)| member.held()).any(|held| target.is_some_and(|target| target.contains(&held)))
        };
        let behind = self.members[at].epoch < self.target_epoch;
        let to_do = match self.members[at].state {
            State::Unrevoked => true,
            State::Unreleased => behind || !waits(),
            State::Stable => behind,
        };
        if to_do {
            self.members[at].must_join(turn.now);
            return Err(REBALANCE_IN_PROGRESS);
        }
        Ok(())
    }

    /// Also of a member that never joined with the classic protocol: so administrators remove it.
    pub(crate) fn classic_leave(&mut self, id: &str) -> Result<(), i16> {
        let at = self.position(id).ok_or(UNKNOWN_MEMBER_ID)?;
        self.remove(at);
        Ok(())
    }
}
