//! Nanoseconds per decoded packet, hot in cache: `cargo run --release -p tapir-packet --example decode_speed`.

use std::hint::black_box;
use std::time::Instant;
use tapir_packet::{Frame, FrameMeta, LinkType, Packet, Timestamp, decode_into};

/// Ethernet, IPv4, TCP with a timestamp option, and a payload.
fn segment(payload: usize) -> Vec<u8> {
    let total = 20 + 32 + payload;
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    bytes.extend(u16::try_from(total).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend([0x12, 0x34, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend([0x30, 0x39, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x80, 0x18, 0x20, 0, 0, 0, 0, 0]);
    bytes.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    bytes.resize(14 + total, b'x');
    bytes
}

fn main() {
    let frames: Vec<Vec<u8>> = (0..32).map(|i| segment(200 + i)).collect();
    let rounds = 100_000u64;
    for pass in 0..4 {
        let start = Instant::now();
        let mut bytes = 0;
        for _ in 0..rounds * 2 {
            for data in &frames {
                let frame = Frame {
                    data: black_box(data),
                    timestamp: Timestamp(0),
                    link: LinkType::ETHERNET,
                    original_len: 0,
                    meta: FrameMeta::default(),
                };
                let mut packet = Packet::new(&frame);
                decode_into(&mut packet);
                bytes += packet.payload.len() + packet.tcp().map_or(0, |tcp| usize::from(tcp.header_len));
                black_box(&packet);
            }
        }
        let packets = rounds * 2 * 32;
        let nanos = start.elapsed().as_nanos() as f64 / packets as f64;
        println!("pass {pass}: {nanos:.1} ns per packet ({} bytes of payload)", black_box(bytes));
    }
}
