//! Rule files in every dialect.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_rules::fuzz_rules(data));
