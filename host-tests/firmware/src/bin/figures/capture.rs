//! What went over the cable: a file of libpcap, read as far as it is needed here.

use std::collections::BTreeMap;
use std::io::{Error, Result};
use std::path::Path;

/// An IP packet of TCP.
pub struct Packet {
    /// Seconds, of the host's clock.
    pub time: f64,
    /// With the headers of IP and TCP, without Ethernet's.
    pub bytes: usize,
    /// The board's port.
    port: u16,
    /// From the board.
    pub sent: bool,
    sequence: u32,
    /// Behind the headers.
    pub payload: Vec<u8>,
}

/// All packets from and to the broker.
pub fn read(file: &Path, broker: u16) -> Result<Vec<Packet>> {
    let bytes = std::fs::read(file)?;
    let mut rest = bytes.get(24..).ok_or_else(|| Error::other("no capture"))?;
    let mut packets = Vec::new();
    while let Some((header, behind)) = rest.split_at_checked(16) {
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
        // the emulator may be writing the last one
        let Some((frame, behind)) = behind.split_at_checked(word(8) as usize) else { break };
        rest = behind;
        packets.extend(packet(frame, f64::from(word(0)) + f64::from(word(4)) / 1e6, broker));
    }
    Ok(packets)
}

fn packet(frame: &[u8], time: f64, broker: u16) -> Option<Packet> {
    let ip = frame.get(14..).filter(|_| frame[12..14] == [8, 0])?;
    let bytes = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    let tcp = ip.get(usize::from(ip[0] & 15) * 4..bytes).filter(|_| ip[9] == 6)?;
    let port = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
    let sent = port(2) == broker;
    if !sent && port(0) != broker {
        return None;
    }
    let payload = tcp.get(usize::from(tcp[12] >> 4) * 4..)?.to_vec();
    let sequence = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
    Some(Packet { time, bytes, port: port(if sent { 0 } else { 2 }), sent, sequence, payload })
}

/// The API keys of all requests, in the order in which they left.
pub fn requests(packets: &[Packet]) -> Vec<i16> {
    let mut keys = Vec::new();
    // by the board's port: the next sequence number, and what of a request is there
    let mut streams: BTreeMap<u16, (u32, Vec<u8>)> = BTreeMap::new();
    for packet in packets.iter().filter(|packet| packet.sent && !packet.payload.is_empty()) {
        let (next, stream) = streams.entry(packet.port).or_insert_with(|| (packet.sequence, Vec::new()));
        // what is sent again is there already
        if packet.sequence != *next {
            continue;
        }
        *next = next.wrapping_add(packet.payload.len() as u32);
        stream.extend_from_slice(&packet.payload);
        while let Some(&[a, b, c, d, key, more, ..]) = stream.get(..) {
            let length = 4 + u32::from_be_bytes([a, b, c, d]) as usize;
            if stream.len() < length {
                break;
            }
            keys.push(i16::from_be_bytes([key, more]));
            stream.drain(..length);
        }
    }
    keys
}
