//! Bytes of `Resources` for typical sizes. Only a compiler for 32 bits knows them, and what it builds does not run here:
//! `cargo xtask memory` looks for [`TABLE`] in the object code.
#![no_std]

use core::mem::size_of;
use nanokafka::Resources;

/// A mark, then `[partitions, connections, window, bytes]` of each row, in the target's byte order.
#[repr(C)]
pub struct Table<const ROWS: usize> {
    mark: [u8; 16],
    rows: [[u32; 4]; ROWS],
}

macro_rules! row {
    ($partitions:literal, $connections:literal, $window:literal) => {
        [$partitions, $connections, $window, size_of::<Resources<$partitions, $connections, $window>>() as u32]
    };
}

/// The rows of the README.
#[used]
pub static TABLE: Table<4> = Table {
    mark: *b"nanokafka-memory",
    rows: [row!(1, 2, 1024), row!(8, 2, 4096), row!(16, 3, 16_384), row!(64, 4, 65_536)],
};
