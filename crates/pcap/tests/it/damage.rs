//! Damaged files: what came before is yielded, then one error that says where.

use crate::formats::File;
use crate::read_all;
use tapir_pcap::{Error, Problem, Reader};

#[track_caller]
fn corrupt(file: &[u8], frames: usize, at: u64) -> Problem {
    let (read, error) = read_all(file);
    assert_eq!(read.len(), frames);
    match error {
        Some(Error::Corrupt { offset, problem }) => {
            assert_eq!(offset, at);
            problem
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_cut_at_any_byte_yield_the_whole_packets_before_the_cut() {
    let classic = File::classic(false, 0xa1b2_c3d4, 4, 1).packet(1, 0, b"abcd", 4).packet(2, 0, b"efg", 3).bytes;
    let ng = File::new(true).section().interface(1, 0, &[]).enhanced(0, 1, b"abcd").enhanced(0, 2, b"efg").bytes;
    for (file, ends) in [(&classic, vec![24, 44, 63]), (&ng, vec![0, 28, 48, 84, 120])] {
        for cut in 0..file.len() {
            let (frames, error) = read_all(&file[..cut]);
            let whole = ends.contains(&cut) && cut > 0;
            assert_eq!(error.is_none(), whole, "cut at {cut}: {error:?}");
            if cut >= 24 {
                let expected = if file == &classic { usize::from(cut >= 44) } else { usize::from(cut >= 84) };
                assert_eq!(frames.len(), expected, "cut at {cut}");
            }
        }
        assert_eq!(read_all(file).0.len(), 2);
    }
}

#[test]
fn impossible_lengths_are_corruption_at_their_offset() {
    let start = File::classic(false, 0xa1b2_c3d4, 4, 1).packet(1, 0, b"abcd", 4);
    let long = start.clone().long(0).long(0).long(2_000_000).long(2_000_000).raw(&[0; 50]);
    assert_eq!(corrupt(&long.bytes, 1, 44), Problem::FrameLength(2_000_000));

    let start = File::new(false).section().interface(1, 0, &[]);
    let at = start.bytes.len() as u64;
    let odd = start.clone().long(6).long(33).raw(&[0; 40]);
    assert_eq!(corrupt(&odd.bytes, 0, at), Problem::BlockLength(6, 33));
    let zero = start.clone().long(9).long(0).raw(&[0; 40]);
    assert_eq!(corrupt(&zero.bytes, 0, at), Problem::BlockLength(9, 0));
    let huge = start.clone().long(6).long(0x7fff_fff0).raw(&[0; 40]);
    assert_eq!(corrupt(&huge.bytes, 0, at), Problem::BlockLength(6, 0x7fff_fff0));
    let mut trailer = start.clone().enhanced(0, 1, b"abcd").bytes;
    *trailer.last_mut().unwrap() = 1;
    assert_eq!(corrupt(&trailer, 0, at), Problem::BlockTrailer(36, 36 | 1 << 24));
    let beyond = File::new(false).long(0).long(0).long(0).long(50).long(50).raw(&[0; 8]);
    assert_eq!(corrupt(&start.clone().block(6, beyond).bytes, 0, at), Problem::FrameBeyondBlock(50, 8));
    let stranger = start.enhanced(3, 1, b"abcd");
    assert_eq!(corrupt(&stranger.bytes, 0, at), Problem::Interface(3, 1));
    let order = File::new(false).block(0x0a0d_0d0a, File::new(false).long(5).raw(&[0; 12]));
    assert_eq!(corrupt(&order.bytes, 0, 0), Problem::ByteOrder(5));
}

#[test]
fn a_skipped_block_that_never_ends_is_truncation() {
    let file = File::new(false).section().long(9).long(0xffff_fff0).raw(&[0; 100]);
    let (_, error) = read_all(&file.bytes);
    assert!(matches!(error, Some(Error::Truncated { offset: 28, .. })), "{error:?}");
}

#[test]
fn other_files_are_named_by_their_first_bytes() {
    let text = Reader::new(&b"GET / HTTP/1.1"[..]).map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("[47, 45, 54, 20]"), "{text}");
    assert!(matches!(Reader::new(&b""[..]), Err(Error::Empty)));
    let version = File::new(false).long(0xa1b2_c3d4).short(9).short(1).raw(&[0; 16]).bytes;
    assert!(matches!(read_all(&version).1, Some(Error::Corrupt { problem: Problem::Version(9, 1), .. })));
}

#[test]
fn damaged_compression_is_an_error_behind_the_packets() {
    let plain = File::classic(false, 0xa1b2_c3d4, 4, 1).packet(1, 0, b"abcd", 4).packet(2, 0, b"efg", 3).bytes;
    let mut compressed = zstd::encode_all(&plain[..], 3).unwrap();
    compressed.truncate(compressed.len() - 3);
    assert!(read_all(&compressed).1.is_some());
    let missing = Reader::open("/nonexistent/file.pcap").map(|_| ()).unwrap_err().to_string();
    assert!(missing.contains("/nonexistent/file.pcap"), "{missing}");
}
