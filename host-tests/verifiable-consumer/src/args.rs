//! The flags of Kafka's VerifiableConsumer, of all harnesses from 2.1 to 4.4.

use lexopt::{Arg, Parser, ValueExt};
use nanokafka_std::properties::{Properties, PropertiesError};
use std::ffi::OsString;

pub const USAGE: &str = "\
usage: nanokafka-verifiable-consumer --bootstrap-server HOST:PORT[,…] --topic T --group-id G [FLAG…]

  --bootstrap-server LIST, --broker-list LIST    brokers to begin with
  --topic T                                      the one topic
  --group-id G                                   group.id
  --group-instance-id ID                         group.instance.id: a static member
  --group-protocol P                             group.protocol: classic (default), consumer or auto
  --group-remote-assignor A                      group.remote.assignor
  --assignment-strategy CLASS[,…]                partition.assignment.strategy (default: RangeAssignor)
  --session-timeout MS                           session.timeout.ms (default: 30000)
  --reset-policy P                               auto.offset.reset: earliest (default), latest or none
  --enable-autocommit                            enable.auto.commit; without it a commit follows every poll
  --max-messages N                               end after N records (default: -1, never)
  --verbose                                      an event for each record
  --command-config FILE, --consumer.config FILE  Java properties; flags and their defaults take precedence
  --close-timeout MS                             taken and not used: the end takes at most 7 s
  --help                                         this text

Events are JSON on standard output, one a line; all else goes to standard error. SIGTERM and SIGINT end it. Exit code: 0
ended as it should, 1 something failed, 2 wrong arguments.";

/// Flags that are keys of the configuration.
const KEYS: &[(&str, &str)] = &[
    ("bootstrap-server", "bootstrap.servers"),
    ("broker-list", "bootstrap.servers"),
    ("group-id", "group.id"),
    ("group-instance-id", "group.instance.id"),
    ("group-protocol", "group.protocol"),
    ("group-remote-assignor", "group.remote.assignor"),
    ("assignment-strategy", "partition.assignment.strategy"),
    ("session-timeout", "session.timeout.ms"),
    ("reset-policy", "auto.offset.reset"),
];

const HEARTBEAT: &str = "heartbeat.interval.ms";

#[derive(Debug)]
pub struct Args {
    pub topic: String,
    pub properties: Properties,
    /// Records to end after.
    pub max_messages: usize,
    pub verbose: bool,
    /// What the properties say that has no effect.
    pub warnings: Vec<String>,
}

/// `None`: only the usage is wanted.
///
/// # Errors
/// One line that says what is wrong.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Args>, String> {
    flags(Parser::from_args(args)).map_err(|error| error.to_string())
}

fn flags(mut parser: Parser) -> Result<Option<Args>, lexopt::Error> {
    let (mut topic, mut file, mut verbose, mut max_messages) = (None, String::new(), false, -1i64);
    let mut auto_commit = false;
    // of several with the same key the last one counts
    let mut pairs = vec![
        ("partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor".to_owned()),
        ("session.timeout.ms", "30000".to_owned()),
        ("auto.offset.reset", "earliest".to_owned()),
        ("group.protocol", "classic".to_owned()),
    ];
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("help") => return Ok(None),
            Arg::Long("topic") => topic = Some(parser.value()?.string()?),
            Arg::Long("enable-autocommit") => auto_commit = true,
            Arg::Long("verbose") => verbose = true,
            Arg::Long("max-messages") => max_messages = parser.value()?.parse()?,
            Arg::Long("close-timeout") => drop(parser.value()?.parse::<u64>()?),
            Arg::Long("command-config" | "consumer.config") => {
                let path = parser.value()?.string()?;
                file = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
            }
            Arg::Long(flag) => match KEYS.iter().find(|(name, _)| *name == flag) {
                Some((_, key)) => pairs.push((key, parser.value()?.string()?)),
                None => return Err(arg.unexpected()),
            },
            _ => return Err(arg.unexpected()),
        }
    }
    pairs.push(("enable.auto.commit", auto_commit.to_string()));
    let next_gen =
        pairs.iter().rfind(|(key, _)| *key == "group.protocol").is_some_and(|(_, value)| value == "consumer");
    // as Java: these are the broker's
    pairs.retain(|(key, _)| !next_gen || !matches!(*key, "partition.assignment.strategy" | "session.timeout.ms"));
    let topic = topic.ok_or("--topic is missing")?;
    let (properties, warnings) = layered(&file, &mut pairs)?;
    if properties.config().group_id.is_empty() {
        return Err("--group-id is missing".into());
    }
    let max_messages = usize::try_from(max_messages).unwrap_or(usize::MAX);
    Ok(Some(Args { topic, properties, max_messages, verbose, warnings }))
}

/// The file, and over it the flags as further lines of it. Also what there is to say about them.
fn layered(file: &str, pairs: &mut Vec<(&str, String)>) -> Result<(Properties, Vec<String>), String> {
    // Java takes any session timeout above its heartbeat interval of 3 s, which the harness leaves alone; ours is a third at most
    let session = pairs.iter().rfind(|(key, _)| *key == "session.timeout.ms").map(|(_, value)| value.parse::<u64>());
    if let (Some(Ok(session @ 3..9000)), false) = (session, file.contains(HEARTBEAT)) {
        pairs.push((HEARTBEAT, (session / 3).to_string()));
    }
    let mut text = format!("{file}\n\n"); // the first one may continue its last line
    for (key, value) in &*pairs {
        let value = value.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        text.push_str(&format!("{key}={value}\n"));
    }
    // a flag has no line
    let lines = file.lines().count();
    let properties = Properties::parse(&text).map_err(|mut error| {
        if let PropertiesError::Value { line, .. } = &mut error {
            *line = line.filter(|line| *line <= lines);
        }
        error.to_string()
    })?;
    let warnings = properties.warnings().iter().map(|warning| {
        let mut warning = warning.clone();
        warning.line = warning.line.filter(|line| *line <= lines);
        warning.to_string()
    });
    let warnings = warnings.collect();
    Ok((properties, warnings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nanokafka::{Assignor, GroupProtocol, OffsetReset};
    use std::time::Duration;

    const LEAST: &str = "--bootstrap-server a:1,b:2 --topic t --group-id g";

    fn parse(flags: &str) -> Result<Option<Args>, String> {
        super::parse(flags.split_whitespace().map(OsString::from))
    }

    fn args(flags: &str) -> Args {
        match parse(&format!("{LEAST} {flags}")) {
            Ok(Some(args)) => args,
            other => panic!("{flags}: {other:?}"),
        }
    }

    fn refused(flags: &str) -> String {
        match parse(flags) {
            Err(why) => why,
            Ok(args) => panic!("{flags}: {args:?}"),
        }
    }

    /// `test` gets flags that read a file with this content.
    fn with_file(name: &str, content: &str, test: impl FnOnce(&str)) {
        let path = std::env::temp_dir().join(format!("nanokafka-verifiable-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        test(&format!("--command-config {}", path.display()));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn defaults_are_javas() {
        let args = args("");
        assert_eq!((args.topic.as_str(), args.max_messages, args.verbose), ("t", usize::MAX, false));
        let config = args.properties.config();
        assert_eq!((config.bootstrap_servers, config.group_id, config.group_instance_id), ("a:1,b:2", "g", ""));
        assert_eq!(
            (config.session_timeout, config.heartbeat_interval),
            (Duration::from_secs(30), Duration::from_secs(3))
        );
        assert_eq!((config.auto_offset_reset, config.enable_auto_commit), (OffsetReset::Earliest, false));
        assert!(args.warnings.is_empty());
    }

    #[test]
    fn every_flag_arrives() {
        let args = args(
            "--group-instance-id i --group-protocol classic --session-timeout 45000 --max-messages 7 --enable-autocommit \
             --reset-policy latest --verbose --close-timeout 1000",
        );
        assert_eq!((args.max_messages, args.verbose), (7, true));
        let config = args.properties.config();
        assert_eq!((config.group_instance_id, config.session_timeout.as_secs()), ("i", 45));
        assert_eq!((config.auto_offset_reset, config.enable_auto_commit), (OffsetReset::Latest, true));
    }

    #[test]
    fn what_is_the_brokers_is_left_to_it() {
        let flags = "--group-protocol consumer --group-remote-assignor range --session-timeout 45001";
        let args = args(flags);
        let config = args.properties.config();
        assert_eq!((config.group_protocol, config.group_remote_assignor), (GroupProtocol::Consumer, "range"));
        assert_eq!(config.session_timeout.as_secs(), 45);
    }

    #[test]
    fn flags_are_written_as_older_and_newer_harnesses_do() {
        assert_eq!(args("--broker-list c:3").properties.config().bootstrap_servers, "c:3");
        assert_eq!(args("--max-messages -1").max_messages, usize::MAX);
        assert_eq!(args("--group-id=h").properties.config().group_id, "h");
        assert!(matches!(parse("--help"), Ok(None)));
    }

    #[test]
    fn a_short_session_has_quicker_heartbeats() {
        assert_eq!(args("--session-timeout 6000").properties.config().heartbeat_interval, Duration::from_secs(2));
        with_file("heartbeat", "heartbeat.interval.ms=200\n", |file| {
            let args = args(&format!("--session-timeout 6000 {file}"));
            assert_eq!(args.properties.config().heartbeat_interval, Duration::from_millis(200));
        });
    }

    #[test]
    fn assignors_are_javas_classes() {
        let package = "org.apache.kafka.clients.consumer";
        let two = args(&format!("--assignment-strategy {package}.RoundRobinAssignor,{package}.RangeAssignor"));
        let assignors = two.properties.config().partition_assignment_strategy;
        assert_eq!(assignors, [Assignor::RoundRobin, Assignor::Range]);
        assert_eq!(args("").properties.config().partition_assignment_strategy, [Assignor::Range]);
        let why = refused(&format!("{LEAST} --assignment-strategy com.example.Assignor"));
        assert!(why.contains("Assignor must be a list of"), "{why}");
    }

    #[test]
    fn flags_and_their_defaults_override_the_file() {
        let content = "group.id=file\nsession.timeout.ms=60000\nenable.auto.commit=true\nfetch.min.bytes=7\\";
        with_file("override", content, |file| {
            for file in [file.to_owned(), file.replace("command-config", "consumer.config")] {
                let args = args(&file);
                let config = args.properties.config();
                assert_eq!((config.group_id, config.session_timeout.as_secs()), ("g", 30));
                assert_eq!((config.enable_auto_commit, config.fetch_min_bytes), (false, 7));
            }
        });
    }

    #[test]
    fn unknown_keys_and_what_one_harness_sends_are_no_errors() {
        with_file("unknown", "no.such.key=1\nmetadata.recovery.strategy=none\n", |file| {
            let [unknown, recovery] = &args(file).warnings[..] else { panic!("two warnings") };
            assert!(unknown.starts_with("no.such.key (line 1) is no configuration"), "{unknown}");
            assert!(recovery.starts_with("metadata.recovery.strategy (line 2) has no effect"), "{recovery}");
        });
    }

    #[test]
    fn a_value_is_taken_as_it_stands() {
        let name = r"a\tb";
        let args = super::parse(["--bootstrap-server=a:1", "--topic=t", "--group-id", name].map(OsString::from));
        assert_eq!(args.unwrap().unwrap().properties.config().group_id, name);
    }

    #[test]
    fn what_is_wrong_is_one_line_that_names_it() {
        for (flags, why) in [
            ("--topic t --group-id g", "bootstrap.servers, not given,"),
            ("--bootstrap-server a:1 --group-id g", "--topic is missing"),
            ("--bootstrap-server a:1 --topic t", "--group-id is missing"),
            ("--bootstrap-server a --topic t --group-id g", "bootstrap.servers=a must be host:port"),
            ("--no-such-flag", "'--no-such-flag'"),
            ("t", "\"t\""),
            ("--topic", "'--topic'"),
            ("--max-messages x", "\"x\""),
            ("--command-config /no/such/file", "/no/such/file: "),
        ] {
            let error = refused(flags);
            assert!(error.contains(why) && error.lines().count() == 1, "{flags}: {error}");
        }
        for (flags, why) in [
            ("--group-protocol streams", "group.protocol=streams must be classic"),
            ("--reset-policy smallest", "auto.offset.reset=smallest must be earliest"),
            ("--session-timeout soon", "session.timeout.ms=soon must be a number"),
        ] {
            let error = refused(&format!("{LEAST} {flags}"));
            assert!(error.starts_with(why), "{flags}: {error}");
        }
        with_file("bad", "\nfetch.min.bytes=x\n", |file| {
            let error = refused(&format!("{LEAST} {file}"));
            assert!(error.starts_with("fetch.min.bytes=x (line 2) must be"), "{error}");
        });
    }
}
