//! The scenarios over the transports of `nanokafka-std`.
use nanokafka_behaviour::{on_each_platform, Blocking, Tokio, TokioCancelled};

on_each_platform! {
    blocking: Blocking,
    tokio: Tokio,
    tokio_cancelled: TokioCancelled,
}
