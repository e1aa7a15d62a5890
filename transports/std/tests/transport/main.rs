//! The contract of `nanokafka::Transport`, against real sockets on the loopback: each scenario runs on both platforms.
mod platform;
mod scenarios;

macro_rules! on_each_platform {
    ($($scenario:ident),* $(,)?) => {
        mod blocking {
            $(#[test] fn $scenario() { super::scenarios::$scenario(&mut super::platform::Blocking::new(2)) })*
        }
        #[cfg(feature = "tokio")]
        mod tokio {
            $(#[test] fn $scenario() { super::scenarios::$scenario(&mut super::platform::Tokio::new(2)) })*
        }
    };
}

on_each_platform! {
    echoes_and_closes_in_order,
    close_sends_everything_although_bytes_are_unread,
    the_peers_end_is_zero_bytes_again_and_again,
    the_end_behind_the_last_bytes_is_seen,
    a_reset_is_an_error_and_the_connection_can_be_made_anew,
    a_refusal_is_an_error_and_the_connection_can_be_made_anew,
    a_name_is_tried_at_all_its_addresses,
    connects_over_ipv6,
    a_name_that_does_not_resolve_holds_nobody_up,
    a_name_query_can_be_aborted,
    a_stuck_connect_holds_nobody_up_and_can_be_aborted,
    a_connection_nobody_reads_holds_nobody_up,
    bytes_survive_tiny_buffers_both_ways,
    an_unknown_connection_is_an_error,
    a_connection_that_is_not_open_is_an_error,
}
