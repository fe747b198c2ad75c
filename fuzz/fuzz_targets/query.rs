//! Queries in both dialects.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_query::fuzz_query(data));
