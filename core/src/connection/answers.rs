//! Who acts on what arrives: one item of an answer at a time, from the control connection's buffer or from the window.
use super::inbox::Inbox;
use super::CONTROL;
use crate::connection::failure::Failure;
use crate::connection::Broken;
use crate::drive::Op;
use crate::state::Control;
use crate::wire::answer::{tag, Progress, END};
#[cfg(feature = "group-sticky")]
use crate::wire::claims;
#[cfg(feature = "group-consumer")]
use crate::wire::consumer_group_heartbeat;
use crate::wire::primitives::{item, Bytes, Parsed, Stop};
use crate::wire::{
    api_versions, find_coordinator, list_offsets, metadata, offset_commit, offset_fetch, offset_for_leader_epoch,
};
#[cfg(feature = "group")]
use crate::wire::{heartbeat, join_group, sync_group};
use crate::{Api, Capacity, Instant, ProtocolErrorKind, Resource};

/// What one look at the arrived bytes came to.
pub(crate) enum Looked {
    Moved,
    /// The next item is not all there.
    More,
    /// The answer is over; the connection is free.
    Done,
}

impl Control<'_> {
    /// The inbox of the answer on `link`: the control connection's own, or the window's.
    pub(crate) fn inbox(&mut self, link: usize) -> &mut Inbox {
        let [control, window] = &mut self.state.inboxes;
        if link == CONTROL {
            control
        } else {
            window
        }
    }

    /// The broker has muted the connection for so long.
    pub(crate) fn throttle(&mut self, link: usize, millis: i32, now: Instant) {
        if let (Ok(millis @ 1..), Some(link)) = (u32::try_from(millis), self.link_mut(link)) {
            link.not_before = link.not_before.max(now.after_millis(millis.into()));
        }
    }

    /// Acts on one item of the answer on `link`, whose bytes arrive in `buffer`.
    pub(crate) fn look(
        &mut self,
        link: usize,
        buffer: &[u8],
        op: &mut Op<'_, '_>,
        now: Instant,
    ) -> Result<Looked, Failure> {
        let Some(connection) = self.link(link) else { return Ok(Looked::More) };
        let (request, outstanding) = (connection.awaiting(), connection.left);
        let Some(api) = Api::from_key(request.api) else { return Ok(Looked::More) };
        let inbox = self.inbox(link);
        let input = inbox.input(buffer);
        if inbox.progress.skip > 0 {
            let n = inbox.progress.skip.min(input.len() as u32);
            inbox.progress.skip -= n;
            inbox.consume(n);
            return match n {
                0 if outstanding == 0 => Err(self.malformed()),
                0 => Ok(Looked::More),
                _ => Ok(Looked::Moved),
            };
        }
        let mut progress = inbox.progress;
        let between = tag(&mut progress, input);
        if between.is_none() && inbox.progress.part == END {
            let trailing = outstanding.saturating_add(input.len() as u32);
            if trailing > 0 {
                return Err(self.broken(Broken::Protocol(ProtocolErrorKind::TrailingBytes(trailing))));
            }
            let deadline = now.after_millis(self.patience(Api::Fetch));
            let coordinator = self.state.cluster.coordinator();
            if let Some(link) = self.link_mut(link) {
                link.answered(deadline);
                link.failures = 0;
                if coordinator == Some(link.node) {
                    self.state.cluster.unreached = 0;
                }
            }
            self.state.plan = true;
            return self.answered(link, api, now);
        }
        let parsed = match between {
            Some(parsed) => parsed.map(|(i, ())| (i, Ok(()))),
            None => self.item(link, api, request.version, &mut progress, input, op, now),
        };
        let (rest, outcome) = match item(parsed) {
            Ok(parsed) => parsed,
            Err(Stop::More) if outstanding > 0 => {
                let full = input.len() >= buffer.len();
                let what = if link == CONTROL { Resource::ReceiveBuffer } else { Resource::Window };
                return match full {
                    true => {
                        let capacity = Capacity { what, needed: buffer.len().saturating_add(1), have: buffer.len() };
                        self.full(capacity);
                        #[cfg(feature = "group")]
                        if api == Api::JoinGroup {
                            self.resign(u8::MAX, now); // another member has room for the names of all
                        }
                        Err(Failure::Fatal)
                    }
                    false => Ok(Looked::More),
                };
            }
            Err(_) => return Err(self.malformed()),
        };
        self.inbox(link).advance(&progress, input.len().saturating_sub(rest.len()) as u32);
        outcome.map(|()| Looked::Moved)
    }

    fn item<'b>(
        &mut self,
        link: usize,
        api: Api,
        version: i16,
        p: &mut Progress,
        i: Bytes<'b>,
        op: &mut Op<'_, '_>,
        now: Instant,
    ) -> Parsed<'b, Result<(), Failure>> {
        Ok(match api {
            Api::ApiVersions => {
                let (i, it) = api_versions::item(p, i)?;
                (i, self.versions_item(link, it))
            }
            Api::Metadata => {
                let (i, it) = metadata::item(p, i)?;
                self.metadata_item(it, now);
                (i, Ok(()))
            }
            Api::FindCoordinator => {
                let (i, it) = find_coordinator::item(p, i)?;
                (i, self.coordinator_item(it, now))
            }
            Api::ListOffsets => {
                let (i, it) = list_offsets::item(p, i)?;
                (i, self.offsets_item(link, it, op, now))
            }
            Api::OffsetForLeaderEpoch => {
                let (i, it) = offset_for_leader_epoch::item(p, i)?;
                (i, self.epochs_item(link, it, now))
            }
            Api::OffsetCommit => {
                let (i, it) = offset_commit::item(p, i)?;
                self.commit_item(it, now);
                (i, Ok(()))
            }
            Api::OffsetFetch => {
                // the topic's place in the application's list lives in `left`, which this API does not use
                p.left = self.inbox(link).progress.left;
                let (i, it) = offset_fetch::item(p, i)?;
                let result = self.committed_item(it, op, now);
                p.left = self.inbox(link).progress.left;
                (i, result)
            }
            #[cfg(feature = "group-sticky")]
            Api::JoinGroup if p.part >= claims::USER_DATA => {
                let (i, it) = claims::item(p, &mut self.state.group.claims, i)?;
                self.claim_item(it);
                if p.part == claims::DONE {
                    join_group::member_done(p);
                }
                (i, Ok(()))
            }
            #[cfg(feature = "group")]
            Api::JoinGroup => {
                let (i, it) = join_group::item(p, version, self.reads_claims(), i)?;
                (i, self.join_item(it, now))
            }
            #[cfg(feature = "group")]
            Api::SyncGroup => {
                let (i, it) = sync_group::item(p, i)?;
                self.sync_item(it, now);
                (i, Ok(()))
            }
            #[cfg(feature = "group")]
            Api::Heartbeat => {
                let (i, (throttle, error)) = heartbeat::item(p, i)?;
                (i, self.heartbeat_done(throttle, error, now))
            }
            #[cfg(feature = "group-consumer")]
            Api::ConsumerGroupHeartbeat => {
                let (i, it) = consumer_group_heartbeat::item(p, i)?;
                self.beat_item(it, now);
                (i, Ok(()))
            }
            #[cfg(feature = "group")]
            Api::LeaveGroup => {
                let (i, _) = heartbeat::item(p, i)?;
                self.group_left();
                (i, Ok(()))
            }
            _ => {
                let _ = version;
                p.part = END;
                (i, Ok(()))
            }
        })
    }

    /// An answer is read to its end.
    fn answered(&mut self, link: usize, api: Api, now: Instant) -> Result<Looked, Failure> {
        let result = match api {
            Api::ApiVersions => self.versions_done(link),
            Api::Metadata => self.metadata_done(now),
            Api::OffsetCommit => {
                self.commit_done(now);
                Ok(())
            }
            Api::OffsetFetch => self.committed_done(now),
            #[cfg(feature = "group")]
            Api::JoinGroup => self.join_done(now),
            #[cfg(feature = "group")]
            Api::SyncGroup => self.sync_done(now),
            #[cfg(feature = "group-consumer")]
            Api::ConsumerGroupHeartbeat => self.beat_done(now),
            _ => Ok(()),
        };
        result.map(|()| Looked::Done)
    }

    /// A connection is gone: what was asked on it is asked again.
    pub(crate) fn requests_lost(&mut self, link: usize, now: Instant) {
        if link != CONTROL {
            self.drop_answer(link);
            self.doubt_metadata(now);
            self.state.plan = true;
            return;
        }
        let Some(api) = self.links.first().and_then(|link| Api::from_key(link.awaiting().api)) else { return };
        *self.inbox(CONTROL) = Inbox::NEW;
        match api {
            Api::OffsetCommit => self.commit_lost(now),
            Api::OffsetFetch | Api::FindCoordinator | Api::Metadata => self.retry(api, now),
            _ => {}
        }
        #[cfg(feature = "group")]
        self.group_request_lost(api, now);
    }
}
