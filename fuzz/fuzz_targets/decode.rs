//! Frames of every link type through the packet decoder.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_packet::fuzz_decode(data));
