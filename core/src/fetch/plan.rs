//! What the fetch connections do next: which leader each is for, what is asked there, and when a waiting Fetch is given up.
use crate::cluster::nodes::Node;
use crate::connection::failure::Failure;
use crate::connection::{Link, Phase as LinkPhase, CONTROL};
use crate::drive::Op;
use crate::partitions::{Phase, Slot};
use crate::state::{Control, Parked};
use crate::wire::list_offsets::{EARLIEST, LATEST};
use crate::{Api, ConnectionId, Instant, Transport};

/// What the partitions led by one broker need.
#[derive(Clone, Copy, Default)]
struct Demand {
    validate: bool,
    offsets: bool,
    fetch: bool,
    /// Something that the Fetch which is out does not ask for.
    uncovered: bool,
    /// Records on their way are void.
    stale: bool,
}

impl Demand {
    /// Something has to wait for what is out.
    fn is_delayed(self) -> bool {
        self.validate || self.offsets || self.uncovered
    }
}

/// Longest wait of a Fetch while other leaders wait for the connection, in milliseconds: when the last one brought records, and
/// after a while without any, as each change of leader costs a new connection.
const SHARED_WAIT: i32 = 100;
const QUIET_SHARED_WAIT: i32 = 1_000;
/// Answers without records that make a while.
const QUIET: u8 = 8;

impl Control<'_> {
    /// Plans, if anything has changed or is due.
    pub(crate) fn plan<T: Transport + ?Sized>(
        &mut self,
        net: &mut T,
        op: &Op<'_, '_>,
        now: Instant,
    ) -> Result<(), (usize, Failure)> {
        if !self.state.plan && now < self.state.plan_at {
            return Ok(());
        }
        (self.state.plan, self.state.plan_at) = (false, Instant::NEVER);
        self.leave_followers(now);
        let known = |slot: &Slot| !slot.is(Slot::LEADERLESS) && self.state.cluster.nodes.by_id(slot.leader).is_some();
        if self.slots().iter().any(|slot| slot.phase != Phase::Rest && !known(slot)) {
            self.state.cluster.metadata.want();
        }
        for link in CONTROL + 1..self.links.len() {
            self.plan_link(link, net, op, now).map_err(|failure| (link, failure))?;
        }
        Ok(())
    }

    fn plan_link<T: Transport + ?Sized>(
        &mut self,
        index: usize,
        net: &mut T,
        op: &Op<'_, '_>,
        now: Instant,
    ) -> Result<(), Failure> {
        let Some(link) = self.link(index) else { return Ok(()) };
        match link.phase {
            LinkPhase::Closing | LinkPhase::Connecting => return Ok(()),
            LinkPhase::Down => {
                let not_before = link.not_before;
                let node = match self.demand(index, link.node) {
                    Demand { fetch: false, offsets: false, validate: false, .. } => self.unserved(link.node),
                    _ if link.failures > 0 => self.unserved(link.node).or(Some(link.node)),
                    _ => Some(link.node),
                };
                let Some(node) = node else { return Ok(()) };
                let deadline = now.after(self.config.socket_connection_setup_timeout);
                let Some(link) = self.link_mut(index) else { return Ok(()) };
                link.node = node;
                if now >= not_before {
                    (link.phase, link.deadline) = (LinkPhase::Connecting, deadline);
                } else {
                    self.state.plan_at = self.state.plan_at.min(not_before);
                }
                return Ok(());
            }
            LinkPhase::Up => {}
        }
        let (idle, answered, not_before) = (link.is_idle(), link.is_answered(), link.not_before);
        let in_the_way = usize::from(self.state.owner) == index && self.is_in_the_way(link);
        // the answer to a question comes through the window, which must not be full of records that nobody takes meanwhile
        let (asks, node, patient) = (matches!(op, Op::Offsets(_)), link.node, link.patient);
        if asks && answered && link.awaiting().api == Api::Fetch as i16 {
            self.restart(index, node, net, now);
            return Ok(());
        }
        let (ahead, waits) = (link.may_send_ahead(), link.awaiting().api == Api::Fetch as i16);
        let Some(versions) = self.state.cluster.nodes.get(node).filter(|node| node.asked).map(|node| node.versions)
        else {
            let asked = self.links.first().is_some_and(|control| control.asks_versions(node));
            return if idle && !asked { self.send(index, Api::ApiVersions, 0, op, now) } else { Ok(()) };
        };
        if idle {
            self.release(index);
        }
        let demand = self.demand(index, node);
        // (a connection that is down takes it sooner)
        let spare = self.links.iter().skip(CONTROL + 1).any(|link| link.phase == LinkPhase::Down);
        let shared = self.unserved(node).filter(|_| !spare);
        // neither a waiting Fetch nor an answer that nobody wants delays anything: the connection is given up for what is wanted of
        // this broker, or for a leader that waits
        let holds = if answered { in_the_way } else { waits };
        let delayed = demand.is_delayed();
        // (who is given up has had its turn: it is the other leader's, or seeks without end would keep the connection)
        let next = shared.filter(|_| answered || patient || delayed).or(Some(node).filter(|_| delayed));
        if let Some(next) = next.filter(|_| holds) {
            self.restart(index, next, net, now);
            return Ok(());
        }
        if answered {
            let wanted = demand.fetch && !demand.stale && !demand.validate && !demand.offsets && shared.is_none();
            if usize::from(self.state.owner) == index && self.state.stream.ahead && ahead && wanted && now >= not_before
            {
                self.state.stream.ahead = false;
                return self.ask(index, Api::Fetch, op, now);
            }
            return Ok(());
        }
        if !idle {
            return Ok(());
        }
        if now < not_before {
            self.state.plan_at = self.state.plan_at.min(not_before);
            return Ok(());
        }
        if demand.validate {
            if versions.get(Api::OffsetForLeaderEpoch).is_some() {
                return self.ask(index, Api::OffsetForLeaderEpoch, op, now);
            }
            let unchecked = self.slots_mut().iter_mut().filter(|slot| slot.phase == Phase::Validate);
            unchecked.for_each(|slot| slot.phase = Phase::Ready);
            self.state.plan = true;
            return Ok(());
        }
        if demand.offsets {
            return self.ask(index, Api::ListOffsets, op, now);
        }
        let visited = self.link(index).is_some_and(|link| link.visited);
        if let Some(next) = shared.filter(|_| visited || !demand.fetch) {
            if let Some(link) = self.links.get_mut(index) {
                (link.phase, link.deadline) = (LinkPhase::Closing, now.after(self.config.reconnect_backoff_max));
                link.node = next; // from here on, or the first of the leaders would be next every time
            }
        } else if demand.fetch && !asks {
            if let Some(link) = self.link_mut(index) {
                link.visited = true;
            }
            return self.ask(index, Api::Fetch, op, now);
        }
        Ok(())
    }

    /// Longest wait of the next Fetch on the connection. The end of a log is told at once, not after a long poll: until it
    /// was, there is either something to read or something to tell.
    pub(crate) fn fetch_wait(&self, index: usize) -> i32 {
        let untold = |slot: &Slot| {
            usize::from(slot.link) == index
                && slot.is(Slot::LISTED)
                && !slot.is(Slot::END_REPORTED)
                && slot.position >= slot.high_watermark
        };
        if self.slots().iter().any(untold) {
            0
        } else if self.unserved(0).is_some() {
            if self.state.barren < QUIET {
                SHARED_WAIT
            } else {
                QUIET_SHARED_WAIT
            }
        } else {
            i32::MAX
        }
    }

    /// No partition is fetched or handed out now.
    pub(crate) fn rests(&self) -> bool {
        #[cfg(feature = "group")]
        return self.partitions_rest();
        #[cfg(not(feature = "group"))]
        false
    }

    fn demand(&self, index: usize, node: u8) -> Demand {
        let mut demand = Demand::default();
        let Some(id) = self.state.cluster.nodes.get(node).filter(|node| node.used).map(|node| node.id) else {
            return demand;
        };
        let (rests, parked) = (self.rests(), !matches!(self.state.parked, Parked::Nothing));
        for slot in self.slots().iter().filter(|slot| !slot.is(Slot::LEADERLESS)) {
            let (leads, mine) = (slot.leader == id, usize::from(slot.link) == index);
            demand.stale |= mine && slot.is(Slot::STALE);
            demand.offsets |= leads && slot.wants_offset() && (!rests || slot.is(Slot::QUERIED));
            demand.validate |= leads && slot.phase == Phase::Validate && !rests && !parked;
            if slot.is_fetchable() && !rests && slot.is_fetched_from(node, leads) {
                demand.fetch = true;
                demand.uncovered |= !mine || !slot.is(Slot::LISTED) || slot.is(Slot::STALE);
            }
        }
        demand
    }

    /// A leader that some partition needs and that no connection is for; the one behind `node` first, so that all take turns.
    fn unserved(&self, node: u8) -> Option<u8> {
        let rests = self.rests();
        let (mut next, mut first) = (None::<u8>, None::<u8>);
        for slot in self.slots().iter().filter(|slot| !slot.is(Slot::LEADERLESS)) {
            let leader = slot.is(Slot::QUERIED) || !rests && (slot.wants_offset() || slot.phase == Phase::Validate);
            let index = match slot.replica {
                _ if !leader && (rests || !slot.is_fetchable()) => None,
                0 => self.state.cluster.nodes.by_id(slot.leader),
                _ if leader => self.state.cluster.nodes.by_id(slot.leader),
                follower => Some(follower),
            };
            let Some(index) = index else { continue };
            if self.links.iter().skip(CONTROL + 1).any(|link| link.node == index) {
                continue;
            }
            if index > node && next.is_none_or(|next| index < next) {
                next = Some(index);
            }
            if first.is_none_or(|first| index < first) {
                first = Some(index);
            }
        }
        next.or(first)
    }

    /// Sends the next request on the connection, about all partitions that want it there.
    fn ask(&mut self, index: usize, api: Api, op: &Op<'_, '_>, now: Instant) -> Result<(), Failure> {
        let node = self.link(index).map_or(0, |link| link.node);
        let Some(Node { id, versions, .. }) = self.state.cluster.nodes.get(node).copied() else { return Ok(()) };
        for slot in self.slots_mut() {
            let leads = slot.leader == id;
            let wanted = match api {
                Api::Fetch => slot.is_fetchable() && slot.is_fetched_from(node, leads),
                Api::ListOffsets => slot.wants_offset() && leads,
                _ => slot.phase == Phase::Validate && leads,
            };
            if wanted && !slot.is(Slot::LEADERLESS) {
                slot.link = index as u8;
                slot.set(Slot::LISTED);
            } else if usize::from(slot.link) == index {
                slot.clear(Slot::LISTED);
            }
            if api == Api::ListOffsets && usize::from(slot.link) == index {
                slot.clear(Slot::ASKED);
                slot.set(if slot.is(Slot::QUERIED) { Slot::ASKED } else { 0 });
            }
        }
        let patient = self.fetch_wait(index) == i32::MAX;
        if let Some(link) = self.link_mut(index) {
            link.patient = patient;
        }
        self.send(index, api, versions.get(api).unwrap_or(0), op, now)
    }

    /// Nothing is out on the connection: no partition waits for it.
    pub(crate) fn release(&mut self, index: usize) {
        for slot in self.slots_mut().iter_mut().filter(|slot| usize::from(slot.link) == index || slot.link == 0) {
            slot.link = 0;
            slot.clear(Slot::LISTED | Slot::STALE);
        }
    }

    /// Gives up what is out and connects to `node`, at once.
    fn restart<T: Transport + ?Sized>(&mut self, index: usize, node: u8, net: &mut T, now: Instant) {
        net.abort(ConnectionId::new(index as u8));
        self.drop_answer(index);
        let deadline = now.after(self.config.socket_connection_setup_timeout);
        if let Some(link) = self.link_mut(index) {
            link.reset();
            (link.phase, link.deadline) = (LinkPhase::Connecting, deadline);
            (link.node, link.visited) = (node, false);
        }
        self.state.plan = true;
    }

    /// The answer that was being read, if any, is void.
    pub(crate) fn drop_answer(&mut self, index: usize) {
        if usize::from(self.state.owner) == index && index != CONTROL {
            self.state.owner = 0;
            self.drop_verdict();
            self.state.stream.reset();
            *self.inbox(index) = crate::connection::inbox::Inbox::NEW;
        }
        self.release(index);
    }

    /// The timestamp that stands for what is wanted of a partition's offsets.
    pub(crate) fn wanted_time(&self, slot: &Slot, op: &Op<'_, '_>) -> i64 {
        if !slot.is(Slot::ASKED) {
            return if slot.is(Slot::LATEST) { LATEST } else { EARLIEST };
        }
        let Op::Offsets(wanted) = op else { return LATEST };
        let topic = self.topic_name(slot.topic);
        let mut entries = wanted.iter().filter(|entry| entry.partition == slot.partition && entry.topic == topic);
        entries.next().map_or(LATEST, |entry| entry.timestamp)
    }
}

impl Slot {
    /// Its records can be asked for.
    pub fn is_fetchable(&self) -> bool {
        self.phase == Phase::Ready && !self.is(Slot::PAUSED | Slot::REVOKED)
    }

    /// ListOffsets is to be asked.
    pub fn wants_offset(&self) -> bool {
        self.phase == Phase::Reset || self.is(Slot::QUERIED)
    }
}

impl Link {
    /// The correlation id of the next request.
    pub fn next_id(&self) -> i32 {
        self.correlation.wrapping_add(1)
    }
}
