//! The leader's part: what the members want and had, into the group memory; what they get, out of it.
#[cfg(feature = "group-sticky")]
use super::assign;
use super::members::{Wants, Writer};
use super::range;
use crate::state::{topic, Control};
use crate::strings;
use crate::wire::encode::Encoder;
use crate::wire::sync_group;
#[cfg(feature = "group-sticky")]
use crate::{connection::failure::Failure, wire::claims, Assignor, Capacity, Instant, Resource};

impl Control<'_> {
    pub(super) fn members(&mut self) -> Writer<'_> {
        let group = &mut self.state.group;
        Writer { memory: self.memory, start: &mut group.memory_used, end: &mut group.memory_needed }
    }

    pub(super) fn note_member_topic(&mut self, name: &str) {
        if let Some(at) = self.group_topic(name) {
            self.members().topic(at);
        }
    }

    /// Entry of a topic that the assignment is about.
    fn group_topic(&mut self, name: &str) -> Option<u16> {
        if !self.names.is_exclusive() {
            // what a record may borrow does not change: only what is known already can be assigned
            let stays = |flags: u8| flags & (topic::SUBSCRIBED | topic::GROUP) != 0 && flags & topic::KNOWN != 0;
            let found = strings::find(&self.names, self.state.names_used, name);
            let found = found.filter(|&at| stays(strings::flags(&self.names, at)));
            self.state.group.postponed |= found.is_none();
            return found;
        }
        match self.topics().insert(name) {
            Ok(at) => {
                let flags = strings::flags(&self.names, at);
                self.topics().set_flags(at, flags | topic::GROUP);
                Some(at)
            }
            Err(needed) => {
                self.state.group.names_needed = self.state.group.names_needed.max(needed);
                None
            }
        }
    }

    /// The group has chosen its assignor.
    #[cfg(feature = "group-sticky")]
    pub(super) fn begin_claims(&mut self) {
        self.state.group.claims.sticky = self.assignor() == Some(Assignor::Sticky);
    }

    /// What a member had. Also of topics that it does not want, or their next owner could begin before it ends.
    #[cfg(feature = "group-sticky")]
    pub(crate) fn claim_item(&mut self, item: claims::Item<'_>) {
        match item {
            claims::Item::Topic(name) => {
                let entry = self.group_topic(name);
                self.state.group.claimed_topic = entry.map_or(0, |entry| entry.saturating_add(1));
            }
            claims::Item::Partition(partition) => {
                let entry = self.state.group.claimed_topic.checked_sub(1);
                if let (Some(entry), Ok(partition)) = (entry, u32::try_from(partition)) {
                    self.members().claim(entry, partition);
                }
            }
            claims::Item::Generation(generation) => self.members().generation(generation),
            claims::Item::Part => {}
        }
    }

    fn wants(&self) -> Wants<'_> {
        let members = self.memory.get(..self.state.group.memory_needed).unwrap_or_default();
        Wants { names: &self.names, names_used: self.state.names_used, members }
    }

    /// Before SyncGroup is written, which happens piece by piece: who gets what, behind the members in the group memory.
    ///
    /// # Errors
    /// It does not fit, and another member is to lead.
    #[cfg(feature = "group-sticky")]
    pub(crate) fn compute_assignments(&mut self, now: Instant) -> Result<(), Failure> {
        let Some(assignor) = self.assignor().filter(|assignor| *assignor != Assignor::Range) else { return Ok(()) };
        let (group, have) = (&self.state.group, self.memory.len());
        if group.members < 2 {
            return Ok(());
        }
        let used = group.memory_needed;
        let (members, memory) = self.memory.split_at_mut_checked(used).unwrap_or_default();
        let wants = Wants { names: &self.names, names_used: self.state.names_used, members };
        if let Err(needed) = assign::assign(assignor, wants, memory) {
            let capacity = Capacity { what: Resource::GroupMemory, needed: used.saturating_add(needed), have };
            self.resign(u8::MAX, now);
            return Err(self.full(capacity));
        }
        if assignor == Assignor::CooperativeSticky && assign::withhold_moving(wants, memory) {
            self.state.group.second_round = now.after(self.config.max_poll_interval);
        }
        Ok(())
    }

    /// The assignments of SyncGroup: all members, also those that get nothing.
    pub(crate) fn encode_assignments(&self, e: &mut Encoder<'_>) {
        let (group, wants) = (&self.state.group, self.wants());
        if group.members == 1 {
            // only ourselves, which needs no memory
            let names = wants.names;
            let all = strings::entries(names, wants.names_used)
                .filter(move |&at| strings::flags(names, at) & topic::SUBSCRIBED != 0)
                .map(move |at| (strings::name(names, at), 0..strings::number(names, at)))
                .filter(|(_, partitions)| !partitions.is_empty());
            sync_group::assignment(e, group.member_id(), all);
            return;
        }
        #[cfg(feature = "group-sticky")]
        if self.assignor() != Some(Assignor::Range) {
            let computed = self.memory.get(group.memory_needed..).unwrap_or_default();
            for (member, share) in assign::assignments(wants, computed) {
                sync_group::assignment(e, member, share);
            }
            return;
        }
        for (member, share) in range::assignments(wants) {
            sync_group::assignment(e, member, share);
        }
    }
}
