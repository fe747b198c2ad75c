//! Frames through a whole worker with the starter rules.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_engine::fuzz_frames(data));
