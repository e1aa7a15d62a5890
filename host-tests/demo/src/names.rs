//! Names of topics and groups.

use std::hash::{BuildHasher, RandomState};

pub struct Names {
    suffix: String,
}

impl Names {
    /// `fresh`: names that nobody has used before.
    pub fn new(fresh: bool) -> Self {
        let suffix = match fresh {
            // the keys of std's hash maps are random
            true => format!("-{:08x}", RandomState::new().hash_one(std::process::id()) as u32),
            false => String::new(),
        };
        Names { suffix }
    }

    pub fn of(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }
}
