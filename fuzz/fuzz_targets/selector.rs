//! Calico's selectors.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_kubernetes::selector::fuzz_selector(data));
