//! Brokers, as far as somebody needs them: the coordinator, the leaders of assigned partitions, and others while there is room.
//! Node 0 is whichever entry of `bootstrap.servers` is in use: its identity is unknown.
use crate::strings::{self, Strings};
use crate::{Api, Capacity, Resource};

/// Brokers that are known at the same time, the one of the bootstrap list aside.
pub const BROKERS: usize = 8;

/// Bytes for the host names of all of them, six more for each name.
pub const HOST_BYTES: usize = 320;

/// Index of the bootstrap node in links, from 1.
pub(crate) const BOOTSTRAP: u8 = 1;

/// Versions we speak: `(api, lowest, highest, needed)`. The highest is what Kafka 2.3 to 4.x have, the lowest is for 2.1.
/// Of an API that is listed twice the second row is for a member of KIP-848.
const PROFILE: &[(Api, i16, i16, Need)] = &[
    (Api::ApiVersions, 0, 0, Need::Always),
    (Api::Metadata, 7, 7, Need::Always),
    (Api::Fetch, 10, 11, Need::Always),
    (Api::ListOffsets, 4, 5, Need::Always),
    (Api::FindCoordinator, 1, 2, Need::Group),
    (Api::OffsetCommit, 6, 7, Need::Group),
    (Api::OffsetFetch, 5, 5, Need::Group),
    (Api::JoinGroup, 3, 5, Need::Group),
    (Api::SyncGroup, 1, 3, Need::Group),
    (Api::Heartbeat, 1, 3, Need::Group),
    (Api::LeaveGroup, 1, 2, Need::Group),
    (Api::OffsetForLeaderEpoch, 3, 3, Need::Never),
    #[cfg(feature = "group-consumer")]
    (Api::ConsumerGroupHeartbeat, 0, 1, Need::Consumer),
    #[cfg(feature = "group-consumer")]
    (Api::Metadata, 12, 12, Need::Consumer),
    #[cfg(feature = "group-consumer")]
    (Api::OffsetCommit, 9, 9, Need::Consumer),
    #[cfg(feature = "group-consumer")]
    (Api::OffsetFetch, 9, 9, Need::Consumer),
];

/// Each includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Need {
    Always,
    Group,
    /// A member of KIP-848.
    #[cfg_attr(not(feature = "group-consumer"), allow(dead_code))]
    Consumer,
    Never,
}

/// The version of each row that a node and we share, plus 1; 0 for none. Four bits each: none is above 14.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Versions([u8; PROFILE.len().div_ceil(2)]);

impl Versions {
    pub const NEW: Versions = Versions([0; PROFILE.len().div_ceil(2)]);

    /// `(row, version)`, -1 for none.
    fn rows(&self) -> impl Iterator<Item = (&'static (Api, i16, i16, Need), i16)> + '_ {
        let half = |at: usize| match self.0.get(at / 2).copied().unwrap_or(0) {
            two if at.is_multiple_of(2) => two & 15,
            two => two >> 4,
        };
        let halves = (0..PROFILE.len()).map(half);
        PROFILE.iter().zip(halves.map(|version| i16::from(version).saturating_sub(1)))
    }

    /// The newest common version.
    pub fn get(&self, api: Api) -> Option<i16> {
        self.rows().find(|(row, _)| row.0 == api).map(|(_, version)| version).filter(|&version| version >= 0)
    }

    /// The same for a member of KIP-848.
    #[cfg(feature = "group-consumer")]
    pub fn newest(&self, api: Api) -> Option<i16> {
        self.rows().filter(|(row, version)| row.0 == api && *version >= 0).map(|(_, version)| version).last()
    }

    /// Notes the broker's range.
    pub fn note(&mut self, api: i16, min: i16, max: i16) {
        for (at, (key, our_min, our_max, _)) in PROFILE.iter().enumerate() {
            let chosen = max.min(*our_max);
            let shift = (at as u32 & 1) * 4;
            let shared = if chosen >= min.max(*our_min) { chosen.saturating_add(1) as u8 } else { 0 };
            if let (true, Some(two)) = (*key as i16 == api, self.0.get_mut(at / 2)) {
                *two = *two & !(15 << shift) | shared << shift;
            }
        }
    }

    /// The first API without a common version that is needed: `(api, our lowest, our highest)`.
    pub fn missing(&self, need: Need) -> Option<(Api, i16, i16)> {
        self.rows().find(|(row, version)| *version < 0 && row.3 <= need).map(|(row, _)| (row.0, row.1, row.2))
    }
}

/// One broker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub id: i32,
    /// Entry in the hosts' arena.
    pub host: u16,
    pub port: u16,
    pub used: bool,
    /// ApiVersions was answered.
    pub asked: bool,
    /// Its leader epochs can be trusted: Metadata 9 or newer (before, brokers could answer with stale ones).
    pub epochs: bool,
    /// Named by the newest Metadata.
    pub listed: bool,
    pub versions: Versions,
}

impl Node {
    pub const NEW: Node = Node {
        id: 0,
        host: 0,
        port: 0,
        used: false,
        asked: false,
        epochs: false,
        listed: false,
        versions: Versions::NEW,
    };
}

/// The table: [`BOOTSTRAP`] and then [`BROKERS`] more; links count from 1.
#[derive(Debug)]
pub(crate) struct Nodes {
    nodes: [Node; BROKERS + 1],
    hosts: [u8; HOST_BYTES],
    hosts_used: u16,
}

impl Nodes {
    pub const NEW: Nodes = Nodes { nodes: [Node::NEW; BROKERS + 1], hosts: [0; HOST_BYTES], hosts_used: 0 };

    pub fn get(&self, index: u8) -> Option<&Node> {
        self.nodes.get(usize::from(index).checked_sub(1)?)
    }

    pub fn get_mut(&mut self, index: u8) -> Option<&mut Node> {
        self.nodes.get_mut(usize::from(index).checked_sub(1)?)
    }

    /// The index of a broker.
    pub fn by_id(&self, id: i32) -> Option<u8> {
        self.brokers().find(|(_, node)| node.id == id).map(|(index, _)| index)
    }

    /// Known brokers with their index.
    pub fn brokers(&self) -> impl Iterator<Item = (u8, &Node)> {
        (1u8..).zip(&self.nodes).skip(1).filter(|(_, node)| node.used)
    }

    pub fn host(&self, node: &Node) -> &str {
        strings::name(&self.hosts, node.host)
    }

    /// Before the brokers of an answer are read.
    pub fn unlist(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.listed = false);
    }

    /// Notes a broker. One that is known keeps its index; a new one takes a free place, or that of one that is not
    /// `needed`. Returns its index, or `None` when there is no room: then it is asked for again once it is needed.
    pub fn note(&mut self, id: i32, host: &str, port: u16, needed: impl Fn(u8, &Node) -> bool) -> Option<u8> {
        let known = self.by_id(id);
        if let Some(index) = known {
            let same = self.get(index).is_some_and(|node| node.port == port && self.host(node) == host);
            if same {
                self.get_mut(index)?.listed = true;
                return known;
            }
            self.forget(index);
        }
        let index = known.or_else(|| self.free(&needed))?;
        let mut hosts = Strings { bytes: &mut self.hosts, used: &mut self.hosts_used, ids: false };
        let entry = match hosts.insert(host) {
            Ok(entry) => entry,
            Err(_) => {
                // names of brokers that nobody needs make room
                let victim = self
                    .brokers()
                    .find(|&(other, node)| other != index && !needed(other, node))
                    .map(|(other, _)| other)?;
                self.forget(victim);
                Strings { bytes: &mut self.hosts, used: &mut self.hosts_used, ids: false }.insert(host).ok()?
            }
        };
        *self.get_mut(index)? = Node { id, host: entry, port, used: true, listed: true, ..Node::NEW };
        Some(index)
    }

    /// Why a broker found no room.
    pub fn full(&self) -> Capacity {
        match self.brokers().count() {
            BROKERS => Capacity { what: Resource::Brokers, needed: BROKERS + 1, have: BROKERS },
            _ => Capacity { what: Resource::Hosts, needed: HOST_BYTES + 1, have: HOST_BYTES },
        }
    }

    fn free(&mut self, needed: &impl Fn(u8, &Node) -> bool) -> Option<u8> {
        let free = (1u8..).zip(&self.nodes).skip(1).find(|(_, node)| !node.used).map(|(index, _)| index);
        free.or_else(|| {
            let victim =
                self.brokers().find(|&(index, node)| !node.listed && !needed(index, node)).map(|(index, _)| index);
            let victim = victim
                .or_else(|| self.brokers().find(|&(index, node)| !needed(index, node)).map(|(index, _)| index))?;
            self.forget(victim);
            Some(victim)
        })
    }

    fn forget(&mut self, index: u8) {
        let Some(node) = self.get_mut(index) else { return };
        let host = node.host;
        *node = Node::NEW;
        if self.brokers().any(|(_, node)| node.host == host) {
            return; // several brokers behind one name
        }
        let gap = Strings { bytes: &mut self.hosts, used: &mut self.hosts_used, ids: false }.remove(host);
        for node in self.nodes.iter_mut().filter(|node| node.used && node.host > host) {
            node.host = node.host.saturating_sub(gap);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_the_newest_common_ones() {
        let mut versions = Versions::NEW;
        for (api, min, max) in [(1, 4, 18), (2, 0, 4), (3, 0, 13), (23, 3, 2), (11, 5, 9)] {
            versions.note(api, min, max);
        }
        assert_eq!(versions.get(Api::Fetch), Some(11));
        assert_eq!(versions.get(Api::ListOffsets), Some(4));
        assert_eq!(versions.get(Api::JoinGroup), Some(5));
        assert_eq!(versions.get(Api::OffsetForLeaderEpoch), None, "min above max");
        versions.note(18, 0, 4);
        assert_eq!(versions.missing(Need::Always), None);
        assert_eq!(versions.missing(Need::Group).map(|missing| missing.0), Some(Api::FindCoordinator));
    }

    #[test]
    fn a_full_table_keeps_who_is_needed() {
        let mut nodes = Nodes::NEW;
        for id in 0..BROKERS as i32 {
            assert!(nodes.note(id, "broker", 9092 + id as u16, |_, _| true).is_some());
        }
        assert_eq!(nodes.note(100, "b", 1, |_, _| true), None);
        let index = nodes.note(100, "b", 1, |_, node| node.id != 3).unwrap();
        assert_eq!((nodes.by_id(3), nodes.by_id(100)), (None, Some(index)));
        let node = *nodes.get(index).unwrap();
        assert_eq!((nodes.host(&node), node.port), ("b", 1));
        assert_eq!(nodes.note(100, "renamed", 2, |_, _| true), Some(index), "a moved broker keeps its place");
        let node = *nodes.get(nodes.by_id(5).unwrap()).unwrap();
        assert_eq!(nodes.host(&node), "broker");
    }

    #[test]
    fn long_names_push_out_who_is_not_needed() {
        let mut nodes = Nodes::NEW;
        let long = |c: char| c.to_string().repeat(100);
        for (id, c) in [(1, 'a'), (2, 'b'), (3, 'c')] {
            nodes.note(id, &long(c), 1, |_, _| true).unwrap();
        }
        assert_eq!(nodes.note(4, &long('d'), 1, |_, _| true), None, "all needed");
        assert!(nodes.note(4, &long('d'), 1, |_, node| node.id != 2).is_some());
        assert_eq!(nodes.by_id(2), None);
        let c = *nodes.get(nodes.by_id(3).unwrap()).unwrap();
        assert_eq!(nodes.host(&c), long('c'));
    }
}
