//! IEC 60870-5-104 conversations.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_protocol::fuzz::fuzz_iec104(data));
