//! A MAC with FIFOs as a network driver: one frame on its way in, one on its way out; those that wait are in the MAC.

use core::task::Context;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::waitqueue::GenericAtomicWaker;
use smoltcp::phy;
use static_cell::ConstStaticCell;

/// Bytes of the largest frame, without its CRC.
const FRAME: usize = 1514;

/// A frame as it passes through a FIFO of 32-bit words: with what the MAC puts before and behind it.
pub(super) type Buffer = [u8; 1524];

/// Woken by the MAC's interrupt.
pub(super) static ARRIVED: GenericAtomicWaker<CriticalSectionRawMutex> =
    GenericAtomicWaker::new(CriticalSectionRawMutex::new());

/// Registers of a MAC.
pub trait Fifo {
    /// Bytes before the frame, in both directions.
    const LEAD: usize;

    /// Frames that the receive FIFO holds for sure, if it drops others.
    const BURST: Option<usize>;

    /// The address it was made with.
    fn address(&self) -> [u8; 6];

    /// Takes a frame out of the FIFO; its length.
    fn receive(&mut self, buffer: &mut Buffer) -> Option<usize>;

    /// Whether a frame of any length can be sent.
    fn is_free(&mut self) -> bool;

    /// Sends `buffer[LEAD..][..length]`.
    fn send(&mut self, buffer: &mut Buffer, length: usize);
}

/// A network interface.
pub struct Ethernet<F> {
    fifo: F,
    // not in here: `embassy_net::new` moves its driver, over the stack
    receive: &'static mut Buffer,
    send: &'static mut Buffer,
}

impl<F: Fifo> Ethernet<F> {
    pub(super) fn new(fifo: F) -> Self {
        static RECEIVE: ConstStaticCell<Buffer> = ConstStaticCell::new([0; 1524]);
        static SEND: ConstStaticCell<Buffer> = ConstStaticCell::new([0; 1524]);
        Ethernet { fifo, receive: RECEIVE.take(), send: SEND.take() }
    }
}

impl<F: Fifo> Driver for Ethernet<F> {
    type RxToken<'a>
        = Received<'a>
    where
        F: 'a;
    type TxToken<'a>
        = Sender<'a, F>
    where
        F: 'a;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received<'_>, Sender<'_, F>)> {
        // first, for the interrupt may come in between
        ARRIVED.register(cx.waker());
        self.is_free(cx).then(|| self.take())?
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Sender<'_, F>> {
        self.is_free(cx).then(|| self.sender())
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME;
        // clamps the TCP windows, so that no more is sent to us than the FIFO holds
        capabilities.max_burst_size = F::BURST;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address())
    }
}

/// The same without wakers: its user sleeps by [`sleep_until`](super::sleep_until).
impl<F: Fifo> phy::Device for Ethernet<F> {
    type RxToken<'a>
        = Received<'a>
    where
        F: 'a;
    type TxToken<'a>
        = Sender<'a, F>
    where
        F: 'a;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Received<'_>, Sender<'_, F>)> {
        self.fifo.is_free().then(|| self.take())?
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Sender<'_, F>> {
        self.fifo.is_free().then(|| self.sender())
    }

    fn capabilities(&self) -> phy::DeviceCapabilities {
        let mut capabilities = phy::DeviceCapabilities::default();
        capabilities.max_transmission_unit = FRAME;
        capabilities.max_burst_size = F::BURST;
        capabilities
    }
}

impl<F: Fifo> Ethernet<F> {
    /// The address it was made with.
    pub fn address(&self) -> [u8; 6] {
        self.fifo.address()
    }

    fn take(&mut self) -> Option<(Received<'_>, Sender<'_, F>)> {
        let length = self.fifo.receive(self.receive)?;
        let frame = self.receive.get_mut(F::LEAD..)?.get_mut(..length)?;
        Some((Received(frame), Sender { fifo: &mut self.fifo, buffer: self.send }))
    }

    fn sender(&mut self) -> Sender<'_, F> {
        Sender { fifo: &mut self.fifo, buffer: self.send }
    }

    /// Asks again soon if not: a frame leaves in microseconds, for which the MAC's interrupt is not worth it.
    fn is_free(&mut self, cx: &mut Context<'_>) -> bool {
        let free = self.fifo.is_free();
        if !free {
            cx.waker().wake_by_ref();
        }
        free
    }
}

/// A frame that came.
pub struct Received<'a>(&'a mut [u8]);

impl RxToken for Received<'_> {
    fn consume<R, C: FnOnce(&mut [u8]) -> R>(self, consume: C) -> R {
        consume(self.0)
    }
}

impl phy::RxToken for Received<'_> {
    fn consume<R, C: FnOnce(&[u8]) -> R>(self, consume: C) -> R {
        consume(self.0)
    }
}

/// Room for a frame to send.
pub struct Sender<'a, F> {
    fifo: &'a mut F,
    buffer: &'a mut Buffer,
}

impl<F: Fifo> TxToken for Sender<'_, F> {
    fn consume<R, C: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: C) -> R {
        // `length` is at most what `capabilities` says
        let result = fill(&mut self.buffer[F::LEAD..][..length]);
        self.fifo.send(self.buffer, length);
        result
    }
}

impl<F: Fifo> phy::TxToken for Sender<'_, F> {
    fn consume<R, C: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: C) -> R {
        TxToken::consume(self, length, fill)
    }
}
