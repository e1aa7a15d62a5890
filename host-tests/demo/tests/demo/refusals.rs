//! What goes wrong is named, with its remedy, in reasonable time.

use crate::{assert_failed, demo, said};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    (listener, address)
}

fn assert_refused(bootstrap: &str, words: &[&str]) {
    let start = Instant::now();
    let output = demo(&["--bootstrap", bootstrap]);
    assert_failed(&output, words);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(output.stdout.is_empty());
}

#[test]
fn nobody_listens() {
    let (listener, address) = listen();
    drop(listener);
    assert_refused(&address, &[&format!("no connection to {address}: connection refused"), "--bootstrap HOST:PORT"]);
}

#[test]
fn the_name_does_not_resolve() {
    assert_refused("broker.invalid:9092", &["broker.invalid:9092: the name does not resolve", "advertised.listeners"]);
}

#[test]
fn somebody_listens_and_says_nothing() {
    let (_listener, address) = listen();
    assert_refused(&address, &[&address, "no answer to ApiVersions", "PLAINTEXT listener"]);
}

#[test]
fn it_is_a_web_server() {
    let (listener, address) = listen();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 1000]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    assert_refused(&address, &[&address, "HTTP server", "PLAINTEXT listener"]);
}

#[test]
fn wrong_arguments() {
    for (arguments, word) in [
        (&["--kafak"][..], "--kafak"),
        (&["--bootstrap"], "host:port"),
        (&["--bootstrap", "localhost"], "host:port"),
        (&["--kafka", "--bootstrap=localhost:9092"], "one broker"),
    ] {
        let output = demo(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = said(&output);
        assert!(said.contains(word) && said.contains("--help"), "{said}");
    }
}

#[test]
fn java_is_missing() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_nanokafka-demo"));
    let output = demo.arg("--kafka").env("PATH", "").output().expect("built by cargo");
    assert_failed(&output, &["is not installed", "cargo xtask setup"]);
}

#[test]
fn nobody_reads_the_records() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_nanokafka-demo"));
    let mut child = demo.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("built by cargo");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_failed(&output, &["standard output"]);
}
