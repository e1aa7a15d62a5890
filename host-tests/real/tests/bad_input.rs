//! What is wrong gets a typed error that says what, where and what to do; and whatever can go on does.

use nanokafka::{
    Api, Capacity, Config, Error, ProtocolErrorKind, Resource, Seed, Storage, TopicPartition, UsageError, MIN_WINDOW,
};
use nanokafka_real::{
    config, consumer, kafka, partitions, poll_until, read, send, sized, topic, Ledger, Outcome, SOON,
};
use nanokafka_std::blocking::{Consumer, Tcp};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// A server that does the same to every connection. It ends with the process.
fn server(serve: impl Fn(TcpStream) + Send + 'static) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
    Ok(address)
}

/// The first error of a consumer that cannot reach a broker, within `limit`.
fn first_error(bootstrap: &str, limit: Duration) -> Result<Error, Error> {
    let config = config(bootstrap).request_timeout(Duration::from_secs(1));
    let mut consumer = consumer(config, 4096)?;
    consumer.assign(&[TopicPartition::new("t", 0)])?;
    let start = Instant::now();
    let error = poll_until(&mut consumer, "an error", limit, |event| event.err());
    println!("{error} after {:?}", start.elapsed());
    assert!(!error.is_fatal(), "a broker may come up there later: {error:?}");
    consumer.close()?;
    Ok(error)
}

#[test]
fn nobody_listens() -> Outcome {
    // reserved and closed again
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let error = first_error(&address, Duration::from_secs(5))?;
    assert!(matches!(error, Error::Transport(_)), "{error:?}");
    let said = error.to_string();
    assert!(said.starts_with(&format!("no connection to {address}: ")) && said.contains("refused"), "{said}");
    Ok(())
}

#[test]
fn the_name_does_not_exist() -> Outcome {
    let error = first_error("no-such-host.invalid:9092", SOON)?;
    assert!(matches!(error, Error::Transport(_)), "{error:?}");
    assert!(error.to_string().starts_with("no connection to no-such-host.invalid:9092: "), "{error}");
    Ok(())
}

#[test]
fn an_http_server() -> Outcome {
    let address = server(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    })?;
    let error = first_error(&address, Duration::from_secs(5))?;
    assert!(matches!(error, Error::Protocol(what) if what.kind == ProtocolErrorKind::Http), "{error:?}");
    assert!(error.to_string().contains("the peer is an HTTP server: wrong port"), "{error}");
    Ok(())
}

#[test]
fn a_tls_port() -> Outcome {
    let address = server(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        // alert: handshake failure
        let _ = stream.write_all(&[0x15, 3, 1, 0, 2, 2, 0x28]);
    })?;
    let error = first_error(&address, Duration::from_secs(5))?;
    assert!(matches!(error, Error::Protocol(what) if what.kind == ProtocolErrorKind::Tls), "{error:?}");
    assert!(error.to_string().contains("TLS"), "{error}");
    Ok(())
}

#[test]
fn a_port_that_says_nothing() -> Outcome {
    let address = server(|stream| {
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(20));
            drop(stream);
        });
    })?;
    let error = first_error(&address, Duration::from_secs(5))?;
    assert_eq!(error, Error::Timeout(Api::ApiVersions));
    assert!(error.to_string().contains("request.timeout.ms"), "{error}");
    Ok(())
}

#[test]
fn a_port_that_closes_at_once() -> Outcome {
    let address = server(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
    })?;
    let error = first_error(&address, Duration::from_secs(5))?;
    assert!(matches!(error, Error::Protocol(what) if what.kind == ProtocolErrorKind::Closed), "{error:?}");
    assert!(error.to_string().contains("TLS or SASL"), "{error}");
    Ok(())
}

#[test]
fn sizes_out_of_a_nightmare() -> Outcome {
    for (size, kind) in [(i32::MAX, "2147483647"), (-1, "-1"), (3, "3 bytes")] {
        let address = server(move |mut stream| {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(&[size.to_be_bytes(), [0, 0, 0, 1]].concat());
        })?;
        let error = first_error(&address, Duration::from_secs(5))?;
        assert!(matches!(error, Error::Protocol(_)) && error.to_string().contains(kind), "{error}");
    }
    Ok(())
}

#[test]
fn one_good_server_in_the_list_is_enough() -> Outcome {
    let topic = topic("list", 1, "")?;
    let mut ledger = Ledger::default();
    send(&mut ledger, &topic, 0, 5, 10, 0)?;
    let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let list = format!("{nobody}, {}", kafka().bootstrap());
    let mut consumer = consumer(config(&list), 4096)?;
    consumer.assign(&partitions(&topic, 1))?;
    Ok(read(&mut consumer, &mut ledger)?)
}

#[test]
fn more_partitions_than_there_is_room_for() -> Outcome {
    let topic = topic("room", 5, "")?;
    let mut consumer = sized(config(kafka().bootstrap()).group_id("room"), 4, 2, 4096)?;
    let error = consumer.assign(&partitions(&topic, 5)).expect_err("five do not fit");
    assert_eq!(error, Error::Capacity(Capacity { what: Resource::Partitions, needed: 5, have: 4 }));
    let said = error.to_string();
    assert!(said.starts_with("too small: partitions (PARTITIONS") && said.ends_with("needed 5, have 4"), "{said}");
    // nothing has changed
    assert_eq!(consumer.control().assignment().len(), 0);
    consumer.subscribe(&[&topic])?;
    let error = poll_until(&mut consumer, "the error", SOON, |event| event.err());
    assert_eq!(error, Error::Capacity(Capacity { what: Resource::Partitions, needed: 5, have: 4 }));
    consumer.unsubscribe();
    let mut ledger = Ledger::default();
    send(&mut ledger, &topic, 3, 5, 10, 0)?;
    consumer.assign(&[TopicPartition::new(&topic, 3)])?;
    Ok(read(&mut consumer, &mut ledger)?)
}

#[test]
fn too_little_memory_is_refused_before_any_io() -> Outcome {
    let new = |partitions, connections, window| -> Result<(), Error> {
        let tcp = Tcp::new(2).expect("a poller");
        let seed = Seed::from_os().expect("random numbers");
        Consumer::new(Storage::boxed(partitions, connections, window), Config::new("localhost:1"), tcp, seed)
            .map(|_| ())
    };
    let capacity = |what, needed, have| Err(Error::Capacity(Capacity { what, needed, have }));
    assert_eq!(new(1, 2, MIN_WINDOW), Ok(()));
    assert_eq!(new(1, 2, MIN_WINDOW - 1), capacity(Resource::Window, MIN_WINDOW, MIN_WINDOW - 1));
    assert_eq!(new(1, 1, 4096), capacity(Resource::Connections, 2, 1));
    assert_eq!(new(0, 2, 4096), capacity(Resource::Partitions, 1, 0));
    let error = new(1, 2, 10).expect_err("too small");
    assert!(error.to_string().contains("bytes of the window (WINDOW of Resources"), "{error}");
    Ok(())
}

#[test]
fn names_that_are_none() -> Outcome {
    let mut consumer = consumer(config(kafka().bootstrap()), 4096)?;
    let long = "a".repeat(250);
    for name in ["", ".", "..", "a b", "a/b", "ä", &long] {
        for result in [consumer.subscribe(&["good", name]), consumer.assign(&[TopicPartition::new(name, 0)])] {
            let error = result.expect_err(name);
            assert!(matches!(error, Error::Usage(UsageError::TopicName(_))), "{error:?}");
            assert!(error.to_string().contains("is no topic name: 1 to 249 letters"), "{error}");
        }
    }
    let negative = consumer.assign(&[TopicPartition::new("good", -1)]);
    assert_eq!(negative, Err(Error::Usage(UsageError::Negative(-1))));
    // names that fit one by one, but not together
    let mut small = sized(config(kafka().bootstrap()), 1, 2, 4096)?;
    let names: Vec<_> = (0..5).map(|n| format!("{n}{}", "a".repeat(248))).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let error = small.subscribe(&names).expect_err("1,275 bytes do not fit 1,024");
    assert_eq!(error, Error::Capacity(Capacity { what: Resource::Names, needed: 1275, have: 1024 }));
    Ok(())
}

#[test]
fn the_longest_name_works() -> Outcome {
    let topic = format!("{}{}", topic("long", 1, "")?, "-".repeat(249));
    let topic = &topic[..249];
    kafka().admin(&format!("create {topic} 1 1"))?;
    let mut ledger = Ledger::default();
    send(&mut ledger, topic, 0, 5, 10, 0)?;
    for window in [MIN_WINDOW, 4096] {
        let mut consumer = consumer(config(kafka().bootstrap()).group_id("longest"), window)?;
        consumer.subscribe(&[topic])?;
        read(&mut consumer, &mut ledger.clone())?;
        consumer.close()?;
    }
    Ok(())
}

#[test]
fn a_partition_that_does_not_exist_does_not_stop_the_others() -> Outcome {
    let topic = topic("fewer", 1, "")?;
    let mut ledger = Ledger::default();
    send(&mut ledger, &topic, 0, 5, 10, 0)?;
    let mut consumer = consumer(config(kafka().bootstrap()), 4096)?;
    consumer.assign(&[TopicPartition::new(&topic, 0), TopicPartition::new(&topic, 7)])?;
    Ok(read(&mut consumer, &mut ledger)?)
}

#[test]
fn a_configuration_that_cannot_work_names_the_key() -> Outcome {
    let good = config(kafka().bootstrap());
    let cases = [
        (good.bootstrap_servers("localhost"), "bootstrap.servers"),
        (good.heartbeat_interval(Duration::from_secs(60)), "heartbeat.interval.ms"),
        (good.fetch_min_bytes(0), "fetch.min.bytes"),
        (good.group_instance_id("x"), "group.instance.id"),
    ];
    for (config, key) in cases {
        let error = consumer(config, 4096).err().expect(key);
        assert!(
            error.is_fatal() && error.to_string().starts_with(&format!("configuration: {key} must be ")),
            "{error}"
        );
    }
    Ok(())
}
