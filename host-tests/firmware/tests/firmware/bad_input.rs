//! Networks that are not there, brokers that cannot be reached, power that goes at the wrong moment: a warning on the log and a
//! recovery, never a panic and never silence.

use crate::harness::{kafka, prints, Device, PATIENCE};
use nanokafka_behaviour::Sockets;
use nanokafka_brokers::wait_for;
use nanokafka_firmware::{App, Board, Cable, Emulator, Image, Line};
use nanokafka_scripted::{batch, Api, Cluster};
use std::io::{Error, Result};
use std::time::Duration;

/// A warning with all these words.
pub fn warns<'a>(words: &'a [&'a str]) -> impl Fn(&Line) -> bool + 'a {
    |line| line.level == Some("warn") && words.iter().all(|word| line.text.contains(word))
}

/// The rest of the seed example; it ends well.
fn finishes(mut emulator: Emulator) -> Result<()> {
    prints(&mut emulator, 8)?;
    while let Some(line) = emulator.line(PATIENCE)? {
        assert_ne!(line.level, Some("error"), "{line:?}");
    }
    let status = emulator.end()?;
    assert!(status.success(), "{status}");
    Ok(())
}

/// A cluster in this process, in which the seed example's topic or another one has a record in each of four partitions.
fn cluster(topic: &'static str) -> Sockets {
    let sockets = Sockets::new();
    sockets.cluster(move |cluster| {
        let topic = cluster.topic(topic, 4);
        for partition in 0..4 {
            topic.append(partition, batch().record("", format!("{partition} degrees")));
        }
    });
    sockets
}

fn bootstrap(sockets: &Sockets) -> String {
    let [(host, port), _] = sockets.addresses();
    format!("{host}:{port}")
}

#[test]
fn a_link_that_is_down_at_boot_and_a_silent_address_are_told_and_a_link_that_comes_is_used() -> Result<()> {
    let broker = kafka()?;
    App::Seed.prepare(&broker)?;
    let unplugged = Cable { unplugged: true, ..Cable::default() };
    let mut without_link = Device::new("seed", Board::Mps2An385, broker.address()?)?.connected(unplugged)?;
    // in the board's own network, and nobody
    let mut without_broker = Device::new("seed", Board::Lm3s6965evb, "127.0.0.77:9092")?.power_on()?;
    let timed_out = ["Transport", "TimedOut"];
    without_link.until(PATIENCE, warns(&timed_out))?;
    without_broker.until(PATIENCE, warns(&timed_out))?;
    without_link.plug(true)?;
    finishes(without_link)
}

#[test]
fn a_dhcp_server_that_does_not_answer_is_told_and_one_that_comes_is_used() -> Result<()> {
    let broker = kafka()?;
    App::Seed.prepare(&broker)?;
    let mut device = Device::new("seed", Board::Lm3s6965evb, broker.address()?)?;
    device.image = Image::build("seed", Board::Lm3s6965evb, &["dhcp"])?;
    let mut emulator = device.connected(Cable { unplugged: true, ..Cable::default() })?;
    emulator.until(PATIENCE, warns(&["no address"]))?;
    emulator.plug(true)?;
    finishes(emulator)
}

/// Each is tried anew for ever; somebody hears of it each third time.
#[test]
fn a_server_that_refuses_one_without_an_address_and_one_of_another_family_are_told() -> Result<()> {
    // a port of a listener that is gone
    let refusing = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    for app in [App::Seed, App::Superloop] {
        for (server, kind) in [(&*refusing, "Refused"), ("broker.invalid:9092", "Name"), ("[::1]:9092", "Unreachable")]
        {
            let mut emulator = Device::new(app.name(), Board::Lm3s6965evb, server)?.power_on()?;
            for _ in 0..2 {
                emulator.until(PATIENCE, warns(&["Transport", kind]))?;
            }
        }
    }
    Ok(())
}

/// Both front ends, both in a group.
const GROUPS: &[(App, &str)] = &[(App::Subscribe, "readings"), (App::Superloop, "topic-04")];

/// Brokers that advertise what this device cannot reach: it waits for better news.
pub fn advertises(
    host: &'static str,
    apps: &[(App, &'static str)],
    told: impl Fn(&mut Emulator) -> Result<()>,
) -> Result<()> {
    for &(app, topic) in apps {
        let sockets = cluster(topic);
        let addresses = sockets.addresses();
        let advertise = |host: Option<&'static str>| {
            let addresses = addresses.clone();
            sockets.cluster(move |cluster| {
                for (node, (right, port)) in (1..).zip(addresses) {
                    cluster.advertise(node, host.unwrap_or(&right), port);
                }
            })
        };
        advertise(Some(host));
        let mut emulator = Device::new(app.name(), Board::Lm3s6965evb, bootstrap(&sockets))?.power_on()?;
        wait_for("brokers' addresses asked for", PATIENCE, || Ok(sockets.cluster(|c| c.count(Api::Metadata)) > 0))?;
        told(&mut emulator)?;
        advertise(None);
        prints(&mut emulator, 1)?;
    }
    Ok(())
}

/// While it is wrong it says nothing that is worse than a warning.
fn for_a_while(emulator: &mut Emulator) -> Result<()> {
    match emulator.until(Duration::from_secs(3), |line| !matches!(line.level, Some("warn" | "info"))) {
        Ok(lines) => Err(Error::other(format!("{lines:#?}"))),
        // none came
        Err(_) => Ok(()),
    }
}

#[test]
fn an_advertised_name_that_does_not_resolve_is_waited_out() -> Result<()> {
    advertises("broker.invalid", GROUPS, for_a_while)
}

/// embassy-net's own client panics where it has no IPv6.
#[test]
fn an_advertised_address_of_ipv6_is_waited_out() -> Result<()> {
    advertises("::1", GROUPS, for_a_while)
}

/// The values that are printed, one for each record, until `count` of them.
fn values(emulator: &mut Emulator, count: usize) -> Result<Vec<String>> {
    let mut values: Vec<_> =
        prints(emulator, count)?.iter().filter_map(|line| Some(line.split_once(": ")?.1.to_owned())).collect();
    values.sort();
    Ok(values)
}

/// A watchdog resets the board while a commit is out.
fn reset_in_a_commit(fault: fn(&Cluster) -> &Cluster, repeated: usize) -> Result<()> {
    let sockets = cluster("readings");
    sockets.cluster(move |cluster| {
        fault(cluster);
    });
    let device = Device::new("subscribe", Board::Lm3s6965evb, bootstrap(&sockets))?;
    let mut emulator = device.power_on()?;
    let first = values(&mut emulator, 1)?;
    wait_for("a commit", PATIENCE, || Ok(sockets.cluster(|cluster| cluster.count(Api::OffsetCommit)) > 0))?;
    drop(emulator);
    sockets.cluster(|cluster| {
        cluster.heal();
    });
    let rest = values(&mut device.power_on()?, 3 + repeated)?;
    let all = (0..4).map(|i| format!("{i} degrees"));
    let expected: Vec<_> = all.filter(|value| repeated == 1 || *value != first[0]).collect();
    assert_eq!(rest, expected);
    Ok(())
}

#[test]
fn a_reset_before_the_broker_has_committed_repeats_the_record() -> Result<()> {
    const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
    reset_in_a_commit(|cluster| cluster.fail(Api::OffsetCommit, COORDINATOR_LOAD_IN_PROGRESS, 1_000), 1)
}

#[test]
fn a_reset_before_the_answer_of_a_commit_loses_and_repeats_nothing() -> Result<()> {
    reset_in_a_commit(|cluster| cluster.never_answer(Api::OffsetCommit), 0)
}

/// Each cut makes one record come again at most, and none is lost.
#[test]
fn power_cuts_at_any_moment_lose_nothing_on_real_kafka() -> Result<()> {
    const RECORDS: usize = 40;
    let broker = kafka()?;
    broker.create_topic("readings", 4, &[])?;
    let producer = broker.producer(&[])?;
    for i in 0..RECORDS {
        nanokafka_firmware::send(&producer, "readings", i as i32 % 4, None, Some(&format!("{i} degrees")))?;
    }
    let device = Device::new("subscribe", Board::Lm3s6965evb, broker.address()?)?;
    let mut seen = [0_u64; RECORDS];
    let mut cuts = 0;
    while seen.contains(&0) {
        let mut emulator = device.power_on()?;
        let mut lines = prints(&mut emulator, 1)?;
        // a line is printed 2 ms before its record's commit; the cut comes each time a little later
        std::thread::sleep(Duration::from_millis(3 * cuts));
        lines.extend(emulator.cut().into_iter().filter(|line| line.level.is_none()).map(|line| line.text));
        for line in lines {
            let value = line.rsplit_once(": ").and_then(|(_, value)| value.split(' ').next()?.parse::<usize>().ok());
            seen[value.unwrap_or_else(|| panic!("{line}"))] += 1;
        }
        cuts += 1;
        assert!(cuts < 40, "{seen:?}");
    }
    // the one that was in hand
    let repeated = seen.iter().sum::<u64>() - RECORDS as u64;
    assert!(repeated < cuts, "{repeated} by {cuts} cuts: {seen:?}");
    Ok(())
}
