//! Fetching from a follower in the same rack (KIP-392): a leader that knows a nearer replica sends no records but its id, at
//! once and every time. Offsets and epochs are asked of the leader all the same.
use crate::partitions::Slot;
use crate::state::{Control, State};
use crate::Instant;

impl Control<'_> {
    /// The leader names the replica to fetch the current partition from, for `metadata.max.age.ms`.
    pub(super) fn redirect(&mut self, replica: i32, now: Instant) {
        let State { cluster, stream, follow_until, rackless, plan, slots_used, .. } = &mut *self.state;
        let slots = self.table.get_mut(..usize::from(*slots_used)).unwrap_or_default();
        let Some(slot) = stream.slot().and_then(|slot| slots.get_mut(slot)) else { return };
        match cluster.nodes.by_id(replica) {
            Some(node) => slot.replica = node,
            // there is no room for that broker, and the leader sends records only to whom it knows no better place for
            None => *rackless = true,
        }
        *plan = true;
        if *follow_until == Instant::from_millis(0) {
            *follow_until = now.after(self.config.metadata_max_age);
        }
    }

    /// When their time is over, leaders are asked again where to fetch.
    pub(super) fn leave_followers(&mut self, now: Instant) {
        let until = self.state.follow_until;
        if until == Instant::from_millis(0) {
            return;
        }
        if now < until {
            self.state.plan_at = self.state.plan_at.min(until);
            return;
        }
        (self.state.follow_until, self.state.rackless) = (Instant::from_millis(0), false);
        self.slots_mut().iter_mut().for_each(|slot| slot.replica = 0);
    }

    /// A node is gone: what was fetched from it as a follower goes back to its leader.
    pub(crate) fn leave_follower(&mut self, node: u8) {
        self.slots_mut().iter_mut().filter(|slot| slot.replica == node).for_each(|slot| slot.replica = 0);
    }
}

impl Slot {
    /// Records come from this node, which leads the partition or does not.
    pub(super) fn is_fetched_from(&self, node: u8, leads: bool) -> bool {
        match self.replica {
            0 => leads,
            follower => follower == node,
        }
    }
}
