//! From positions to records: where to begin, which leader to ask, what comes back.
pub(crate) mod plan;
pub(crate) mod position;
pub(crate) mod stream;
