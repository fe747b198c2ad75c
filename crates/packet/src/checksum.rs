//! Checksums on demand: IPv4 headers, TCP, UDP, ICMP and ICMPv6.
//!
//! *How it fits*: the engine asks when it is configured to; decoding never does. Frames that the
//! capture source marks as [`ChecksumStatus::NotReady`] are not verified.
//! *Limits*: fragments have no transport checksum until they are put together; SCTP's CRC is not
//! verified.
//! *Spec*: RFC 1071 (arithmetic), RFC 8200 §8.1 (pseudo header: with a routing header the final
//! destination counts), RFC 6275 §11.3.1 (home address option), RFC 6935 (UDP over IPv6 without one).

use crate::bytes::{be16, from};
use crate::{ChecksumStatus, IpLayer, Packet, Transport};
use std::net::IpAddr;

/// The state of a checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// There is none to verify.
    #[default]
    Absent,
    /// It is right.
    Valid,
    /// It is wrong.
    Bad,
    /// UDP over IPv6 without a checksum, which only tunnels may send (Snort's 116:406).
    Zero,
}

/// What [`checksums`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChecksumReport {
    /// IPv4 headers, all layers: bad if any is.
    pub ip: Check,
    /// The innermost transport.
    pub transport: Check,
}

impl ChecksumReport {
    /// Whether a receiver would throw the packet away.
    pub fn is_bad(self) -> bool {
        self.ip == Check::Bad || self.transport == Check::Bad
    }
}

/// Verifies the checksums of a decoded packet.
pub fn checksums(packet: &Packet<'_>) -> ChecksumReport {
    let mut report = ChecksumReport::default();
    if packet.frame.meta.checksum != ChecksumStatus::Unknown && !packet.defragmented {
        let known = if packet.frame.meta.checksum == ChecksumStatus::Valid { Check::Valid } else { Check::Absent };
        return ChecksumReport { ip: known, transport: known };
    }
    for layer in packet.ip.iter().flatten().filter(|layer| layer.is_v4()) {
        // A datagram put together from fragments has the first fragment's header: lengths differ.
        if packet.defragmented {
            break;
        }
        let right = fold(sum(layer.header)) == 0xffff;
        match (right, report.ip) {
            (true, Check::Absent) => report.ip = Check::Valid,
            (true, _) => {}
            (false, _) => report.ip = Check::Bad,
        }
    }
    if let Some(layer) = packet.inner_ip()
        && !layer.fragment.is_fragment()
    {
        report.transport = transport(packet, layer);
    }
    report
}

fn transport(packet: &Packet<'_>, layer: &IpLayer<'_>) -> Check {
    let data = layer.payload;
    let verdict = |protocol: u8, data: &[u8]| {
        let total = pseudo_header(layer, protocol, data.len()).wrapping_add(sum(data));
        if fold(total) == 0xffff { Check::Valid } else { Check::Bad }
    };
    match &packet.transport {
        Transport::Tcp(_) => verdict(6, data),
        Transport::Udp { length, .. } => match (be16(data, 6), layer.is_v4()) {
            (Some(0), true) => Check::Absent,
            (Some(0), false) => Check::Zero,
            _ => verdict(17, if *length == 0 { data } else { crate::bytes::upto(data, usize::from(*length)) }),
        },
        Transport::Icmp(header) if header.v6 => verdict(58, data),
        Transport::Icmp(_) if fold(sum(data)) == 0xffff => Check::Valid,
        Transport::Icmp(_) => Check::Bad,
        Transport::None | Transport::Sctp { .. } => Check::Absent,
    }
}

fn pseudo_header(layer: &IpLayer<'_>, protocol: u8, len: usize) -> u64 {
    let len = u64::try_from(len).unwrap_or(u64::MAX);
    let rest = u64::from(protocol).wrapping_add(len & 0xffff).wrapping_add((len >> 16) & 0xffff);
    match (layer.source, layer.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            rest.wrapping_add(sum(&source.octets())).wrapping_add(sum(&destination.octets()))
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let ends = final_addresses(layer.header, source.octets(), destination.octets());
            rest.wrapping_add(sum(&ends.0)).wrapping_add(sum(&ends.1))
        }
        _ => rest,
    }
}

/// Source and destination as the endpoints see them: extension headers may replace either.
fn final_addresses(header: &[u8], mut source: [u8; 16], mut destination: [u8; 16]) -> ([u8; 16], [u8; 16]) {
    let mut next = header.get(6).copied().unwrap_or(59);
    let mut rest = from(header, 40);
    // Each turn takes at least eight bytes.
    while let [following, units, ..] = *rest {
        let len = match next {
            51 => 8 + usize::from(units) * 4,
            44 => 8,
            0 | 43 | 60 => 8 + usize::from(units) * 8,
            _ => break,
        };
        match (next, rest.get(2..4)) {
            // Types 0 (source route) and 2 (mobile IPv6) list addresses behind eight bytes; segment
            // routing (4) lists the last one first.
            (43, Some(&[kind @ (0 | 2 | 4), left])) if left != 0 => {
                let at = if kind == 4 { 8 } else { len.saturating_sub(16).max(8) };
                if let Some(address) = crate::bytes::upto(rest, len).get(at..).and_then(|bytes| bytes.first_chunk()) {
                    destination = *address;
                }
            }
            (60, _) => {
                if let Some(home) = home_address(rest.get(2..len).unwrap_or_default()) {
                    source = home;
                }
            }
            _ => {}
        }
        next = following;
        rest = from(rest, len);
    }
    (source, destination)
}

/// The home address option (201) among destination options.
fn home_address(mut options: &[u8]) -> Option<[u8; 16]> {
    loop {
        match options {
            [0, rest @ ..] => options = rest,
            [201, 16, rest @ ..] => return rest.first_chunk().copied(),
            [_, len, rest @ ..] => options = rest.get(usize::from(*len)..)?,
            _ => return None,
        }
    }
}

/// The sum of the big-endian 16-bit words, not yet folded. Four bytes at a time: compilers turn the
/// loop into vector code.
fn sum(data: &[u8]) -> u64 {
    let mut words = data.chunks_exact(4);
    let mut total = 0u64;
    for word in words.by_ref() {
        let word = word.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        total = total.wrapping_add(u64::from(word));
    }
    let tail = match *words.remainder() {
        [a, b, c] => u32::from_be_bytes([a, b, c, 0]),
        [a, b] => u32::from_be_bytes([a, b, 0, 0]),
        [a] => u32::from_be_bytes([a, 0, 0, 0]),
        _ => 0,
    };
    total.wrapping_add(u64::from(tail))
}

/// Folds carries back in (ones' complement).
fn fold(mut total: u64) -> u64 {
    while total >> 16 != 0 {
        total = (total & 0xffff) + (total >> 16);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_the_example_of_rfc_1071() {
        assert_eq!(fold(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), 0xddf2);
    }

    #[test]
    fn an_odd_length_is_padded_with_zero() {
        assert_eq!(fold(sum(&[0x12, 0x34, 0x56])), fold(sum(&[0x12, 0x34, 0x56, 0x00])));
        assert_eq!(fold(sum(&[0x12])), 0x1200);
    }
}
