//! The program as processes against real Kafka, under a harness as Kafka's own.

mod harness;
#[cfg(feature = "extended")]
mod kfaked;
#[cfg(feature = "extended")]
mod long;

use harness::{refused, Brokers, Group, Outcome, State, BROKER_ASSIGNS, COOPERATIVE, SOON, STOP};
use nanokafka_brokers::{kafka, unique};
use nanokafka_brokers::{Cluster, RELEASE};
use serde_json::{json, Value};
use std::ops::Deref;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// One, two, three members and back to one, with records before, during and after each step.
fn up_and_down<B: Deref<Target: Brokers>>(mut group: Group<B>) -> Outcome {
    group.produce(100)?;
    for members in 1..=3 {
        group.start(&[])?;
        group.produce(50)?;
        group.settle(members);
        group.produce(50)?;
        group.catch_up();
    }
    for (member, signal) in [(0, "TERM"), (1, "INT")] {
        let status = group.stop(member, signal);
        assert!(status.success(), "{status}");
        group.produce(50)?;
        group.settle(2 - member);
        group.catch_up();
    }
    assert!(group.stop(2, "TERM").success());
    group.check_committed()?;
    assert!(group.brokers.admin(&format!("group {}", group.name))?.starts_with("Empty"), "all have left");
    for member in &mut group.members {
        let errors = member.errors();
        assert!(errors.lines().all(|line| line.starts_with("no.such.key (line 3)")), "{errors}");
    }
    Ok(())
}

fn grows_and_shrinks(flags: &[&str]) -> Outcome {
    up_and_down(Group::new("grows", 6, flags)?)
}

#[test]
fn a_group_that_grows_and_shrinks_reads_each_record_once_and_commits_it() -> Outcome {
    grows_and_shrinks(&[])
}

#[test]
fn a_group_that_grows_and_shrinks_reads_each_record_once_with_automatic_commits() -> Outcome {
    grows_and_shrinks(&["--enable-autocommit"])
}

#[test]
fn a_group_whose_broker_assigns_reads_each_record_once() -> Outcome {
    grows_and_shrinks(&BROKER_ASSIGNS)?;
    grows_and_shrinks(&[&BROKER_ASSIGNS[..], &["--group-remote-assignor", "range", "--enable-autocommit"]].concat())
}

/// Java's classes, and what the group calls them.
const ASSIGNORS: [(&str, &str); 4] = [
    ("org.apache.kafka.clients.consumer.RangeAssignor", "range"),
    ("org.apache.kafka.clients.consumer.RoundRobinAssignor", "roundrobin"),
    ("org.apache.kafka.clients.consumer.StickyAssignor", "sticky"),
    (COOPERATIVE, "cooperative-sticky"),
];

#[test]
fn a_group_with_any_assignor_reads_each_record_once() -> Outcome {
    for (class, _) in ASSIGNORS.into_iter().skip(1) {
        for commits in [&[][..], &["--enable-autocommit"]] {
            grows_and_shrinks(&[&["--assignment-strategy", class], commits].concat())?;
        }
    }
    Ok(())
}

/// Two of ours and two of Java's, and each program leads while members come and go.
fn with_java(choice: [&str; 2], name: &str) -> Outcome {
    let mut group = Group::new("java", 8, &[choice[0], choice[1], "--enable-autocommit"])?;
    // a cooperative member of Java's does not commit what it has read since it joined before it gives a partition up
    group.killed = choice[1] == COOPERATIVE;
    group.produce(20)?;
    let protocol = |group: &Group| kafka().admin(&format!("group {}", group.name));
    for (step, java) in [false, true, false, true].into_iter().enumerate() {
        if java {
            group.start_java()?;
        } else {
            group.start(&[])?;
        }
        group.produce(20)?;
        group.settle(step + 1);
        group.produce(20)?;
        group.catch_up();
        assert!(protocol(&group)?.contains(&format!("assignor={name} ")), "{}", protocol(&group)?);
    }
    // ours led, as it was first; then the other program does
    for (member, left) in [(0, 3), (2, 2)] {
        assert!(group.stop(member, "TERM").success());
        group.produce(20)?;
        group.settle(left);
        group.catch_up();
    }
    group.start(&[])?;
    group.settle(3);
    for (member, left) in [(1, 2), (3, 1)] {
        group.stop(member, "TERM");
        group.settle(left);
        group.produce(20)?;
        group.catch_up();
    }
    assert!(group.stop(4, "TERM").success());
    group.check_committed()
}

#[test]
fn a_group_shared_with_java_whose_broker_assigns() -> Outcome {
    with_java(BROKER_ASSIGNS, "uniform")
}

#[test]
fn a_group_shared_with_java_range() -> Outcome {
    with_java(["--assignment-strategy", ASSIGNORS[0].0], ASSIGNORS[0].1)
}

#[test]
fn a_group_shared_with_java_round_robin() -> Outcome {
    with_java(["--assignment-strategy", ASSIGNORS[1].0], ASSIGNORS[1].1)
}

#[test]
fn a_group_shared_with_java_sticky() -> Outcome {
    with_java(["--assignment-strategy", ASSIGNORS[2].0], ASSIGNORS[2].1)
}

#[test]
fn a_group_shared_with_java_cooperative_sticky() -> Outcome {
    with_java(["--assignment-strategy", ASSIGNORS[3].0], ASSIGNORS[3].1)
}

/// Milliseconds, also where the broker says how long it is.
const SHORT_SESSION: [&str; 2] = ["--session-timeout", "3000"];

/// Both take part, one is killed, the other has all of its partitions within the session timeout.
fn takes_over<B: Deref<Target: Brokers>>(mut group: Group<B>) -> Outcome {
    const SESSION: Duration = Duration::from_secs(3);
    group.start(&[])?;
    group.start(&[])?;
    group.settle(2);
    group.produce(100)?;
    group.catch_up();
    group.produce(500)?; // the killed one is at work
    group.kill(0);
    let start = Instant::now();
    group.produce(100)?;
    group.settle(1);
    let took = start.elapsed();
    println!("taken over after {took:?}");
    // the session began with a heartbeat; the rest is the survivor's next one, the rebalance, and the machine
    assert!(took < SESSION + Duration::from_secs(2), "{took:?}");
    group.catch_up();
    assert!(group.stop(1, "TERM").success());
    group.check_committed()
}

#[test]
fn a_killed_member_is_replaced_within_the_session_timeout() -> Outcome {
    takes_over(Group::new("killed", 4, &SHORT_SESSION)?)
}

#[test]
fn a_killed_member_is_replaced_within_the_session_timeout_with_automatic_commits() -> Outcome {
    takes_over(Group::new("killed", 4, &[&SHORT_SESSION[..], &["--enable-autocommit"]].concat())?)
}

#[test]
fn a_killed_member_is_replaced_within_the_broker_s_session_timeout() -> Outcome {
    takes_over(Group::new("killed", 4, &BROKER_ASSIGNS)?)
}

#[test]
fn members_without_a_partition_have_joined_too() -> Outcome {
    let mut group = Group::new("few", 1, &[])?;
    for _ in 0..3 {
        group.start(&[])?;
    }
    group.settle(3);
    assert_eq!(group.members.iter().filter(|member| member.assignment.is_empty()).count(), 2);
    group.produce(10)?;
    group.catch_up();
    Ok(())
}

/// A second member with the first one's instance id.
fn fenced<B: Deref<Target: Brokers>>(mut group: Group<B>) -> Outcome {
    let other = group.start(&["--group-instance-id", "other"])?;
    let first = group.start(&["--group-instance-id", "device"])?;
    group.settle(2);
    let (owned, changes) = (group.members[first].assignment.clone(), group.members[other].changes);
    let second = group.start(&["--group-instance-id", "device"])?;
    assert_eq!(group.ended(first, STOP).code(), Some(1));
    let errors = group.members[first].errors();
    let why = errors.lines().last().unwrap_or_default();
    assert!(why.contains("FENCED_INSTANCE_ID"), "{errors}");
    group.settle(2);
    assert_eq!(group.members[second].assignment, owned);
    assert_eq!(group.members[other].changes, changes, "the other member notices nothing");
    Ok(())
}

#[test]
fn a_fenced_static_member_stops_and_the_new_one_keeps_its_partitions() -> Outcome {
    fenced(Group::new("fenced", 2, &[])?)
}

/// The same where the broker assigns.
fn waits<B: Deref<Target: Brokers>>(mut group: Group<B>) -> Outcome {
    let other = group.start(&["--group-instance-id", "other"])?;
    let first = group.start(&["--group-instance-id", "device"])?;
    group.settle(2);
    let (owned, changes) = (group.members[first].assignment.clone(), group.members[other].changes);
    let second = group.start(&["--group-instance-id", "device"])?;
    sleep(Duration::from_secs(2));
    group.produce(10)?;
    group.catch_up();
    assert_eq!(group.members[second].state, State::Started, "the id is somebody else's");
    assert_eq!(group.members[first].assignment, owned);
    assert!(group.stop(first, "TERM").success());
    group.settle(2);
    assert_eq!(group.members[second].assignment, owned);
    assert_eq!(group.members[other].changes, changes, "the other member notices nothing");
    Ok(())
}

#[test]
fn where_the_broker_assigns_a_second_static_member_waits_until_the_first_has_stopped() -> Outcome {
    waits(Group::new("waits", 2, &BROKER_ASSIGNS)?)
}

/// A static member ends and starts again.
fn comes_back<B: Deref<Target: Brokers>>(mut group: Group<B>) -> Outcome {
    let other = group.start(&["--group-instance-id", "other"])?;
    let first = group.start(&["--group-instance-id", "device"])?;
    group.settle(2);
    group.produce(10)?;
    group.catch_up();
    let changes = [other, first].map(|member| group.members[member].changes);
    assert!(group.stop(first, "TERM").success());
    group.produce(10)?;
    group.start(&["--group-instance-id", "device"])?;
    group.settle(2);
    group.catch_up();
    assert_eq!([other, first].map(|member| group.members[member].changes), changes, "nothing changes hands");
    Ok(())
}

#[test]
fn a_static_member_that_comes_back_is_not_noticed() -> Outcome {
    comes_back(Group::new("static", 2, &[])?)
}

/// The end after a number of records, in the middle of a batch, and what is committed there.
fn ends_after_some(flags: &[&str]) -> Outcome {
    let mut group = Group::new("some", 1, &[&["--max-messages", "4", "--verbose"], flags].concat())?;
    group.produce(10)?;
    for round in 0..2 {
        let member = group.start(&[])?;
        assert!(group.ended(member, SOON).success());
        assert_eq!(group.consumed, 4 * (round + 1));
        let number = |offset: i64| (json!(offset.to_string()), json!(format!("{offset}:{}", "x".repeat(98))));
        let expected: Vec<(i64, i64, Value, Value)> =
            (4 * round..4 * (round + 1)).map(|offset| (0, offset, number(offset).0, number(offset).1)).collect();
        assert_eq!(group.members[member].records, expected);
        group.check_committed()?;
    }
    Ok(())
}

#[test]
fn the_end_comes_after_as_many_records_as_wanted() -> Outcome {
    ends_after_some(&[])
}

#[test]
fn the_end_comes_after_as_many_records_as_wanted_with_automatic_commits() -> Outcome {
    ends_after_some(&["--enable-autocommit"])
}

#[test]
fn latest_begins_with_what_comes_after_the_assignment() -> Outcome {
    let mut group = Group::new("latest", 1, &["--reset-policy", "latest"])?;
    group.produce(10)?;
    group.position.insert(0, 10);
    group.consumed = 10;
    group.start(&[])?;
    group.settle(1);
    sleep(Duration::from_secs(1)); // the position is asked for after the assignment
    group.produce(10)?;
    group.catch_up();
    Ok(())
}

#[test]
fn without_an_offset_and_a_reset_policy_it_fails() -> Outcome {
    let mut group = Group::new("none", 1, &["--reset-policy", "none"])?;
    let member = group.start(&[])?;
    assert_eq!(group.ended(member, SOON).code(), Some(1));
    let errors = group.members[member].errors();
    let why = errors.lines().last().unwrap_or_default();
    assert!(why.contains("no committed offset, and auto.offset.reset is none"), "{errors}");
    assert_eq!(group.members[member].state, State::Dead);
    Ok(())
}

#[test]
fn it_stops_in_time_without_a_broker() -> Outcome {
    let mut group = Group::new("alone", 1, &["--bootstrap-server", "127.0.0.1:1"])?;
    for signal in ["TERM", "INT"] {
        let member = group.start(&[])?;
        group.wait("its start", SOON, |group| group.members[member].state == State::Started);
        assert!(group.stop(member, signal).success());
    }
    Ok(())
}

#[test]
fn it_stops_in_time_while_the_broker_is_frozen_and_tells_no_commit_without_an_answer() -> Outcome {
    let cluster = Box::new(Cluster::start(1, RELEASE, &[])?);
    let mut group = Group::on(cluster, "frozen", 1, 1, &["--group-instance-id", "device"])?;
    let member = group.start(&[])?;
    group.settle(1);
    group.produce(100)?;
    group.catch_up();
    // its fetch is out and will be answered while it sleeps; its commit will not
    group.signal(member, "STOP");
    group.produce(100)?;
    sleep(Duration::from_millis(300));
    group.brokers.stop(1)?;
    group.signal(member, "CONT");
    group.wait("records whose commit has no answer", SOON, |group| group.position != group.committed);
    assert_eq!(group.stop(member, "TERM").code(), Some(1));
    let errors = group.members[member].errors();
    assert!(errors.lines().last().is_some_and(|why| why.contains("commit")), "{errors}");
    assert_ne!(group.position, group.committed);
    group.brokers.cont(1)?;
    group.killed = true; // whether the broker still takes that commit or not
    let next = group.start(&[])?;
    group.produce(100)?;
    group.catch_up();
    assert!(group.stop(next, "TERM").success());
    group.check_committed()
}

#[test]
fn what_cannot_work_is_one_line_and_not_success() -> Outcome {
    let name = unique("wrong");
    let least = ["--bootstrap-server", "127.0.0.1:1", "--topic", &name, "--group-id", &name];
    for (flags, why) in [
        (&["--group-protocol", "streams"][..], "group.protocol=streams must be classic"),
        (
            &["--assignment-strategy", "com.example.Assignor"],
            "a list of range, roundrobin, sticky and cooperative-sticky",
        ),
        (&["--no-such-flag"], "'--no-such-flag'"),
        (&["--topic", "a b"], "'a b' is no topic name"),
    ] {
        let output = refused(&[&least[..], flags].concat())?;
        let errors = String::from_utf8(output.stderr)?;
        assert!(errors.contains(why) && errors.lines().count() == 1, "{flags:?}: {errors}");
        assert!(output.status.code().is_some_and(|code| code > 0), "{flags:?}: {}", output.status);
        assert_eq!(output.stdout, b"", "{flags:?}");
    }
    Ok(())
}
