//! What Linux knows about a process.

use std::fs;
use std::time::Duration;

/// CPU time, user and system, of all threads that are alive. `process` is a number, or `self`.
pub fn cpu(process: &str) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let nanoseconds = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        // time on a CPU, time in a queue, time slices
        text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0)
    };
    Duration::from_nanos(threads.map(nanoseconds).sum())
}

/// A line of `/proc/self/status`, in KB: `VmHWM` or `RssAnon`.
pub fn memory(what: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).expect("a line of /proc/self/status")
}
