//! JoinGroup v3 to v5: v4 adds MEMBER_ID_REQUIRED (KIP-394), v5 the instance id (KIP-345).
use crate::broker::{Call, Outcome};
use crate::cluster::State;
use crate::group::{Joined, Reply};
use crate::wire::{Malformed, Reader, Writer};
use nanokafka::Api;

/// JoinGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct JoinGroupRequest {
    pub group_id: String,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub protocol_type: String,
    /// Name and metadata, preferred first.
    pub protocols: Vec<(String, Vec<u8>)>,
}

impl JoinGroupRequest {
    pub(super) fn decode(version: i16, body: &mut Reader) -> Result<Self, Malformed> {
        Ok(JoinGroupRequest {
            group_id: body.str()?,
            session_timeout_ms: body.i32()?,
            rebalance_timeout_ms: body.i32()?,
            member_id: body.str()?,
            group_instance_id: if version >= 5 { body.nullable_str()? } else { None },
            protocol_type: body.str()?,
            protocols: body.array(|body| Ok((body.str()?, body.bytes()?)))?,
        })
    }

    pub(crate) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    /// A rebalance timeout of 0 or less removes the member before its SyncGroup arrives.
    pub(super) fn suspicious(&self) -> Option<String> {
        (self.rebalance_timeout_ms <= 0).then(|| format!("rebalance timeout {}", self.rebalance_timeout_ms))
    }
}

impl State {
    pub(crate) fn join_group(&mut self, call: &Call, request: &JoinGroupRequest) -> Outcome {
        if let Some(code) = self.faults.code(Api::JoinGroup) {
            return Outcome::Answer(write(call.version, &Joined::error(code, "")));
        }
        if !request.member_id.is_empty() && !self.groups.contains_key(&request.group_id) {
            if let Err(code) = self.is_coordinator(call.node, &request.group_id) {
                return Outcome::Answer(write(call.version, &Joined::error(code, "")));
            }
            let unknown = crate::group::UNKNOWN_MEMBER_ID;
            return Outcome::Answer(write(call.version, &Joined::error(unknown, &request.member_id)));
        }
        let (waiting, group_id) = (call.clone(), &request.group_id);
        if !group_id.is_empty() {
            self.create_group(group_id);
        }
        match self.with_group(call.node, group_id, |group, turn| group.join(waiting, request, turn)) {
            Ok(()) => Outcome::Waits,
            Err(_) if group_id.is_empty() => Outcome::Answer(write(call.version, &Joined::error(24, ""))),
            Err(code) => Outcome::Answer(write(call.version, &Joined::error(code, ""))),
        }
    }

    pub(crate) fn send_replies(&mut self, replies: Vec<(Call, Reply)>) {
        for (call, reply) in replies {
            let body = match reply {
                Reply::Join(joined) => write(call.version, &joined),
                Reply::Sync(code, assignment) => super::sync_group::write(code, &assignment),
            };
            self.answer(&call, body);
        }
    }
}

fn write(version: i16, joined: &Joined) -> Writer {
    let mut out = Writer::throttled();
    out.code(joined.error).i32(joined.generation).str(&joined.protocol).str(&joined.leader).str(&joined.member_id);
    out.array(&joined.members, |out, (id, instance, metadata)| {
        out.str(id);
        if version >= 5 {
            out.nullable_str(instance.as_deref());
        }
        out.bytes(metadata);
    });
    out
}
