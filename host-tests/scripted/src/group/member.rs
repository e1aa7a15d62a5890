//! One member of a classic group.
use crate::broker::Call;

/// A new member that waits in its first JoinGroup is given up after this time.
const NEW_MEMBER_MS: u64 = 300_000;

#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    pub(crate) session_ms: u64,
    pub(crate) rebalance_ms: u64,
    /// In order of preference.
    pub(crate) protocols: Vec<(String, Vec<u8>)>,
    pub(crate) assignment: Vec<u8>,
    pub(crate) awaiting_join: Option<Call>,
    pub(crate) awaiting_sync: Option<Call>,
    /// Has not been part of a generation yet; since when.
    pub(crate) new_since: Option<u64>,
    session_deadline: u64,
}

impl Member {
    pub(crate) fn new(id: String, request: &crate::apis::JoinGroupRequest, now: u64) -> Self {
        let mut member = Member {
            id,
            instance: request.group_instance_id.clone(),
            session_ms: 0,
            rebalance_ms: 0,
            protocols: vec![],
            assignment: vec![],
            awaiting_join: None,
            awaiting_sync: None,
            new_since: Some(now),
            session_deadline: 0,
        };
        member.update(request, now);
        member
    }

    pub(crate) fn update(&mut self, request: &crate::apis::JoinGroupRequest, now: u64) {
        self.session_ms = request.session_timeout_ms.max(0) as u64;
        self.rebalance_ms = request.rebalance_timeout_ms.max(0) as u64;
        self.protocols = request.protocols.clone();
        self.refresh(now);
    }

    /// What it has asked for.
    pub(crate) fn as_request(&self) -> crate::apis::JoinGroupRequest {
        crate::apis::JoinGroupRequest {
            group_id: String::new(),
            session_timeout_ms: self.session_ms as i32,
            rebalance_timeout_ms: self.rebalance_ms as i32,
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            protocol_type: "consumer".into(),
            protocols: self.protocols.clone(),
        }
    }

    pub(crate) fn refresh(&mut self, now: u64) {
        self.session_deadline = now + self.session_ms;
    }

    /// When the member is thought dead; whoever waits for an answer is alive.
    pub(crate) fn expires(&self) -> Option<u64> {
        match (&self.awaiting_join, &self.awaiting_sync) {
            (None, None) => Some(self.session_deadline),
            (Some(_), _) => self.new_since.map(|since| since + NEW_MEMBER_MS),
            (None, Some(_)) => None,
        }
    }

    pub(crate) fn metadata(&self, protocol: &str) -> Vec<u8> {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map_or(vec![], |(_, metadata)| metadata.clone())
    }

    pub(crate) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }
}
