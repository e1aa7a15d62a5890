//! SyncGroup v1 to v3: v3 adds the instance id (KIP-345).
use crate::broker::{Call, Outcome};
use crate::cluster::State;
use crate::wire::{Malformed, Reader, Writer};
use nanokafka::Api;

/// SyncGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SyncGroupRequest {
    pub group_id: String,
    pub generation_id: i32,
    pub member_id: String,
    pub group_instance_id: Option<String>,
    /// Member id and assignment; empty from followers.
    pub assignments: Vec<(String, Vec<u8>)>,
}

impl SyncGroupRequest {
    pub(super) fn decode(version: i16, body: &mut Reader) -> Result<Self, Malformed> {
        Ok(SyncGroupRequest {
            group_id: body.str()?,
            generation_id: body.i32()?,
            member_id: body.str()?,
            group_instance_id: if version >= 3 { body.nullable_str()? } else { None },
            assignments: body.array(|body| Ok((body.str()?, body.bytes()?)))?,
        })
    }
}

impl State {
    pub(crate) fn sync_group(&mut self, call: &Call, request: &SyncGroupRequest) -> Outcome {
        if let Some(code) = self.faults.code(Api::SyncGroup) {
            return Outcome::Answer(write(code, &[]));
        }
        let waiting = call.clone();
        match self.with_group(call.node, &request.group_id, |group, turn| group.sync(waiting, request, turn)) {
            Ok(()) => Outcome::Waits,
            // the rebalance is lost with the coordinator that led it
            Err(crate::coordinator::LOADING) => Outcome::Answer(write(crate::group::REBALANCE_IN_PROGRESS, &[])),
            Err(code) => Outcome::Answer(write(code, &[])),
        }
    }
}

pub(super) fn write(code: i16, assignment: &[u8]) -> Writer {
    let mut out = Writer::throttled();
    out.code(code).bytes(assignment);
    out
}
