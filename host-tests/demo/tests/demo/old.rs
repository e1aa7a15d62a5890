//! On old brokers.

use crate::{assert_printed, records};
use nanokafka_brokers::Kafka;
use std::io::Result;

#[test]
fn from_2_1_on() -> Result<()> {
    for release in ["2.1.1", "2.8.2", "3.9.1"] {
        let kafka = Kafka::start(1, release, &[])?;
        for run in 1..=2 {
            assert_printed(&records(&["--bootstrap", kafka.bootstrap()]), "", run);
        }
    }
    Ok(())
}
