//! What Kafka's harness does with a group of verifiable consumers: it starts, stops and kills them as processes, follows their
//! events, and holds each against what was told before.

use nanokafka_brokers::{kafka, unique, Cluster, Kafka, Kfake};
use serde_json::{json, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Deref;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// What a test returns.
pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Far above what anything here takes on an idle machine.
pub const SOON: Duration = Duration::from_secs(30);

/// One of Java's classes.
pub const COOPERATIVE: &str = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";

/// KIP-848.
pub const BROKER_ASSIGNS: [&str; 2] = ["--group-protocol", "consumer"];

/// In which a consumer that is told to must have stopped.
pub const STOP: Duration = Duration::from_secs(10);

/// Events of several processes are put in order by their time stamps. None is read later than this.
const DELAY: u64 = 100;

/// The program, with what it prints piped.
pub fn program(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nanokafka-verifiable-consumer"));
    command.args(flags).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What the program says that cannot do what it is told to. It is killed where it goes on.
pub fn refused(flags: &[&str]) -> io::Result<Output> {
    let mut process = program(flags).spawn()?;
    let end = Instant::now() + SOON;
    while process.try_wait()?.is_none() {
        if Instant::now() > end {
            process.kill()?;
        }
        sleep(Duration::from_millis(10));
    }
    process.wait_with_output()
}

/// Where a group is.
pub trait Brokers {
    fn bootstrap(&self) -> &str;
    fn admin(&self, command: &str) -> io::Result<String>;
}

impl Brokers for Kafka {
    fn bootstrap(&self) -> &str {
        self.bootstrap()
    }

    fn admin(&self, command: &str) -> io::Result<String> {
        self.admin(command)
    }
}

impl Brokers for Cluster {
    fn bootstrap(&self) -> &str {
        self.bootstrap()
    }

    fn admin(&self, command: &str) -> io::Result<String> {
        self.admin(command)
    }
}

impl Brokers for Kfake {
    fn bootstrap(&self) -> &str {
        self.bootstrap()
    }

    fn admin(&self, command: &str) -> io::Result<String> {
        self.admin(command)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Launched,
    Started,
    Joined,
    Rebalancing,
    /// It was frozen for longer than its session: others have what it believes to own.
    Zombie,
    Dead,
}

/// A consumer by its events.
pub struct Member {
    process: Child,
    pub state: State,
    pub assignment: BTreeSet<i32>,
    /// Since the assignment.
    position: BTreeMap<i32, i64>,
    /// `partitions_assigned` and `partitions_revoked`.
    pub changes: u32,
    /// `record_data`: partition, offset, key and value.
    pub records: Vec<(i64, i64, Value, Value)>,
    /// All of its output is read.
    ended: bool,
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended
        let _ = self.process.wait();
        if std::thread::panicking() {
            let errors = self.errors();
            eprintln!("{:?} {:?}: {errors}", self.state, self.assignment);
        }
    }
}

impl Member {
    /// What an ended process has written to standard error, and was not asked before.
    pub fn errors(&mut self) -> String {
        let mut text = String::new();
        if let Some(stderr) = &mut self.process.stderr {
            stderr.read_to_string(&mut text).expect("UTF-8");
        }
        text
    }
}

/// Consumers of one topic in one group. `B` points to its [`Brokers`].
pub struct Group<B = &'static Kafka> {
    pub name: String,
    pub topic: String,
    partitions: i32,
    flags: Vec<String>,
    pub members: Vec<Member>,
    pub brokers: B,
    sender: Sender<(usize, Value)>,
    lines: Receiver<(usize, Value)>,
    /// By time stamp and arrival.
    queue: BTreeMap<(u64, u64), (usize, Value)>,
    arrived: u64,
    /// By partition, whoever told it.
    pub position: BTreeMap<i32, i64>,
    pub committed: BTreeMap<i32, i64>,
    pub consumed: i64,
    /// Time stamp (ms) and partition of what was consumed.
    pub reads: Vec<(i64, i32)>,
    /// Time stamp (ms) and member of what was committed.
    pub commits: Vec<(i64, usize)>,
    /// Records.
    pub produced: i64,
    auto_commit: bool,
    /// Partitions are kept while the group rebalances.
    cooperates: bool,
    /// Somebody was killed: what it had not committed is read again.
    pub killed: bool,
}

impl Group {
    /// On the broker that tests share.
    pub fn new(name: &str, partitions: i32, flags: &[&str]) -> io::Result<Self> {
        Self::on(kafka(), name, partitions, 1, flags)
    }
}

impl<B: Deref<Target: Brokers>> Group<B> {
    /// With a new topic; `flags` are for all members.
    pub fn on(brokers: B, name: &str, partitions: i32, replicas: i32, flags: &[&str]) -> io::Result<Self> {
        let name = unique(name);
        brokers.admin(&format!("create {name} {partitions} {replicas}"))?;
        brokers.admin("producer p")?;
        let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.properties"));
        // where the broker assigns it also says how often a member is heard of
        let broker_assigns = flags.contains(&BROKER_ASSIGNS[1]);
        let heartbeat = if broker_assigns { "" } else { "heartbeat.interval.ms=200" };
        std::fs::write(&file, format!("# quick to notice what changes\n{heartbeat}\nno.such.key=1\n"))?;
        let file = file.display().to_string();
        let own = [
            "--bootstrap-server",
            brokers.bootstrap(),
            "--topic",
            &name,
            "--group-id",
            &name,
            "--command-config",
            &file,
        ];
        let (sender, lines) = channel();
        Ok(Group {
            topic: name.clone(),
            name: name.clone(),
            partitions,
            flags: own.iter().chain(flags).map(|flag| (*flag).to_owned()).collect(),
            members: vec![],
            brokers,
            sender,
            lines,
            queue: BTreeMap::new(),
            arrived: 0,
            position: (0..partitions).map(|partition| (partition, 0)).collect(),
            committed: BTreeMap::new(),
            consumed: 0,
            reads: vec![],
            commits: vec![],
            produced: 0,
            auto_commit: flags.contains(&"--enable-autocommit"),
            cooperates: flags.contains(&COOPERATIVE) || broker_assigns,
            killed: false,
        })
    }

    /// `each` records to every partition.
    pub fn produce(&mut self, each: i64) -> io::Result<()> {
        for partition in 0..self.partitions {
            self.brokers.admin(&format!("send p {} {partition} {each} 100 {}", self.topic, self.produced))?;
        }
        self.produced += each * i64::from(self.partitions);
        Ok(())
    }

    /// One more member; its number.
    pub fn start(&mut self, flags: &[&str]) -> io::Result<usize> {
        self.spawn(program(flags))
    }

    /// One more member, which is Java's own program.
    pub fn start_java(&mut self) -> io::Result<usize> {
        let mut java = nanokafka_brokers::java("org.apache.kafka.tools.VerifiableConsumer")?;
        java.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.spawn(java)
    }

    fn spawn(&mut self, mut program: Command) -> io::Result<usize> {
        let mut process = program.args(&self.flags).spawn()?;
        let (member, sender) = (self.members.len(), self.sender.clone());
        let output = BufReader::new(process.stdout.take().expect("piped"));
        std::thread::spawn(move || {
            let events = output.lines().map(|line| {
                let line = line.expect("UTF-8");
                serde_json::from_str(&line)
                    .unwrap_or_else(|error| json!({ "name": format!("{error}: {line}"), "timestamp": now() }))
            });
            let end = std::iter::once_with(|| json!({ "name": "end", "timestamp": now() }));
            for event in events.chain(end) {
                let _ = sender.send((member, event)); // the test may have failed
            }
        });
        self.members.push(Member {
            process,
            state: State::Launched,
            assignment: BTreeSet::new(),
            position: BTreeMap::new(),
            changes: 0,
            records: vec![],
            ended: false,
        });
        Ok(member)
    }

    /// Follows events until `done` says so.
    ///
    /// # Panics
    /// If that takes longer than `limit`, or an event must not be.
    pub fn wait(&mut self, what: &str, limit: Duration, done: impl Fn(&Self) -> bool) -> Duration {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < limit, "not within {limit:?}: {what}; positions {:?}", self.position);
            let first = self.lines.recv_timeout(Duration::from_millis(10));
            // all that wait: while nobody waited for events many may have come
            let asked = now();
            for (member, event) in first.into_iter().chain(self.lines.try_iter()) {
                self.arrived += 1;
                let time = event["timestamp"].as_u64().expect("every event has a time stamp");
                self.queue.insert((time, self.arrived), (member, event));
            }
            while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 + DELAY < asked) {
                let (member, event) = entry.remove();
                self.apply(member, &event);
            }
        }
        start.elapsed()
    }

    /// Waits until so many members have joined, every partition has exactly one owner and nobody has more than one more than
    /// another: who assigned so has nothing left to change.
    pub fn settle(&mut self, members: usize) -> Duration {
        self.wait(&format!("{members} members with all partitions"), SOON, |group| {
            let joined: Vec<_> = group.members.iter().filter(|member| member.state == State::Joined).collect();
            let counts = joined.iter().map(|member| member.assignment.len());
            let even = counts.clone().max() <= counts.min().map(|least| least + 1);
            let owners: Vec<_> = joined.iter().flat_map(|member| &member.assignment).copied().collect();
            let distinct: BTreeSet<_> = owners.iter().copied().collect();
            let all = owners.len() == distinct.len() && distinct.into_iter().eq(0..group.partitions);
            joined.len() == members && even && all
        })
    }

    /// Waits until all that was produced is consumed, and committed as far as that is told; totals are right then.
    pub fn catch_up(&mut self) {
        self.wait("all records", SOON, |group| {
            let position: i64 = group.position.values().sum();
            position == group.produced && (group.auto_commit || group.committed == group.position)
        });
        assert!(self.consumed == self.produced || (self.killed && self.consumed > self.produced), "{}", self.consumed);
    }

    /// Signals a member and waits for its orderly end.
    pub fn stop(&mut self, member: usize, signal: &str) -> ExitStatus {
        self.signal(member, signal);
        self.ended(member, STOP)
    }

    pub fn signal(&self, member: usize, signal: &str) {
        let kill = format!("kill -{signal} {}", self.members[member].process.id());
        let status = Command::new("sh").args(["-c", &kill]).status();
        assert!(status.is_ok_and(|status| status.success()), "{kill}");
    }

    /// Waits until a member has ended after a `shutdown_complete`.
    pub fn ended(&mut self, member: usize, limit: Duration) -> ExitStatus {
        let took = self.wait("the end", limit, |group| group.members[member].ended);
        let member = &mut self.members[member];
        assert_eq!(member.state, State::Dead, "shutdown_complete comes first");
        println!("ended after {took:?}");
        member.process.wait().expect("a child")
    }

    pub fn kill(&mut self, member: usize) {
        self.members[member].process.kill().expect("a child");
        self.wait("its last events", SOON, |group| group.members[member].ended);
        let member = &mut self.members[member];
        assert_ne!(member.state, State::Dead, "it had no time to shut down");
        member.die();
        self.killed = true;
    }

    /// What the broker has: the positions that were told, no more and no less.
    pub fn check_committed(&self) -> Outcome {
        // in the order of their names
        let told = self.position.iter().map(|(partition, offset)| (format!("{}-{partition}", self.topic), offset));
        let expected: Vec<_> =
            told.collect::<BTreeMap<_, _>>().into_iter().map(|(name, offset)| format!("{name}={offset}")).collect();
        assert_eq!(self.brokers.admin(&format!("committed {}", self.name))?, format!("{{{}}}", expected.join(", ")));
        Ok(())
    }

    fn apply(&mut self, at: usize, event: &Value) {
        let partitions = |event: &Value| -> BTreeSet<i32> {
            let list = event["partitions"].as_array().expect("a list");
            let set: BTreeSet<_> = list.iter().map(|entry| partition(&self.topic, entry)).collect();
            assert_eq!(set.len(), list.len(), "twice in one event: {event}");
            set
        };
        let member = &mut self.members[at];
        match event["name"].as_str().expect("every event has a name") {
            "startup_complete" => {
                assert_eq!(member.state, State::Launched);
                member.state = State::Started;
            }
            "partitions_assigned" => {
                let new = partitions(event);
                assert!(member.assignment.is_disjoint(&new), "assigned before: {event}");
                let others = member.assignment.is_empty() || self.cooperates;
                assert!(others, "all partitions are revoked before new ones come: {event}");
                member.assignment.extend(new);
                member.changes += 1;
                member.state = State::Joined;
            }
            "partitions_revoked" => {
                let gone = partitions(event);
                assert!(gone.is_subset(&member.assignment), "not assigned: {event}");
                assert!(gone == member.assignment || self.cooperates, "not all at once: {event}");
                member.changes += 1;
                member.state = State::Rebalancing;
                member.assignment.retain(|partition| !gone.contains(partition));
                member.position.retain(|partition, _| !gone.contains(partition));
            }
            "record_data" => {
                let partition = i64::from(partition(&self.topic, event));
                let offset = number(&event["offset"]);
                member.records.push((partition, offset, event["key"].clone(), event["value"].clone()));
            }
            // those of a zombie are read by others too
            "records_consumed" if member.state == State::Zombie => {}
            "records_consumed" => {
                // Java's reads on what it keeps between a revocation and what follows it
                let keeps = self.cooperates && member.state == State::Rebalancing;
                assert!(member.state == State::Joined || keeps, "{:?}: {event}", member.state);
                let mut count = 0;
                for range in event["partitions"].as_array().expect("a list") {
                    let partition = partition(&self.topic, range);
                    let (first, last) = (number(&range["minOffset"]), number(&range["maxOffset"]));
                    assert_eq!(number(&range["count"]), last - first + 1, "the log has no gaps: {event}");
                    assert!(member.assignment.contains(&partition), "not assigned: {event}");
                    let expected = member.position.insert(partition, last + 1).unwrap_or(first);
                    assert_eq!(first, expected, "the next record: {event}");
                    self.reads.push((number(&event["timestamp"]), partition));
                    let position = self.position.insert(partition, last + 1).expect("a partition of the topic");
                    assert!(first <= position, "records before it were left out: {event}");
                    assert!(first == position || self.killed, "read twice: {event}");
                    assert!(self.committed.get(&partition) <= Some(&first), "behind what is committed: {event}");
                    count += last - first + 1;
                }
                assert_eq!(number(&event["count"]), count);
                self.consumed += count;
            }
            "offsets_committed" => {
                assert!(!self.auto_commit, "automatic commits are not told");
                if member.state == State::Zombie {
                    assert_eq!(event["success"], false, "others own its partitions: {event}");
                    return;
                }
                self.commits.push((number(&event["timestamp"]), at));
                assert_eq!((&event["success"], event.get("error")), (&Value::Bool(true), None), "{event}");
                for entry in event["offsets"].as_array().expect("a list") {
                    let (partition, offset) = (partition(&self.topic, entry), number(&entry["offset"]));
                    assert!(member.assignment.contains(&partition), "not assigned: {event}");
                    assert!(member.position.get(&partition) >= Some(&offset), "ahead of the position: {event}");
                    assert!(self.position[&partition] >= offset, "ahead of what anybody read: {event}");
                    self.committed.insert(partition, offset);
                }
            }
            "shutdown_requested" => {} // only Java tells
            "shutdown_complete" => member.die(),
            "end" => member.ended = true,
            other => panic!("no event: {other}"),
        }
    }
}

impl Member {
    fn die(&mut self) {
        self.state = State::Dead;
        self.assignment.clear();
        self.position.clear();
    }
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn partition(topic: &str, entry: &Value) -> i32 {
    assert_eq!(entry["topic"], topic);
    number(&entry["partition"]) as i32
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_millis() as u64
}
