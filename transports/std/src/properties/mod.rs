//! Java's `consumer.properties` files and `key=value` pairs, for a [`Config`].
//!
//! ```
//! # use nanokafka_std::properties::{Properties, PropertiesError};
//! # fn main() -> Result<(), PropertiesError> {
//! let pairs = ["bootstrap.servers=localhost:9092", "group.id=printer", "max.poll.records=10"];
//! let properties = Properties::from_pairs(pairs)?; // or Properties::read("consumer.properties")
//! for warning in properties.warnings() {
//!     eprintln!("{warning}"); // max.poll.records has no effect: ..
//! }
//! assert_eq!(properties.config().group_id, "printer");
//! # Ok(())
//! # }
//! ```
//! Every name of Kafka 4's `ConsumerConfig` is known, and what a key cannot do here is said:
//!
//! * **An unknown key** is a warning that names the nearest known one.
//! * **A known key that is not supported** is an error, unless its value is what happens anyway: nobody gets plaintext
//!   who asked for `SASL_SSL`, nor aborted records who asked for `read_committed`. The keys of TLS and SASL may stand
//!   there with Java's default, not with a value of their own, although Java ignores them without `security.protocol`.
//! * **A known key that has nothing to tune here** (metrics, socket buffers) is a warning that says why, unless its
//!   value is Java's default. Deserializers are passed over: the application names its types in the program.
//! * **A bad value** is an error with the key, the value and what is allowed. Numbers are milliseconds or bytes, written
//!   in decimal; 0 only where it can work. Choices are read without regard to case.
//!
//! Absent keys have the defaults of [`Config`], which are Java's except `fetch.max.wait.ms` (10 s, Java 500 ms),
//! `max.partition.fetch.bytes` (2 MiB, Java 1 MiB), `allow.auto.create.topics` (false, Java true) and `client.id`
//! (`nanokafka`, Java counts). Two keys are not Java's:
//! `nanokafka.auto.commit.marks` (true or false) and `nanokafka.large.records` (stream, skip or error), and so is the value `auto` of
//! `group.protocol`.
//!
//! Files have the syntax of `java.util.Properties`, in UTF-8: a file in ISO-8859-1 with characters beyond ASCII has to
//! write them as `\uXXXX`, which both read. Of several entries with the same key the last one counts.
mod keys;
mod rules;
mod syntax;

use nanokafka::{Assignor, Config, GroupProtocol};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use syntax::Entry;

/// A configuration that owns its strings, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Properties {
    /// Everything but the texts.
    config: Config<'static>,
    texts: Texts,
    warnings: Vec<Warning>,
}

#[derive(Clone, Debug)]
struct Texts {
    bootstrap_servers: String,
    client_id: String,
    client_rack: String,
    group_id: String,
    group_instance_id: String,
    group_remote_assignor: String,
    assignors: Vec<Assignor>,
}

impl Properties {
    /// From a file.
    ///
    /// # Errors
    /// The file cannot be read, is not UTF-8 or has a bad escape; otherwise as [`from_pairs`](Self::from_pairs).
    pub fn read(path: impl AsRef<Path>) -> Result<Self, PropertiesError> {
        let path = path.as_ref();
        let unreadable = |error| PropertiesError::Read { path: path.to_owned(), error };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let before = bytes.iter().take(error.valid_up_to());
            let line = 1 + before.filter(|&&byte| byte == b'\n').count();
            PropertiesError::Syntax { line, what: "not UTF-8" }
        })?;
        Self::parse(text)
    }

    /// From the text of a file.
    ///
    /// # Errors
    /// As [`read`](Self::read), but for reading.
    pub fn parse(text: &str) -> Result<Self, PropertiesError> {
        Self::new(&syntax::parse(text)?)
    }

    /// From `key=value` pairs, as on a command line: no escapes, the first `=` separates.
    ///
    /// # Errors
    /// A pair without `=`, a value that is bad or not supported, no `bootstrap.servers`, or values that do not go
    /// together ([`Config::validate`]).
    pub fn from_pairs<S: AsRef<str>>(pairs: impl IntoIterator<Item = S>) -> Result<Self, PropertiesError> {
        let entry = |pair: S| match pair.as_ref().split_once('=') {
            Some((key, value)) => Ok(Entry { key: key.trim().to_owned(), value: value.to_owned(), line: None }),
            None => Err(PropertiesError::NoValue { key: pair.as_ref().to_owned() }),
        };
        Self::new(&pairs.into_iter().map(entry).collect::<Result<Vec<_>, _>>()?)
    }

    /// The configuration. Fields can still be set, as those of any [`Config`].
    pub fn config(&self) -> Config<'_> {
        self.config
            .bootstrap_servers(&self.texts.bootstrap_servers)
            .client_id(&self.texts.client_id)
            .client_rack(&self.texts.client_rack)
            .group_id(&self.texts.group_id)
            .group_instance_id(&self.texts.group_instance_id)
            .group_remote_assignor(&self.texts.group_remote_assignor)
            .partition_assignment_strategy(&self.texts.assignors)
    }

    /// What was passed over, in the order of the entries.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    fn new(entries: &[Entry]) -> Result<Self, PropertiesError> {
        let config = Config::new("");
        let texts = Texts {
            bootstrap_servers: String::new(),
            client_id: config.client_id.to_owned(),
            client_rack: String::new(),
            group_id: String::new(),
            group_instance_id: String::new(),
            group_remote_assignor: String::new(),
            assignors: config.partition_assignment_strategy.to_owned(),
        };
        let mut this = Properties { config, texts, warnings: vec![] };
        let last: HashMap<&str, usize> = entries.iter().enumerate().map(|(i, entry)| (entry.key.as_str(), i)).collect();
        for (i, entry) in entries.iter().enumerate() {
            if last.get(entry.key.as_str()) == Some(&i) {
                this.set(entry)?;
            }
        }
        let refused = |key: &str, must: &str| {
            let culprit = last.get(key).and_then(|&i| entries.get(i));
            PropertiesError::Value {
                key: key.to_owned(),
                value: culprit.map(|entry| entry.value.clone()),
                allowed: must.to_owned(),
                line: culprit.and_then(|entry| entry.line),
            }
        };
        if this.config.group_protocol == GroupProtocol::Consumer {
            // as in Java, whatever they say
            for key in ["session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"] {
                if last.contains_key(key) {
                    return Err(refused(key, "left out with group.protocol=consumer, where it is the broker's"));
                }
            }
        }
        this.config().validate().map_err(|error| refused(error.key, error.must))?;
        Ok(this)
    }

    fn set(&mut self, entry: &Entry) -> Result<(), PropertiesError> {
        let rule = rules::rule(&entry.key);
        let value = entry.value.trim_matches(|c| c <= ' '); // as ConfigDef.parseType
        let kind = match rule {
            Some(rule) => {
                rule.apply(value, &mut self.config, &mut self.texts).map_err(|allowed| PropertiesError::Value {
                    key: entry.key.clone(),
                    value: Some(if rule.is_secret() { "[hidden]".to_owned() } else { value.to_owned() }),
                    allowed,
                    line: entry.line,
                })?
            }
            None => Some(WarningKind::Unknown { nearest: rules::nearest(&entry.key) }),
        };
        self.warnings.extend(kind.map(|kind| Warning { key: entry.key.clone(), line: entry.line, kind }));
        Ok(())
    }
}

/// An entry without effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The key, as it was written.
    pub key: String,
    /// Its line in the file, from 1; none for a pair.
    pub line: Option<usize>,
    /// What it is about.
    pub kind: WarningKind,
}

/// Why an entry is without effect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarningKind {
    /// No key of a Kafka consumer.
    Unknown {
        /// The key that looks most like it.
        nearest: &'static str,
    },
    /// A key of the Java consumer with nothing to tune here.
    NoEffect {
        /// The reason.
        why: &'static str,
    },
}

/// Why there is no configuration.
#[derive(Debug)]
#[non_exhaustive]
pub enum PropertiesError {
    /// The file cannot be read.
    Read {
        /// Its name.
        path: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// Text that is not of the syntax.
    Syntax {
        /// The line in the file, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A pair without `=`.
    NoValue {
        /// All of it.
        key: String,
    },
    /// A value that is bad or not supported.
    Value {
        /// The key.
        key: String,
        /// The value; `[hidden]` for passwords and the like, none if the key is absent and should not be, or if its
        /// default does not go together with another key's value.
        value: Option<String>,
        /// What is allowed.
        allowed: String,
        /// The line in the file, from 1; none for a pair or an absent key.
        line: Option<usize>,
    },
}

/// Behind a key: where it stands.
struct At(Option<usize>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, " (line {line})"))
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} ", self.key, At(self.line))?;
        match &self.kind {
            WarningKind::Unknown { nearest } => {
                write!(f, "is no configuration of a consumer; the nearest is {nearest}")
            }
            WarningKind::NoEffect { why } => write!(f, "has no effect: {why}"),
        }
    }
}

impl fmt::Display for PropertiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PropertiesError::Read { path, error } => write!(f, "{}: {error}", path.display()),
            PropertiesError::Syntax { line, what } => write!(f, "line {line}: {what}"),
            PropertiesError::NoValue { key } => write!(f, "'{key}' must be written key=value"),
            PropertiesError::Value { key, value: Some(value), allowed, line } => {
                write!(f, "{key}={value}{} must be {allowed}", At(*line))
            }
            PropertiesError::Value { key, value: None, allowed, .. } => {
                write!(f, "{key}, not given, must be {allowed}")
            }
        }
    }
}

impl std::error::Error for PropertiesError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            PropertiesError::Read { error, .. } => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn with(pair: &str) -> Result<Properties, PropertiesError> {
        Properties::from_pairs(["bootstrap.servers=localhost:9092", pair])
    }

    /// All warnings of one pair.
    fn warnings(pair: &str) -> Vec<WarningKind> {
        with(pair).unwrap_or_else(|error| panic!("{error}")).warnings.into_iter().map(|warning| warning.kind).collect()
    }

    fn refused(pair: &str) -> String {
        match with(pair) {
            Err(error) => error.to_string(),
            Ok(properties) => panic!("{pair}: {properties:?}"),
        }
    }

    /// Names and values of all fields, as `Debug` lists them.
    fn fields(config: Config<'_>) -> Vec<(String, String)> {
        let text = format!("{config:#?}").replace("\n        ", " "); // a list is one value
        let fields = text.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(": "));
        fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn every_field_of_the_configuration_has_a_key_that_sets_it_alone() {
        let defaults = with("client.id=").unwrap();
        let mut reached = HashSet::from(["bootstrap_servers".to_owned()]); // by each of these
        reached.insert("group_remote_assignor".to_owned()); // with `group.protocol` only
        for pair in [
            "client.id=c",
            "client.rack=r1",
            "group.id=g",
            "group.protocol=auto",
            "session.timeout.ms=46000",
            "heartbeat.interval.ms=3001",
            "max.poll.interval.ms=1",
            "enable.auto.commit=false",
            "auto.commit.interval.ms=1",
            "nanokafka.auto.commit.marks=true",
            "auto.offset.reset=earliest",
            "fetch.min.bytes=2",
            "fetch.max.bytes=0",
            "max.partition.fetch.bytes=0",
            "fetch.max.wait.ms=1",
            "check.crcs=false",
            "nanokafka.large.records=skip",
            "request.timeout.ms=1",
            "default.api.timeout.ms=1",
            "retry.backoff.ms=1",
            "retry.backoff.max.ms=1",
            "reconnect.backoff.ms=1",
            "reconnect.backoff.max.ms=1",
            "socket.connection.setup.timeout.ms=1",
            "metadata.max.age.ms=1",
            "allow.auto.create.topics=true",
            "partition.assignment.strategy=sticky",
        ] {
            let properties = with(pair).unwrap();
            assert_eq!(properties.warnings(), []);
            let changed: Vec<_> = fields(properties.config())
                .into_iter()
                .zip(fields(defaults.config()))
                .filter(|(new, old)| new != old)
                .map(|(new, _)| new.0)
                .collect();
            assert_eq!(changed.len(), 1, "{pair}: {changed:?}");
            reached.extend(changed);
        }
        let pairs = ["bootstrap.servers=localhost:9092", "group.id=g", "group.instance.id=i"];
        assert_eq!(Properties::from_pairs(pairs).unwrap().config().group_instance_id, "i");
        reached.insert("group_instance_id".to_owned());
        let all: HashSet<_> = fields(defaults.config()).into_iter().map(|(name, _)| name).collect();
        assert!(all.len() > 20, "{all:?}");
        assert_eq!(reached, all);
    }

    #[test]
    fn values_arrive() {
        use nanokafka::{LargeRecords, OffsetReset};
        let text = "bootstrap.servers = a:1, [::1]:9092\ngroup.id: printer\nclient.id=\nsession.timeout.ms=+60000\n\
                    auto.offset.reset=NONE\nenable.auto.commit=False \nfetch.max.bytes=2147483647\n\
                    nanokafka.large.records=Error\n";
        let properties = Properties::parse(text).unwrap();
        let config = properties.config();
        assert_eq!(config.bootstrap_servers, "a:1, [::1]:9092");
        assert_eq!((config.group_id, config.client_id), ("printer", "nanokafka"));
        assert_eq!(config.session_timeout.as_secs(), 60);
        assert_eq!((config.auto_offset_reset, config.large_records), (OffsetReset::None, LargeRecords::Error));
        assert_eq!((config.enable_auto_commit, config.fetch_max_bytes), (false, i32::MAX as u32));
    }

    #[test]
    fn absent_keys_have_the_defaults() {
        let properties = Properties::parse("bootstrap.servers=a:1").unwrap();
        assert_eq!(fields(properties.config()), fields(Config::new("a:1")));
        assert_eq!(properties.warnings(), []);
    }

    #[test]
    fn the_last_of_several_entries_counts() {
        let properties = Properties::parse("bootstrap.servers=a:1\nfetch.min.bytes=x\nfetch.min.bytes=7").unwrap();
        assert_eq!(properties.config().fetch_min_bytes, 7);
    }

    #[test]
    fn an_unknown_key_is_a_warning_that_names_the_nearest() {
        let properties = Properties::parse("bootstrap.servers=a:1\n\ngroup_id=g").unwrap();
        assert_eq!(properties.config().group_id, "");
        let text = "group_id (line 3) is no configuration of a consumer; the nearest is group.id";
        assert_eq!(properties.warnings()[0].to_string(), text);
    }

    #[test]
    fn what_is_not_supported_is_refused_unless_it_is_what_happens_anyway() {
        for (pair, allowed) in [
            ("isolation.level=read_committed", "read_uncommitted (aborted records are not filtered)"),
            ("security.protocol=SASL_SSL", "PLAINTEXT (TLS and SASL are not supported)"),
            ("group.protocol=streams", "classic or consumer or auto"),
            ("group.remote.assignor=uniform", "used with group.protocol=consumer"),
            ("interceptor.classes=com.example.Spy", "left out (there are no interceptors)"),
            (
                "client.dns.lookup=resolve_canonical_bootstrap_servers_only",
                "use_all_dns_ips (all addresses of a name are tried)",
            ),
            ("config.providers=file", "left out (values are taken as they stand there)"),
            ("share.acknowledgement.mode=explicit", "implicit (share groups are not supported)"),
            ("ssl.truststore.location=/t.jks", "left out (TLS is not supported)"),
            ("sasl.mechanism=PLAIN", "left out (SASL is not supported)"),
        ] {
            assert_eq!(refused(pair), format!("{pair} must be {allowed}"));
        }
        for pair in [
            "isolation.level=read_uncommitted",
            "security.protocol=plaintext",
            "group.protocol=CLASSIC",
            "group.remote.assignor=",
            "group.protocol=Consumer",
            "interceptor.classes=",
            "client.dns.lookup=use_all_dns_ips",
            "share.acquire.mode=batch_optimized",
            "ssl.endpoint.identification.algorithm=",
            "ssl.protocol=TLSv1.3",
            "sasl.mechanism=GSSAPI",
            "sasl.jaas.config=",
        ] {
            assert_eq!(warnings(pair), [], "{pair}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        for key in ["ssl.key.password", "ssl.keystore.key", "sasl.jaas.config"] {
            let error = format!("{:?}", with(&format!("{key}=hunter2")).unwrap_err());
            assert!(error.contains("[hidden]") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn assignors_are_known_by_javas_classes_and_by_their_names() {
        let list = |value: &str| {
            let properties = with(&format!("partition.assignment.strategy={value}")).unwrap();
            assert_eq!(properties.warnings(), []);
            properties.config().partition_assignment_strategy.to_vec()
        };
        let package = "org.apache.kafka.clients.consumer";
        let java = list(&format!("{package}.RangeAssignor, {package}.CooperativeStickyAssignor"));
        assert_eq!(java, Config::new("").partition_assignment_strategy);
        assert_eq!(list(&format!("{package}.StickyAssignor")), [Assignor::Sticky]);
        assert_eq!(list("roundrobin,sticky"), [Assignor::RoundRobin, Assignor::Sticky]);
        assert_eq!(list(&format!("{package}.RoundRobinAssignor,range")), [Assignor::RoundRobin, Assignor::Range]);
        assert_eq!(list("cooperative-sticky"), [Assignor::CooperativeSticky]);
        for wrong in
            ["", "range,", "com.example.Assignor", "Range", "range,org.apache.kafka.clients.consumer.RangeAssignor"]
        {
            let error = refused(&format!("partition.assignment.strategy={wrong}"));
            assert!(error.contains("must be"), "{error}");
        }
    }

    #[test]
    fn what_has_no_effect_says_why_unless_it_is_javas_default() {
        for pair in [
            "max.poll.records=10",
            "receive.buffer.bytes=1048576",
            "connections.max.idle.ms=-1",
            "metric.reporters=com.example.Reporter",
            "metrics.context.region=eu",
            "metrics.recording.level=DEBUG",
            "metadata.cluster.check.enable=true",
            "exclude.internal.topics=false",
            "internal.throw.on.fetch.stable.offset.unsupported=true",
        ] {
            assert!(matches!(warnings(pair)[..], [WarningKind::NoEffect { .. }]), "{pair}");
        }
        assert_eq!(
            with("max.poll.records=10").unwrap().warnings()[0].to_string(),
            "max.poll.records has no effect: records are lent one by one, as many as the window holds"
        );
        for pair in [
            "max.poll.records=500",
            "receive.buffer.bytes=65536",
            "send.buffer.bytes=-1",
            "enable.metrics.push=false",
            "metrics.num.samples=2",
            "key.deserializer=org.apache.kafka.common.serialization.StringDeserializer",
            "value.deserializer=com.example.Avro",
        ] {
            assert_eq!(warnings(pair), [], "{pair}");
        }
    }

    #[test]
    fn bad_values_are_refused_with_what_is_allowed() {
        for (pair, allowed) in [
            ("session.timeout.ms=ten", "a number from 1 to 2147483647"),
            ("session.timeout.ms=", "a number from 1 to 2147483647"),
            ("request.timeout.ms=-1", "a number from 1 to 2147483647"),
            ("request.timeout.ms=2147483648", "a number from 1 to 2147483647"),
            ("request.timeout.ms=99999999999999999999", "a number from 1 to 2147483647"),
            ("fetch.min.bytes=0", "a number from 1 to 2147483647"),
            ("fetch.max.bytes=1.5", "a number from 0 to 2147483647"),
            ("enable.auto.commit=yes", "true or false"),
            ("auto.offset.reset=smallest", "earliest or latest or none"),
            ("auto.offset.reset=by_duration:PT1H", "earliest or latest or none"),
            ("max.poll.records=0", "a number from 1 to 9223372036854775807"),
            ("enable.metrics.push=1", "true or false"),
            ("group.id=", "left out or not empty"),
            ("group.instance.id=", "left out or not empty"),
        ] {
            assert_eq!(refused(pair), format!("{pair} must be {allowed}"));
        }
    }

    #[test]
    fn an_error_in_a_file_names_its_line() {
        let text = "bootstrap.servers=a:1\n# a comment\nfetch.min.bytes=x\n";
        match Properties::parse(text).unwrap_err() {
            PropertiesError::Value { key, value, line, .. } => {
                assert_eq!((key.as_str(), value.as_deref(), line), ("fetch.min.bytes", Some("x"), Some(3)));
            }
            other => panic!("{other}"),
        }
        let text = "heartbeat.interval.ms=9000\nbootstrap.servers=a:1\nsession.timeout.ms=10000";
        let error = "heartbeat.interval.ms=9000 (line 1) must be at most a third of session.timeout.ms";
        assert_eq!(Properties::parse(text).unwrap_err().to_string(), error);
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = Properties::from_pairs(["group.id=g"]).unwrap_err().to_string();
        assert!(error.starts_with("bootstrap.servers, not given, must be host:port"), "{error}");
        let error = "heartbeat.interval.ms, not given, must be at most a third of session.timeout.ms";
        assert_eq!(refused("session.timeout.ms=6000"), error);
        assert_eq!(refused("group.id"), "'group.id' must be written key=value");
    }

    #[test]
    fn what_is_the_brokers_is_left_out() {
        let consumer = ["bootstrap.servers=a:1", "group.protocol=consumer", "group.remote.assignor=range"];
        let config = Properties::from_pairs(consumer).unwrap();
        let config = config.config();
        assert_eq!((config.group_protocol, config.group_remote_assignor), (GroupProtocol::Consumer, "range"));
        for (key, value) in [
            ("session.timeout.ms", "45000"),
            ("heartbeat.interval.ms", "3000"),
            ("partition.assignment.strategy", "range,cooperative-sticky"),
        ] {
            let pair = format!("{key}={value}");
            let error = Properties::from_pairs(consumer.iter().copied().chain([&pair[..]])).unwrap_err().to_string();
            let expected = "must be left out with group.protocol=consumer, where it is the broker's";
            assert_eq!(error, format!("{pair} {expected}"));
        }
    }

    #[test]
    fn files_are_read_in_utf_8() {
        let folder = std::env::temp_dir().join(format!("nanokafka-std-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("consumer.properties");
        std::fs::write(&file, "# ä\nbootstrap.servers=localhost:9092\r\ngroup.id=g\u{e4}\n").unwrap();
        assert_eq!(Properties::read(&file).unwrap().config().group_id, "gä");
        std::fs::write(&file, b"bootstrap.servers=a:1\ngroup.id=g\xe4\n").unwrap();
        assert_eq!(Properties::read(&file).unwrap_err().to_string(), "line 2: not UTF-8");
        std::fs::remove_dir_all(&folder).unwrap();
        let error = Properties::read(&file).unwrap_err();
        assert!(matches!(&error, PropertiesError::Read { path, .. } if *path == file), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}
