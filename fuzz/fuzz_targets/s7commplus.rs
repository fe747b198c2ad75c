//! S7comm-plus conversations.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_protocol::fuzz::fuzz_s7commplus(data));
