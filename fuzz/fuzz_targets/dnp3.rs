//! DNP3 conversations.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_protocol::fuzz::fuzz_dnp3(data));
