//! Messages of the kernel about interfaces.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_capture::fuzz_link_messages(data));
