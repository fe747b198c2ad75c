//! Content matches against the definition of their window.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_options::fuzz_content(data));
