//! A cable in memory with a delay.
use nanokafka::Instant;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

type Lane = Rc<RefCell<VecDeque<Frame>>>;

struct Frame {
    arrives: smoltcp::time::Instant,
    bytes: Vec<u8>,
}

/// One end of a cable. A handle: clones are the same end.
#[derive(Clone)]
pub struct Port {
    incoming: Lane,
    outgoing: Lane,
    medium: Medium,
    delay: smoltcp::time::Duration,
}

impl Port {
    /// Both ends of a cable that takes so many milliseconds, one way.
    pub fn cable(medium: Medium, delay: u64) -> [Port; 2] {
        let lanes = [Lane::default(), Lane::default()];
        [0, 1].map(|end| Port {
            incoming: lanes[end].clone(),
            outgoing: lanes[1 - end].clone(),
            medium,
            delay: smoltcp::time::Duration::from_millis(delay),
        })
    }

    /// When the next frame is here; `NEVER` when none is under way.
    pub fn next_arrival(&self) -> Instant {
        self.incoming.borrow().front().map_or(Instant::NEVER, |frame| super::nanokafka(frame.arrives))
    }
}

impl Device for Port {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sender<'a>;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = self.medium;
        capabilities.max_transmission_unit = if self.medium == Medium::Ethernet { 1_514 } else { 1_500 };
        capabilities
    }

    fn receive(&mut self, now: smoltcp::time::Instant) -> Option<(Received, Sender<'_>)> {
        let frame = self.incoming.borrow_mut().pop_front_if(|frame| frame.arrives <= now)?;
        Some((Received(frame.bytes), Sender { lane: &self.outgoing, arrives: now + self.delay }))
    }

    fn transmit(&mut self, now: smoltcp::time::Instant) -> Option<Sender<'_>> {
        Some(Sender { lane: &self.outgoing, arrives: now + self.delay })
    }
}

/// A frame that has arrived.
pub struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

/// Room for a frame.
pub struct Sender<'a> {
    lane: &'a Lane,
    arrives: smoltcp::time::Instant,
}

impl TxToken for Sender<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut bytes = vec![0; length];
        let result = write(&mut bytes);
        self.lane.borrow_mut().push_back(Frame { arrives: self.arrives, bytes });
        result
    }
}
