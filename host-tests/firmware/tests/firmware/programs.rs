//! The firmware on real Kafka: what it prints, what it commits, what it keeps over a power cut.

use crate::harness::{admin, kafka, printed, prints, says, stack, Device, PATIENCE, STACK};
use nanokafka_brokers::mock::{Mock, Record};
use nanokafka_firmware::{image, instructions, noise, send, App, Board, Broker, Emulator, Image};
use std::io::{Error, Read, Result, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Sends everything back, one connection after the other.
fn echo_server() -> Result<SocketAddrV4> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let SocketAddr::V4(address) = listener.local_addr()? else { panic!("bound to IPv4") };
    std::thread::spawn(move || -> Result<()> {
        loop {
            let (mut stream, _) = listener.accept()?;
            let mut buffer = [0; 4096];
            while let count @ 1.. = stream.read(&mut buffer)? {
                stream.write_all(&buffer[..count])?;
            }
        }
    });
    Ok(address)
}

#[test]
fn a_board_sends_and_receives_a_megabyte() -> Result<()> {
    let server = echo_server()?;
    for board in Board::ALL {
        let lines = Device::new("echo", board, server)?.run()?;
        assert!(printed(&lines)[0].starts_with("1000000 bytes there and back in "), "{lines:#?}");
    }
    Ok(())
}

fn seed_lines() -> Vec<String> {
    let lines = |i| {
        let value = format!(r#"{{"name":"hello :: {i}","age":{i}}}"#);
        let record = format!("topic = topic-04:: partition = {i}:: key = key:: partition :: 0{i}:: value = {value}");
        [record, "INPUT-CHANNEL: IPHONE".to_owned()]
    };
    (0..4).flat_map(lines).collect()
}

/// Each run has four new records, and sees none that an earlier one has committed.
fn prints_its_four_records(app: App) -> Result<()> {
    let broker = kafka()?;
    for (run, board) in Board::ALL.into_iter().enumerate() {
        app.prepare(&broker)?;
        let lines = Device::new(app.name(), board, broker.address()?)?.run()?;
        // Kafka orders the records of a partition, not the partitions
        let mut records: Vec<_> = printed(&lines).chunks(2).map(<[_]>::to_vec).collect();
        records.sort();
        assert_eq!(records.concat(), seed_lines(), "{board:?}");
        assert!(stack(&lines) <= STACK, "{board:?}: {} bytes of stack", stack(&lines));
        let committed = admin(&broker, "committed topic-04_group")?;
        for partition in 0..4 {
            let expected = format!("topic-04-{partition}={}", run + 1);
            assert!(committed.contains(&expected), "{expected} in {committed}");
        }
    }
    Ok(())
}

#[test]
fn seed_prints_its_four_records() -> Result<()> {
    prints_its_four_records(App::Seed)
}

#[test]
fn a_superloop_prints_its_four_records() -> Result<()> {
    prints_its_four_records(App::Superloop)
}

/// What `cargo firmware` does where there is no Java.
#[test]
fn seed_on_an_embedded_broker() -> Result<()> {
    let broker = Mock::start(1).map(Broker::Embedded).map_err(Error::other)?;
    App::Seed.prepare(&broker)?;
    let lines = Device::new("seed", Board::Mps2An385, broker.address()?)?.run()?;
    assert_eq!(printed(&lines).len(), 8);
    Ok(())
}

/// As its users see it: records on standard output, the rest on standard error.
#[test]
fn cargo_firmware_runs_on_somebodys_broker() -> Result<()> {
    let broker = kafka()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_nanokafka-firmware"));
    let output = command.args(["seed", "--board", "lm3s6965evb", "--bootstrap", &broker.bootstrap()]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let mut printed: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    let mut expected = seed_lines();
    printed.sort();
    expected.sort();
    assert_eq!(printed, expected, "{said}");
    assert!(said.contains("info committed"), "{said}");
    Ok(())
}

#[test]
fn cargo_firmware_explains_wrong_arguments() -> Result<()> {
    for arguments in [&["sed"][..], &[], &["seed", "--board", "stm32"], &["seed", "--bootstrap"], &["seed", "more"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_nanokafka-firmware")).args(arguments).output()?;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage: cargo firmware APP"), "{arguments:?}");
    }
    Ok(())
}

#[test]
fn an_address_by_dhcp() -> Result<()> {
    let broker = kafka()?;
    App::Seed.prepare(&broker)?;
    let mut device = Device::new("seed", Board::Lm3s6965evb, broker.address()?)?;
    device.image = Image::build("seed", Board::Lm3s6965evb, &["dhcp"])?;
    let lines = device.run()?;
    assert_eq!(printed(&lines).len(), 8);
    Ok(())
}

/// That each record of `readings` with one of these numbers was printed once, in the order of its partition.
pub fn assert_readings(printed: &[String], numbers: std::ops::Range<usize>) {
    let mut seen: Vec<(usize, usize)> = Vec::new();
    for line in printed {
        let parts = line.strip_prefix("readings-").and_then(|rest| {
            let (partition, rest) = rest.split_once(" @")?;
            let number = rest.split_once(": ")?.1.strip_suffix(" degrees")?;
            Some((partition.parse().ok()?, number.parse().ok()?))
        });
        let (partition, number) = parts.unwrap_or_else(|| panic!("{line}"));
        assert_eq!(partition, number % 4, "{line}");
        assert!(seen.iter().all(|&(other, earlier)| other != partition || earlier < number), "{printed:#?}");
        seen.push((partition, number));
    }
    let mut all: Vec<_> = seen.iter().map(|seen| seen.1).collect();
    all.sort_unstable();
    assert_eq!(all, numbers.collect::<Vec<_>>());
}

pub fn produce_readings(broker: &Broker, numbers: std::ops::Range<usize>) -> Result<()> {
    let producer = broker.producer(&[])?;
    numbers.into_iter().try_for_each(|i| send(&producer, "readings", i as i32 % 4, None, Some(&format!("{i} degrees"))))
}

#[test]
fn a_group_of_two_boards_outlives_a_power_cut_and_a_restart_of_the_broker() -> Result<()> {
    let broker = kafka()?;
    App::Subscribe.prepare(&broker)?;
    let [first, second] = Board::ALL.map(|board| Device::new("subscribe", board, broker.address()?));
    let (first, second) = (first?, second?);
    let mut one = first.power_on()?;
    assert_readings(&prints(&mut one, 8)?, 0..8);
    // the last commit is answered before the end of the partition is told
    one.until(PATIENCE, says("stack: "))?;
    drop(one);

    // as a static member it need not wait until the broker has given the dead one up, after 30 s
    produce_readings(&broker, 8..12)?;
    let start = Instant::now();
    let mut one = first.power_on()?;
    assert_readings(&prints(&mut one, 4)?, 8..12);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());

    let mut two = second.power_on()?;
    one.until(PATIENCE, says("revoked: "))?;
    let assigned = |device: &mut Emulator| -> Result<()> {
        for _ in 0..2 {
            device.until(PATIENCE, says("assigned: "))?;
        }
        Ok(())
    };
    assigned(&mut one)?;
    assigned(&mut two)?;
    produce_readings(&broker, 12..20)?;
    let printed = [prints(&mut one, 4)?, prints(&mut two, 4)?].concat();
    assert_readings(&printed, 12..20);

    // the broker goes and comes back; as above, with nothing left to commit
    one.until(PATIENCE, says("stack: "))?;
    two.until(PATIENCE, says("stack: "))?;
    let Broker::Kafka(kafka) = &broker else { unreachable!("made above") };
    kafka.admin("down 1")?;
    kafka.admin("up 1")?;
    produce_readings(&broker, 20..28)?;
    let printed = [prints(&mut one, 4)?, prints(&mut two, 4)?].concat();
    assert_readings(&printed, 20..28);
    Ok(())
}

#[test]
fn an_offset_in_flash_outlives_a_power_cut() -> Result<()> {
    let broker = kafka()?;
    App::Assign.prepare(&broker)?;
    for board in Board::ALL {
        let device = Device::new("assign", board, broker.address()?)?;
        let lines = device.power_on()?.until(PATIENCE, says("stack: "))?;
        let all = printed(&lines).into_iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(all[..2], ["calibration-2 @0: offset 2", "calibration-2 @1: offset 6"]);
        assert!(stack(&lines) <= STACK, "{board:?}: {} bytes of stack", stack(&lines));

        let next = all.len();
        send(&broker.producer(&[])?, "calibration", 2, None, Some("newer"))?;
        let lines = device.power_on()?.until(PATIENCE, says("stack: "))?;
        assert!(lines.iter().any(|line| line.text == format!("goes on at {next}")), "{lines:#?}");
        assert_eq!(printed(&lines), [format!("calibration-2 @{next}: newer")]);
    }
    Ok(())
}

#[test]
fn an_image_larger_than_the_ram_outlives_a_power_cut() -> Result<()> {
    let broker = kafka()?;
    App::Ota.prepare(&broker)?;
    let expected = noise(900_000);
    for board in Board::ALL {
        let committed = || admin(&broker, &format!("committed {}", board.name()));
        let device = Device::new("ota", board, broker.address()?)?;
        let mut emulator = device.power_on()?;
        let lines = emulator.until(PATIENCE, says("262144 bytes written"))?;
        assert_eq!(printed(&lines)[0], "@0: 900000 bytes, of which 0 are there");
        drop(emulator);
        assert_eq!(committed()?, "{}");

        let mut emulator = device.power_on()?;
        let lines = emulator.until(PATIENCE, says("stack: "))?;
        let printed = printed(&lines);
        let there =
            printed[0].strip_prefix("@0: 900000 bytes, of which ").and_then(|rest| rest.split_once(" are there"));
        let there: usize = there.and_then(|(bytes, _)| bytes.parse().ok()).unwrap_or_else(|| panic!("{printed:#?}"));
        assert!((262_144..900_000).contains(&there), "{there}");
        assert_eq!(printed[printed.len() - 2..], ["@0: the image is right", "committed"]);
        assert!(stack(&lines) <= STACK, "{board:?}: {} bytes of stack", stack(&lines));
        let flash = std::fs::read(device.dir.join("flash"))?;
        assert!(flash[0x1_0000..][..expected.len()] == expected, "{board:?}: another image is in flash");
        assert_eq!(committed()?, "{firmware-0=1}");
    }
    Ok(())
}

/// Nothing of it is committed, and the next one is installed.
#[test]
fn an_image_that_is_not_right_is_refused() -> Result<()> {
    let broker = kafka()?;
    let board = Board::Lm3s6965evb;
    broker.create_topic("firmware", 1, &[])?;
    let producer = broker.producer(&[])?;
    let (damaged, right) = (noise(100_000), noise(50_000));
    let record = Record { topic: "firmware", key: Some(&[7; 32]), value: Some(&damaged), ..Record::default() };
    producer.send(&record).and_then(|()| producer.flush()).map_err(Error::other)?;
    let device = Device::new("ota", board, broker.address()?)?;
    let mut emulator = device.power_on()?;
    let lines = emulator.until(PATIENCE, says("stack: "))?;
    assert!(lines.iter().any(|line| line.text == "@0: the image is not right"), "{lines:#?}");
    assert_eq!(admin(&broker, &format!("committed {}", board.name()))?, "{}");

    image(&producer, &right)?;
    let lines = emulator.until(PATIENCE, says("stack: "))?;
    assert_eq!(printed(&lines), ["@1: 50000 bytes, of which 0 are there", "@1: the image is right", "committed"]);
    assert_eq!(admin(&broker, &format!("committed {}", board.name()))?, "{firmware-0=2}");
    Ok(())
}

#[test]
fn settings_are_read_at_boot_and_followed() -> Result<()> {
    let broker = kafka()?;
    App::Config.prepare(&broker)?;
    let producer = broker.producer(&[])?;
    for (board, interval) in Board::ALL.into_iter().zip(["11", "12"]) {
        let mut emulator = Device::new("config", board, broker.address()?)?.power_on()?;
        let lines = emulator.until(PATIENCE, says("stack: "))?;
        let before = if board == Board::ALL[0] { "5" } else { "11" };
        let expected = format!("booted with Settings {{ interval_s: {before}, threshold: 100 }}");
        assert_eq!(printed(&lines), [expected]);
        send(&producer, "settings", 0, Some("interval_s"), Some(interval))?;
        let expected = format!("now Settings {{ interval_s: {interval}, threshold: 100 }}");
        assert_eq!(prints(&mut emulator, 1)?, [expected]);
    }
    Ok(())
}

/// Exact, and so a limit for all machines.
#[test]
fn a_record_of_100_bytes_costs_a_cortex_m4_at_most_2000_instructions() -> Result<()> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    std::fs::create_dir_all(&dir)?;
    let (s, z) = (instructions("s", &dir)?, instructions("z", &dir)?);
    assert!(s.whole <= 2000.0 && s.in_loop <= 350.0, "{s:?}");
    assert!(z.in_loop <= 500.0, "{z:?}");
    Ok(())
}
