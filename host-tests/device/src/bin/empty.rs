//! What to subtract.
#![no_std]
#![no_main]
nanokafka_device::no_panic!();

#[no_mangle]
extern "C" fn _start() -> ! {
    loop {
        nanokafka_device::write(0x5000_0000, 0);
    }
}
