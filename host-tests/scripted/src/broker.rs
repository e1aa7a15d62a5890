//! A broker reads requests one at a time per connection, decodes them strictly and answers them.
use crate::apis::{api_of, is_decoded, is_flexible, Request, WaitingFetch};
use crate::chaos::Fate;
use crate::cluster::{State, TopicView};
use crate::connection::Work;
use crate::faults::{End, Instead};
use crate::history::{Answered, Received};
use crate::settings::Profile;
use crate::wire::{Malformed, Reader, Writer};
use nanokafka::Api;
use std::collections::BTreeMap;
use std::rc::Rc;

const UNSUPPORTED_VERSION: i16 = 35;

/// One broker.
pub(crate) struct Broker {
    pub(crate) node: i32,
    /// What Metadata and FindCoordinator say.
    pub(crate) advertised: (String, u16),
    /// Where it listens.
    pub(crate) listens: Vec<(String, u16)>,
    pub(crate) rack: Option<String>,
    pub(crate) profile: Profile,
    pub(crate) alive: bool,
    pub(crate) paused: bool,
    /// Named in Metadata. A killed broker is, until its session ends.
    pub(crate) registered: bool,
    pub(crate) session_ends: Option<u64>,
    /// Metadata answers show the cluster as it was.
    pub(crate) frozen: Option<BTreeMap<String, TopicView>>,
}

impl Broker {
    pub(crate) fn new(node: i32) -> Self {
        let address = (format!("b{node}"), 9092);
        Broker {
            node,
            advertised: address.clone(),
            listens: vec![address],
            rack: None,
            profile: Profile::kafka_4_3(),
            alive: true,
            paused: false,
            registered: true,
            session_ends: None,
            frozen: None,
        }
    }
}

/// One request, for as long as its answer is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) connection: u64,
    pub(crate) node: i32,
    pub(crate) api: Api,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: Rc<str>,
    /// In the history.
    pub(crate) index: usize,
}

/// What comes of a request.
pub(crate) enum Outcome {
    Answer(Writer),
    /// Answered already, or later, through [`State::answer`].
    Waits,
    LongPoll(WaitingFetch),
    Close,
}

struct Header {
    key: i16,
    version: i16,
    correlation_id: i32,
    client_id: Rc<str>,
}

fn header(reader: &mut Reader) -> Result<Header, Malformed> {
    let (key, version, correlation_id) = (reader.i16()?, reader.i16()?, reader.i32()?);
    let client_id = reader.nullable_str()?.unwrap_or_default().into();
    Ok(Header { key, version, correlation_id, client_id })
}

impl State {
    /// Reads one whole request.
    pub(crate) fn receive(&mut self, id: u64, frame: &[u8]) {
        let (net, index, node) = {
            let connection = &self.connections[&id];
            (connection.net, connection.index, connection.node)
        };
        let from = format!("net {net} connection {index} node {node}");
        if frame.len() == 4 {
            let size = i32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]);
            self.violation(format!("{from}: a request of {size} bytes"));
            return self.close(id, End::Fin);
        }
        let mut reader = Reader::new(&frame[4..]);
        let header = match header(&mut reader) {
            Ok(header) => header,
            Err(why) => {
                self.violation(format!("{from}: request header: {why}"));
                return self.close(id, End::Fin);
            }
        };
        let Header { key, version, correlation_id, ref client_id } = header;
        let Some(api) = api_of(key) else {
            self.violation(format!("{from}: api key {key} version {version} is not one of a consumer"));
            return self.close(id, End::Fin);
        };
        if !self.nets[net].negotiated.contains(&node) && api != Api::ApiVersions {
            self.violation(format!("{from}: {api:?} before any ApiVersions was sent to this node"));
        }
        let call =
            |index| Call { connection: id, node, api, version, correlation_id, client_id: client_id.clone(), index };
        if !self.broker(node).profile.supports(key, version) {
            self.violation(format!("{from}: {api:?} v{version} is outside what the broker advertises"));
            if api != Api::ApiVersions {
                return self.close(id, End::Fin);
            }
        } else if !is_decoded(api, version) {
            self.violation(format!("{from}: {api:?} v{version} is not a version of the profile"));
            return self.close(id, End::Fin);
        }
        let body = if version > 0 && api == Api::ApiVersions {
            Ok(Request::ApiVersions)
        } else {
            let tags = if is_flexible(api, version) { reader.tags() } else { Ok(()) };
            tags.and_then(|()| Request::decode(api, version, &mut reader))
        };
        let request = match body {
            Ok(request) => Rc::new(request),
            Err(why) => {
                self.violation(format!("{from}: {api:?} v{version} #{correlation_id}: {why}"));
                return self.close(id, End::Fin);
            }
        };
        if let Some(what) = request.suspicious() {
            self.violation(format!("{from}: {api:?} v{version} #{correlation_id}: {what}"));
        }
        if api == Api::ApiVersions {
            self.nets[net].negotiated.insert(node);
        }
        *self.nets[net].stats.requests.entry(key).or_default() += 1;
        let received = Received {
            at: self.now,
            net,
            connection: index,
            node,
            api,
            version,
            correlation_id,
            client_id: client_id.clone(),
            request: request.clone(),
            answer: None,
        };
        let call = call(self.history.received(received));
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.work = Work::Waits;
        }
        match self.chaos.fate(api, self.now) {
            Fate::Lost => return self.close(id, End::Reset),
            Fate::Refused(code) => self.refuse(api, &request, code),
            Fate::AnswerLost => self.faults.put_instead_first(api, Instead::End(End::Reset)),
            Fate::Handled => {}
        }
        let outcome = self.handle(&call, &request);
        self.settle_outcome(&call, outcome);
    }

    /// Chaos: this request is answered with an error; of a Fetch, its first partition is.
    fn refuse(&mut self, api: Api, request: &Request, code: i16) {
        match request {
            Request::Fetch(fetch) => {
                if let Some((topic, one)) = fetch.all().next() {
                    self.faults.add_partition_code(api, topic, one.partition, code, 1);
                }
            }
            _ => self.faults.put_code_first(api, code),
        }
    }

    pub(crate) fn settle_outcome(&mut self, call: &Call, outcome: Outcome) {
        match outcome {
            Outcome::Answer(body) => self.answer(call, body),
            Outcome::Waits => {}
            Outcome::LongPoll(waiting) => {
                if let Some(connection) = self.connections.get_mut(&call.connection) {
                    connection.work = Work::LongPoll(Box::new(waiting));
                }
            }
            Outcome::Close => self.close(call.connection, End::Fin),
        }
    }

    fn handle(&mut self, call: &Call, request: &Rc<Request>) -> Outcome {
        Outcome::Answer(match &**request {
            Request::ApiVersions => {
                let supported = self.broker(call.node).profile.supports(Api::ApiVersions as i16, call.version);
                let code = self.faults.code(Api::ApiVersions);
                self.api_versions(call.node, code.unwrap_or(if supported { 0 } else { UNSUPPORTED_VERSION }))
            }
            Request::ConsumerGroupHeartbeat(request) => self.consumer_group_heartbeat(call, request),
            Request::Fetch(_) => return self.fetch(call, request, None),
            Request::JoinGroup(request) => return self.join_group(call, request),
            Request::SyncGroup(request) => return self.sync_group(call, request),
            Request::FindCoordinator(request) => self.find_coordinator(request),
            Request::Heartbeat(request) => self.heartbeat(call, request),
            Request::LeaveGroup(request) => self.leave_group(call, request),
            Request::ListOffsets(request) => self.list_offsets(call, request),
            Request::Metadata(request) => self.metadata(call, request),
            Request::OffsetCommit(request) => self.offset_commit(call, request),
            Request::OffsetFetch(request) => self.offset_fetch(call, request),
            Request::OffsetForLeaderEpoch(request) => self.offset_for_leader_epoch(call, request),
        })
    }

    /// Frames a body and sends it, with whatever is scripted for this API.
    pub(crate) fn answer(&mut self, call: &Call, answer: Writer) {
        let api = call.api;
        let Writer { bytes: mut body, codes } = answer;
        if let Some(throttle) = self.faults.throttle(api).filter(|_| api != Api::ApiVersions && body.len() >= 4) {
            body[..4].copy_from_slice(&throttle.to_be_bytes());
        }
        let throttle_ms = match body.first_chunk() {
            Some(first) if api != Api::ApiVersions => i32::from_be_bytes(*first),
            _ => 0,
        };
        let instead = self.faults.instead(api);
        let mut scripted = instead.is_some();
        let mut frame = match instead {
            Some(Instead::Raw(bytes)) => bytes,
            Some(Instead::Body(body)) => frame(call, &body),
            Some(Instead::Nothing) => return,
            Some(Instead::End(end)) => return self.close(call.connection, end),
            None => frame(call, &body),
        };
        scripted |= self.faults.mutate(api, call.version, &mut frame);
        let delay = self.faults.delay(api).unwrap_or(0) + self.chaos.delay(self.now);
        let now = self.now;
        if self.connections.get(&call.connection).is_none_or(|connection| connection.is_over()) {
            return;
        }
        if let Some(received) = self.history.requests.get_mut(call.index) {
            received.answer = Some(Answered { at: now + delay, bytes: frame.len(), codes, throttle_ms, scripted });
        }
        let mute = throttle_ms.max(0) as u64;
        let Some(connection) = self.connections.get_mut(&call.connection) else { return };
        connection.work = Work::Delayed { at: now + delay, frame, mute };
        self.dirty.push(call.connection);
        if delay == 0 {
            self.hand_over(call.connection);
        }
    }

    /// A finished answer goes to the socket; the throttle time begins.
    pub(crate) fn hand_over(&mut self, id: u64) {
        let (now, settings) = (self.now, &self.settings);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if let Work::Delayed { frame, mute, .. } = std::mem::replace(&mut connection.work, Work::Idle) {
            connection.muted_until = now + mute;
            connection.last_active = now;
            if !connection.is_over() && !connection.client_gone {
                connection.send(frame, now + settings.latency_ms, settings.bandwidth);
                let (net, index) = (connection.net, connection.index);
                if settings.latency_ms == 0 {
                    self.wake(net, index);
                }
            }
        }
    }

    /// The broker (or the network) ends a connection.
    pub(crate) fn close(&mut self, id: u64, end: End) {
        let at = self.now + self.settings.latency_ms;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.end(at, end);
        connection.work = Work::Waits;
        let (net, index, node) = (connection.net, connection.index, connection.node);
        self.note(format!("net {net} connection {index} node {node}: {end:?} by the broker"));
        self.wake(net, index);
    }
}

fn frame(call: &Call, body: &[u8]) -> Vec<u8> {
    let tags = if is_flexible(call.api, call.version) { &[0][..] } else { &[] };
    let size = (4 + tags.len() + body.len()) as i32;
    [&size.to_be_bytes()[..], &call.correlation_id.to_be_bytes(), tags, body].concat()
}
