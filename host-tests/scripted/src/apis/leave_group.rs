//! LeaveGroup v1 and v2 (identical bytes), by member id.
use crate::broker::Call;
use crate::cluster::State;
use crate::wire::{Malformed, Reader, Writer};
use nanokafka::Api;

/// LeaveGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct LeaveGroupRequest {
    pub group_id: String,
    pub member_id: String,
}

impl LeaveGroupRequest {
    pub(super) fn decode(body: &mut Reader) -> Result<Self, Malformed> {
        Ok(LeaveGroupRequest { group_id: body.str()?, member_id: body.str()? })
    }
}

impl State {
    pub(crate) fn leave_group(&mut self, call: &Call, request: &LeaveGroupRequest) -> Writer {
        let code = self.faults.code(Api::LeaveGroup).unwrap_or_else(|| {
            match self.with_group(call.node, &request.group_id, |group, turn| group.leave(&request.member_id, turn)) {
                Ok(Ok(())) => 0,
                Ok(Err(code)) | Err(code) => code,
            }
        });
        let mut out = Writer::throttled();
        out.code(code);
        out
    }
}
