//! Every variant of the formats, made by hand.

use crate::{Read, read_all};
use std::io::Write;
use tapir_packet::LinkType;
use tapir_pcap::{Format, Reader};

/// Builds files in one byte order.
#[derive(Clone)]
pub struct File {
    pub big: bool,
    pub bytes: Vec<u8>,
}

impl File {
    pub fn new(big: bool) -> Self {
        Self { big, bytes: Vec::new() }
    }

    pub fn short(mut self, value: u16) -> Self {
        self.bytes.extend(if self.big { value.to_be_bytes() } else { value.to_le_bytes() });
        self
    }

    pub fn long(mut self, value: u32) -> Self {
        self.bytes.extend(if self.big { value.to_be_bytes() } else { value.to_le_bytes() });
        self
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    pub fn classic(big: bool, magic: u32, minor: u16, link: u32) -> Self {
        Self::new(big).long(magic).short(2).short(minor).long(0).long(0).long(65_535).long(link)
    }

    pub fn packet(self, seconds: u32, fraction: u32, data: &[u8], original: u32) -> Self {
        self.long(seconds).long(fraction).long(data.len() as u32).long(original).raw(data)
    }

    /// A pcapng block; the body is padded.
    pub fn block(self, kind: u32, body: File) -> Self {
        let mut body = body.bytes;
        body.resize(body.len().next_multiple_of(4), 0);
        let len = body.len() as u32 + 12;
        self.long(kind).long(len).raw(&body).long(len)
    }

    pub fn section(self) -> Self {
        let body = Self::new(self.big).long(0x1a2b_3c4d).short(1).short(0).long(u32::MAX).long(u32::MAX);
        self.block(0x0a0d_0d0a, body)
    }

    pub fn interface(self, link: u16, snaplen: u32, options: &[u8]) -> Self {
        let body = Self::new(self.big).short(link).short(0).long(snaplen).raw(options);
        self.block(1, body)
    }

    pub fn enhanced(self, interface: u32, ticks: u64, data: &[u8]) -> Self {
        let body = Self::new(self.big)
            .long(interface)
            .long((ticks >> 32) as u32)
            .long(ticks as u32)
            .long(data.len() as u32)
            .long(data.len() as u32 + 1)
            .raw(data);
        self.block(6, body)
    }
}

fn frame(data: &[u8], nanos: i64, link: LinkType, original_len: u32, interface: u32) -> Read {
    Read { data: data.to_vec(), nanos, link, original_len, interface }
}

#[track_caller]
fn check(file: &[u8], expected: &[Read]) {
    let (frames, error) = read_all(file);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(frames, expected);
}

#[test]
fn classic_files_of_either_order_and_precision_are_read() {
    for big in [false, true] {
        let micros = File::classic(big, 0xa1b2_c3d4, 4, 1).packet(7, 8, b"abc", 3).packet(9, 0, b"", 60);
        let expected = [
            frame(b"abc", 7_000_008_000, LinkType::ETHERNET, 3, 0),
            frame(b"", 9_000_000_000, LinkType::ETHERNET, 60, 0),
        ];
        check(&micros.bytes, &expected);
        let nanos = File::classic(big, 0xa1b2_3c4d, 4, 0xf400_0065).packet(7, 8, b"abcd", 9);
        check(&nanos.bytes, &[frame(b"abcd", 7_000_000_008, LinkType::RAW, 9, 0)]);
    }
}

#[test]
fn the_modified_format_has_longer_packet_headers() {
    for big in [false, true] {
        let header = File::classic(big, 0xa1b2_cd34, 4, 1).long(1).long(2).long(2).long(5);
        let file = header.long(3).short(0x0800).raw(&[0, 0]).raw(b"xy");
        check(&file.bytes, &[frame(b"xy", 1_000_002_000, LinkType::ETHERNET, 5, 3)]);
    }
}

#[test]
fn lengths_of_version_2_3_may_be_swapped() {
    let swapped = File::classic(false, 0xa1b2_c3d4, 3, 1).long(0).long(0).long(9).long(2).raw(b"xy");
    check(&swapped.bytes, &[frame(b"xy", 0, LinkType::ETHERNET, 9, 0)]);
    let ordered = File::classic(false, 0xa1b2_c3d4, 3, 1).packet(0, 0, b"xy", 9);
    check(&ordered.bytes, &[frame(b"xy", 0, LinkType::ETHERNET, 9, 0)]);
}

#[test]
fn pcapng_blocks_of_every_kind_are_read_in_either_order() {
    for big in [false, true] {
        let resolution = File::new(big).short(9).short(1).raw(&[9, 0, 0, 0]).short(14).short(8);
        let offset = if big { 100i64.to_be_bytes() } else { 100i64.to_le_bytes() };
        let options = resolution.raw(&offset).long(0);
        let obsolete = File::new(big).short(1).short(7).long(0).long(5_000_000).long(2).long(2).raw(b"pb");
        let simple = File::new(big).long(6).raw(b"simp");
        let file = File::new(big)
            .section()
            .interface(1, 4, &[])
            .interface(101, 0, &options.bytes)
            .block(4, File::new(big).raw(b"names"))
            .enhanced(0, 1_000_001, b"epb")
            .block(3, simple)
            .block(0x8000_0001, File::new(big).raw(b"unknown"))
            .enhanced(1, 7, b"nanos")
            .block(2, obsolete);
        let expected = [
            frame(b"epb", 1_000_001_000, LinkType::ETHERNET, 4, 0),
            frame(b"simp", 1_000_001_000, LinkType::ETHERNET, 6, 0),
            frame(b"nanos", 100_000_000_007, LinkType::RAW, 6, 1),
            frame(b"pb", 100_005_000_000, LinkType::RAW, 2, 1),
        ];
        check(&file.bytes, &expected);
        let mut reader = Reader::new(std::io::Cursor::new(file.bytes.clone())).unwrap();
        while reader.next().unwrap().is_some() {}
        assert_eq!((reader.format(), reader.skipped_blocks()), (Format::PcapNg, 2));
        assert_eq!(reader.offset(), file.bytes.len() as u64);
    }
}

#[test]
fn sections_have_their_own_order_and_interfaces() {
    let first = File::new(false).section().interface(1, 0, &[]).interface(1, 0, &[]).enhanced(1, 1, b"one");
    let second = File::new(true).section().interface(113, 0, &[]).enhanced(0, 2, b"two");
    let file = [first.bytes, second.bytes].concat();
    let expected = [frame(b"one", 1_000, LinkType::ETHERNET, 4, 1), frame(b"two", 2_000, LinkType::LINUX_SLL, 4, 2)];
    check(&file, &expected);
}

#[test]
fn gzip_and_zstd_are_taken_off() {
    let plain = File::classic(false, 0xa1b2_c3d4, 4, 1).packet(1, 0, &[7; 3_000], 3_000).bytes;
    let expected = [frame(&[7; 3_000], 1_000_000_000, LinkType::ETHERNET, 3_000, 0)];
    let gzip = |part: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap()
    };
    check(&gzip(&plain), &expected);
    // Several members, as pigz and appending produce them.
    check(&[gzip(&plain[..100]), gzip(&plain[100..])].concat(), &expected);
    let zstd = |part: &[u8]| zstd::encode_all(part, 3).unwrap();
    check(&zstd(&plain), &expected);
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
    check(&[&skippable[..], &zstd(&plain[..50]), &zstd(&plain[50..])].concat(), &expected);
}

#[test]
fn frames_across_buffer_ends_stay_whole() {
    let mut file = File::classic(false, 0xa1b2_c3d4, 4, 1);
    let mut expected = Vec::new();
    for i in 0..40u32 {
        let data = vec![i as u8; 70_001];
        file = file.packet(i, 0, &data, 70_001);
        expected.push(frame(&data, i64::from(i) * 1_000_000_000, LinkType::ETHERNET, 70_001, 0));
    }
    check(&file.bytes, &expected);
    let largest = vec![1; tapir_pcap::MAX_FRAME];
    let file = File::classic(false, 0xa1b2_c3d4, 4, 1).packet(0, 0, b"a", 1).packet(0, 0, &largest, 1);
    let (frames, error) = read_all(&file.bytes);
    assert!(error.is_none() && frames[1].data.len() == tapir_pcap::MAX_FRAME, "{error:?}");
}
