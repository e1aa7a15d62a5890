//! Heartbeat v1 to v3: v3 adds the instance id (KIP-345).
use crate::broker::Call;
use crate::cluster::State;
use crate::wire::{Malformed, Reader, Writer};
use nanokafka::Api;

/// Heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct HeartbeatRequest {
    pub group_id: String,
    pub generation_id: i32,
    pub member_id: String,
    pub group_instance_id: Option<String>,
}

impl HeartbeatRequest {
    pub(super) fn decode(version: i16, body: &mut Reader) -> Result<Self, Malformed> {
        Ok(HeartbeatRequest {
            group_id: body.str()?,
            generation_id: body.i32()?,
            member_id: body.str()?,
            group_instance_id: if version >= 3 { body.nullable_str()? } else { None },
        })
    }
}

impl State {
    pub(crate) fn heartbeat(&mut self, call: &Call, request: &HeartbeatRequest) -> Writer {
        let code = self.faults.code(Api::Heartbeat).unwrap_or_else(|| {
            let answer = self.with_group(call.node, &request.group_id, |group, turn| {
                group.heartbeat(&request.member_id, request.group_instance_id.as_deref(), request.generation_id, turn)
            });
            match answer {
                Ok(Ok(())) => 0,
                Ok(Err(code)) => code,
                // a coordinator that still reads the group answers blindly
                Err(crate::coordinator::LOADING) => 0,
                Err(code) => code,
            }
        });
        let mut out = Writer::throttled();
        out.code(code);
        out
    }
}
