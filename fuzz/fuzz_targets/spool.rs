//! Segments of the spool: any bytes, and any damage to sound ones.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_delivery::fuzz_spool(data));
