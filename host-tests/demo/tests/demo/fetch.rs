//! A Fetch by hand, because clients do not show batches: version 4, the oldest that every broker still speaks.

use std::io::{Read, Result, Write};
use std::net::TcpStream;

/// Bytes and records of each batch of partition 0, as far as they fit into 10 MB.
pub fn batches(bootstrap: &str, topic: &str) -> Result<Vec<(usize, usize)>> {
    let (topic, client) = (topic.as_bytes(), b"test");
    let mut request = Vec::new();
    // API key, version, correlation id, client id
    request.extend([0, 1, 0, 4, 0, 0, 0, 7, 0, client.len() as u8]);
    request.extend(client);
    // replica, longest wait, fewest bytes, most bytes, isolation level
    for number in [-1i32, 100, 1, 10 << 20] {
        request.extend(number.to_be_bytes());
    }
    request.push(0);
    // one topic; one partition, from offset 0
    request.extend([0, 0, 0, 1, 0, topic.len() as u8]);
    request.extend(topic);
    request.extend([0, 0, 0, 1, 0, 0, 0, 0]);
    request.extend(0i64.to_be_bytes());
    request.extend((10i32 << 20).to_be_bytes());

    let mut stream = TcpStream::connect(bootstrap)?;
    stream.write_all(&(request.len() as u32).to_be_bytes())?;
    stream.write_all(&request)?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut answer)?;

    let number = |at: usize| i32::from_be_bytes(answer[at..at + 4].try_into().expect("four"));
    // correlation id, throttle time, topics, name, partitions, index, error, high watermark, last stable offset
    let mut at = 4 + 4 + 4 + 2 + topic.len() + 4 + 4 + 2 + 8 + 8;
    assert_eq!(answer[at - 18..at - 16], [0, 0], "error code");
    assert!(number(at) <= 0, "aborted transactions");
    at += 4;
    let end = at + 4 + number(at) as usize;
    at += 4;
    let mut batches = Vec::new();
    while at < end {
        // base offset, length of what follows; at 57 of the batch its record count
        let bytes = 12 + number(at + 8) as usize;
        batches.push((bytes, number(at + 57) as usize));
        at += bytes;
    }
    Ok(batches)
}
