//! First bytes of flows through identification.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_protocol::fuzz::fuzz_wizard(data));
