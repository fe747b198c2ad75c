//! Arguments of rule options.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_options::fuzz_option_value(data));
