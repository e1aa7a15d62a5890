//! A name server that knows one name.
use super::Stack;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::udp::{PacketBuffer, PacketMetadata, Socket};
use smoltcp::wire::Ipv4Address;

/// In the server's stack.
pub struct NameServer {
    socket: SocketHandle,
    /// The name in wire format, and its address.
    name: Vec<u8>,
    address: Ipv4Address,
}

impl NameServer {
    /// Of RFC 1035, at port 53.
    pub fn new(stack: &mut Stack, name: &str, address: Ipv4Address) -> Self {
        let buffer = || PacketBuffer::new(vec![PacketMetadata::EMPTY; 4], vec![0; 2_048]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.bind(53).expect("a port");
        let mut encoded: Vec<u8> =
            name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).collect();
        encoded.push(0);
        NameServer { socket: stack.sockets.add(socket), name: encoded, address }
    }

    /// Answers what has arrived; whether anything had.
    pub fn turn(&self, stack: &mut Stack) -> bool {
        let socket = stack.sockets.get_mut::<Socket>(self.socket);
        let Ok((query, from)) = socket.recv() else { return false };
        // a header of 12 bytes, then the question: name, type and class
        let (Some(&id), Some(question)) = (query.first_chunk::<2>(), query.get(12..)) else { return true };
        let known = question.strip_prefix(&self.name[..]) == Some(&[0, 1, 0, 1]);
        let (code, answers) = if known { (0, 1) } else { (3, 0) };
        let mut answer = [&id[..], &[0x81, 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0], question].concat();
        if known {
            // the name of the question, A, IN, a minute, 4 bytes
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            answer.extend(self.address.octets());
        }
        let _ = socket.send_slice(&answer, from); // no room: the query comes again
        true
    }
}
