//! Groups on franz-go's kfake. What Kafka's brokers and we could both have got wrong, its author has read for himself.
//!
//! What it cannot carry stays with Kafka's own: brokers that restart or die, since its groups and records end with the process,
//! and brokers that freeze one by one, since they are one process; and logs that were truncated, of which `kfaked/main.go` tells.

use crate::harness::{Group, Outcome, BROKER_ASSIGNS};
use crate::long::{strategy_changes, zombie, Flow};
use crate::{comes_back, fenced, takes_over, up_and_down, waits, ASSIGNORS, SHORT_SESSION};
use nanokafka_brokers::Kfake;
use std::io;
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::Duration;

/// On the brokers that these tests share.
fn group(name: &str, partitions: i32, flags: &[&str]) -> io::Result<Group<&'static Kfake>> {
    static BROKERS: LazyLock<Kfake> = LazyLock::new(|| Kfake::start().expect("Go builds it"));
    Group::on(&BROKERS, name, partitions, 3, flags)
}

#[test]
fn a_group_with_any_assignor_grows_and_shrinks_and_reads_each_record_once() -> Outcome {
    for (class, _) in ASSIGNORS {
        for commits in [&[][..], &["--enable-autocommit"]] {
            up_and_down(group("grows", 6, &[&["--assignment-strategy", class], commits].concat())?)?;
        }
    }
    Ok(())
}

#[test]
fn a_group_whose_broker_assigns_reads_each_record_once() -> Outcome {
    up_and_down(group("grows", 6, &BROKER_ASSIGNS)?)?;
    let range = ["--group-remote-assignor", "range", "--enable-autocommit"];
    up_and_down(group("grows", 6, &[&BROKER_ASSIGNS[..], &range].concat())?)
}

#[test]
fn a_killed_member_is_replaced_within_the_session_timeout() -> Outcome {
    takes_over(group("killed", 4, &SHORT_SESSION)?)?;
    takes_over(group("killed", 4, &BROKER_ASSIGNS)?)
}

#[test]
fn a_static_member_that_comes_back_is_not_noticed() -> Outcome {
    comes_back(group("static", 2, &[])?)
}

#[test]
fn a_fenced_static_member_stops_and_the_new_one_keeps_its_partitions() -> Outcome {
    fenced(group("fenced", 2, &[])?)
}

#[test]
fn where_the_broker_assigns_a_second_static_member_waits_until_the_first_has_stopped() -> Outcome {
    waits(group("waits", 2, &BROKER_ASSIGNS)?)
}

#[test]
fn a_zombie_commits_nothing_and_comes_back() -> Outcome {
    zombie(group("zombie", 6, &SHORT_SESSION)?)?;
    zombie(group("zombie", 6, &BROKER_ASSIGNS)?)
}

#[test]
fn the_strategy_changes_one_member_at_a_time() -> Outcome {
    strategy_changes(group("strategy", 6, &[])?)
}

/// Three members read on while `step` moves something, again and again; what counts its moves must have counted some.
fn while_reading(flags: &[&str], step: impl Fn(&Group<&Kfake>, i32) -> io::Result<bool>) -> Outcome {
    const STEPS: i32 = 20;
    let mut group = group("moves", 6, flags)?;
    group.start_all(3, &[])?;
    let flow = Flow::start(group.brokers.bootstrap(), &group.topic, 6);
    let changes = group.changes();
    let mut moves = 0;
    for count in 0..STEPS {
        moves += i32::from(step(&group, count)?);
        sleep(Duration::from_millis(200));
    }
    group.produced += flow.stop()?;
    group.catch_up();
    assert!(moves > STEPS / 3, "{moves} moves");
    assert_eq!(group.changes(), changes, "nobody's partitions change");
    println!("{} records, each once, over {moves} moves", group.consumed);
    group.stop_all()
}

fn coordinator_moves(flags: &[&str]) -> Outcome {
    while_reading(flags, |group, _| {
        let ask = format!("coordinator {}", group.name);
        let before = group.brokers.tell(&ask)?;
        group.brokers.tell("rehash")?;
        Ok(group.brokers.tell(&ask)? != before)
    })
}

#[test]
fn members_do_not_notice_that_their_coordinator_moves() -> Outcome {
    coordinator_moves(&[])?;
    coordinator_moves(&["--enable-autocommit"])
}

#[test]
fn members_whose_broker_assigns_do_not_notice_that_it_is_another() -> Outcome {
    coordinator_moves(&BROKER_ASSIGNS)
}

#[test]
fn each_record_comes_once_while_leaders_move() -> Outcome {
    for flags in [&[][..], &BROKER_ASSIGNS] {
        while_reading(flags, |group, count| {
            let (topic, partition) = (&group.topic, count % 6);
            let leader: i32 = group.brokers.tell(&format!("leader {topic} {partition}"))?.parse().expect("an id");
            group.brokers.tell(&format!("move {topic} {partition} {}", (leader + 1) % 3))?;
            Ok(true)
        })?;
    }
    Ok(())
}
