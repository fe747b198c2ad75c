//! Packets for the tests, built from the inside out.

use tapir_packet::{Frame, FrameMeta, LinkType, Packet, Timestamp, decode};

pub const SOURCE: [u8; 4] = [10, 0, 0, 1];
pub const DESTINATION: [u8; 4] = [192, 168, 7, 9];

pub fn frame(data: &[u8], link: LinkType) -> Frame<'_> {
    let original_len = u32::try_from(data.len()).unwrap();
    Frame { data, timestamp: Timestamp(1), link, original_len, meta: FrameMeta::default() }
}

/// Decodes and checks what holds of every packet.
#[track_caller]
pub fn decoded(data: &[u8], link: LinkType) -> Packet<'_> {
    let packet = decode(&frame(data, link));
    assert_eq!(packet.ip.iter().flatten().count(), packet.ip_layers);
    packet
}

#[track_caller]
pub fn ethernet_packet(data: &[u8]) -> Packet<'_> {
    decoded(data, LinkType::ETHERNET)
}

pub fn events(packet: &Packet<'_>) -> Vec<u16> {
    packet.events.iter().map(|event| event.0).collect()
}

pub fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&[2, 0, 0, 0, 0, 1], &[2, 0, 0, 0, 0, 2], &kind.to_be_bytes(), payload])
}

pub fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with(protocol, &[], 0, payload)
}

/// With options (padded) and the field of flags and offset.
pub fn ipv4_with(protocol: u8, options: &[u8], flags: u16, payload: &[u8]) -> Vec<u8> {
    let mut options = options.to_vec();
    options.resize(options.len().next_multiple_of(4), 0);
    let header_len = 20 + options.len();
    let total = u16::try_from(header_len + payload.len()).unwrap_or(0);
    let mut header = vec![0x40 | u8::try_from(header_len / 4).unwrap(), 0x10];
    header.extend(total.to_be_bytes());
    header.extend([0x12, 0x34]);
    header.extend(flags.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend(SOURCE);
    header.extend(DESTINATION);
    header.extend(&options);
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    join(&[&header, payload])
}

pub fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap_or(0);
    let [a, b] = len.to_be_bytes();
    let mut source = [0; 16];
    (source[0], source[1], source[15]) = (0x20, 0x02, 1);
    let mut destination = source;
    destination[15] = 2;
    join(&[&[0x61, 0x20, 0, 0, a, b, next, 63], &source, &destination, payload])
}

pub fn tcp(flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut options = options.to_vec();
    options.resize(options.len().next_multiple_of(4), 0);
    let offset = u8::try_from((20 + options.len()) / 4 * 16).unwrap();
    let fixed = [0x30, 0x39, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, offset, flags, 0x20, 0, 0, 0, 0, 0];
    join(&[&fixed, &options, payload])
}

pub fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + payload.len()).unwrap();
    join(&[&source.to_be_bytes(), &destination.to_be_bytes(), &len.to_be_bytes(), &[0, 0], payload])
}

/// Ones' complement of the sum of 16-bit words, the slow and obvious way.
pub fn checksum(parts: &[&[u8]]) -> u16 {
    let mut bytes = parts.concat();
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair[1]]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}
