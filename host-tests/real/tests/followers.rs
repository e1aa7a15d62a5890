//! Records come from the replica in the consumer's own rack (KIP-392).

use nanokafka::{Block, Clock, ConnectionId, Consumer, Event, Instant, Seed, Storage, Transport, TransportError};
use nanokafka_brokers::{Kafka, RELEASE};
use nanokafka_real::{config, partitions, Outcome, SOON};
use nanokafka_std::blocking::Tcp;
use std::collections::HashMap;
use std::task::{Context, Poll};
use std::time::Duration;

/// Notes how many bytes come from which port.
struct ByPort<'c> {
    tcp: Tcp,
    ports: [u16; 4],
    bytes: &'c mut HashMap<u16, usize>,
}

impl Transport for ByPort<'_> {
    fn connections(&self) -> usize {
        self.tcp.connections()
    }

    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        host: &str,
        port: u16,
    ) -> Poll<Result<(), TransportError>> {
        self.ports[id.index()] = port;
        self.tcp.poll_connect(cx, id, host, port)
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        buf: &mut [u8],
    ) -> Poll<Result<usize, TransportError>> {
        let read = self.tcp.poll_read(cx, id, buf);
        if let Poll::Ready(Ok(n)) = read {
            *self.bytes.entry(self.ports[id.index()]).or_default() += n;
        }
        read
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        buf: &[u8],
    ) -> Poll<Result<usize, TransportError>> {
        self.tcp.poll_write(cx, id, buf)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, id: ConnectionId) -> Poll<()> {
        self.tcp.poll_close(cx, id)
    }

    fn abort(&mut self, id: ConnectionId) {
        self.tcp.abort(id)
    }
}

impl Clock for ByPort<'_> {
    fn now(&mut self) -> Instant {
        self.tcp.now()
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        self.tcp.poll_until(cx, deadline)
    }
}

impl Block for ByPort<'_> {
    fn block(&mut self, deadline: Instant) -> Result<(), TransportError> {
        self.tcp.block(deadline)
    }
}

#[test]
fn records_come_from_the_replica_in_the_same_rack() -> Outcome {
    const RACKS: [(&str, &str); 2] = [
        ("broker.rack", "rack-@ID@"),
        ("replica.selector.class", "org.apache.kafka.common.replica.RackAwareReplicaSelector"),
    ];
    const RECORDS: usize = 2_000;
    let kafka = Kafka::start(3, RELEASE, &RACKS)?;
    kafka.admin("create t 1,2,3;1,3,2 -")?;
    kafka.admin(&format!("send p t 0 {RECORDS} 1000 0"))?;
    kafka.admin(&format!("send p t 1 {RECORDS} 1000 0"))?;
    let ports: Vec<u16> =
        kafka.bootstrap().split(',').filter_map(|server| server.rsplit_once(':')?.1.parse().ok()).collect();
    // a record and its framing have about a thousand bytes
    for (rack, leader, follower) in [("", 2 * RECORDS, 0), ("rack-2", 0, 2 * RECORDS), ("rack-9", 2 * RECORDS, 0)] {
        let mut bytes = HashMap::new();
        let carrier = ByPort { tcp: Tcp::new(4)?, ports: [0; 4], bytes: &mut bytes };
        let config = config(kafka.bootstrap()).client_rack(rack);
        let mut consumer =
            Consumer::<nanokafka::Blocking<_>>::new(Storage::boxed(2, 4, 4096), config, carrier, Seed::from_os()?)?;
        consumer.assign(&partitions("t", 2))?;
        let (mut read, begun) = (0, std::time::Instant::now());
        while read < 2 * RECORDS {
            assert!(begun.elapsed() < SOON, "{read} records from {rack}");
            if let Some(Event::Records(records)) = consumer.poll(Duration::from_millis(100))? {
                read += records.count();
            }
        }
        consumer.close()?;
        let thousands = |node: usize| bytes.get(&ports[node - 1]).map_or(0, |bytes| bytes / 1000);
        let near = |found: usize, wanted: usize| found >= wanted && found <= wanted + wanted / 5 + 20;
        assert!(near(thousands(1), leader) && near(thousands(2), follower), "{rack:?}: {bytes:?}, {ports:?}");
    }
    Ok(())
}
