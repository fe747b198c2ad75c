//! Answers of a Kafka broker: any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_delivery::fuzz_kafka(data));
