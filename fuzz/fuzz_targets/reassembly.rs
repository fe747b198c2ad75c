//! Scripts of TCP segments through reassembly.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_flow::fuzz_reassembly(data));
