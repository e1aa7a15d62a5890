//! Java's names, one const setter each. Strings are borrowed: a literal in firmware, a parsed file on std.
use crate::error::ConfigError;
use crate::time::millis;
use core::time::Duration;

/// What the consumer is told once. Defaults are Java's of Kafka 4.x unless a field says why not.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config<'r> {
    /// `bootstrap.servers`: `host:port`, several separated by commas, tried in turn; IPv6 as `[::1]:9092`.
    pub bootstrap_servers: &'r str,
    /// `client.id`, default `nanokafka`. The key of quotas and the prefix of member ids: at most 91 bytes.
    pub client_id: &'r str,
    /// `group.id`, default none (empty). Without it `subscribe` invents one (see `Control::group_id`) and `assign` commits nothing.
    pub group_id: &'r str,
    /// `partition.assignment.strategy`: how the group's leader spreads partitions over the members, in the order of preference.
    /// The group takes what all members offer and most prefer. Java's default, range and cooperative sticky, with the
    /// feature `group-sticky`; without it range.
    ///
    /// Only a list of nothing but `CooperativeSticky` lets a member keep its partitions while the group
    /// rebalances (KIP-429), since each of the others needs all members to give up theirs before.
    pub partition_assignment_strategy: &'r [Assignor],
    /// `group.protocol`, default classic. With [`GroupProtocol::Consumer`] heartbeats, session and assignment are the broker's
    /// business: `session_timeout`, `heartbeat_interval` and `partition_assignment_strategy` must keep their defaults then.
    /// Other values than classic take 16 more bytes for each topic of those for names.
    pub group_protocol: GroupProtocol,
    /// `group.remote.assignor`, default the broker's choice (empty): `uniform` or `range`, with [`group_protocol`](Self::group_protocol).
    pub group_remote_assignor: &'r str,
    /// `group.instance.id` (KIP-345), default none (empty): at most 91 bytes of letters, digits, `.`, `_`, `-`.
    /// A member with it survives a restart within the session without a rebalance, and does not leave on close.
    pub group_instance_id: &'r str,
    /// `session.timeout.ms`, default 45 s; the broker allows 6 s to 30 min unless told otherwise. Where the broker assigns it has a
    /// session of its own, 45 s unless told otherwise; whoever hears nothing of it for the time here has lost its partitions.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`, default 3 s; at most a third of the session timeout.
    pub heartbeat_interval: Duration,
    /// `max.poll.interval.ms`, default 5 min: longest time between two polls, and how long a rebalance waits for us.
    pub max_poll_interval: Duration,
    /// `enable.auto.commit`, default true: commit in the background, at rebalances and on close what was handed out before
    /// the record in hand. Without `group.id` nothing of assigned partitions is committed; a subscription has its own id.
    pub enable_auto_commit: bool,
    /// `auto.commit.interval.ms`, default 5 s.
    pub auto_commit_interval: Duration,
    /// Not in Java, default false: commit only up to records passed to `Records::mark`.
    pub auto_commit_marks: bool,
    /// `auto.offset.reset`, default latest.
    pub auto_offset_reset: OffsetReset,
    /// `fetch.min.bytes`, default 1.
    pub fetch_min_bytes: u32,
    /// `fetch.max.bytes`, default 50 MiB. Not limited by the window: answers stream through it. The broker sends at
    /// least one whole batch whatever this says (KIP-74).
    pub fetch_max_bytes: u32,
    /// `max.partition.fetch.bytes`, default 2 MiB; the same remarks. Java has 1 MiB, which it must hold in memory; twice that is
    /// half as many requests, each of which costs a round trip.
    pub max_partition_fetch_bytes: u32,
    /// `fetch.max.wait.ms`, default 10 s. Java has 500 ms; here a waiting fetch delays nobody, so an idle device may set 60 s. With
    /// more leaders than connections for fetching they take turns of 0.1 to 1 s whatever it says, and each costs a connection.
    pub fetch_max_wait: Duration,
    /// `client.rack` (KIP-392), default none (empty), at most 249 bytes: where the brokers have racks and a selector of replicas,
    /// records are fetched from a follower in the same rack. Brokers from 2.4 on.
    pub client_rack: &'r str,
    /// `check.crcs`, default true.
    pub check_crcs: bool,
    /// Not in Java: what to do with a record larger than the window, default [`LargeRecords::Stream`].
    pub large_records: LargeRecords,
    /// `request.timeout.ms`, default 30 s: a connection whose answer is later is dropped.
    pub request_timeout: Duration,
    /// `default.api.timeout.ms`, default 60 s: how long `commit_sync`, `committed`, .. wait.
    pub default_api_timeout: Duration,
    /// `retry.backoff.ms`, default 100 ms: first wait before a retry; doubles, +-20 %.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`, default 1 s.
    pub retry_backoff_max: Duration,
    /// `reconnect.backoff.ms`, default 50 ms: the same for connections.
    pub reconnect_backoff: Duration,
    /// `reconnect.backoff.max.ms`, default 1 s.
    pub reconnect_backoff_max: Duration,
    /// `socket.connection.setup.timeout.ms`, default 10 s.
    pub socket_connection_setup_timeout: Duration,
    /// `metadata.max.age.ms`, default 5 min.
    pub metadata_max_age: Duration,
    /// `allow.auto.create.topics`, default false. Java has true; a device that mistypes a name should not create a topic.
    pub allow_auto_create_topics: bool,
}

/// One of `partition.assignment.strategy`. All but range need the feature `group-sticky`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Assignor {
    /// Java's `RangeAssignor`: of each topic a run of neighbouring partitions for each member.
    Range,
    /// Java's `RoundRobinAssignor`: one partition after the other to one member after the other.
    #[cfg(feature = "group-sticky")]
    RoundRobin,
    /// As Java's `StickyAssignor` (KIP-54): balanced, and of what a member had it keeps as much as balance allows. All is
    /// given up before.
    #[cfg(feature = "group-sticky")]
    Sticky,
    /// As Java's `CooperativeStickyAssignor` (KIP-429): the same, but only what moves is given up, and handed out by the
    /// rebalance after that.
    #[cfg(feature = "group-sticky")]
    CooperativeSticky,
}

impl Assignor {
    /// Its name in JoinGroup, where all members must offer the same one.
    #[cfg_attr(not(feature = "group"), allow(dead_code))]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Assignor::Range => "range",
            #[cfg(feature = "group-sticky")]
            Assignor::RoundRobin => "roundrobin",
            #[cfg(feature = "group-sticky")]
            Assignor::Sticky => "sticky",
            #[cfg(feature = "group-sticky")]
            Assignor::CooperativeSticky => "cooperative-sticky",
        }
    }
}

/// `group.protocol`: how the members of a group share its partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum GroupProtocol {
    /// A member computes the assignment. All brokers have it.
    Classic,
    /// The broker computes it (KIP-848): Kafka from 4.0. Needs the feature `group-consumer`.
    Consumer,
    /// Not in Java: `Consumer` where the coordinator has it, otherwise `Classic`. Without the feature `group-consumer` classic.
    Auto,
}

/// `auto.offset.reset`: where to begin without a committed offset, or with one that is no longer in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum OffsetReset {
    /// At the log's start.
    Earliest,
    /// At the log's end.
    Latest,
    /// Nowhere: an error that names topic and partition; `seek` decides.
    None,
}

/// What to do with a record that does not fit the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum LargeRecords {
    /// Hand it out as `Event::LargeRecord`, its value read in chunks.
    Stream,
    /// Pass over it and say so: `Event::Skipped`.
    Skip,
    /// Rest before it with `PartitionErrorKind::RecordTooLarge`.
    Error,
}

macro_rules! setters {
    ($($name:ident: $t:ty,)*) => {
        $(#[doc = concat!("Sets [`", stringify!($name), "`](Self::", stringify!($name), ").")]
        pub const fn $name(mut self, $name: $t) -> Self {
            self.$name = $name;
            self
        })*
    };
}

impl<'r> Config<'r> {
    /// With the defaults. `bootstrap_servers` is `host:port`, several separated by commas.
    pub const fn new(bootstrap_servers: &'r str) -> Self {
        Config {
            bootstrap_servers,
            client_id: "nanokafka",
            group_id: "",
            partition_assignment_strategy: &[
                Assignor::Range,
                #[cfg(feature = "group-sticky")]
                Assignor::CooperativeSticky,
            ],
            group_protocol: GroupProtocol::Classic,
            group_remote_assignor: "",
            group_instance_id: "",
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            max_poll_interval: Duration::from_secs(300),
            enable_auto_commit: true,
            auto_commit_interval: Duration::from_secs(5),
            auto_commit_marks: false,
            auto_offset_reset: OffsetReset::Latest,
            fetch_min_bytes: 1,
            fetch_max_bytes: 50 << 20,
            max_partition_fetch_bytes: 2 << 20,
            fetch_max_wait: Duration::from_secs(10),
            client_rack: "",
            check_crcs: true,
            large_records: LargeRecords::Stream,
            request_timeout: Duration::from_secs(30),
            default_api_timeout: Duration::from_secs(60),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            reconnect_backoff: Duration::from_millis(50),
            reconnect_backoff_max: Duration::from_secs(1),
            socket_connection_setup_timeout: Duration::from_secs(10),
            metadata_max_age: Duration::from_secs(300),
            allow_auto_create_topics: false,
        }
    }

    setters! {
        bootstrap_servers: &'r str,
        client_id: &'r str,
        group_id: &'r str,
        partition_assignment_strategy: &'r [Assignor],
        group_protocol: GroupProtocol,
        group_remote_assignor: &'r str,
        group_instance_id: &'r str,
        session_timeout: Duration,
        heartbeat_interval: Duration,
        max_poll_interval: Duration,
        enable_auto_commit: bool,
        auto_commit_interval: Duration,
        auto_commit_marks: bool,
        auto_offset_reset: OffsetReset,
        fetch_min_bytes: u32,
        fetch_max_bytes: u32,
        max_partition_fetch_bytes: u32,
        fetch_max_wait: Duration,
        client_rack: &'r str,
        check_crcs: bool,
        large_records: LargeRecords,
        request_timeout: Duration,
        default_api_timeout: Duration,
        retry_backoff: Duration,
        retry_backoff_max: Duration,
        reconnect_backoff: Duration,
        reconnect_backoff_max: Duration,
        socket_connection_setup_timeout: Duration,
        metadata_max_age: Duration,
        allow_auto_create_topics: bool,
    }

    /// Refuses what cannot work.
    ///
    /// # Errors
    /// The first key that cannot work, and what it must be. [`Consumer::new`](crate::Consumer::new) asks it.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let must = |ok: bool, key, must| if ok { Ok(()) } else { Err(ConfigError { key, must }) };
        let listed = servers(self.bootstrap_servers);
        let each = listed.clone().all(|server| parse_server(server).is_some());
        must(each, "bootstrap.servers", "host:port, separated by commas, port 1 to 65535")?;
        must(listed.count() <= usize::from(u8::MAX), "bootstrap.servers", "at most 255 entries")?;
        must(!self.client_id.is_empty() && self.client_id.len() <= ID_BYTES, "client.id", "1 to 91 bytes")?;
        must(self.group_id.len() <= NAME_MAX, "group.id", "at most 249 bytes")?;
        must(self.client_rack.len() <= NAME_MAX, "client.rack", "at most 249 bytes")?;
        let assignors = self.partition_assignment_strategy;
        let again = |at: usize| assignors.iter().take(at).any(|before| assignors.get(at) == Some(before));
        must(
            !assignors.is_empty() && !(0..assignors.len()).any(again),
            "partition.assignment.strategy",
            "one assignor or more, none of them twice",
        )?;
        let legal = self.group_instance_id.is_empty() || is_legal_name(self.group_instance_id);
        must(
            legal && self.group_instance_id.len() <= ID_BYTES,
            "group.instance.id",
            "1 to 91 letters, digits, '.', '_' or '-'",
        )?;
        must(
            self.group_instance_id.is_empty() || !self.group_id.is_empty(),
            "group.instance.id",
            "used with group.id",
        )?;
        if self.group_protocol == GroupProtocol::Consumer {
            let defaults = Config::new("");
            must(
                cfg!(feature = "group-consumer"),
                "group.protocol",
                "classic: the feature `group-consumer` is not built in",
            )?;
            let brokers = "left alone with group.protocol=consumer: it is the broker's";
            must(self.session_timeout == defaults.session_timeout, "session.timeout.ms", brokers)?;
            must(self.heartbeat_interval == defaults.heartbeat_interval, "heartbeat.interval.ms", brokers)?;
            let assignors = self.partition_assignment_strategy == defaults.partition_assignment_strategy;
            must(assignors, "partition.assignment.strategy", brokers)?;
        }
        must(
            self.group_remote_assignor.is_empty() || self.group_protocol != GroupProtocol::Classic,
            "group.remote.assignor",
            "used with group.protocol=consumer",
        )?;
        must(self.group_remote_assignor.len() <= NAME_MAX, "group.remote.assignor", "at most 249 bytes")?;
        let positive = [
            (self.heartbeat_interval, "heartbeat.interval.ms"),
            (self.session_timeout, "session.timeout.ms"),
            (self.max_poll_interval, "max.poll.interval.ms"),
            (self.auto_commit_interval, "auto.commit.interval.ms"),
            (self.request_timeout, "request.timeout.ms"),
            (self.default_api_timeout, "default.api.timeout.ms"),
            (self.retry_backoff, "retry.backoff.ms"),
            (self.retry_backoff_max, "retry.backoff.max.ms"),
            (self.reconnect_backoff, "reconnect.backoff.ms"),
            (self.reconnect_backoff_max, "reconnect.backoff.max.ms"),
            (self.socket_connection_setup_timeout, "socket.connection.setup.timeout.ms"),
            (self.metadata_max_age, "metadata.max.age.ms"),
            (self.fetch_max_wait, "fetch.max.wait.ms"),
        ];
        for (duration, key) in positive {
            let in_range = (1..=i32::MAX as u64).contains(&millis(duration));
            must(in_range, key, "1 to 2147483647 ms")?;
        }
        must(
            millis(self.heartbeat_interval).saturating_mul(3) <= millis(self.session_timeout),
            "heartbeat.interval.ms",
            "at most a third of session.timeout.ms",
        )?;
        for (bytes, key) in [
            (self.fetch_min_bytes, "fetch.min.bytes"),
            (self.fetch_max_bytes, "fetch.max.bytes"),
            (self.max_partition_fetch_bytes, "max.partition.fetch.bytes"),
        ] {
            must(bytes <= i32::MAX as u32, key, "at most 2147483647 bytes")?;
        }
        must(self.fetch_min_bytes > 0, "fetch.min.bytes", "at least 1: with 0 the broker answers without end")
    }

    /// Topics may be known by their ids.
    pub(crate) fn has_topic_ids(&self) -> bool {
        cfg!(feature = "group-consumer") && self.group_protocol != GroupProtocol::Classic
    }

    /// Bytes of a topic's entry beside its name.
    pub(crate) fn topic_entry(&self) -> usize {
        crate::strings::ENTRY + if self.has_topic_ids() { crate::strings::ID } else { 0 }
    }
}

/// Longest `client.id` and `group.instance.id`: the broker appends 37 bytes to make a member id of
/// [`MEMBER_ID_BYTES`](crate::MEMBER_ID_BYTES).
const ID_BYTES: usize = crate::MEMBER_ID_BYTES - 37;

/// Kafka's longest topic name.
pub(crate) const NAME_MAX: usize = 249;

/// Letters, digits, `.`, `_`, `-`; not empty, not `.` or `..`, at most 249 bytes: topic names and instance ids.
pub(crate) fn is_legal_name(name: &str) -> bool {
    let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    !name.is_empty() && name.len() <= NAME_MAX && name != "." && name != ".." && name.bytes().all(legal)
}

/// The entries of `bootstrap.servers`. Over bytes: `str::split` and its kin bring a panic.
pub(crate) fn servers(list: &str) -> impl Iterator<Item = &[u8]> + Clone {
    list.as_bytes().split(|&byte| byte == b',')
}

/// `host:port` or `[v6]:port`; the host without brackets.
pub(crate) fn parse_server(server: &[u8]) -> Option<(&str, u16)> {
    let server = server.trim_ascii();
    let (host, port) = server.split_at_checked(server.iter().rposition(|&byte| byte == b':')?)?;
    let (_, port) = port.split_first()?;
    let port = port.iter().try_fold(0u16, |port, digit| match digit {
        b'0'..=b'9' => port.checked_mul(10)?.checked_add(u16::from(digit.wrapping_sub(b'0'))),
        _ => None,
    })?;
    let host = match host {
        [b'[', v6 @ .., b']'] => v6,
        _ if host.contains(&b':') => return None,
        _ => host,
    };
    let legal = (1..=255).contains(&host.len()) && !host.iter().any(u8::is_ascii_whitespace) && port != 0;
    core::str::from_utf8(host).ok().filter(|_| legal).map(|host| (host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_each_value_that_cannot_work_and_names_the_key() {
        let good = Config::new("a:9092, b:9093,[::1]:9094").group_id("g");
        assert_eq!(good.validate(), Ok(()));
        let long = "x".repeat(250);
        let bad = [
            (good.bootstrap_servers(""), "bootstrap.servers"),
            (good.bootstrap_servers("localhost"), "bootstrap.servers"),
            (good.bootstrap_servers("localhost:0"), "bootstrap.servers"),
            (good.bootstrap_servers("localhost:70000"), "bootstrap.servers"),
            (good.bootstrap_servers("a:1,,b:2"), "bootstrap.servers"),
            (good.bootstrap_servers("::1:9092"), "bootstrap.servers"),
            (good.bootstrap_servers("http://a:1"), "bootstrap.servers"),
            (good.client_id(""), "client.id"),
            (good.client_id(&long), "client.id"),
            (good.group_id(&long), "group.id"),
            (good.partition_assignment_strategy(&[]), "partition.assignment.strategy"),
            (good.partition_assignment_strategy(&[Assignor::Range; 2]), "partition.assignment.strategy"),
            (good.group_instance_id("a b"), "group.instance.id"),
            (good.group_id("").group_instance_id("i"), "group.instance.id"),
            (good.group_remote_assignor("uniform"), "group.remote.assignor"),
            #[cfg(not(feature = "group-consumer"))]
            (good.group_protocol(GroupProtocol::Consumer), "group.protocol"),
            #[cfg(feature = "group-consumer")]
            (
                good.group_protocol(GroupProtocol::Consumer).session_timeout(Duration::from_secs(30)),
                "session.timeout.ms",
            ),
            #[cfg(feature = "group-consumer")]
            (
                good.group_protocol(GroupProtocol::Consumer).heartbeat_interval(Duration::from_secs(1)),
                "heartbeat.interval.ms",
            ),
            #[cfg(all(feature = "group-consumer", feature = "group-sticky"))]
            (
                good.group_protocol(GroupProtocol::Consumer).partition_assignment_strategy(&[Assignor::Range]),
                "partition.assignment.strategy",
            ),
            (good.heartbeat_interval(Duration::from_secs(16)), "heartbeat.interval.ms"),
            (good.heartbeat_interval(Duration::ZERO), "heartbeat.interval.ms"),
            (good.max_poll_interval(Duration::ZERO), "max.poll.interval.ms"),
            (good.session_timeout(Duration::MAX), "session.timeout.ms"),
            (good.fetch_min_bytes(0), "fetch.min.bytes"),
            (good.fetch_max_bytes(u32::MAX), "fetch.max.bytes"),
        ];
        for (config, key) in bad {
            assert_eq!(config.validate().unwrap_err().key, key, "{config:?}");
        }
    }

    #[test]
    fn servers_are_hosts_with_ports() {
        assert_eq!(parse_server(b" [fe80::1]:9092"), Some(("fe80::1", 9092)));
        assert_eq!(parse_server(b"broker.local:1"), Some(("broker.local", 1)));
        assert_eq!(parse_server(b"broker.local:"), None);
        assert_eq!(parse_server(b":1"), None);
    }
}
