//! Bytes: leaves, items, requests. `IResult` does not leave this module.
pub(crate) mod crc32c;
pub(crate) mod error_code;
