//! Text of rule option values: lists, words, numbers, byte strings.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_rules::value::fuzz_value(data));
