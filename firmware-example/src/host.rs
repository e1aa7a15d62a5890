//! What a real board has and these ask the emulator's host for: configuration, entropy, an end.

use semihosting::experimental::env::{args, Args};
use semihosting::experimental::random::fill_bytes;
use static_cell::StaticCell;

/// `host:port` of a server, the firmware's argument.
pub fn server() -> &'static str {
    static ARGUMENTS: StaticCell<Args<256>> = StaticCell::new();
    let arguments: &'static Args<256> = ARGUMENTS.init(defmt::unwrap!(args().ok(), "at most 256 bytes"));
    // the first is the firmware's name
    defmt::unwrap!(arguments.into_iter().nth(1).and_then(Result::ok), "an argument HOST:PORT")
}

/// From the host's generator; a board has its own.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    defmt::unwrap!(fill_bytes(&mut bytes).ok(), "the host has /dev/urandom");
    bytes
}

/// Ends the emulator.
pub fn exit(code: i32) -> ! {
    semihosting::process::exit(code)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    // where, but not why: formatting the reason is 6 KB
    match info.location() {
        Some(at) => defmt::error!("panicked at {=str}:{=u32}", at.file(), at.line()),
        None => defmt::error!("panicked"),
    }
    exit(101)
}
