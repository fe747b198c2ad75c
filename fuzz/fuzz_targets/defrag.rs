//! Scripts of IP fragments through defragmentation.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_flow::fuzz_defrag(data));
