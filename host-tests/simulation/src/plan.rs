//! What a seed decides before anything runs: the cluster, how applications behave, and how much goes wrong.
use nanokafka::Assignor;
use nanokafka::Assignor::{CooperativeSticky, Range, RoundRobin, Sticky};
use nanokafka::GroupProtocol;
use nanokafka_scripted::{Chaos, Random};

/// The group of all members.
pub(crate) const GROUP: &str = "g";

/// Names of members, one for each start.
pub(crate) const NAMES: [&str; 40] = [
    "m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "m10", "m11", "m12", "m13", "m14", "m15", "m16", "m17",
    "m18", "m19", "m20", "m21", "m22", "m23", "m24", "m25", "m26", "m27", "m28", "m29", "m30", "m31", "m32", "m33",
    "m34", "m35", "m36", "m37", "m38", "m39",
];

const INSTANCES: [&str; 4] = ["i0", "i1", "i2", "i3"];

/// What the members of a group offer: one of a row's lists each.
const ASSIGNORS: [&[&[Assignor]]; 7] = [
    &[&[Range]],
    &[&[RoundRobin]],
    &[&[Sticky]],
    &[&[CooperativeSticky]],
    &[&[CooperativeSticky]],
    &[&[Range, CooperativeSticky], &[Range]],
    &[&[RoundRobin, Sticky], &[Sticky], &[CooperativeSticky, Sticky]],
];

/// How an application commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commits {
    Auto,
    /// Automatic, of what it has marked.
    Marks,
    /// `commit_sync` after some events and when something is revoked.
    Sync,
    /// `commit_async` after some events.
    Async,
    /// `commit_offsets`.
    Offsets,
    /// With records in hand.
    Records,
}

impl Commits {
    /// What was handed out is committed before a partition is given up.
    pub(crate) fn when_revoked(self) -> bool {
        matches!(self, Commits::Auto | Commits::Sync | Commits::Offsets)
    }
}

/// Which front end drives a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    Superloop,
    Async,
    /// Its future is dropped again and again, after so many milliseconds without an event.
    Impatient(u64),
}

/// How a process behaves.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    pub(crate) front: Front,
    pub(crate) commits: Commits,
    pub(crate) instance: Option<&'static str>,
    pub(crate) assignors: &'static [Assignor],
    pub(crate) protocol: GroupProtocol,
    /// What comes of it: the group protocol of KIP-848.
    pub(crate) broker_assigns: bool,
    pub(crate) window: usize,
    pub(crate) connections: usize,
    pub(crate) session_ms: u64,
    pub(crate) heartbeat_ms: u64,
    pub(crate) max_poll_ms: u64,
    pub(crate) auto_commit_ms: u64,
    pub(crate) fetch_wait_ms: u64,
    pub(crate) partition_bytes: u32,
    /// Of a thousand records, how many take long, and how long.
    pub(crate) slow: u64,
    pub(crate) slow_ms: u64,
    /// Whether the membership is kept alive meanwhile.
    pub(crate) keeps_alive: bool,
    /// Of a thousand records, how many are followed by a seek, a pause, an early end of the loop.
    pub(crate) restless: u64,
    /// A record larger than the window is passed over.
    pub(crate) skips_large: bool,
}

impl Style {
    /// Whether its partitions go on while the group rebalances.
    pub(crate) fn is_cooperative(&self) -> bool {
        self.broker_assigns || self.assignors == [CooperativeSticky]
    }

    /// Whether it may lead a group in which partitions change hands in two steps.
    pub(crate) fn may_be_cooperative(&self) -> bool {
        self.broker_assigns || self.assignors.contains(&CooperativeSticky)
    }
}

/// What a seed has decided.
pub(crate) struct Plan {
    pub(crate) random: Random,
    pub(crate) brokers: usize,
    /// Topics and their partitions.
    pub(crate) topics: Vec<(&'static str, usize)>,
    pub(crate) latency_ms: u64,
    pub(crate) initial_delay_ms: u64,
    /// Which release: 0 is 4.3, 1 is 2.8, 2 is 2.1.
    pub(crate) release: u64,
    pub(crate) members: usize,
    /// When everything works again.
    pub(crate) heal_at: u64,
    /// When all processes are replaced by those of the other group protocol.
    pub(crate) switch_at: Option<u64>,
    /// Members of both protocols at a time.
    mixed: bool,
    pub(crate) chaos: Chaos,
    /// Mean time between what happens to members and connections, and between appends.
    pub(crate) trouble_ms: u64,
    pub(crate) append_ms: u64,
    statics: bool,
    assignors: &'static [&'static [Assignor]],
    pub(crate) broker_assigns: bool,
    /// What protocols are decided by.
    protocols: Random,
}

/// One of them.
fn one_of<T: Copy>(random: &mut Random, all: &[T]) -> T {
    all[random.below(all.len() as u64) as usize]
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x51e7);
        let r = &mut random;
        let heal_at = 10_000 + r.below(20_000);
        let mut topics = vec![("readings", 1 + r.below(4) as usize)];
        if r.below(2) == 0 {
            topics.push(("settings", 1 + r.below(2) as usize));
        }
        let rate = |r: &mut Random, most: u64| if r.below(2) == 0 { 0 } else { r.below(most) };
        let every = |r: &mut Random, least: u64| if r.below(2) == 0 { 0 } else { least + r.below(3 * least) };
        let chaos = Chaos {
            lost_requests: rate(r, 30),
            lost_answers: rate(r, 30),
            retriable_codes: rate(r, 40),
            late_answers: rate(r, 100),
            late_ms: 400,
            leader_moves_ms: every(r, 2_000),
            coordinator_moves_ms: every(r, 4_000),
            kills_ms: every(r, 8_000),
            dead_ms: 12_000,
            ..Chaos::new(r.number(), heal_at)
        };
        let brokers = 1 + r.below(3) as usize;
        let latency_ms = one_of(r, &[0, 1, 2, 5, 20]);
        let (initial_delay_ms, release) = (one_of(r, &[0, 500, 3_000]), r.below(4).saturating_sub(1));
        let members = 1 + r.below(3) as usize;
        let (trouble_ms, append_ms) = (1_000 + r.below(4_000), 100 + r.below(600));
        let statics = release < 2 && r.below(4) == 0;
        let assignors = one_of(r, &ASSIGNORS);
        let broker_assigns = release == 0 && r.below(2) == 0;
        let mut protocols = Random::new(seed ^ 0x848);
        let switch_at = (release == 0 && protocols.below(4) == 0).then_some(heal_at / 2);
        // an online migration, of dynamic members as far as the brokers here have it
        let mixed = release == 0 && !statics && switch_at.is_none() && protocols.below(4) == 0;
        // SyncGroup is answered 27, at once, until the next target is due: that time must pass
        let latency_ms = if mixed { latency_ms.max(1) } else { latency_ms };
        Plan {
            brokers,
            topics,
            latency_ms,
            initial_delay_ms,
            release,
            members,
            heal_at,
            switch_at,
            mixed,
            chaos,
            trouble_ms,
            append_ms,
            statics,
            assignors,
            broker_assigns,
            protocols,
            random,
        }
    }

    /// How the `n`-th process behaves.
    pub(crate) fn style(&mut self, n: usize) -> Style {
        let (brokers, statics, assignors) = (self.brokers as u64, self.statics, self.assignors);
        let broker_assigns = if self.mixed { self.protocols.below(2) == 0 } else { self.broker_assigns };
        // where the coordinator has the other protocol, `auto` takes that
        let auto = (broker_assigns || self.release > 0) && self.protocols.below(3) == 0;
        let protocol = match broker_assigns {
            _ if auto => GroupProtocol::Auto,
            true => GroupProtocol::Consumer,
            false => GroupProtocol::Classic,
        };
        let r = &mut self.random;
        let session_ms = 6_000 + r.below(4_000);
        let front = match r.below(4) {
            0 | 1 => Front::Superloop,
            2 => Front::Async,
            _ => Front::Impatient(1 + r.below(300)),
        };
        let commits = [
            Commits::Auto,
            Commits::Auto,
            Commits::Marks,
            Commits::Sync,
            Commits::Async,
            Commits::Offsets,
            Commits::Records,
        ];
        Style {
            front,
            commits: one_of(r, &commits),
            instance: statics.then_some(INSTANCES[n % INSTANCES.len()]),
            assignors: one_of(r, assignors),
            protocol,
            broker_assigns,
            window: one_of(r, &[256, 300, 512, 1_024, 4_096]),
            connections: 2 + r.below(brokers + 1) as usize,
            session_ms,
            heartbeat_ms: 300 + r.below(session_ms / 3 - 300),
            max_poll_ms: session_ms + r.below(8_000),
            auto_commit_ms: 300 + r.below(4_000),
            fetch_wait_ms: 200 + r.below(4_000),
            partition_bytes: one_of(r, &[500, 4_000, 1 << 20]),
            slow: one_of(r, &[0, 0, 2, 20]),
            slow_ms: one_of(r, &[20, 500, 7_000, 12_000]),
            keeps_alive: r.below(3) > 0,
            restless: one_of(r, &[0, 0, 5, 40]),
            skips_large: r.below(4) == 0,
        }
    }
}
