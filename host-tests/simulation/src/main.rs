//! Runs seeds on all cores: `nanokafka-simulation --seeds N --from S`, with `--first` until one fails; with `--digests` one after
//! the other, and prints a number for what each has logged. Or runs one of them with its log: `--seed S`.
use nanokafka_simulation::{run, Counts};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;
use std::time::Instant;

fn number(arguments: &[String], name: &str) -> Option<u64> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1)?.parse().ok()
}

/// FNV-1a, which is the same everywhere.
fn digest(log: &str) -> u64 {
    log.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(seed) = number(&arguments, "--seed") {
        let outcome = run(seed);
        println!("{}", outcome.log);
        return report(seed, outcome.violation);
    }
    let (seeds, from) = (number(&arguments, "--seeds").unwrap_or(100), number(&arguments, "--from").unwrap_or(0));
    if arguments.iter().any(|argument| argument == "--digests") {
        (from..from + seeds).for_each(|seed| println!("{seed} {:016x}", digest(&run(seed).log)));
        return ExitCode::SUCCESS;
    }
    let (next, counts, failed) = (AtomicU64::new(from), Mutex::new(Counts::default()), Mutex::new(vec![]));
    let first = arguments.iter().any(|argument| argument == "--first");
    let start = Instant::now();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= from + seeds || first && !failed.lock().expect("no panic holds it").is_empty() {
                    return;
                }
                match std::panic::catch_unwind(|| run(seed)) {
                    Ok(outcome) => {
                        let mut counts = counts.lock().expect("no panic holds it");
                        outcome.counts.0.iter().for_each(|(what, n)| *counts.0.entry(what).or_default() += n);
                        drop(counts);
                        if let Some(violation) = outcome.violation {
                            let lines: Vec<_> = outcome.log.lines().collect();
                            let tail = lines[lines.len().saturating_sub(30)..].join("\n");
                            println!("{tail}");
                            report(seed, Some(violation.clone()));
                            failed.lock().expect("no panic holds it").push((seed, violation));
                        }
                    }
                    Err(_) => {
                        report(seed, Some("a panic, see above".into()));
                        failed.lock().expect("no panic holds it").push((seed, "a panic".into()));
                    }
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    for (what, n) in &counts.lock().expect("no thread is left").0 {
        println!("{n:>12} {what}");
    }
    let mut failed = failed.into_inner().expect("no thread is left");
    failed.sort();
    println!("{seeds} seeds from {from} in {seconds:.1} s, {:.0} a second", seeds as f64 / seconds);
    println!("{} violations", failed.len());
    for (seed, violation) in failed.iter().take(20) {
        println!("    seed {seed}: {violation}");
    }
    ExitCode::from(u8::from(!failed.is_empty()))
}

fn report(seed: u64, violation: Option<String>) -> ExitCode {
    let Some(violation) = violation else { return ExitCode::SUCCESS };
    println!("VIOLATED by seed {seed}: {violation}\n    again: cargo xtask simulate --seed {seed}");
    ExitCode::FAILURE
}
