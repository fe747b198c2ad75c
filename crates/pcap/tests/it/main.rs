//! Reading and writing captures: hand-made files of every kind, damage at every place, round trips,
//! and the shared corpus where it is present.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

mod corpus;
mod damage;
mod formats;
mod round_trip;

use std::io::Cursor;
use tapir_packet::LinkType;
use tapir_pcap::{Error, Reader};

/// What was read of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Read {
    data: Vec<u8>,
    nanos: i64,
    link: LinkType,
    original_len: u32,
    interface: u32,
}

/// All frames, and the error if there was one.
fn read_all(file: &[u8]) -> (Vec<Read>, Option<Error>) {
    let mut reader = match Reader::new(Cursor::new(file.to_vec())) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut frames = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(frame)) => frames.push(Read {
                data: frame.data.to_vec(),
                nanos: frame.timestamp.0,
                link: frame.link,
                original_len: frame.original_len,
                interface: frame.meta.interface,
            }),
            Ok(None) => return (frames, None),
            Err(error) => {
                assert!(matches!(reader.next(), Ok(None)), "an error is reported once");
                return (frames, Some(error));
            }
        }
    }
}
