//! What is written is read back; arbitrary and damaged bytes never panic.

use crate::read_all;
use proptest::prelude::*;
use tapir_packet::{Frame, FrameMeta, LinkType, Timestamp};
use tapir_pcap::{Precision, Writer, fuzz_reader};

proptest! {
    #[test]
    fn written_frames_are_read_back(
        frames in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..2_000), 0i64..4_000_000_000, 0i64..1_000_000_000), 0..40),
        link in 0u32..300,
        nanos in any::<bool>(),
    ) {
        let precision = if nanos { Precision::Nanos } else { Precision::Micros };
        let step = if nanos { 1 } else { 1_000 };
        let mut writer = Writer::new(Vec::new(), LinkType(link), precision).unwrap();
        for (data, seconds, fraction) in &frames {
            let frame = Frame {
                data,
                timestamp: Timestamp(seconds * 1_000_000_000 + fraction),
                link: LinkType(link),
                original_len: data.len() as u32 + 3,
                meta: FrameMeta::default(),
            };
            writer.write(&frame).unwrap();
        }
        let (read, error) = read_all(&writer.into_inner());
        prop_assert!(error.is_none());
        prop_assert_eq!(read.len(), frames.len());
        for (read, (data, seconds, fraction)) in read.iter().zip(&frames) {
            prop_assert_eq!(&read.data, data);
            prop_assert_eq!(read.nanos, seconds * 1_000_000_000 + fraction / step * step);
            prop_assert_eq!((read.link, read.original_len), (LinkType(link), data.len() as u32 + 3));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(magic in prop::sample::select(vec![
        [0xd4, 0xc3, 0xb2, 0xa1], [0xa1, 0xb2, 0x3c, 0x4d], [0x34, 0xcd, 0xb2, 0xa1], [0x0a, 0x0d, 0x0d, 0x0a],
        [0x1f, 0x8b, 0x08, 0x00], [0x28, 0xb5, 0x2f, 0xfd],
    ]), data in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz_reader(&data);
        fuzz_reader(&[&magic[..], &data].concat());
    }

    #[test]
    fn flipped_bytes_never_panic(at in 0usize..160, value in any::<u8>(), big in any::<bool>()) {
        use crate::formats::File;
        let file = File::new(big).section().interface(1, 0, &[0, 9, 0, 1, 6, 0, 0, 0]).enhanced(0, 1, b"abcd");
        let mut bytes = file.enhanced(0, 2, b"efg").bytes;
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
        fuzz_reader(&bytes);
    }
}
