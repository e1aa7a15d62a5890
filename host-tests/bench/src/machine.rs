//! On what it was measured.

use nanokafka_brokers::mock::rdkafka::util::get_rdkafka_version;
use std::fs;
use std::process::Command;

/// A paragraph of Markdown.
pub fn describe() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |it| it.1);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let (_, librdkafka) = get_rdkafka_version();
    format!(
        "\n{date}: {model}, {cores} cores, Linux {kernel}, {rustc}, Apache Kafka {kafka}, librdkafka {librdkafka}, {valgrind}; \
         broker, producer and consumers share the machine; both clients with their defaults, which for librdkafka means that no CRC is checked.\n",
        date = says("date", "-u +%F"),
        kernel = kernel.trim(),
        rustc = says("rustc", "--version"),
        kafka = nanokafka_brokers::RELEASE,
        valgrind = says("valgrind", "--version"),
    )
}

/// A program's first line.
fn says(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split(' ')).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("?").to_owned()
}
