//! What takes minutes.

use crate::bad_input::{advertises, warns};
use crate::harness::{kafka, prints, says, Device, PATIENCE};
use crate::programs::{assert_readings, produce_readings};
use nanokafka_firmware::{App, Board};
use std::io::Result;
use std::time::{Duration, Instant};

/// The cable is out for longer than the session, so the group has given the board up.
#[test]
fn a_link_that_is_down_for_50_seconds_is_survived() -> Result<()> {
    for board in Board::ALL {
        let broker = kafka()?;
        App::Subscribe.prepare(&broker)?;
        let mut emulator = Device::new("subscribe", board, broker.address()?)?.power_on()?;
        assert_readings(&prints(&mut emulator, 8)?, 0..8);
        emulator.until(PATIENCE, says("stack: "))?;
        emulator.plug(false)?;
        produce_readings(&broker, 8..16)?;
        std::thread::sleep(Duration::from_secs(50));
        emulator.plug(true)?;
        let start = Instant::now();
        assert_readings(&prints(&mut emulator, 8)?, 8..16);
        println!("{board:?}: records again after {:?}", start.elapsed());
    }
    Ok(())
}

/// After `default.api.timeout.ms`, a minute.
#[test]
fn an_advertised_address_that_stays_wrong_is_told() -> Result<()> {
    for (host, kind) in [("broker.invalid", "Name"), ("::1", "Unreachable")] {
        advertises(host, &[(App::Assign, "calibration")], |emulator| {
            emulator.until(2 * PATIENCE, warns(&["Transport", kind])).map(drop)
        })?;
    }
    Ok(())
}
