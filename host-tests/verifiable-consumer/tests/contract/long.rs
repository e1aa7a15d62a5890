//! Groups through what happens to a cluster in production: brokers that restart and die, members that freeze and come back,
//! a change of the strategy, many partitions, old brokers.

use super::{up_and_down, ASSIGNORS};
use crate::harness::{Brokers, Group, Outcome, State, BROKER_ASSIGNS, COOPERATIVE, SOON};
use nanokafka_brokers::mock::rdkafka::error::KafkaResult;
use nanokafka_brokers::mock::{Producer, Record};
use nanokafka_brokers::{wait_for, Cluster, Kafka, KafkaBox};
use nanokafka_real::faults::{cluster, leaders, whole};
use std::cell::RefCell;
use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

type OnCluster = Group<MutexGuard<'static, Cluster>>;

/// Six partitions with three replicas.
fn six(name: &str, flags: &[&str]) -> io::Result<OnCluster> {
    Group::on(cluster(), name, 6, 3, flags)
}

impl<B: Deref<Target: Brokers>> Group<B> {
    /// One after the other, so that nothing is left to change.
    pub fn start_all(&mut self, members: usize, flags: &[&str]) -> io::Result<()> {
        for member in 1..=members {
            self.start(flags)?;
            self.settle(member);
        }
        Ok(())
    }

    pub fn changes(&self) -> Vec<u32> {
        self.members.iter().map(|member| member.changes).collect()
    }

    pub fn stop_all(&mut self) -> Outcome {
        for member in 0..self.members.len() {
            if self.members[member].state != State::Dead {
                assert!(self.stop(member, "TERM").success());
            }
        }
        self.check_committed()
    }
}

/// 2,000 records/s over all partitions, in the background. Dropping it ends them too.
pub struct Flow {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<KafkaResult<i64>>>,
}

impl Flow {
    pub fn start(bootstrap: &str, topic: &str, partitions: i32) -> Self {
        let (stop, bootstrap, topic) = (Arc::new(AtomicBool::new(false)), bootstrap.to_owned(), topic.to_owned());
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            // once each, and soon at a new leader
            let properties = [("enable.idempotence", "true"), ("linger.ms", "5"), ("retry.backoff.ms", "50")];
            let producer = Producer::new(&bootstrap, &properties)?;
            let mut sent = 0;
            while !stopped.load(Ordering::Relaxed) {
                for _ in 0..20 {
                    let partition = (sent % i64::from(partitions)) as i32;
                    producer.send(&Record {
                        topic: &topic,
                        partition,
                        value: Some(&[b'x'; 100]),
                        ..Record::default()
                    })?;
                    sent += 1;
                }
                thread::sleep(Duration::from_millis(10));
            }
            producer.flush()?;
            Ok(sent)
        });
        Flow { stop, thread: Some(thread) }
    }

    /// How many there were. All are in the log.
    pub fn stop(mut self) -> KafkaResult<i64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it is taken here only").join().expect("it does not panic")
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// All brokers restart in good order, one after the other.
fn rolling_restart(members: usize, flags: &[&str]) -> Outcome {
    let mut group = six("rolling", flags)?;
    group.start_all(members, &[])?;
    let flow = Flow::start(group.brokers.bootstrap(), &group.topic, 6);
    let changes = group.changes();
    for node in 1..=3 {
        group.brokers.shut_down(node)?;
        group.brokers.restart(node)?;
        for topic in ["__consumer_offsets", &group.topic] {
            whole(&group.brokers, topic, 3)?;
        }
    }
    group.produced += flow.stop()?;
    group.catch_up();
    assert_eq!(group.changes(), changes, "nobody's partitions change");
    println!("{} records, each once", group.consumed);
    group.stop_all()
}

#[test]
fn three_members_do_not_notice_a_rolling_restart() -> Outcome {
    rolling_restart(3, &[])
}

#[test]
fn five_members_do_not_notice_a_rolling_restart() -> Outcome {
    rolling_restart(5, &[])
}

#[test]
fn cooperative_members_do_not_notice_a_rolling_restart() -> Outcome {
    rolling_restart(3, &["--assignment-strategy", COOPERATIVE, "--enable-autocommit"])
}

#[test]
fn members_whose_broker_assigns_do_not_notice_a_rolling_restart() -> Outcome {
    rolling_restart(3, &BROKER_ASSIGNS)?;
    rolling_restart(5, &BROKER_ASSIGNS)
}

/// The time stamp (ms) of the moment from which the answer to a question names another node than this one.
fn moved(asks: &mut KafkaBox, question: &str, node: usize) -> io::Result<i64> {
    let (leads, none, id) = (format!(":{node}/"), ":-1/", node.to_string());
    // the administration may be answered by a node that does not know yet, or not at all
    wait_for("another node", 2 * SOON, || {
        Ok(asks.run(question).is_ok_and(|answer| !answer.contains(&leads) && !answer.contains(none) && answer != id))
    })?;
    Ok(SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_millis() as i64)
}

/// Coordinators and leaders are killed, each several times.
fn killed_brokers(flags: &[&str]) -> Outcome {
    let mut group = six("chaos", flags)?;
    let commits = !flags.contains(&"--enable-autocommit");
    group.killed = true; // a broker that dies may take a commit with it that was not answered
    group.start_all(3, &[])?;
    let flow = Flow::start(group.brokers.bootstrap(), &group.topic, 6);
    let mut asks = KafkaBox::admin(group.brokers.bootstrap())?;
    asks.run("client request.timeout.ms=1000")?;
    for round in 1..=3 {
        for role in ["coordinator", "leader"] {
            let coordinator: usize = group.brokers.admin(&format!("coordinator {}", group.name))?.parse()?;
            let led = leaders(&group.brokers, &group.topic)?;
            let other = led.iter().map(|&leader| leader as usize).find(|&leader| leader != coordinator);
            let (node, question) = match role {
                "coordinator" => (coordinator, format!("coordinator {}", group.name)),
                _ => (other.expect("leaders are balanced"), format!("leader {}", group.topic)),
            };
            let mut affected: Vec<_> = (0..6).filter(|&partition| led[partition as usize] == node as i32).collect();
            group.wait("records", SOON, |group| group.consumed > 0);
            group.brokers.kill(node)?;
            group.reads.clear();
            group.commits.clear();
            let start = SystemTime::UNIX_EPOCH.elapsed()?.as_millis() as i64;
            let healthy = thread::scope(|scope| {
                let healthy = scope.spawn(|| moved(&mut asks, &question, node));
                group.wait("a healthy cluster", 3 * SOON, |_| healthy.is_finished());
                healthy.join().expect("it does not panic")
            })?;
            if role == "coordinator" {
                // it led some of them too, which may take longer
                affected = (0..6).filter(|partition| !affected.contains(partition)).collect();
            }
            let (mut read, mut committed) = (0, 0);
            for partition in affected {
                let first = |group: &OnCluster| {
                    group.reads.iter().find(|read| read.0 >= healthy && read.1 == partition).map(|read| read.0)
                };
                group.wait("records again", SOON, |group| first(group).is_some());
                read = read.max(first(&group).unwrap_or_default() - healthy);
            }
            for member in (0..3).filter(|_| commits) {
                let first = |group: &OnCluster| {
                    group.commits.iter().find(|commit| commit.0 >= healthy && commit.1 == member).map(|commit| commit.0)
                };
                group.wait("commits again", SOON, |group| first(group).is_some());
                committed = committed.max(first(&group).unwrap_or_default() - healthy);
            }
            let found = healthy - start;
            println!(
                "{role} {node} killed, round {round}: another after {found} ms, then records of all after {read} ms"
            );
            if commits {
                println!("commits of all after {committed} ms");
            }
            group.brokers.restart(node)?;
            for topic in ["__consumer_offsets", &group.topic] {
                whole(&group.brokers, topic, 3)?;
            }
            for partition in 0..6 {
                // an error where the preferred one leads
                let _ = group.brokers.admin(&format!("elect preferred {} {partition}", group.topic));
            }
            group.settle(3);
        }
    }
    group.produced += flow.stop()?;
    group.catch_up();
    println!("{} records, {} consumed", group.produced, group.consumed);
    group.stop_all()
}

#[test]
fn no_record_is_lost_when_coordinators_and_leaders_are_killed() -> Outcome {
    killed_brokers(&[])
}

#[test]
fn no_record_is_lost_when_coordinators_and_leaders_are_killed_with_automatic_commits() -> Outcome {
    killed_brokers(&["--assignment-strategy", COOPERATIVE, "--enable-autocommit"])
}

#[test]
fn no_record_is_lost_when_coordinators_that_assign_and_leaders_are_killed() -> Outcome {
    killed_brokers(&BROKER_ASSIGNS)
}

/// The committed offsets as the broker tells them, in the order of its answer.
fn committed<B: Deref<Target: Brokers>>(group: &Group<B>) -> io::Result<Vec<i64>> {
    let text = group.brokers.admin(&format!("committed {}", group.name))?;
    let numbers = text.trim_matches(['{', '}']).split(", ").filter_map(|entry| entry.split_once('=')?.1.parse().ok());
    Ok(numbers.collect())
}

/// A member sleeps for longer than its session while others go on with its partitions, and wakes up with records and commits of
/// before.
pub fn zombie<B: Deref<Target: Brokers>>(mut group: Group<B>) -> Outcome {
    group.start_all(3, &[])?;
    group.produce(50)?;
    group.catch_up();
    group.signal(0, "STOP");
    group.members[0].state = State::Zombie;
    // its fetches are out: these come to its sockets
    group.produce(50)?;
    let took = group.settle(2);
    println!("taken over after {took:?}");
    group.catch_up();
    group.produce(50)?;
    group.catch_up();
    let before = RefCell::new(committed(&group)?);
    group.signal(0, "CONT");
    group.wait("the zombie's return", SOON, |group| {
        let now = committed(group).expect("the group has a coordinator");
        assert!(before.borrow().iter().zip(&now).all(|(before, now)| before <= now), "{before:?} before {now:?}");
        before.replace(now);
        group.members[0].state == State::Joined
    });
    group.settle(3);
    assert!(!group.members[0].assignment.is_empty());
    group.produce(50)?;
    group.catch_up();
    group.stop_all()
}

/// Of a group that [`zombie`] can have.
const SESSION: [&str; 2] = ["--session-timeout", "6000"];

#[test]
fn a_zombie_commits_nothing_and_comes_back() -> Outcome {
    zombie(six("zombie", &SESSION)?)
}

#[test]
fn a_zombie_with_automatic_commits_commits_nothing_and_comes_back() -> Outcome {
    let mut group = six("zombie", &[&SESSION[..], &["--enable-autocommit"]].concat())?;
    group.killed = true; // what was not committed when it froze is read again
    zombie(group)
}

#[test]
fn a_cooperative_zombie_commits_nothing_and_comes_back() -> Outcome {
    zombie(six("zombie", &[&SESSION[..], &["--assignment-strategy", COOPERATIVE]].concat())?)
}

#[test]
fn a_zombie_whose_broker_assigns_commits_nothing_and_comes_back() -> Outcome {
    zombie(six("zombie", &BROKER_ASSIGNS)?)
}

/// From range to round robin, while records come.
pub fn strategy_changes<B: Deref<Target: Brokers>>(mut group: Group<B>) -> Outcome {
    let [(range, _), (round_robin, name), ..] = ASSIGNORS;
    let both = format!("{range},{round_robin}");
    group.start_all(3, &["--assignment-strategy", range])?;
    let mut first = 0;
    for strategy in [both.as_str(), round_robin] {
        for _ in 0..3 {
            group.produce(20)?;
            assert!(group.stop(first, "TERM").success());
            group.settle(2);
            group.start(&["--assignment-strategy", strategy])?;
            group.settle(3);
            group.produce(20)?;
            group.catch_up();
            first += 1;
        }
    }
    let protocol = group.brokers.admin(&format!("group {}", group.name))?;
    assert!(protocol.contains(&format!("assignor={name} ")), "{protocol}");
    group.stop_all()?;
    for member in &mut group.members {
        let errors = member.errors();
        assert!(errors.lines().all(|line| line.starts_with("no.such.key (line 3)")), "{errors}");
    }
    Ok(())
}

#[test]
fn the_strategy_changes_one_member_at_a_time() -> Outcome {
    strategy_changes(six("strategy", &[])?)
}

/// Three members share a thousand partitions.
fn thousand_partitions(class: &str) -> Outcome {
    const PARTITIONS: i32 = 1000;
    let flags = ["--assignment-strategy", class, "--enable-autocommit"];
    let mut group = Group::on(cluster(), "thousand", PARTITIONS, 1, &flags)?;
    group.start_all(3, &[])?;
    let owned: Vec<_> = group.members.iter().map(|member| member.assignment.len()).collect();
    assert!(owned.iter().all(|&count| (333..=334).contains(&count)), "{owned:?}");
    let flow = Flow::start(group.brokers.bootstrap(), &group.topic, PARTITIONS);
    group.wait("records of every partition", SOON, |group| group.position.values().all(|&position| position > 0));
    group.produced += flow.stop()?;
    group.catch_up();
    println!("{} records", group.consumed);
    group.stop_all()?;
    group.brokers.admin(&format!("delete {}", group.topic))?;
    Ok(())
}

#[test]
fn a_thousand_partitions_in_a_group_with_range() -> Outcome {
    thousand_partitions(ASSIGNORS[0].0)
}

#[test]
fn a_thousand_partitions_in_a_group_with_cooperative_sticky() -> Outcome {
    thousand_partitions(COOPERATIVE)
}

#[test]
fn nobody_notices_static_members_that_restart_within_their_session() -> Outcome {
    let mut group = six("static", &["--session-timeout", "20000"])?;
    let ids = ["a", "b", "c"];
    for (member, id) in ids.iter().enumerate() {
        group.start(&["--group-instance-id", id])?;
        group.settle(member + 1);
    }
    let mut current = [0, 1, 2];
    for signal in ["KILL", "TERM"] {
        // one of them leads the group
        for (place, id) in ids.iter().enumerate() {
            group.produce(20)?;
            group.catch_up();
            let old = current[place];
            let owned = group.members[old].assignment.clone();
            let others = |group: &OnCluster| {
                current.iter().filter(|&&it| it != old).map(|&it| group.members[it].changes).collect::<Vec<_>>()
            };
            let changes = others(&group);
            match signal {
                "KILL" => group.kill(old),
                _ => assert!(group.stop(old, signal).success()),
            }
            group.produce(20)?;
            let new = group.start(&["--group-instance-id", id])?;
            group.settle(3);
            group.catch_up();
            assert_eq!(group.members[new].assignment, owned);
            assert_eq!(others(&group), changes, "{signal} of {id}");
            current[place] = new;
        }
    }
    group.stop_all()
}

#[test]
fn a_group_that_grows_and_shrinks_on_kafka_3_9() -> Outcome {
    up_and_down(Group::on(Box::new(Kafka::start(1, "3.9.1", &[])?), "grows", 6, 1, &[])?)
}

#[test]
fn a_group_that_grows_and_shrinks_on_kafka_2_8() -> Outcome {
    up_and_down(Group::on(Box::new(Kafka::start(1, "2.8.2", &[])?), "grows", 6, 1, &[])?)
}
