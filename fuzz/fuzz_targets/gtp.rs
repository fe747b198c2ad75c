//! GTP datagrams.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_protocol::fuzz::fuzz_gtp(data));
