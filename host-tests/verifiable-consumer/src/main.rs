//! Kafka's VerifiableConsumer with this consumer inside: the flags and events by which Kafka's own system tests drive any
//! client. For ducktape it is a `--globals`:
//!
//! ```text
//! {"VerifiableConsumer": {"class": "kafkatest.services.verifiable_client.VerifiableClientApp",
//!     "exec_cmd": "/path/to/nanokafka-verifiable-consumer", "pids": "pgrep -f '[n]anokafka-verifiable-consumer'"}}
//! ```
//!
//! The brackets keep the pattern from matching the shell that it stands in.

mod args;
mod events;
mod member;

use args::{Args, USAGE};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

fn main() -> ExitCode {
    let args = match args::parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("{why}; see --help");
            return ExitCode::from(2);
        }
    };
    for warning in &args.warnings {
        eprintln!("{warning}");
    }
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, stop.clone())?;
    }
    member::run(args, &stop, std::io::stdout())
}
