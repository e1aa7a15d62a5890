//! `consumer_byte_rate`: a rate over 11 samples of a second, and the time a client is muted for being above it.
use crate::cluster::State;
use std::collections::{BTreeMap, VecDeque};

const WINDOW_MS: u64 = 10_000;

/// Bytes by client, with the time they were sent.
#[derive(Default)]
pub(crate) struct Quotas(BTreeMap<String, VecDeque<(u64, u64)>>);

impl State {
    /// How long this answer of `bytes` would be throttled; then it is not sent, and not counted.
    pub(crate) fn fetch_throttle(&mut self, client_id: &str, bytes: usize) -> Option<i32> {
        let quota = self.settings.fetch_quota?;
        let now = self.now;
        let sent = self.quotas.0.entry(client_id.into()).or_default();
        while sent.front().is_some_and(|(at, _)| at + WINDOW_MS < now) {
            sent.pop_front();
        }
        let sum = sent.iter().map(|(_, bytes)| bytes).sum::<u64>() + bytes as u64;
        let allowed = quota * WINDOW_MS / 1000;
        if sum > allowed {
            let throttle = (sum - allowed) * 1000 / quota.max(1);
            return Some(throttle.min(i32::MAX as u64) as i32);
        }
        sent.push_back((now, bytes as u64));
        None
    }
}
