//! Rules of Snort 2.9 and Suricata into Snort 3 form.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_options::fuzz_fold(data));
