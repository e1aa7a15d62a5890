//! The scenarios over `nanokafka-embassy`, in fair and in foul weather, and cancelled wherever they wait.
use nanokafka_behaviour::embassy::{Embassy, EmbassyCancelled, EmbassyLosing};
use nanokafka_behaviour::on_each_platform;

on_each_platform! {
    fair: Embassy,
    cancelled: EmbassyCancelled,
    losing: EmbassyLosing,
}
