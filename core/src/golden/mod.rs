//! Bytes of real brokers (`testdata/README.md`): every request is written, every answer parsed, cut, split and mutated.
mod answers;
mod corpus;
mod fetches;
mod hostile;
mod pieces;
mod requests;

use crate::fuzzing::fetches::Payload;
use crate::Api;
use serde_json::Value;

/// All APIs that are spoken.
const APIS: [(Api, &str); 13] = [
    (Api::ApiVersions, "api_versions"),
    (Api::Metadata, "metadata"),
    (Api::FindCoordinator, "find_coordinator"),
    (Api::JoinGroup, "join_group"),
    (Api::SyncGroup, "sync_group"),
    (Api::Heartbeat, "heartbeat"),
    (Api::LeaveGroup, "leave_group"),
    (Api::OffsetCommit, "offset_commit"),
    (Api::OffsetFetch, "offset_fetch"),
    (Api::ListOffsets, "list_offsets"),
    (Api::OffsetForLeaderEpoch, "offset_for_leader_epoch"),
    (Api::Fetch, "fetch"),
    (Api::ConsumerGroupHeartbeat, "consumer_group_heartbeat"),
];

/// A frame with its size, and what it says.
struct Frame {
    bytes: Vec<u8>,
    correlation: i32,
    client_id: String,
    /// Null where the frame is malformed on purpose.
    fields: Value,
}

impl Frame {
    /// Behind size and correlation id.
    fn body(&self) -> &[u8] {
        &self.bytes[8..]
    }
}

/// A question and its answer; test vectors have one of them.
struct Case {
    name: String,
    version: i16,
    request: Option<Frame>,
    response: Option<Frame>,
}

fn file(name: &str) -> Vec<Value> {
    let path = format!("{}/testdata/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let cases = value["cases"].as_array_mut().expect("cases");
    assert!(!cases.is_empty());
    std::mem::take(cases)
}

fn cases(api: Api) -> Vec<Case> {
    let name = APIS.iter().find(|row| row.0 == api).expect("listed").1;
    let frame = |value: &Value| {
        let hex = value["hex"].as_str()?;
        Some(Frame {
            bytes: from_hex(hex),
            correlation: value["correlation_id"].as_i64().unwrap_or(-1) as i32,
            client_id: value["client_id"].as_str().unwrap_or_default().to_string(),
            fields: value["fields"].clone(),
        })
    };
    let case = |value: Value| Case {
        name: string(&value["name"]).to_string(),
        version: int(&value["version"]),
        request: frame(&value["request"]),
        response: frame(&value["response"]),
    };
    file(name).into_iter().map(case).collect()
}

/// All answers: API, name, version, frame.
fn answers() -> impl Iterator<Item = (Api, String, i16, Frame)> {
    APIS.into_iter().flat_map(|(api, _)| {
        cases(api).into_iter().filter_map(move |case| Some((api, case.name, case.version, case.response?)))
    })
}

fn from_hex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    assert!(digits.remainder().is_empty());
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).expect("ASCII"), 16).expect("hex")).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Text, or bytes as `hex:..`; `None` for null.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_str()?;
    Some(text.strip_prefix("hex:").map_or_else(|| text.as_bytes().to_vec(), from_hex))
}

/// A string; null is empty.
fn string(value: &Value) -> &str {
    assert!(value.is_string() || value.is_null(), "{value}");
    value.as_str().unwrap_or_default()
}

fn int<T: TryFrom<i64>>(value: &Value) -> T {
    value.as_i64().and_then(|n| T::try_from(n).ok()).unwrap_or_else(|| panic!("no number: {value}"))
}

/// Elements; null has none.
fn list(value: &Value) -> &[Value] {
    assert!(value.is_array() || value.is_null(), "{value}");
    value.as_array().map_or(&[], Vec::as_slice)
}

fn payload(record: &Value) -> Payload {
    let header = |header: &Value| (bytes(&header[0]).expect("a key"), bytes(&header[1]));
    Payload {
        timestamp: int(&record["timestamp"]),
        key: bytes(&record["key"]),
        value: bytes(&record["value"]),
        headers: list(&record["headers"]).iter().map(header).collect(),
    }
}
