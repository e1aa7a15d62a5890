//! A transport the compiler knows nothing about, and a program over it that uses what the consumer has. The panic handler of the binaries
//! calls a symbol that does not exist, so a program that can panic does not link.
#![no_std]
use core::task::{Context, Poll};
use nanokafka::{ConnectionId, Event, Instant, Record, Resources, Storage, Transport, TransportError, TransportErrorKind};

/// Registers of no device in particular.
pub struct Mmio<const BASE: usize>;

/// Reads a register.
pub fn read(address: usize) -> u32 {
    unsafe { core::ptr::read_volatile(address as *const u32) }
}

/// Writes a register.
pub fn write(address: usize, value: u32) {
    unsafe { core::ptr::write_volatile(address as *mut u32, value) }
}

impl<const BASE: usize> Mmio<BASE> {
    #[inline(never)]
    fn result(&self) -> Poll<Result<usize, TransportError>> {
        match read(BASE) {
            0 => Poll::Pending,
            1 => Poll::Ready(Err(TransportError::new(TransportErrorKind::Reset))),
            _ => Poll::Ready(Ok(read(BASE + 4) as usize)),
        }
    }
}

impl<const BASE: usize> Transport for Mmio<BASE> {
    fn connections(&self) -> usize {
        2
    }
    fn poll_connect(&mut self, _: &mut Context<'_>, id: ConnectionId, host: &str, port: u16) -> Poll<Result<(), TransportError>> {
        write(BASE + 8, host.as_ptr() as u32);
        write(BASE + 12, host.len() as u32 + port as u32 + id.index() as u32);
        self.result().map_ok(|_| ())
    }
    fn poll_read(&mut self, _: &mut Context<'_>, id: ConnectionId, buf: &mut [u8]) -> Poll<Result<usize, TransportError>> {
        for byte in buf.iter_mut() {
            *byte = read(BASE + 16) as u8;
        }
        write(BASE, id.index() as u32);
        self.result()
    }
    fn poll_write(&mut self, _: &mut Context<'_>, id: ConnectionId, buf: &[u8]) -> Poll<Result<usize, TransportError>> {
        for byte in buf {
            write(BASE + 20, *byte as u32);
        }
        write(BASE, id.index() as u32);
        self.result()
    }
    fn poll_close(&mut self, _: &mut Context<'_>, _: ConnectionId) -> Poll<()> {
        Poll::Ready(())
    }
    fn abort(&mut self, id: ConnectionId) {
        write(BASE + 24, id.index() as u32);
    }
}

/// The time of no clock in particular.
pub fn now() -> Instant {
    Instant::from_millis(read(0x4000_0000) as u64)
}

/// Uses all of a record.
pub fn sink(record: &Record<'_>) {
    write(0x5000_0000, record.offset() as u32 + record.partition() as u32);
    write(0x5000_0000, record.timestamp() as u32);
    for byte in record.key().unwrap_or_default().iter().chain(record.value().unwrap_or_default()) {
        write(0x5000_0004, *byte as u32);
    }
    for header in record.headers() {
        write(0x5000_0008, header.key.len() as u32 + header.value.map_or(0, |value| value.len() as u32));
    }
}

/// Any event but records.
pub fn note<IO>(event: &Event<'_, IO>) {
    write(0x5000_000c, match event {
        Event::Assigned(partitions) | Event::Revoked(partitions) | Event::Lost(partitions) => partitions.len() as u32,
        Event::EndOfPartition(partition) => partition.partition as u32,
        Event::Truncated(truncated) => truncated.to as u32,
        Event::Skipped(skipped) => skipped.size,
        Event::CommitCompleted(result) => result.is_ok() as u32,
        _ => 0,
    });
}

static mut RESOURCES: Resources<8, 2, 4096> = Resources::new();

/// Of the one static.
pub fn storage() -> Storage<'static> {
    unsafe { (*core::ptr::addr_of_mut!(RESOURCES)).storage() }
}

/// Makes a panic a link error.
#[macro_export]
macro_rules! no_panic {
    () => {
        extern "C" {
            fn this_program_can_panic() -> !;
        }

        #[panic_handler]
        fn panic(_: &core::panic::PanicInfo) -> ! {
            unsafe { this_program_can_panic() }
        }
    };
}
