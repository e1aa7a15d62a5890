//! From positions to records: where to begin, which leader to ask, what comes back.
mod batch;
pub(crate) mod follower;
mod large;
pub(crate) mod plan;
pub(crate) mod position;
pub(crate) mod stream;
