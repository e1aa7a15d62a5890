//! What becomes of a connection that fails, and who hears of it: transient losses are mended in silence, lasting ones are told.
use super::{Broken, Phase, CONTROL};
use crate::cluster::{address, backoff};
use crate::config::servers;
use crate::drive::Op;
use crate::error::{BrokerError, ConnectError, ProtocolError};
use crate::partitions::Slot;
use crate::state::{Control, Parked, State};
use crate::{Api, Capacity, ConnectionId, Error, ErrorCode, Instant, ProtocolErrorKind, TopicName, Transport};

/// How a step failed. Why lies in [`State::cause`]: a public error is 64 bytes, which every `?` on its way would copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The application is told; the connection is fine.
    Told,
    /// The connection is gone; the application is told when it lasts.
    Link,
    /// Both.
    Fatal,
}

/// Why the last step failed. Not an `Option`: its `None` would not be all zero.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Cause {
    Nothing,
    Error(Error),
    Link(Broken),
}

impl Control<'_> {
    /// The application is told.
    #[inline(never)]
    pub(crate) fn tell(&mut self, error: Error) -> Failure {
        self.state.cause = Cause::Error(error);
        Failure::Told
    }

    /// Something does not fit.
    pub(crate) fn full(&mut self, capacity: Capacity) -> Failure {
        self.tell(capacity.into())
    }

    /// A broker refused, and not about a topic.
    pub(crate) fn refused(&mut self, api: Api, code: ErrorCode, fatal: bool) -> Failure {
        self.refused_for(usize::MAX, api, code, fatal)
    }

    /// The same about the partition of a slot.
    pub(crate) fn refused_for(&mut self, slot: usize, api: Api, code: ErrorCode, fatal: bool) -> Failure {
        let (topic, partition) = self.short_name(slot);
        self.tell(BrokerError { api, code, topic, partition, fatal }.into())
    }

    /// The connection is gone.
    #[inline(never)]
    pub(crate) fn broken(&mut self, broken: Broken) -> Failure {
        self.state.cause = Cause::Link(broken);
        Failure::Link
    }

    pub(crate) fn malformed(&mut self) -> Failure {
        self.broken(Broken::Protocol(ProtocolErrorKind::Malformed))
    }

    /// What [`tell`](Self::tell) was told last.
    #[inline(never)]
    pub(crate) fn told(&self) -> Error {
        match self.state.cause {
            Cause::Error(error) => error,
            _ => Error::Timeout(Api::Metadata), // nobody asks before something was told
        }
    }

    /// A connection failed, or only what was asked on it. `true`: the application must know, by [`told`](Self::told).
    pub(crate) fn failed<T: Transport + ?Sized>(
        &mut self,
        index: usize,
        failure: Failure,
        net: &mut T,
        op: &Op<'_, '_>,
        now: Instant,
    ) -> bool {
        if failure != Failure::Told {
            self.report(index, now);
            let idle = self.link(index).is_some_and(|link| link.phase == Phase::Up && link.is_idle());
            self.disconnect(index, net, now);
            if idle && failure == Failure::Link {
                // an idle connection that the broker closed is no failure
                if let Some(link) = self.link_mut(index) {
                    (link.failures, link.not_before) = (0, now);
                }
            }
        }
        let Cause::Error(error) = &self.state.cause else { return false };
        // what does not concern this call waits for the next `poll`
        let concerns = match (op, error) {
            (Op::Event, _) => true,
            (Op::Commit | Op::CommitOffsets(_), Error::Broker(error)) => error.api == Api::FindCoordinator,
            (Op::Committed(_), Error::Broker(error)) => matches!(error.api, Api::FindCoordinator | Api::OffsetFetch),
            (Op::Offsets(_), Error::Broker(error)) => error.api == Api::ListOffsets,
            (Op::Committed(_) | Op::Offsets(_), error) => !matches!(error, Error::Partition(_)),
            _ => false,
        };
        if concerns {
            return true;
        }
        // what is dropped here comes again while it lasts; what is fatal is the last word
        if error.is_fatal() || matches!(self.state.parked, Parked::Nothing) {
            self.state.parked = Parked::Error(*error);
        } else if let Error::Partition(error) = error {
            // but for a partition, which rests
            let place = (0..self.slots().len()).find(|&slot| self.short_name(slot) == (error.topic, error.partition));
            if let Some(slot) = place.and_then(|slot| self.slot_mut(slot)) {
                slot.set(Slot::UNTOLD);
                self.state.news = true;
            }
        }
        false
    }

    /// Tells that a connection cannot be made, if that is the application's business by now.
    #[inline(never)]
    fn report(&mut self, index: usize, now: Instant) {
        let Cause::Link(broken) = self.state.cause else { return };
        let listed = servers(self.config.bootstrap_servers).count().clamp(3, 100);
        let contacted = self.state.cluster.contacted;
        let limit = self.config.default_api_timeout;
        let State { cluster, .. } = &mut *self.state;
        let coordinator = cluster.coordinator().filter(|_| index == CONTROL);
        let Some(link) = self.links.get_mut(index) else { return };
        // whoever names the coordinator answers, again and again, and that one does not
        if cluster.unreached == 0 {
            cluster.unreached_since = now;
        }
        if link.failures == 0 {
            link.failing_since = now;
        }
        let since = match coordinator {
            Some(node) if node == link.node => &mut cluster.unreached_since,
            _ => &mut link.failing_since,
        };
        let told = match broken {
            _ if contacted => now >= since.after(limit),
            Broken::Protocol(_) | Broken::Timeout => true,
            _ => usize::from(link.failures.wrapping_add(1)) % listed == 0,
        };
        if told {
            *since = now;
            let error = self.connect_error(index, broken);
            self.tell(error);
        }
    }

    pub(crate) fn connect_error(&self, index: usize, broken: Broken) -> Error {
        let Some(link) = self.link(index) else { return Error::Timeout(Api::Metadata) };
        let api = Api::from_key(link.awaiting().api);
        let position = match index {
            CONTROL => self.state.inboxes.first(),
            _ => self.state.inboxes.last(),
        };
        let position = position.map_or(0, |inbox| inbox.position);
        match (broken, api) {
            (Broken::Protocol(kind), Some(api)) => ProtocolError { api, position, kind }.into(),
            (Broken::Closed, Some(api @ Api::ApiVersions)) => {
                ProtocolError { api, position: 0, kind: ProtocolErrorKind::Closed }.into()
            }
            (Broken::Timeout, Some(api)) => Error::Timeout(api),
            _ => {
                let (host, port) = address(&self.state.cluster, self.config, link.node).unwrap_or(("", 0));
                Error::Transport(ConnectError { host: TopicName::new(host), port, cause: broken.transport() })
            }
        }
    }

    /// Gives a connection up after a failure; it is made again after a while.
    fn disconnect<T: Transport + ?Sized>(&mut self, index: usize, net: &mut T, now: Instant) {
        net.abort(ConnectionId::new(index as u8));
        let failures = self.link(index).map_or(0, |link| link.failures);
        let (first, max) = (self.config.reconnect_backoff, self.config.reconnect_backoff_max);
        let wait = backoff(first, max, failures, &mut self.state.random);
        let lost_answer = self.link(index).is_some_and(|link| link.awaiting().api != 0 || link.phase != Phase::Up);
        self.requests_lost(index, now);
        self.leave_follower(self.link(index).map_or(0, |link| link.node));
        let cluster = &mut self.state.cluster;
        let Some(link) = self.links.get_mut(index) else { return };
        if let Some(node) = cluster.nodes.get_mut(link.node).filter(|_| lost_answer) {
            node.asked = false; // it may come back as another version
        }
        if index == CONTROL && lost_answer {
            if cluster.coordinator() == Some(link.node) {
                // the first time it has moved, after that the address that is named leads nowhere
                if let Some(again) = cluster.unreached.checked_sub(1) {
                    let (first, max) = (self.config.retry_backoff, self.config.retry_backoff_max);
                    cluster.find.not_before = now.after_millis(backoff(first, max, again, &mut self.state.random));
                }
                cluster.unreached = cluster.unreached.saturating_add(1);
            }
            cluster.lose_coordinator();
        }
        debug!("connection {} lost {} times in a row, again in {} ms", index, failures, wait);
        link.reset();
        link.failures = failures.checked_add(1).unwrap_or(1);
        link.not_before = now.after_millis(wait);
        link.visited = false;
        self.state.plan = true;
    }
}
