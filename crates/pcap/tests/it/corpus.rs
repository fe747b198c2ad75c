//! The shared corpus: every capture has the number of packets that its index says.

use std::path::{Path, PathBuf};
use tapir_pcap::Reader;

/// The shared data: `TAPIR_SHARED`, or a folder `shared` beside the working copy or above it.
fn shared() -> Option<PathBuf> {
    let named = std::env::var_os("TAPIR_SHARED").map(PathBuf::from);
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|dir| dir.join("shared"));
    named.into_iter().chain(found).find(|dir| dir.join("conformance/pcaps/index.jsonl").is_file())
}

/// The value of a field of one line of JSON; the index is flat up to the fields read here.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.split_once(&format!("\"{name}\": "))?.1;
    match rest.strip_prefix('"') {
        Some(text) => text.split('"').next(),
        None => rest.split([',', '}']).next(),
    }
}

/// What reading a capture gave: packets, and the error if there was one.
fn count(path: &Path) -> (u64, Option<String>) {
    let mut reader = match Reader::open(path) {
        Ok(reader) => reader,
        Err(error) => return (0, Some(error.to_string())),
    };
    let mut packets = 0;
    loop {
        match reader.next() {
            Ok(Some(_)) => packets += 1,
            Ok(None) => return (packets, None),
            Err(error) => return (packets, Some(error.to_string())),
        }
    }
}

#[test]
fn every_capture_of_the_corpus_has_its_packets() {
    let Some(shared) = shared() else {
        eprintln!("SKIPPED: no shared corpus (set TAPIR_SHARED)");
        return;
    };
    let pcaps = shared.join("conformance/pcaps");
    let index = std::fs::read_to_string(pcaps.join("index.jsonl")).unwrap();
    let (mut files, mut agree, mut cut, mut packets) = (0, 0, 0, 0u64);
    let mut differ = Vec::new();
    for line in index.lines() {
        let (name, expected) = (field(line, "file").unwrap(), field(line, "packets").unwrap());
        let (read, error) = count(&pcaps.join(name));
        files += 1;
        packets += read;
        cut += usize::from(error.is_some());
        if expected == read.to_string() {
            agree += 1;
        } else {
            differ.push(format!("{name}: {expected} in the index, {read} read"));
        }
        if let Some(error) = error {
            println!("{name}: {read} packets (index {expected}), then: {error}");
        }
    }
    println!("{files} files, {agree} agree, {cut} end with an error, {packets} packets");
    assert!(differ.is_empty(), "{differ:#?}");
}
