//! `debug! info! warn!` for this crate: to defmt, else to log, else nowhere. With both features on defmt
//! wins, so that `--all-features` builds and firmware does not pay for `core::fmt`.
//!
//! Format strings are what both understand: `{}` and `{:?}` with arguments behind. The build without either checks them
//! too. Arguments are not evaluated when nobody listens, so they must not do anything.

// Not in unit tests: defmt's symbols come from a device's logger, and nothing on a host defines them.
#[cfg(all(feature = "defmt", not(test)))]
macro_rules! emit {
    ($level:ident, $($arg:tt)+) => { ::defmt::$level!($($arg)+) };
}

#[cfg(all(feature = "log", any(test, not(feature = "defmt"))))]
macro_rules! emit {
    ($level:ident, $($arg:tt)+) => { ::log::$level!($($arg)+) };
}

#[cfg(not(any(feature = "log", all(feature = "defmt", not(test)))))]
macro_rules! emit {
    ($level:ident, $($arg:tt)+) => {
        if false {
            let _ = ::core::format_args!($($arg)+);
        }
    };
}

macro_rules! debug {
    ($($arg:tt)+) => { emit!(debug, $($arg)+) };
}

macro_rules! info {
    ($($arg:tt)+) => { emit!(info, $($arg)+) };
}

macro_rules! warn {
    ($($arg:tt)+) => { emit!(warn, $($arg)+) };
}

#[cfg(test)]
mod tests {
    /// Also that nothing warns of unused variables when nobody listens.
    #[test]
    fn every_level_takes_both_kinds_of_arguments() {
        let (topic, partition, error) = ("sensors", 3, crate::Api::Fetch);
        debug!("bare");
        debug!("{} {}", topic, partition,);
        info!("{:?}", error);
        warn!("{}-{}: {:?}", topic, partition, error);
        match partition {
            3 => warn!("partition {}", partition),
            _ => info!("another"),
        }
    }

    #[cfg(feature = "log")]
    #[test]
    fn log_receives_level_target_and_text() {
        use std::{string::String, sync::Mutex};
        struct Sink(Mutex<String>);
        impl log::Log for Sink {
            fn enabled(&self, _: &log::Metadata<'_>) -> bool {
                true
            }
            fn log(&self, record: &log::Record<'_>) {
                *self.0.lock().unwrap() += &std::format!("{} {} {}\n", record.level(), record.target(), record.args());
            }
            fn flush(&self) {}
        }
        static SINK: Sink = Sink(Mutex::new(String::new()));
        log::set_logger(&SINK).unwrap();
        log::set_max_level(log::LevelFilter::Warn);
        warn!("{} moved to {}", "sensors", 2);
        debug!("too detailed");
        // Other tests log too.
        let text = SINK.0.lock().unwrap();
        assert!(text.contains("WARN nanokafka::fmt::tests sensors moved to 2\n") && !text.contains("too detailed"));
    }
}
