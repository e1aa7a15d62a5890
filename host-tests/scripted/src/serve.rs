//! The broker's side of connections: who may connect, what arrives, what leaves, what ends.
use crate::cluster::State;
use crate::connection::{Connection, Work};
use crate::faults::{Connecting, End};
use nanokafka::TransportErrorKind;

/// What an attempt to connect finds at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Broker(i32),
    Silent,
    Foreign(Vec<u8>),
    Nobody(TransportErrorKind),
    Blackhole,
}

impl State {
    /// Who answers at an address.
    pub(crate) fn target(&mut self, host: &str, port: u16) -> Target {
        match self.faults.connecting(host, port) {
            Some(Connecting::Refused) => Target::Nobody(TransportErrorKind::Refused),
            Some(Connecting::Unreachable) => Target::Nobody(TransportErrorKind::Unreachable),
            Some(Connecting::NoSuchName) => Target::Nobody(TransportErrorKind::Name),
            Some(Connecting::Blackhole) => Target::Blackhole,
            Some(Connecting::Silent) => Target::Silent,
            Some(Connecting::Foreign(bytes)) => Target::Foreign(bytes),
            None => {
                let listens =
                    |broker: &&crate::broker::Broker| broker.listens.iter().any(|(at, on)| at == host && *on == port);
                match self.brokers.iter().find(listens) {
                    Some(broker) if broker.alive => Target::Broker(broker.node),
                    Some(_) => Target::Nobody(TransportErrorKind::Refused),
                    None if self.brokers.iter().any(|b| b.listens.iter().any(|(at, _)| at == host)) => {
                        Target::Nobody(TransportErrorKind::Refused)
                    }
                    None => Target::Nobody(TransportErrorKind::Name),
                }
            }
        }
    }

    /// A connection that was accepted; its number, never used again.
    pub(crate) fn accept(&mut self, net: usize, index: usize, target: &Target) -> u64 {
        self.opened += 1;
        let node = if let Target::Broker(node) = target { *node } else { 0 };
        let cut = self.faults.cut(node);
        let mut connection = Connection::new(net, index, node, self.now, cut);
        connection.silent = !matches!(target, Target::Broker(_));
        if let Target::Foreign(bytes) = target {
            connection.foreign = Some(bytes.clone());
        }
        self.connections.insert(self.opened, connection);
        self.opened
    }

    /// Everything one connection's broker can do now.
    pub(crate) fn pump_connection(&mut self, id: u64) {
        let (now, idle) = (self.now, self.settings.connections_max_idle_ms);
        let latency = self.settings.latency_ms;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.arrive(now);
        if connection.foreign.is_some() && !connection.request.is_empty() && !connection.is_over() {
            let bytes = connection.foreign.take().unwrap_or_default();
            connection.send(bytes, now + latency, None);
            return self.close(id, End::Fin);
        }
        let node = connection.node;
        if node == 0 || !self.broker(node).paused {
            self.serve(id);
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.is_done() {
            self.connections.remove(&id);
        } else if matches!(connection.work, Work::Idle)
            && !connection.silent
            && !connection.is_over()
            && connection.last_active + idle <= now
        {
            self.close(id, End::Fin);
        }
    }

    fn serve(&mut self, id: u64) {
        loop {
            let (now, send_buffer) = (self.now, self.settings.socket_send_buffer);
            let Some(connection) = self.connections.get_mut(&id) else { return };
            match &connection.work {
                Work::Delayed { at, .. } if *at <= now => {
                    self.hand_over(id);
                    continue;
                }
                Work::LongPoll(waiting) if waiting.deadline <= now => {
                    self.look_at_long_poll(id);
                    continue;
                }
                _ => {}
            }
            let Some(frame) = connection.next_request(now, send_buffer) else { return };
            if !connection.announced && self.trigger(&frame) {
                // the test acts first, then the request is read again
                let Some(connection) = self.connections.get_mut(&id) else { return };
                let rest = std::mem::replace(&mut connection.request, frame);
                connection.request.extend_from_slice(&rest);
                connection.announced = true;
                self.dirty.push(id);
                return;
            }
            connection_announced(self.connections.get_mut(&id));
            self.receive(id, &frame);
        }
    }

    /// Whether the test waits for this request.
    fn trigger(&mut self, frame: &[u8]) -> bool {
        let Some(&[high, low]) = frame.get(4..6) else { return false };
        let key = i16::from_be_bytes([high, low]);
        let mut any = false;
        for trigger in self.triggers.iter_mut().filter(|trigger| trigger.api as i16 == key && trigger.countdown > 0) {
            trigger.countdown -= 1;
            if trigger.countdown == 0 {
                any = true;
                self.triggered.extend(trigger.action.take());
            }
        }
        any
    }

    /// Data or leaders have changed: does that end a long poll?
    pub(crate) fn look_at_long_polls(&mut self) {
        let waits = |(_, connection): &(&u64, &Connection)| matches!(connection.work, Work::LongPoll(_));
        let waiting: Vec<u64> = self.connections.iter().filter(waits).map(|(id, _)| *id).collect();
        for id in waiting {
            let node = self.connections[&id].node;
            if !self.broker(node).paused {
                self.look_at_long_poll(id);
            }
        }
    }

    fn look_at_long_poll(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match std::mem::replace(&mut connection.work, Work::Waits) {
            Work::LongPoll(waiting) => {
                let outcome = self.fetch(&waiting.call, &waiting.request, Some(waiting.deadline));
                self.settle_outcome(&waiting.call, outcome);
            }
            other => connection.work = other,
        }
    }
}

fn connection_announced(connection: Option<&mut Connection>) {
    if let Some(connection) = connection {
        connection.announced = false;
    }
}
