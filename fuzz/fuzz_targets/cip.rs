//! EtherNet/IP and CIP conversations.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_protocol::fuzz::fuzz_cip(data));
