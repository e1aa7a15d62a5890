//! Any answer on a connection that waits for it: the consumer is put into the state in which it has just asked.
use super::peer::{frame, Memory, Peer, Pieces, Reply};
use crate::connection::{Phase as LinkPhase, CONTROL};
use crate::group::Phase as Member;
use crate::partitions::{Phase, Slot};
use crate::wire::primitives::NO_ID;
use crate::wire::{find_coordinator, flexible};
use crate::{strings, Api, Config, Consumer, Error, Event, GroupProtocol, Instant, Seed, Superloop, TopicPartition};
use core::time::Duration;
use std::format;
use std::string::String;
use std::vec::Vec;

/// Every API that is spoken, in every version. Their order is that of the fuzz corpus: append.
pub(crate) const ASKED: [(Api, i16); 27] = [
    (Api::ApiVersions, 0),
    (Api::Metadata, 7),
    (Api::FindCoordinator, 1),
    (Api::FindCoordinator, 2),
    (Api::JoinGroup, 3),
    (Api::JoinGroup, 4),
    (Api::JoinGroup, 5),
    (Api::SyncGroup, 1),
    (Api::SyncGroup, 2),
    (Api::SyncGroup, 3),
    (Api::Heartbeat, 1),
    (Api::Heartbeat, 2),
    (Api::Heartbeat, 3),
    (Api::LeaveGroup, 1),
    (Api::LeaveGroup, 2),
    (Api::OffsetCommit, 6),
    (Api::OffsetCommit, 7),
    (Api::OffsetFetch, 5),
    (Api::ListOffsets, 4),
    (Api::ListOffsets, 5),
    (Api::OffsetForLeaderEpoch, 3),
    (Api::Fetch, 11),
    (Api::Metadata, 12),
    (Api::OffsetCommit, 9),
    (Api::OffsetFetch, 9),
    (Api::ConsumerGroupHeartbeat, 0),
    (Api::ConsumerGroupHeartbeat, 1),
];

/// Partitions that the question is about: those of the captured answers. In the order of the table.
const ASSIGNED: [(&str, i32); 12] = [
    ("zones", 0),
    ("zones", 1),
    ("zones", 2),
    ("zones", 3),
    ("cut", 0),
    ("rack", 0),
    ("rack", 1),
    ("solo", 0),
    ("t1", 0),
    ("recomp-none", 0),
    ("no-such-topic", 0),
    ("nope", 0),
];

/// The id of the first topic, as captured.
const ZONES: [u8; 16] = 0xf53e_3048_c5fa_41d2_955a_06d8_9287_51e5_u128.to_be_bytes();

pub(crate) const CORRELATION: i32 = 0x0102_0304;

/// What has become of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    /// What the application was told, in order.
    pub errors: Vec<Error>,
    /// The connection was given up.
    pub lost: bool,
    /// The whole answer was read.
    pub read: bool,
    /// Something is due later, or an answer is awaited: the consumer has not stopped for good.
    pub goes_on: bool,
    /// All state machines, for comparisons; empty unless wanted.
    pub state: String,
}

/// Brings an answer's body; `whole_state` costs time.
pub(crate) fn answer(
    api: Api,
    version: i16,
    window: usize,
    body: &[u8],
    pieces: Pieces,
    whole_state: bool,
) -> Answered {
    raw(api, version, window, frame(CORRELATION, body), pieces, whole_state)
}

/// The same with the frame as it comes, size and correlation id included.
pub(crate) fn raw(
    api: Api,
    version: i16,
    window: usize,
    frame: Vec<u8>,
    pieces: Pieces,
    whole_state: bool,
) -> Answered {
    let mut memory = Memory::new(window);
    let config = Config::new("b:1").client_id("mcu").group_id("plant").metadata_max_age(Duration::from_secs(3600));
    let config = match flexible(api, version).is() {
        true => config.group_protocol(GroupProtocol::Consumer),
        false => config,
    };
    let mut consumer =
        Consumer::<Superloop>::new(memory.storage(), config, Superloop, Seed::new([7; 32])).expect("it fits");
    let now = Instant::from_millis(1_000_000);
    let grouped = matches!(api, Api::JoinGroup | Api::SyncGroup | Api::Heartbeat | Api::LeaveGroup);
    if api == Api::ConsumerGroupHeartbeat && version > 0 {
        consumer.subscribe_pattern("z.*").expect("legal");
    } else if grouped || api == Api::ConsumerGroupHeartbeat || (api, version) == (Api::Metadata, 12) {
        consumer.subscribe(&["zones", "cut"]).expect("legal names");
    } else {
        let partitions = ASSIGNED.map(|(topic, partition)| TopicPartition::new(topic, partition));
        consumer.assign(&partitions).expect("legal names");
    }
    let link = ask(&mut consumer, api, version, now);
    let (steps, size) = (100 + 8 * frame.len(), frame.len());
    let mut peer = Peer::new(|_: &[u8]| -> Reply { None });
    peer.pipes[1 - link].opened();
    peer.send(link, frame, pieces);
    let (mut errors, mut notes) = (Vec::new(), String::new());
    let mut step = 0;
    loop {
        step += 1;
        assert!(step < steps, "{step} steps for {size} bytes");
        peer.moved = false;
        match consumer.poll(now, &mut peer) {
            Ok(None) if !peer.moved => break,
            Ok(None) => {}
            Ok(Some(Event::Records(records))) => records.for_each(drop),
            Ok(Some(event)) => {
                if whole_state {
                    notes += match event {
                        Event::Assigned(_) => "assigned;",
                        Event::Revoked(_) => "revoked;",
                        Event::Lost(_) => "lost;",
                        Event::Truncated(_) => "truncated;",
                        Event::CommitCompleted(_) => "committed;",
                        _ => "other;",
                    }
                }
            }
            Err(error) => {
                errors.push(error);
                if whole_state {
                    notes += &format!("{error:?};");
                }
            }
        }
    }
    let read = peer.pipes[link].is_read();
    let next = consumer.next_timeout(now);
    let control = consumer.control();
    let awaiting = control.links.iter().any(|link| link.awaiting().api != 0);
    let goes_on = next != Instant::NEVER || awaiting || control.state.group.fatal || control.lost();
    let lost = control.links[link].failures > 0;
    let state = &*control.state;
    let state = match whole_state {
        true => {
            let cluster = &state.cluster;
            let brokers =
                cluster.nodes.brokers().map(|(_, node)| (node.id, cluster.nodes.host(node), node.port, node.versions));
            // not the flags of requests: which of them has left already depends on how the answer came
            let slots = control.slots().iter().map(|slot| {
                (
                    slot.topic,
                    slot.partition,
                    slot.phase,
                    slot.position,
                    slot.acked,
                    slot.epoch,
                    slot.leader,
                    slot.leader_epoch,
                )
            });
            format!(
                "{notes} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                brokers.collect::<Vec<_>>(),
                (cluster.coordinator(), cluster.metadata, cluster.find, cluster.contacted),
                state.commit,
                state.group,
                slots.collect::<Vec<_>>(),
                control.names.get(..state.names_used.into()),
                control.links.first().map(|link| (link.phase, link.failures)),
                control.links.last().map(|link| (link.phase, link.failures)),
            )
        }
        false => String::new(),
    };
    Answered { errors, lost, read, goes_on, state }
}

/// Everything that stands when the request has left, and nothing else to do. Returns the connection.
fn ask(consumer: &mut Consumer<'_, Superloop>, api: Api, version: i16, now: Instant) -> usize {
    let mut control = consumer.control();
    if api != Api::FindCoordinator {
        let head = find_coordinator::Item::Head { throttle: 0, error: 0 };
        for item in [head, find_coordinator::Item::Node { id: 1, host: "b", port: 1 }] {
            control.coordinator_item(item, now).expect("room");
        }
    }
    let state = &mut *control.state;
    let node = state.cluster.nodes.note(1, "b", 1, |_, _| true).expect("room");
    let known = state.cluster.nodes.get_mut(node).expect("noted");
    (known.asked, known.epochs) = (api != Api::ApiVersions, true);
    for (api, _) in ASKED {
        known.versions.note(api as i16, 0, 99);
    }
    // nobody was reached before, so that every failure is told
    (state.cluster.contacted, state.cluster.refresh_at) = (false, now.after(Duration::from_secs(3600)));
    if api == Api::Metadata {
        state.cluster.metadata.want();
    } else {
        state.cluster.metadata.done();
    }
    let link = if matches!(api, Api::Fetch | Api::ListOffsets | Api::OffsetForLeaderEpoch) { 1 } else { CONTROL };
    for (index, other) in control.links.iter_mut().enumerate() {
        (other.phase, other.node) = (LinkPhase::Up, node);
        if index == link {
            other.correlation = CORRELATION - 1;
            other.begin(api as i16, version, 0, now, now.after(Duration::from_secs(30)));
        }
    }
    let used = usize::from(state.slots_used);
    for slot in control.table.iter_mut().take(used) {
        (slot.leader, slot.leader_epoch, slot.epoch, slot.position, slot.acked) = (1, 0, 0, 5, 5);
        slot.phase = Phase::Rest;
        match api {
            Api::Fetch | Api::ListOffsets | Api::OffsetForLeaderEpoch => {
                slot.link = link as u8;
                slot.set(Slot::LISTED);
                slot.phase = match api {
                    Api::Fetch => Phase::Ready,
                    Api::ListOffsets => Phase::Reset,
                    _ => Phase::Validate,
                };
            }
            Api::OffsetFetch => {
                slot.phase = Phase::Committed;
                slot.set(Slot::FETCHING_OFFSET);
            }
            Api::OffsetCommit => slot.set(Slot::COMMITTING),
            // what asks for the coordinator
            Api::FindCoordinator => slot.phase = Phase::Committed,
            _ => {}
        }
    }
    let crate::state::Names::Exclusive(names) = &mut control.names else { unreachable!("nothing is lent") };
    for at in strings::entries(names, state.names_used).collect::<Vec<_>>() {
        let flags = strings::flags(names, at);
        let mut topics = strings::Strings { bytes: names, used: &mut state.names_used, ids: false };
        topics.set_flags(at, flags | crate::state::topic::KNOWN);
        topics.set_number(at, 4);
        topics.set_id(at, if at == 0 { &ZONES } else { &NO_ID });
    }
    let group = &mut state.group;
    (group.generation, group.polled) = (3, now);
    (group.session_ends, group.heartbeat_at) = (now.after(Duration::from_secs(45)), now.after(Duration::from_secs(3)));
    match api {
        Api::JoinGroup => group.phase = Member::Joining,
        Api::SyncGroup => group.phase = Member::Syncing,
        Api::Heartbeat => group.phase = Member::Stable,
        Api::LeaveGroup => group.leaving = true,
        // one that has partitions already, and one that joins
        Api::ConsumerGroupHeartbeat if version == 0 => group.phase = Member::Stable,
        Api::OffsetCommit => (state.commit.in_flight, state.commit.announce) = (true, true),
        _ => {}
    }
    (state.plan, state.plan_at) = (false, now.after(Duration::from_secs(60)));
    if api == Api::ConsumerGroupHeartbeat {
        for partition in if version == 0 { 1..3 } else { 0..0 } {
            let (slot, used) = (Slot::new(0, partition), &mut control.state.slots_used);
            assert!(crate::partitions::insert(control.table, used, usize::from(*used), slot));
        }
        control.begin_beat(now);
    }
    link
}
