//! Capture files: pcap and pcapng, plain, gzip and zstd.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapir_pcap::fuzz_reader(data));
