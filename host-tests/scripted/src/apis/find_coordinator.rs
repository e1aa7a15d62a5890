//! FindCoordinator v1 and v2 (identical bytes).
use super::{GROUP_AUTHORIZATION_FAILED, INVALID_REQUEST};
use crate::cluster::State;
use crate::wire::{Malformed, Reader, Writer};
use nanokafka::Api;

const COORDINATOR_NOT_AVAILABLE: i16 = 15;
const NOT_AVAILABLE: &str = "The coordinator is not available.";

/// FindCoordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct FindCoordinatorRequest {
    pub key: String,
    /// 0: a group.
    pub key_type: i8,
}

impl FindCoordinatorRequest {
    pub(super) fn decode(body: &mut Reader) -> Result<Self, Malformed> {
        Ok(FindCoordinatorRequest { key: body.str()?, key_type: body.i8()? })
    }
}

impl State {
    /// The first FindCoordinator of a cluster has the offsets topic made.
    fn offsets_topic_is_missing(&mut self) -> bool {
        let ready = self.now + self.settings.offsets_topic_ms;
        *self.offsets_topic.get_or_insert(ready) > self.now
    }

    pub(crate) fn find_coordinator(&mut self, request: &FindCoordinatorRequest) -> Writer {
        let found = match self.faults.code(Api::FindCoordinator) {
            Some(code) => Err((code, "scripted")),
            None if request.key_type != 0 => {
                Err((INVALID_REQUEST, "This most likely occurs because of a request being malformed."))
            }
            None if self.denied_groups.contains(&request.key) => {
                Err((GROUP_AUTHORIZATION_FAILED, "Group authorization failed."))
            }
            None if self.offsets_topic_is_missing() => Err((COORDINATOR_NOT_AVAILABLE, NOT_AVAILABLE)),
            None => self.coordinator_of(&request.key).ok_or((COORDINATOR_NOT_AVAILABLE, NOT_AVAILABLE)),
        };
        let mut out = Writer::throttled();
        match found {
            Ok(node) => {
                let (host, port) = self.broker(node).advertised.clone();
                out.i16(0).nullable_str(Some("NONE")).i32(node).str(&host).i32(i32::from(port));
            }
            Err((code, message)) => {
                out.code(code).nullable_str(Some(message)).i32(-1).str("").i32(-1);
            }
        }
        out
    }
}
