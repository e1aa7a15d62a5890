//! Who may commit, and what is kept.
use super::{Group, GroupPhase, Turn, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID};

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to be read.
    pub offset: i64,
    /// The epoch of the last batch consumed, or −1.
    pub leader_epoch: i32,
    /// The application's note.
    pub metadata: String,
    /// A transactional commit is pending: OffsetFetch with `require_stable` answers 88.
    pub unstable: bool,
}

impl Group {
    /// Accepted from a "simple consumer" while there are no members, from members also while a rebalance is being
    /// prepared, and not between JoinGroup and SyncGroup.
    pub(crate) fn may_commit(
        &mut self,
        generation: i32,
        member_id: &str,
        instance: Option<&str>,
        turn: &Turn,
    ) -> Result<(), i16> {
        if generation < 0 && self.phase == GroupPhase::Empty {
            return Ok(());
        }
        if generation < 0 && member_id.is_empty() && instance.is_none() {
            return Err(UNKNOWN_MEMBER_ID);
        }
        let at = self.validate(member_id, instance)?;
        if generation != self.generation {
            return Err(ILLEGAL_GENERATION);
        }
        if self.phase == GroupPhase::CompletingRebalance {
            return Err(REBALANCE_IN_PROGRESS);
        }
        self.members[at].refresh(turn.now);
        Ok(())
    }
}
