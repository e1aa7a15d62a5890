//! The one drive loop. It borrows everything for one call, keeps nothing, and stops when every connection has answered
//! `Pending` or wants nothing. `window` is `None` while its bytes are lent: then only the control connection reads.
use crate::cluster::address;
use crate::connection::answers::Looked;
use crate::connection::failure::{Cause, Failure};
use crate::connection::inbox::Inbox;
use crate::connection::{Broken, Link, Phase, CONTROL};
use crate::error::PartitionErrorKind;
use crate::fetch::stream::Step;
use crate::partitions::{self, Slot};
use crate::state::{Control, Parked};
use crate::{Api, Capacity, ConnectionId, ErrorCode, Instant, PartitionOffset, ProtocolErrorKind, Resource, Transport};
use core::task::{Context, Poll};
use core::time::Duration;

/// What the caller is waiting for.
pub(crate) enum Op<'o, 'n> {
    /// The next event.
    Event,
    /// Value bytes of a record larger than the window.
    Chunk,
    /// The end of the commit.
    Commit,
    /// The end of a commit of these.
    CommitOffsets(&'o [PartitionOffset<'n>]),
    /// Committed offsets of these.
    Committed(&'o mut [PartitionOffset<'n>]),
    /// Offsets by timestamp of these.
    Offsets(&'o mut [PartitionOffset<'n>]),
    /// Nothing: keep the membership alive.
    Tend,
    /// The last commit and the leave.
    Leave,
}

/// What there is, owned: lending comes after the loop, so the borrow checker sees one borrow on one path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ready {
    Records,
    Large,
    Chunk,
    EndOfValue,
    /// A commit has its result.
    Committed,
    End(u16),
    Truncated {
        slot: u16,
        from: i64,
        to: i64,
    },
    Skipped {
        slot: u16,
        offset: i64,
        size: u32,
    },
    #[cfg_attr(not(feature = "group"), allow(dead_code))]
    Assigned,
    #[cfg_attr(not(feature = "group"), allow(dead_code))]
    Revoked,
    #[cfg_attr(not(feature = "group"), allow(dead_code))]
    Lost,
    Done,
}

/// Turns of one call: a broker that sends faster than we skip must not starve the application.
const BUDGET: u32 = 64;

/// Items and reads of one turn of a Fetch's answer.
const STEPS: u32 = 256;

/// An answer that stalls for so long while another one waits is given up.
const STALL: Duration = Duration::from_secs(1);

pub(crate) fn drive<T: Transport + ?Sized>(
    c: &mut Control<'_>,
    mut window: Option<&mut [u8]>,
    net: &mut T,
    now: Instant,
    cx: &mut Context<'_>,
    op: &mut Op<'_, '_>,
) -> Poll<Result<Ready, Failure>> {
    c.state.busy = false;
    let (needed, have) = (c.links.len(), net.connections());
    if needed > have {
        return Poll::Ready(Err(c.full(Capacity { what: Resource::Connections, needed, have })));
    }
    if let Some(window) = window.as_deref() {
        c.release_lent(window);
    }
    for _ in 0..BUDGET {
        c.tick(op, now);
        if let Some(result) = c.notice(op) {
            return Poll::Ready(result);
        }
        let mut moved = match control(c, net, now, cx, op) {
            Ok(moved) => moved,
            Err(failure) if c.failed(CONTROL, failure, net, op, now) => return Poll::Ready(Err(Failure::Told)),
            Err(_) => true,
        };
        match fetch(c, window.as_deref_mut(), net, now, cx, op) {
            Ok(Turn::Ready(ready)) => return Poll::Ready(Ok(ready)),
            Ok(Turn::Moved(m)) => moved |= m,
            Err((link, failure)) => {
                let value = matches!(op, Op::Chunk) && usize::from(c.state.owner) == link;
                let cause = c.state.cause;
                let told = c.failed(link, failure, net, op, now);
                if let (true, Cause::Link(broken)) = (value, cause) {
                    // the position still points at the record
                    let error = c.connect_error(link, broken);
                    return Poll::Ready(Err(c.tell(error)));
                }
                if told {
                    return Poll::Ready(Err(Failure::Told));
                }
                moved = true;
            }
        }
        if !moved {
            return Poll::Pending;
        }
    }
    c.state.busy = true; // `next_timeout` is past, so that every front end comes back at once and others run in between
    Poll::Pending
}

impl Control<'_> {
    /// What time alone does.
    #[inline(never)]
    fn tick(&mut self, op: &Op<'_, '_>, now: Instant) {
        self.auto_commit(now);
        #[cfg(feature = "group")]
        self.group_tick(matches!(op, Op::Event), now);
        let _ = op;
    }

    /// What is there without any I/O.
    fn notice(&mut self, op: &mut Op<'_, '_>) -> Option<Result<Ready, Failure>> {
        match op {
            Op::Event => {
                self.state.plan |= !matches!(self.state.parked, Parked::Nothing); // others may wait to be validated
                match core::mem::replace(&mut self.state.parked, Parked::Nothing) {
                    Parked::Nothing => {}
                    Parked::Error(error) => return Some(Err(self.tell(error))),
                    Parked::Truncated { topic, partition, from, to } => {
                        if let Ok(slot) = partitions::find(self.slots(), topic, partition) {
                            return Some(Ok(Ready::Truncated { slot: slot as u16, from, to }));
                        }
                    }
                }
                #[cfg(feature = "group")]
                if let Some(ready) = self.state.group.lost.then(|| self.group_notice()).flatten() {
                    return Some(Ok(ready)); // before the news of commits, or who commits again at each would never hear of it
                }
                if self.state.commit.announce && self.state.commit.finished {
                    return Some(Ok(Ready::Committed));
                }
                #[cfg(feature = "group")]
                if let Some(ready) = self.group_notice() {
                    return Some(Ok(ready));
                }
                if !self.state.news {
                    return None;
                }
                let due = self.slots().iter().position(|slot| slot.is(Slot::UNTOLD));
                self.state.news = due.is_some();
                let slot = self.slot_mut(due?)?;
                slot.clear(Slot::UNTOLD);
                Some(match slot.phase {
                    partitions::Phase::Rest => Err(self.rest(due?, -1, -1, PartitionErrorKind::NoOffset)),
                    _ => Ok(Ready::End(due? as u16)),
                })
            }
            Op::Commit | Op::CommitOffsets(_) => self.state.commit.finished.then_some(Ok(Ready::Committed)),
            Op::Committed(_) => core::mem::take(&mut self.state.commit.answered).then_some(Ok(Ready::Done)),
            Op::Offsets(_) => (!self.any(Slot::QUERIED)).then_some(Ok(Ready::Done)),
            Op::Leave => self.has_left().then_some(Ok(Ready::Done)),
            Op::Chunk | Op::Tend => None,
        }
    }

    /// Nothing of a `close` is left but the ends of the connections.
    pub(crate) fn has_left(&self) -> bool {
        if self.state.commit.is_open() {
            return false;
        }
        #[cfg(feature = "group")]
        return !self.state.group.leaving && !self.state.group.closing;
        #[cfg(not(feature = "group"))]
        true
    }

    /// The earliest time at which driving has something to do without any byte arriving. `lent`: the window is.
    pub(crate) fn next_timeout(&self, op: &Op<'_, '_>, lent: bool, now: Instant) -> Instant {
        if self.state.busy {
            return Instant::from_millis(0);
        }
        let mut next = if lent { Instant::NEVER } else { self.state.plan_at };
        if self.commits_automatically() && self.state.commit.auto_at != Instant::from_millis(0) {
            next = next.min(self.state.commit.auto_at);
        }
        #[cfg(feature = "group")]
        {
            next = next.min(self.group_timeout(matches!(op, Op::Event)));
        }
        let lends_from = self.lends_from(op);
        if now < lends_from {
            next = next.min(lends_from);
        }
        let (lent, owner) = (lent || now < lends_from, usize::from(self.state.owner));
        let streams = owner != 0 && self.link(owner).is_some_and(|link| link.awaiting().api == Api::Fetch as i16);
        let reads = self.state.silent_since != Instant::NEVER && matches!(op, Op::Event | Op::Chunk);
        for (index, link) in self.links.iter().enumerate() {
            let waits_for_us = link.has_head() && (index != owner || streams && !reads);
            if index != CONTROL && (lent || waits_for_us) {
                continue;
            }
            if link.phase == Phase::Connecting || link.phase == Phase::Closing || link.awaiting().api != 0 {
                next = next.min(link.deadline);
            } else if index == CONTROL {
                if let Some(due) = self.due(op, now) {
                    next = next.min(due.at.max(link.not_before));
                }
            }
        }
        if streams && reads && !lent && self.delays_another() {
            next = next.min(self.stalls_at(owner));
        }
        next
    }

    /// From then on the window's answer stalls: a link may be slower than we thought, so each time that is longer.
    fn stalls_at(&self, owner: usize) -> Instant {
        let stalls = self.link(owner).map_or(0, |link| link.stalls.min(5));
        self.state.silent_since.after(STALL.saturating_mul(1 << stalls))
    }

    /// Another fetch connection's answer has begun, too.
    fn delays_another(&self) -> bool {
        self.links.iter().skip(CONTROL + 1).filter(|link| link.has_head()).count() > 1
    }

    /// Connects, closes, and writes what is to be written. `true`: something moved.
    fn pump_out<T: Transport + ?Sized>(
        &mut self,
        index: usize,
        net: &mut T,
        now: Instant,
        cx: &mut Context<'_>,
        op: &Op<'_, '_>,
    ) -> Result<bool, Failure> {
        let id = ConnectionId::new(index as u8);
        let Some(link) = self.links.get_mut(index) else { return Ok(false) };
        match link.phase {
            Phase::Down => Ok(false),
            Phase::Closing => {
                if net.poll_close(cx, id).is_pending() {
                    if now < link.deadline {
                        return Ok(false);
                    }
                    net.abort(id);
                }
                link.reset();
                link.visited = false;
                self.state.plan = true;
                if index != CONTROL {
                    self.release(index);
                }
                Ok(true)
            }
            Phase::Connecting => {
                let Some((host, port)) = address(&self.state.cluster, self.config, link.node) else {
                    link.phase = Phase::Down;
                    link.node = 0;
                    self.state.plan = true;
                    return Ok(true);
                };
                match net.poll_connect(cx, id, host, port) {
                    Poll::Ready(Ok(())) => {
                        debug!("connection {} to {}:{} is up", index, host, port);
                        link.phase = Phase::Up;
                        self.state.plan = true;
                        Ok(true)
                    }
                    Poll::Ready(Err(error)) => Err(self.broken(Broken::Transport(error))),
                    Poll::Pending if now >= link.deadline => Err(self.broken(Broken::Timeout)),
                    Poll::Pending => Ok(false),
                }
            }
            Phase::Up => {
                let filled = link.wants_filling();
                if filled {
                    self.fill(index, op)?;
                }
                let Some(link) = self.link_mut(index) else { return Ok(false) };
                let sent = link.pump_out(id, net, cx);
                let sent = sent.map_err(|error| self.broken(Broken::Transport(error)))?;
                Ok(sent || filled)
            }
        }
    }
}

/// One turn of the control connection. `true`: something moved.
fn control<T: Transport + ?Sized>(
    c: &mut Control<'_>,
    net: &mut T,
    now: Instant,
    cx: &mut Context<'_>,
    op: &mut Op<'_, '_>,
) -> Result<bool, Failure> {
    let mut moved = c.plan_control(op, now)?;
    moved |= c.pump_out(CONTROL, net, now, cx, op)?;
    if c.links.first().is_none_or(|link| link.phase != Phase::Up || link.awaiting().api == 0) {
        return Ok(moved);
    }
    let buffer = core::mem::take(&mut c.buffer);
    let result = receive(c, CONTROL, buffer, net, now, cx, op);
    c.buffer = buffer;
    Ok(moved | result?)
}

pub(crate) enum Turn {
    Ready(Ready),
    Moved(bool),
}

/// Reads and acts on an answer other than Fetch until more bytes are needed. `true`: something moved.
fn receive<T: Transport + ?Sized>(
    c: &mut Control<'_>,
    index: usize,
    buffer: &mut [u8],
    net: &mut T,
    now: Instant,
    cx: &mut Context<'_>,
    op: &mut Op<'_, '_>,
) -> Result<bool, Failure> {
    let id = ConnectionId::new(index as u8);
    let mut moved = false;
    loop {
        let Some(link) = c.link_mut(index) else { return Ok(moved) };
        if !link.has_head() {
            let (read, request) = (link.pump_head(id, net, cx), link.awaiting());
            if !read.map_err(|broken| c.broken(broken))? {
                return late(c, index, now).map(|()| moved);
            }
            *c.inbox(index) = Inbox::of(request);
            moved = true;
            continue;
        }
        match c.look(index, buffer, op, now)? {
            Looked::Moved => moved = true,
            Looked::Done => return Ok(true),
            Looked::More => {
                let [control, window] = &mut c.state.inboxes;
                let inbox = if index == CONTROL { control } else { window };
                let need = inbox.len().saturating_add(1);
                let Some(link) = c.links.get_mut(index) else { return Ok(moved) };
                let read = inbox.pump(buffer, need, 0, link, id, net, cx);
                if !read.map_err(|broken| c.broken(broken))? {
                    return late(c, index, now).map(|()| moved);
                }
                moved = true;
                let deadline = now.after(c.config.request_timeout);
                if let Some(link) = c.link_mut(index) {
                    link.deadline = link.deadline.max(deadline);
                }
            }
        }
        if matches!((&c.state.parked, &*op), (Parked::Truncated { .. }, Op::Event)) {
            return Ok(true); // there is room for one, and it is told first
        }
    }
}

/// Nothing arrived: has it been too long?
fn late(c: &mut Control<'_>, index: usize, now: Instant) -> Result<(), Failure> {
    match c.link(index) {
        Some(link) if link.awaiting().api != 0 && now >= link.deadline => Err(c.broken(Broken::Timeout)),
        _ => Ok(()),
    }
}

/// One turn of the fetch connections.
fn fetch<T: Transport + ?Sized>(
    c: &mut Control<'_>,
    window: Option<&mut [u8]>,
    net: &mut T,
    now: Instant,
    cx: &mut Context<'_>,
    op: &mut Op<'_, '_>,
) -> Result<Turn, (usize, Failure)> {
    let mut moved = false;
    if window.is_some() {
        c.state.plan |= matches!(op, Op::Offsets(_)) && c.links.iter().skip(1).any(Link::is_answered);
        c.plan(net, op, now)?;
        moved |= c.state.plan; // what was decided calls for more
    }
    for index in CONTROL + 1..c.links.len() {
        moved |= c.pump_out(index, net, now, cx, op).map_err(|failure| (index, failure))?;
    }
    let Some(window) = window.filter(|_| now >= c.lends_from(op)) else { return Ok(Turn::Moved(moved)) };
    if c.state.owner == 0 {
        match choose(c, net, now, cx)? {
            Some(owner) => {
                c.state.owner = owner as u8;
                c.state.silent_since = Instant::NEVER;
                *c.inbox(owner) = Inbox::NEW;
                let version = c.link(owner).map_or(0, |link| link.awaiting().version);
                c.state.stream.begin(version);
            }
            None => return Ok(Turn::Moved(moved)),
        }
    } else if c.links.len() > 2 {
        // a look at the others, for their wakers and to see whether one is ready
        choose(c, net, now, cx)?;
    }
    let owner = usize::from(c.state.owner);
    let fetches = c.link(owner).is_some_and(|link| link.awaiting().api == Api::Fetch as i16);
    if !fetches {
        moved |= receive(c, owner, window, net, now, cx, op).map_err(|failure| (owner, failure))?;
        if c.link(owner).is_some_and(|link| !link.has_head()) {
            c.state.owner = 0;
        }
        return Ok(Turn::Moved(moved));
    }
    stream(c, owner, window, net, now, cx, op, moved).map_err(|failure| (owner, failure))
}

/// Reads the heads of answers. The first connection whose answer has begun, in turn after the last one.
fn choose<T: Transport + ?Sized>(
    c: &mut Control<'_>,
    net: &mut T,
    now: Instant,
    cx: &mut Context<'_>,
) -> Result<Option<usize>, (usize, Failure)> {
    let mut chosen = None;
    for index in CONTROL + 1..c.links.len() {
        if usize::from(c.state.owner) == index {
            continue;
        }
        let Some(link) = c.link_mut(index).filter(|link| link.phase == Phase::Up && link.awaiting().api != 0) else {
            continue;
        };
        let mut read = Ok(true);
        while !link.has_head() && matches!(read, Ok(true)) {
            read = link.pump_head(ConnectionId::new(index as u8), net, cx);
        }
        let has_head = link.has_head();
        read.map_err(|broken| (index, c.broken(broken)))?;
        if !has_head {
            late(c, index, now).map_err(|failure| (index, failure))?;
        } else if chosen
            .is_none_or(|chosen| chosen <= usize::from(c.state.served) && index > usize::from(c.state.served))
        {
            chosen = Some(index);
        }
    }
    Ok(chosen)
}

/// Fetch's answer, until there is something to lend or more bytes are needed.
#[inline(never)]
fn stream<T: Transport + ?Sized>(
    c: &mut Control<'_>,
    owner: usize,
    window: &mut [u8],
    net: &mut T,
    now: Instant,
    cx: &mut Context<'_>,
    op: &mut Op<'_, '_>,
    mut moved: bool,
) -> Result<Turn, Failure> {
    let id = ConnectionId::new(owner as u8);
    for _ in 0..STEPS {
        let mut need = 1;
        if c.state.stream.in_value() && matches!(op, Op::Chunk) {
            if c.state.stream.value_left == 0 {
                c.state.stream.unread = 0; // it was read, though it may be empty
                return Ok(Turn::Ready(Ready::EndOfValue));
            }
            if !c.chunk(window).is_empty() {
                return Ok(Turn::Ready(Ready::Chunk));
            }
        } else if matches!(op, Op::Event) {
            match c.stream_step(window, now)? {
                Step::Ready(ready) => return Ok(Turn::Ready(ready)),
                Step::Moved => {
                    moved = true;
                    if c.state.news || c.state.plan {
                        return Ok(Turn::Moved(true));
                    }
                    continue;
                }
                Step::More(n) => need = n,
                Step::End => {
                    let unread = c.inbox(owner).len().saturating_add(c.link(owner).map_or(0, |link| link.left));
                    if unread > 0 {
                        return Err(c.broken(Broken::Protocol(ProtocolErrorKind::TrailingBytes(unread))));
                    }
                    finish(c, owner, now);
                    return c.starved(owner).map(|()| Turn::Moved(true));
                }
            }
        } else {
            return Ok(Turn::Moved(moved)); // what is there waits for the next `poll`
        }
        if need as usize > window.len() {
            let capacity = Capacity { what: Resource::Window, needed: need as usize, have: window.len() };
            c.full(capacity);
            return Err(Failure::Fatal);
        }
        let pinned = c.state.stream.pinned;
        let [_, inbox] = &mut c.state.inboxes;
        let Some(link) = c.links.get_mut(owner) else { return Ok(Turn::Moved(moved)) };
        if link.left == 0 && need > inbox.len() {
            return Err(c.malformed()); // the answer ends inside an item
        }
        let read = inbox.pump(window, need, pinned, link, id, net, cx);
        if read.map_err(|broken| c.broken(broken))? {
            c.state.silent_since = Instant::NEVER;
            moved = true;
            continue;
        }
        if c.state.silent_since == Instant::NEVER {
            // not before: while the application had the window, nothing could arrive
            c.state.silent_since = now;
            let deadline = now.after(c.config.request_timeout);
            if let Some(link) = c.links.get_mut(owner) {
                link.deadline = deadline;
            }
        }
        let stalls = c.delays_another() && now >= c.stalls_at(owner);
        if let Some(link) = c.link_mut(owner).filter(|_| stalls) {
            link.stalls = link.stalls.saturating_add(1);
        }
        if stalls || c.link(owner).is_some_and(|link| now >= link.deadline) {
            return Err(c.broken(Broken::Timeout));
        }
        return Ok(Turn::Moved(moved));
    }
    Ok(Turn::Moved(true)) // the control connection has its turn
}

/// A quota may hold back a batch that is larger than it ever allows at once: then throttled answers without a partition
/// come for ever, and somebody must know when they have cost so many milliseconds. A broker that sends the batch in the end may
/// first say a few times in a row how few are missing.
pub(crate) const STARVED: u16 = 30_000;

impl Control<'_> {
    fn starved(&mut self, owner: usize) -> Result<(), Failure> {
        let Some(link) = self.link_mut(owner).filter(|link| link.starved >= STARVED) else { return Ok(()) };
        link.starved = 0;
        Err(self.refused(Api::Fetch, ErrorCode::THROTTLING_QUOTA_EXCEEDED, false))
    }
}

/// Fetch's answer is read.
fn finish(c: &mut Control<'_>, owner: usize, now: Instant) {
    let sent_at = c.link(owner).map_or(now, |link| link.sent_at);
    let quick = now < sent_at.after(c.config.fetch_max_wait.min(c.config.retry_backoff));
    let barren = quick && !c.state.stream.fruitful;
    let deadline = now.after_millis(c.patience(Api::Fetch));
    let pause = now.after(c.config.retry_backoff);
    if let Some(link) = c.link_mut(owner) {
        link.answered(deadline);
        link.failures = 0;
        link.stalls = link.stalls.saturating_sub(1);
        if barren && link.is_idle() {
            // an error, a throttle, a redirection: such answers come at once, every time
            link.not_before = link.not_before.max(pause);
        }
    }
    c.state.barren = if c.state.stream.fruitful { 0 } else { c.state.barren.saturating_add(1) };
    c.state.served = owner as u8;
    c.state.owner = 0;
    c.state.stream.reset();
    c.state.plan = true;
}
