//! Sizes that the compiler computes for a target, as the sizes of statics; `cargo xtask bench state` reads them from its
//! assembly.
#![no_std]

use core::mem::size_of;
use nanokafka::{Resources, NAME_BYTES};

const SMALL: usize = size_of::<Resources<8, 2, 4096>>();

/// All but the window.
pub static STATE: [u8; SMALL - 4096] = [0; SMALL - 4096];

/// What one more costs.
pub static PARTITION: [u8; size_of::<Resources<9, 2, 4096>>() - SMALL] = [0; size_of::<Resources<9, 2, 4096>>() - SMALL];

/// The part of it that is for names.
pub static NAME: [u8; NAME_BYTES] = [0; NAME_BYTES];
