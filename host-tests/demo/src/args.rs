//! The command line.

use nanokafka::Config;

pub const USAGE: &str = "\
nanokafka's seed example, in four parts:

  1  subscribe     a consumer in a group reads four partitions and commits its offsets
  2  assign        two consumers, two partitions each
  3  it remembers  a new consumer of the group starts at the committed offsets, goes
                   back to the beginning, and skips to the last record
  4  it fits       a batch of 1 MB and a record of 900 KB through a window of 4 KB

usage: cargo demo                                          an embedded broker: nothing to install
       cargo demo -- --bootstrap HOST:PORT[,HOST:PORT…]    any cluster with a PLAINTEXT listener
       cargo demo -- --kafka                               a real Apache Kafka, fetched (45 MB, once) and
                                                           started: needs a JDK of at least 17, and Maven

  --fresh    a random suffix on the names of topics and groups: nothing of an earlier run is seen
  --help     this text

The topics topic-04, topic-partition-04 and topic-large-01 are created when missing. Each run produces its
records anew. Records go to standard output, all else to standard error. Exit code: 0 all four parts did as
they should, 1 something failed (and how to fix it), 2 wrong arguments.";

pub enum Broker {
    Embedded,
    /// `bootstrap.servers`.
    Running(String),
    Kafka,
}

pub struct Args {
    pub broker: Broker,
    pub fresh: bool,
}

/// `None`: only the usage is wanted.
pub fn parse(args: impl Iterator<Item = String>) -> Result<Option<Args>, String> {
    let mut parsed = Args { broker: Broker::Embedded, fresh: false };
    // the alias ends in `--`, so that `cargo demo --help` is for us; a second one is what people type
    let mut args = args.enumerate().filter(|(at, arg)| (*at, &**arg) != (0, "--")).map(|(_, arg)| arg);
    while let Some(arg) = args.next() {
        let broker = match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--fresh" => {
                parsed.fresh = true;
                continue;
            }
            "--kafka" => Broker::Kafka,
            "--bootstrap" => Broker::Running(servers(args.next().unwrap_or_default())?),
            other => match other.strip_prefix("--bootstrap=") {
                Some(list) => Broker::Running(servers(list.to_owned())?),
                None => return Err(format!("unknown argument '{other}'")),
            },
        };
        if !matches!(parsed.broker, Broker::Embedded) {
            return Err("one broker at a time: --kafka or --bootstrap, once".to_owned());
        }
        parsed.broker = broker;
    }
    Ok(Some(parsed))
}

fn servers(list: String) -> Result<String, String> {
    match Config::new(&list).validate() {
        Ok(()) => Ok(list),
        Err(error) => Err(format!("--bootstrap '{list}' must be {}", error.must)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Result<Option<Args>, String> {
        super::parse(args.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn takes_what_the_usage_says() {
        assert!(matches!(parse(""), Ok(Some(Args { broker: Broker::Embedded, fresh: false }))));
        assert!(matches!(parse("-- --kafka --fresh"), Ok(Some(Args { broker: Broker::Kafka, fresh: true }))));
        for args in ["--bootstrap a:1,b:2", "--bootstrap=a:1,b:2"] {
            let Ok(Some(Args { broker: Broker::Running(list), .. })) = parse(args) else { panic!("{args}") };
            assert_eq!(list, "a:1,b:2");
        }
        assert!(matches!(parse("--fresh -h"), Ok(None)));
    }

    #[test]
    fn says_what_is_wrong() {
        for (args, why) in [
            ("--kafak", "'--kafak'"),
            ("--bootstrap", "host:port"),
            ("--bootstrap localhost", "host:port"),
            ("--kafka --bootstrap a:1", "one broker"),
            ("--fresh --", "'--'"),
        ] {
            let error = parse(args).err().unwrap_or_else(|| panic!("{args}"));
            assert!(error.contains(why), "{args}: {error}");
        }
    }
}
