//! A membership as plain bytes, for a device that loses its memory while it sleeps. Taken up within the session it needs no
//! JoinGroup, SyncGroup and OffsetFetch, and the other members notice nothing.
//!
//! ```text
//! 1 i8 | generation i32 | member id str | partitions i32: topic str, empty for that of the one before | partition i32 |
//! position i64 | its leader epoch i32 || CRC-32C i32 of the group's and the instance's id and of all before
//! ```
use super::{Handover, Phase};
use crate::connection::failure::Failure;
use crate::partitions::Slot;
use crate::state::{Control, Mode, State};
use crate::wire::crc32c::Crc32c;
use crate::wire::encode::Encoder;
use crate::wire::primitives::{be_i32, be_i8, count, fixed, item, string, Bytes, Parsed, Stop};
use crate::{strings, Api, Capacity, Config, Error, ErrorCode, Instant, Resource, UsageError};
use nom::Parser;

const LAYOUT: i8 = 1;

struct Head<'a> {
    generation: i32,
    member: &'a str,
    partitions: u32,
}

struct Row<'a> {
    topic: &'a str,
    partition: i32,
    position: i64,
    epoch: i32,
}

fn head(i: Bytes<'_>) -> Parsed<'_, Head<'_>> {
    (be_i8, be_i32, string, count)
        .map(|(_, generation, member, partitions)| Head { generation, member, partitions })
        .parse(i)
}

fn row(i: Bytes<'_>) -> Parsed<'_, Row<'_>> {
    let (i, (topic, row)) = (string, fixed::<16>).parse(i)?;
    Ok((i, Row { topic, partition: row.i32::<0>(), position: row.i64::<4>(), epoch: row.i32::<12>() }))
}

/// The rows behind the head, as far as they can be read.
fn rows<'a>(mut rest: Bytes<'a>, partitions: u32) -> impl Iterator<Item = Row<'a>> {
    let mut topic = "";
    (0..partitions).map_while(move |_| {
        let (next, row) = item(row(rest)).ok()?;
        rest = next;
        topic = if row.topic.is_empty() { topic } else { row.topic };
        Some(Row { topic, ..row })
    })
}

fn checksum(config: &Config<'_>, bytes: &[u8]) -> i32 {
    let mut crc = Crc32c::new();
    for bytes in [config.group_id.as_bytes(), &[0], config.group_instance_id.as_bytes(), bytes] {
        crc.update(bytes);
    }
    crc.value() as i32
}

impl Control<'_> {
    /// The membership with its partitions and positions, to be kept where it outlasts a deep sleep or a restart, and to be taken
    /// up by `Consumer::restore_membership` before the session ends. To be called when everything that was handed out is
    /// processed and committed, and followed by `drop`, not by `close`, with which a member without `group.instance.id` leaves.
    /// 23 bytes and those of the member id, and for each partition 18 and its topic's name once. Of the classic protocol only.
    ///
    /// # Errors
    /// [`UsageError::NotAMember`] while the group rebalances, and without one; [`Resource::Membership`].
    pub fn save_membership<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let group = &self.state.group;
        let settled =
            group.phase == Phase::Stable && group.handover == Handover::None && !group.synced && !group.rejoin;
        if self.state.mode != Mode::Subscribed || !settled || self.is_next_gen() {
            return Err(UsageError::NotAMember.into());
        }
        let have = buffer.len();
        let mut e = Encoder::fill(buffer, 0);
        e.i8(LAYOUT).i32(group.generation).str(group.member_id()).i32(self.slots().len() as i32);
        let mut before = None;
        for slot in self.slots() {
            let topic = if before == Some(slot.topic) { "" } else { self.topic_name(slot.topic) };
            before = Some(slot.topic);
            e.str(topic).i32(slot.partition).i64(slot.acked).i32(slot.epoch);
        }
        let size = e.size();
        let needed = size.saturating_add(4);
        let Some(checksum) = buffer.get(..size).map(|bytes| checksum(self.config, bytes)).filter(|_| needed <= have)
        else {
            return Err(Capacity { what: Resource::Membership, needed, have }.into());
        };
        Encoder::fill(buffer.get_mut(size..).unwrap_or_default(), 0).i32(checksum);
        Ok(buffer.get(..needed).unwrap_or_default())
    }

    pub(crate) fn restore_membership(&mut self, topics: &[&str], saved: &[u8]) -> Result<(), Error> {
        if self.state.mode != Mode::Nothing {
            return Err(UsageError::SubscriptionType.into());
        }
        if self.is_next_gen() {
            return Err(UsageError::Membership.into());
        }
        let damaged = || Error::Usage(UsageError::Membership);
        let (bytes, sum) = saved.split_last_chunk().ok_or_else(damaged)?;
        if bytes.first() != Some(&(LAYOUT as u8)) || i32::from_be_bytes(*sum) != checksum(self.config, bytes) {
            return Err(damaged());
        }
        let (rest, Head { generation, member, partitions }) = item(head(bytes)).map_err(|_: Stop| damaged())?;
        let (needed, have) = (partitions as usize, self.table.len());
        if needed > have {
            return Err(Capacity { what: Resource::Partitions, needed, have }.into());
        }
        self.subscribe(topics)?;
        if rows(rest, partitions).any(|row| !topics.contains(&row.topic)) {
            return Ok(()); // the group has to hear of it
        }
        self.state.group.set_member_id(member)?;
        self.forget_given();
        for row in rows(rest, partitions) {
            let Some(topic) = strings::find(&self.names, self.state.names_used, row.topic) else { continue };
            self.give(topic, row.partition);
            let (given, _) = self.remembered();
            let mut given = given.iter_mut().filter(|slot| slot.is(Slot::GIVEN));
            if let Some(slot) = given.find(|slot| (slot.topic, slot.partition) == (topic, row.partition)) {
                (slot.position, slot.epoch) = (row.position, row.epoch);
            }
        }
        let group = &mut self.state.group;
        (group.phase, group.generation) = (Phase::Returning, generation);
        Ok(())
    }

    /// The answer to the Heartbeat that asks whether we are still a member.
    pub(super) fn returned(&mut self, code: ErrorCode, sent: Instant, now: Instant) -> Result<(), Failure> {
        let State { group, cluster, .. } = &mut *self.state;
        match code {
            ErrorCode::NONE => {
                (group.phase, group.synced) = (Phase::Stable, true);
                group.job.done();
                self.state.is_known_until(sent.after(self.config.session_timeout));
            }
            ErrorCode::REBALANCE_IN_PROGRESS | ErrorCode::ILLEGAL_GENERATION | ErrorCode::UNKNOWN_MEMBER_ID => {
                group.phase = Phase::Out;
                if code == ErrorCode::UNKNOWN_MEMBER_ID {
                    group.member_len = 0;
                }
                // others may have had them meanwhile, and committed
                let (saved, _) = self.remembered();
                saved.iter_mut().for_each(|slot| (slot.position, slot.epoch) = (-1, -1));
            }
            ErrorCode::FENCED_INSTANCE_ID | ErrorCode::GROUP_AUTHORIZATION_FAILED => {
                return self.give_up(Api::Heartbeat, code);
            }
            code => {
                if matches!(code, ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE) {
                    cluster.lose_coordinator();
                }
                self.retry(Api::JoinGroup, now);
            }
        }
        Ok(())
    }
}
