#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nanokafka::fuzzing::fetch(data));
