//! What everybody in a run can look at, and what must be true of it: invariants are checked where something happens.
use crate::plan::{Commits, Style, GROUP};
use crate::truth::{key, Log};
use nanokafka::{Api, Error, Partitions, ProtocolErrorKind};
use nanokafka_scripted::{Cluster, GroupPhase, GroupView, MemberView, Net, Random, Received, Request};
use std::collections::{BTreeMap, BTreeSet};
use std::task::Waker;

/// How often something happened, so that one sees that it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub BTreeMap<&'static str, u64>);

impl Counts {
    pub(crate) fn add(&mut self, what: &'static str, n: u64) {
        *self.0.entry(what).or_default() += n;
    }
}

/// One partition in the hands of a member, from `Assigned` to the poll after `Revoked`.
#[derive(Clone, Debug)]
struct Own {
    /// Where handing out must begin, as far as that is certain.
    start: Option<i64>,
    /// Behind the last record handed out.
    next: Option<i64>,
    /// Behind the last record that is done with.
    acked: Option<i64>,
    /// The most and the least that a commit of this ownership may say.
    most: Option<i64>,
    least: Option<i64>,
    paused: bool,
    /// The large record that was handed out last.
    again: Option<i64>,
}

/// A process with a consumer in it.
pub(crate) struct Member {
    /// `client.id`, the prefix of its member ids.
    pub(crate) name: &'static str,
    pub(crate) instance: Option<&'static str>,
    pub(crate) net: Net,
    pub(crate) style: Style,
    pub(crate) random: Random,
    owned: BTreeMap<usize, Own>,
    /// Were told with `Revoked`: the next poll ends the ownership.
    revoking: BTreeSet<usize>,
    /// Are given up; what was committed of them may still arrive.
    given_up: BTreeMap<usize, Own>,
    gone: bool,
    /// Asked to close.
    pub(crate) closing: bool,
    /// The partition that is lent, and whether the coordinator still thinks it is this member's.
    lent: Option<(usize, bool)>,
    commits_wanted: bool,
    /// A superloop's `commit_sync` was not waited for.
    pub(crate) gave_up: bool,
    /// What a superloop waits for.
    pub(crate) deadline: u64,
    pub(crate) events: u64,
    /// The application works and lets its consumer do nothing.
    pub(crate) deaf: bool,
    /// When the consumer could act.
    turns: Vec<u64>,
}

/// What `commit_sync` was asked for: partition, offset, regressions seen.
pub(crate) type Asked = Vec<(usize, i64, u64)>;

pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) logs: Vec<Log>,
    pub(crate) members: Vec<Member>,
    pub(crate) counts: Counts,
    pub(crate) violation: Option<String>,
    /// Everything works again, and applications are quick.
    pub(crate) healed: bool,
    /// Nothing goes wrong any more: no record may come twice.
    pub(crate) quiet: bool,
    pub(crate) naps: Vec<(u64, Waker)>,
    commits_seen: usize,
    requests_seen: usize,
    /// By partition: commits that went back, by an application's will.
    regressions: Vec<u64>,
    slack_ms: u64,
}

impl World {
    pub(crate) fn new(cluster: Cluster, logs: Vec<Log>, slack_ms: u64) -> Self {
        let regressions = vec![0; logs.len()];
        World {
            cluster,
            logs,
            members: vec![],
            counts: Counts::default(),
            violation: None,
            healed: false,
            quiet: false,
            naps: vec![],
            commits_seen: 0,
            requests_seen: 0,
            regressions,
            slack_ms,
        }
    }

    pub(crate) fn join(&mut self, name: &'static str, net: Net, style: Style, random: Random) -> usize {
        self.cluster.note(format!("{name} starts: net {}, {style:?}", net.index()));
        self.counts.add("started, the broker assigns", style.broker_assigns.into());
        let others = self.members.iter().any(|it| !it.gone && it.style.broker_assigns != style.broker_assigns);
        self.counts.add("started beside the other protocol", others.into());
        self.counts.add("started with auto", (style.protocol == nanokafka::GroupProtocol::Auto).into());
        self.members.push(Member {
            name,
            instance: style.instance,
            net,
            style,
            random,
            owned: BTreeMap::new(),
            revoking: BTreeSet::new(),
            given_up: BTreeMap::new(),
            gone: false,
            closing: false,
            lent: None,
            commits_wanted: false,
            gave_up: false,
            deadline: 0,
            events: 0,
            deaf: false,
            turns: vec![],
        });
        self.members.len() - 1
    }

    pub(crate) fn violate(&mut self, id: usize, what: impl std::fmt::Display) {
        let text = format!("{}: {what}", self.members[id].name);
        self.fail(text);
    }

    pub(crate) fn fail(&mut self, text: String) {
        self.cluster.note(format!("VIOLATED {text}"));
        self.violation.get_or_insert(text);
    }

    fn part(&self, topic: &str, partition: i32) -> usize {
        let found = self.logs.iter().position(|log| log.topic == topic && log.partition == partition);
        found.unwrap_or_else(|| panic!("there is no {topic}-{partition}"))
    }

    fn name(&self, part: usize) -> String {
        format!("{}-{}", self.logs[part].topic, self.logs[part].partition)
    }

    fn committed(&self, part: usize) -> Option<i64> {
        self.cluster.committed_offset(GROUP, self.logs[part].topic, self.logs[part].partition)
    }

    /// Whether the coordinator thinks that the partition is this member's.
    fn is_owner(&self, id: usize, part: usize) -> bool {
        let (member, log) = (&self.members[id], &self.logs[part]);
        let Some(group) = self.cluster.group(GROUP) else { return false };
        let Some(id) = self.member_id(member) else { return false };
        let found = group.members.into_iter().find(|other| other.id == id);
        let assigned = found.and_then(|found| found.assigned()).unwrap_or_default();
        assigned.iter().any(|(topic, all)| topic == log.topic && all.contains(&log.partition))
    }

    /// What it has called itself last.
    fn member_id(&self, member: &Member) -> Option<String> {
        fn id(request: &Received) -> Option<&String> {
            let id = match &*request.request {
                Request::JoinGroup(request) => &request.member_id,
                Request::SyncGroup(request) => &request.member_id,
                Request::Heartbeat(request) => &request.member_id,
                Request::OffsetCommit(request) => &request.member_id,
                Request::ConsumerGroupHeartbeat(request) => &request.member_id,
                _ => return None,
            };
            Some(id).filter(|id| !id.is_empty())
        }
        let net = member.net.index();
        let last = self.cluster.last_request(|request| request.net == net && id(request).is_some())?;
        id(&last).cloned()
    }

    /// Whether it is a member of the group's generation, and no static one that need not have joined it.
    fn has_joined(&self, member: &Member) -> bool {
        let id = self.member_id(member);
        let group = self.cluster.group(GROUP).filter(|group| group.phase == GroupPhase::Stable);
        let is_it = |other: &MemberView| other.instance.is_none() && Some(&other.id) == id.as_ref();
        group.is_some_and(|group| group.members.iter().any(is_it))
    }

    /// The process is no more. What it has written may still arrive.
    pub(crate) fn gone(&mut self, id: usize) {
        self.members[id].gone = true;
    }

    /// These processes are the group, and each has read what it has.
    pub(crate) fn is_steady(&self, mut processes: impl ExactSizeIterator<Item = usize>) -> bool {
        let Some(group) = self.cluster.group(GROUP) else { return false };
        group.phase == GroupPhase::Stable
            && group.members.len() == processes.len()
            && self.owners(&group).iter().all(|owners| *owners == 1)
            && processes.all(|id| {
                let (member, parts) = (&self.members[id], 0..self.logs.len());
                member.revoking.is_empty()
                    && parts.filter(|&part| self.is_owner(id, part)).eq(member.owned.keys().copied())
                    && member.owned.iter().all(|(&part, own)| self.is_read(part, own))
            })
    }

    /// Nothing is left to be handed out.
    fn is_read(&self, part: usize, own: &Own) -> bool {
        let log = &self.logs[part];
        let left = own.next.or(own.start).map_or(0, |next| log.entries.len() - log.at(next));
        left == 0
    }

    /// Its consumer acts.
    pub(crate) fn note_turn(&mut self, id: usize) {
        let (now, turns) = (self.cluster.millis(), &mut self.members[id].turns);
        if turns.last() != Some(&now) {
            turns.push(now);
        }
    }

    fn log_note(&self, id: usize, text: String) {
        self.cluster.note(format!("{}: {text}", self.members[id].name));
    }

    // -- what the application does

    /// `poll` is called: what was handed out is done with, what was told takes effect.
    pub(crate) fn enter_poll(&mut self, id: usize) {
        self.acknowledge_all(id);
        let member = &mut self.members[id];
        member.lent = None;
        for part in std::mem::take(&mut member.revoking) {
            let own = member.owned.remove(&part);
            member.given_up.extend(own.map(|own| (part, own)));
        }
    }

    /// What was handed out is done with, unless the application says that by itself.
    fn acknowledge_all(&mut self, id: usize) {
        let member = &mut self.members[id];
        if member.style.commits != Commits::Marks {
            member.owned.values_mut().for_each(Own::acknowledge);
        }
    }

    /// Before the next of these records: the one before is done with.
    pub(crate) fn before_next(&mut self, id: usize) {
        self.acknowledge_all(id);
    }

    /// The application says that it is done with a record.
    pub(crate) fn mark(&mut self, id: usize, part: usize) {
        if let Some(own) = self.members[id].owned.get_mut(&part) {
            own.acknowledge();
        }
    }

    pub(crate) fn want_commit(&mut self, id: usize) -> Asked {
        self.members[id].commits_wanted = true;
        self.acknowledge_all(id);
        let member = &self.members[id];
        let asked = member.owned.iter().filter_map(|(&part, own)| {
            let (acked, log) = (own.acked?, &self.logs[part]);
            let last = log.at(acked).checked_sub(1).map(|at| &log.entries[at])?;
            // of a batch larger than the window nothing is committed before its end
            let covered = if last.batch_bytes > member.style.window { last.base } else { acked };
            (covered > own.start?).then_some((part, covered, self.regressions[part]))
        });
        asked.collect()
    }

    pub(crate) fn committed_result(&mut self, id: usize, asked: &Asked, result: Result<(), Error>) {
        self.log_note(id, format!("commit: {result:?}"));
        match result {
            Err(error) => {
                self.error(id, &error);
                for &part in self.members[id].owned.keys() {
                    // who reads on begins before what this member has taken
                    self.logs[part].entries.iter_mut().for_each(|entry| entry.settled = false);
                }
            }
            Ok(()) => {
                self.counts.add("commits answered", 1);
                for &(part, offset, regressions) in asked {
                    let (committed, log) = (self.committed(part), &self.logs[part]);
                    let next = log.next_due(committed.unwrap_or(log.start), &self.cluster);
                    if self.regressions[part] == regressions && next < offset {
                        let name = self.name(part);
                        self.violate(id, format!("commit of {name} at {offset} succeeded, kept is {committed:?}"));
                    }
                }
            }
        }
    }

    /// Offsets for an explicit commit.
    pub(crate) fn offsets(&mut self, id: usize) -> Vec<(&'static str, i32, i64)> {
        self.members[id].commits_wanted = true;
        self.acknowledge_all(id);
        let owned = self.members[id].owned.iter();
        let offset =
            |(&part, own): (&usize, &Own)| Some((self.logs[part].topic, self.logs[part].partition, own.acked?));
        owned.filter_map(offset).collect()
    }

    pub(crate) fn sought(&mut self, id: usize, part: usize, target: i64) {
        self.log_note(id, format!("seeks {} to {target}", self.name(part)));
        self.counts.add("seeks", 1);
        let Some(own) = self.members[id].owned.get_mut(&part) else { return };
        let log = &mut self.logs[part];
        let from = own.next.or(own.start).unwrap_or(log.start);
        if from < target {
            log.waive(from, target);
        }
        // what was passed over because nothing is there may be committed still
        own.most = own.most.max(own.start).max(Some(target));
        (own.start, own.next, own.acked) = (Some(target), None, Some(target));
        own.least = Some(own.least.map_or(target, |least| least.min(target)));
    }

    /// A partition of which nothing was handed out yet.
    pub(crate) fn fresh_part(&self, id: usize) -> Option<usize> {
        let member = &self.members[id];
        let fresh = |(part, own): &(&usize, &Own)| own.next.is_none() && !member.revoking.contains(part);
        member.owned.iter().find(fresh).map(|(part, _)| *part)
    }

    pub(crate) fn paused(&mut self, id: usize, part: usize, paused: bool) {
        self.log_note(id, format!("{} {}", if paused { "pauses" } else { "resumes" }, self.name(part)));
        self.counts.add("pauses", paused.into());
        if let Some(own) = self.members[id].owned.get_mut(&part) {
            own.paused = paused;
        }
    }

    pub(crate) fn paused_parts(&self, id: usize) -> Vec<usize> {
        self.members[id].owned.iter().filter(|(_, own)| own.paused).map(|(part, _)| *part).collect()
    }

    // -- what the consumer tells

    pub(crate) fn assigned(&mut self, id: usize, partitions: Partitions<'_>) {
        let parts: Vec<usize> = partitions.map(|one| self.part(one.topic, one.partition)).collect();
        self.log_note(id, format!("assigned {:?}", parts.iter().map(|&part| self.name(part)).collect::<Vec<_>>()));
        self.counts.add("assigned", 1);
        if !self.members[id].style.is_cooperative() && !self.members[id].owned.is_empty() {
            self.violate(id, "is assigned partitions before the others were revoked");
        }
        for &part in &parts {
            if self.members[id].owned.contains_key(&part) {
                self.violate(id, format!("{} is assigned again", self.name(part)));
            }
            let mine = self.is_owner(id, part);
            let has_it_too = |other: &&Member| {
                let keeps = other.owned.contains_key(&part) && !other.revoking.contains(&part);
                keeps && !other.gone && other.name != self.members[id].name && self.has_joined(other)
            };
            if let Some(other) = self.members.iter().find(has_it_too).filter(|_| mine).map(|other| other.name) {
                self.violate(id, format!("{} is assigned, and {other} has it too", self.name(part)));
            }
            let log = &self.logs[part];
            let start = mine.then(|| self.committed(part).unwrap_or(log.start).max(log.start));
            let own = Own { start, next: None, acked: None, most: None, least: None, paused: false, again: None };
            self.members[id].owned.insert(part, own);
            self.members[id].given_up.remove(&part);
        }
        self.check_group();
    }

    /// How many members the coordinator thinks have each partition.
    fn owners(&self, group: &GroupView) -> Vec<usize> {
        let mut owners = vec![0; self.logs.len()];
        for (topic, partitions) in group.members.iter().filter_map(MemberView::assigned).flatten() {
            partitions.iter().for_each(|&partition| owners[self.part(&topic, partition)] += 1);
        }
        owners
    }

    /// In a stable group every partition is somebody's, once.
    fn check_group(&mut self) {
        let Some(group) = self.cluster.group(GROUP).filter(|group| group.phase == GroupPhase::Stable) else { return };
        let owners = self.owners(&group);
        // a leader that was told of no topic gives nothing of it until it hears better
        // and partitions that move have none until their owner has given them up
        let complete = self.healed && !self.members.iter().any(|member| member.style.may_be_cooperative());
        let wrong = |owners: &usize| *owners > 1 || *owners == 0 && complete;
        if let Some(part) = owners.iter().position(wrong) {
            self.fail(format!("{} has {} owners in generation {}", self.name(part), owners[part], group.generation));
        }
    }

    pub(crate) fn revoked(&mut self, id: usize, partitions: Partitions<'_>, lost: bool) {
        let parts: Vec<usize> = partitions.map(|one| self.part(one.topic, one.partition)).collect();
        self.log_note(id, format!("{} {parts:?}", if lost { "lost" } else { "revoked" }));
        self.counts.add(if lost { "lost" } else { "revoked" }, 1);
        let owned = self.members[id].owned.keys().copied().collect::<BTreeSet<_>>();
        let all = lost || !self.members[id].style.is_cooperative();
        let mut told = parts.iter().copied().collect::<BTreeSet<_>>();
        if lost {
            // what was revoked may be lost before that takes effect
            told.retain(|part| owned.contains(part) || !self.members[id].given_up.contains_key(part));
        }
        if all && told != owned || !told.is_subset(&owned) {
            self.violate(id, format!("{told:?} are taken back, assigned were {owned:?}"));
        }
        self.members[id].revoking = told;
        if lost {
            // nothing of them can be committed, and a commit need not say so; one that is out may still arrive
            let member = &mut self.members[id];
            member.given_up.append(&mut member.owned);
            member.revoking.clear();
        }
    }

    /// Records (or a large one) are lent.
    pub(crate) fn lent(&mut self, id: usize, topic: &str, partition: i32) -> usize {
        let part = self.part(topic, partition);
        let mine = self.is_owner(id, part);
        let member = &mut self.members[id];
        member.lent = Some((part, mine));
        let paused = member.owned.get(&part).is_some_and(|own| own.paused);
        if member.revoking.contains(&part) || !member.owned.contains_key(&part) {
            self.violate(id, format!("records of {topic}-{partition}, which is not assigned"));
        } else if paused {
            self.violate(id, format!("records of {topic}-{partition}, which is paused"));
        } else if !mine && !member.style.is_cooperative() {
            // (one that keeps its partitions while the group rebalances has no session meanwhile, in Java neither)
            // it may not know yet, but no longer than its session
            let (net, session) = (member.net.index(), member.style.session_ms);
            let alive = |api| matches!(api, Api::Heartbeat | Api::SyncGroup | Api::JoinGroup);
            let last = self.cluster.last_request(|request| {
                request.net == net
                    && alive(request.api)
                    && request.answer.as_ref().is_some_and(|answer| answer.codes.is_empty())
            });
            // a process that was away reads late
            let at = last.and_then(|last| last.answer).map_or(0, |answer| answer.at);
            let since = self.members[id].turns.iter().find(|&&turn| turn >= at).map_or(at, |&turn| turn);
            if self.cluster.millis() > since + session + self.slack_ms {
                self.violate(id, format!("records of {topic}-{partition}, without a session since {since} ms"));
            }
            self.counts.add("records lent to one that is out and does not know", 1);
        }
        part
    }

    /// A record was taken. `value` is `None` for one that was passed over because of its size.
    /// `again`: it is lent again when the connection breaks before its last byte, which the application does not see.
    pub(crate) fn delivered(
        &mut self,
        id: usize,
        part: usize,
        offset: i64,
        bytes: Option<(&[u8], &[u8])>,
        again: bool,
    ) {
        let name = self.name(part);
        let log = &mut self.logs[part];
        let at = log.at(offset);
        let Some(entry) = log.entries.get(at).filter(|entry| entry.offset == offset) else {
            return self.violate(id, format!("{name}@{offset} is no record"));
        };
        if bytes.is_some_and(|(k, v)| k != key(log.partition, offset) || !log.is_value(entry, v)) {
            return self.violate(id, format!("{name}@{offset} has other bytes than were written"));
        }
        self.cluster.note(format!("{}: takes {name}@{offset}", self.members[id].name));
        let (before, settled) = (entry.delivered, entry.settled);
        let member = &mut self.members[id];
        log.entries[at].delivered = true;
        // of a batch larger than the window nothing is committed before its end has passed
        let fits = log.entries[at].batch_bytes <= member.style.window;
        log.entries[at].settled = self.quiet && fits && member.style.commits.when_revoked();
        let mine = member.lent.is_some_and(|(_, mine)| mine);
        let Some(own) = member.owned.get_mut(&part) else { return };
        let from = own.next.or(own.start.filter(|_| mine));
        let from = from.filter(|&from| own.again != Some(offset) || from != offset + 1);
        if let Some(from) = from {
            if offset < from {
                return self.violate(id, format!("{name}@{offset} comes after {from}"));
            }
            let passed = log.entries[log.at(from).min(at)..at].iter().find(|entry| !entry.waived);
            if let Some(passed) = passed.map(|entry| entry.offset) {
                return self.violate(id, format!("{name}@{passed} was passed over: {offset} came"));
            }
        }
        (own.next, own.again) = (Some(offset + 1), again.then_some(offset));
        self.counts.add("records", 1);
        self.counts.add("records that came before", before.into());
        if settled {
            self.violate(id, format!("{name}@{offset} came again though nothing went wrong"));
        }
    }

    /// An error is one of those that a cluster in trouble is allowed to cause.
    pub(crate) fn error(&mut self, id: usize, error: &Error) {
        self.log_note(id, format!("error {error:?}"));
        let what = match error {
            Error::Transport(_) => "errors: transport",
            Error::Timeout(_) => "errors: timeout",
            Error::Protocol(error) if error.kind == ProtocolErrorKind::Closed => "errors: transport",
            // for so long that somebody should know
            Error::Broker(broker) if broker.api == Api::Metadata && matches!(broker.code.0, 3 | 5) => {
                "errors: topic unknown"
            }
            // a batch that is larger than the quota of a window
            Error::Broker(broker) if broker.api == Api::Fetch && broker.code.0 == 89 => "errors: quota",
            // what a commit of a member that is out, or on its way, is answered
            Error::Broker(broker) if broker.api == Api::OffsetCommit && matches!(broker.code.0, 22 | 25 | 27) => {
                "errors: commit refused"
            }
            // another process has the same instance id
            Error::Broker(broker) if matches!(broker.code.0, 82 | 111) && self.members[id].instance.is_some() => {
                "errors: fenced"
            }
            _ => return self.violate(id, format!("error {error:?}")),
        };
        self.counts.add(what, 1);
    }

    // -- what the coordinator has seen

    /// What has come to the coordinator since the last look.
    pub(crate) fn look(&mut self) {
        self.look_at_commits();
        self.look_at_joins();
    }

    /// Whoever joins again has given up everything before.
    fn look_at_joins(&mut self) {
        for request in self.cluster.requests_since(self.requests_seen) {
            self.requests_seen += 1;
            let Some(id) = self.members.iter().position(|member| member.net.index() == request.net) else { continue };
            let member = &self.members[id];
            let keeps = member.owned.keys().any(|part| !member.revoking.contains(part));
            if request.api == Api::JoinGroup && !member.gone && !member.style.is_cooperative() && keeps {
                self.violate(id, "joins again with partitions that it has");
            }
        }
    }

    /// Commits that were taken since the last look.
    fn look_at_commits(&mut self) {
        for accepted in self.cluster.accepted_since(self.commits_seen) {
            self.commits_seen += 1;
            self.counts.add("partitions committed", 1);
            let Some(id) = self.members.iter().position(|member| member.net.index() == accepted.net) else { continue };
            let part = self.part(&accepted.topic, accepted.partition);
            let (name, offset) = (self.name(part), accepted.offset);
            let member = &self.members[id];
            if accepted.generation < 0 {
                return self.violate(id, format!("commits {name}@{offset} as no member"));
            }
            let automatic = matches!(member.style.commits, Commits::Auto | Commits::Marks);
            if !automatic && !member.commits_wanted {
                return self.violate(id, format!("commits {name}@{offset} unasked"));
            }
            let Some(own) = member.owned.get(&part).or(member.given_up.get(&part)) else {
                return self.violate(id, format!("commits {name}@{offset}, which it does not have"));
            };
            let generation = self.cluster.group(GROUP).map_or(-1, |group| group.generation);
            let another = |other: &usize| {
                generation == accepted.generation
                    && *other != id
                    && !self.members[*other].gone
                    && self.is_owner(*other, part)
            };
            if let Some(other) = (0..self.members.len()).find(another).map(|other| self.members[other].name) {
                return self.violate(id, format!("commits {name}@{offset}, which is {other}'s"));
            }
            let log = &self.logs[part];
            let most = own.most.max(own.start).map(|most| log.next_due(most, &self.cluster));
            if most.is_some_and(|most| offset > most) {
                return self.violate(id, format!("commits {name}@{offset}, done with is {most:?}"));
            }
            if accepted.before.is_some_and(|before| offset < before) {
                if own.least.is_none_or(|least| offset < least) && !log.deleted(offset) {
                    let before = accepted.before;
                    return self.violate(id, format!("commits {name}@{offset} over {before:?}"));
                }
                self.regressions[part] += 1;
                self.counts.add("commits of an earlier offset", 1);
            }
        }
    }

    /// Every record was handed out, or none had to be.
    pub(crate) fn missing(&mut self) -> Option<String> {
        let found = (0..self.logs.len()).find_map(|part| Some((part, self.logs[part].missing()?)));
        found.map(|(part, offset)| format!("{}@{offset}", self.name(part)))
    }

    /// What is committed automatically is, up to the log's end.
    pub(crate) fn uncommitted(&self) -> Option<String> {
        let automatic = |id: &usize| self.members[*id].style.commits == Commits::Auto && !self.members[*id].gone;
        let owned = (0..self.members.len()).filter(automatic).flat_map(|id| self.members[id].owned.iter());
        let behind = |part: usize| {
            let log = &self.logs[part];
            let end = self.cluster.partition(log.topic, log.partition).log_end();
            self.committed(part).is_none_or(|committed| log.next(committed, &self.cluster) < end)
        };
        let read = owned.filter(|(_, own)| own.next.is_some()).map(|(part, _)| *part);
        let found = read.into_iter().find(|&part| behind(part));
        found.map(|part| format!("{} is committed at {:?}", self.name(part), self.committed(part)))
    }
}

impl Own {
    fn acknowledge(&mut self) {
        if let Some(next) = self.next {
            self.acked = Some(next);
            self.most = self.most.max(self.acked);
        }
    }
}
