//! Rules that were fetched: archives, gzip, plain.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_artifacts::fuzz_unpack(data));
