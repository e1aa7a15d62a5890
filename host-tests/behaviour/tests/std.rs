//! The scenarios over the transports of `nanokafka-std`.
use nanokafka_behaviour::{on_each_platform, Blocking, Sockets, Tokio, TokioCancelled};

on_each_platform! {
    blocking: [Blocking(Sockets::new())],
    tokio: [Tokio(Sockets::new())],
    tokio_cancelled: [TokioCancelled(Sockets::new())],
}
