//! TCP: header, options, and flag combinations that no stack sends.
//!
//! *Spec*: RFC 9293 §3.1, RFC 7323 (window scale, timestamps), RFC 2018 (SACK), RFC 5925 (AO); which
//! options count as obsolete or experimental: Snort 3. A bad option ends the list, the segment stays
//! usable. Event 403 (SYN to a multicast address) is listed by Snort but never raised (measured).

use super::{Step, Walk};
use crate::bytes::from;
use crate::{DecodeEvent, Packet, TcpHeader, Transport};

const FIN_PSH_URG: u8 = TcpHeader::FIN | TcpHeader::PSH | TcpHeader::URG;
const SYN_ACK_RST: u8 = TcpHeader::SYN | TcpHeader::ACK | TcpHeader::RST;

impl<'a> Walk<'a> {
    #[inline(always)]
    pub(super) fn tcp(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let Some(fixed) = data.first_chunk::<20>() else {
            packet.events.push(DecodeEvent::TCP_TRUNCATED);
            return Step::Bad;
        };
        let header_len = (fixed[12] >> 4) * 4;
        let Some(options) = data.get(20..usize::from(header_len)) else {
            let low = header_len < 20;
            packet.events.push(if low { DecodeEvent::TCP_OFFSET_LOW } else { DecodeEvent::TCP_OFFSET_BEYOND_PACKET });
            return Step::Bad;
        };
        let header = TcpHeader {
            source_port: u16::from_be_bytes([fixed[0], fixed[1]]),
            destination_port: u16::from_be_bytes([fixed[2], fixed[3]]),
            seq: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ack: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            flags: fixed[13],
            window: u16::from_be_bytes([fixed[14], fixed[15]]),
            urgent: u16::from_be_bytes([fixed[18], fixed[19]]),
            options,
            header_len,
        };
        let payload = from(data, usize::from(header_len));
        // ACK, perhaps with PSH, and the usual NOP NOP timestamp: almost every segment.
        if header.flags & !TcpHeader::PSH != TcpHeader::ACK {
            self.tcp_flags(packet, &header);
        }
        if !options.is_empty() && !is_usual(options) {
            self.tcp_options(packet, options);
        }
        if header.has(TcpHeader::URG) && usize::from(header.urgent) > payload.len()
            || header.has(TcpHeader::URG) && payload.is_empty()
        {
            packet.events.push(DecodeEvent::TCP_URGENT_BEYOND_PAYLOAD);
        }
        if header.flags & !(TcpHeader::ECE | TcpHeader::CWR) == TcpHeader::SYN && header.seq == SHAFT_SEQ {
            packet.events.push(DecodeEvent::TCP_SHAFT);
        }
        if header.source_port == 0 || header.destination_port == 0 {
            packet.events.push(DecodeEvent::TCP_PORT_ZERO);
        }
        packet.transport = Transport::Tcp(header);
        Step::Done(payload)
    }

    fn tcp_flags(&mut self, packet: &mut Packet<'a>, header: &TcpHeader<'a>) {
        if header.has(FIN_PSH_URG) {
            let all = header.has(SYN_ACK_RST);
            packet.events.push(if all { DecodeEvent::TCP_XMAS } else { DecodeEvent::TCP_NMAP_XMAS });
        }
        if header.has(TcpHeader::SYN) {
            self.tcp_syn(packet, header);
        } else if header.flags & SYN_ACK_RST == 0 {
            packet.events.push(DecodeEvent::TCP_NO_SYN_ACK_RST);
        }
        if header.flags & FIN_PSH_URG != 0 && !header.has(TcpHeader::ACK) {
            packet.events.push(DecodeEvent::TCP_MUST_ACK);
        }
    }

    fn tcp_syn(&mut self, packet: &mut Packet<'a>, header: &TcpHeader<'a>) {
        let id = packet.inner_ip().map_or(0, |ip| ip.id);
        let checks = [
            (header.flags == TcpHeader::SYN && (header.seq, id) == (NAPTHA_SEQ, NAPTHA_ID), DecodeEvent::TCP_NAPTHA),
            (header.has(TcpHeader::RST), DecodeEvent::TCP_SYN_RST),
            (header.has(TcpHeader::FIN), DecodeEvent::TCP_SYN_FIN),
        ];
        for (holds, event) in checks {
            if holds {
                packet.events.push(event);
            }
        }
    }

    fn tcp_options(&mut self, packet: &mut Packet<'a>, options: &[u8]) {
        let (mut experimental, mut obsolete) = (false, false);
        let mut rest = options;
        while let [kind, ..] = rest {
            let step = match kind {
                0 => break,
                1 => 1,
                _ => match option_len(*kind, rest) {
                    Ok(len) => len,
                    Err(event) => return packet.events.push(event),
                },
            };
            match kind {
                3 if rest.get(2).is_some_and(|&shift| shift > 14) => packet.events.push(DecodeEvent::TCP_WINDOW_SCALE),
                13 => packet.events.push(DecodeEvent::TCP_OPTION_TTCP),
                6 | 7 | 16 | 17 | 19 | 25 => obsolete = true,
                0..=5 | 8 | 11 | 12 | 29 => {}
                _ => experimental = true,
            }
            rest = from(rest, step);
        }
        if experimental {
            packet.events.push(DecodeEvent::TCP_OPTION_EXPERIMENTAL);
        } else if obsolete {
            packet.events.push(DecodeEvent::TCP_OPTION_OBSOLETE);
        }
    }
}

/// NOP, NOP, timestamp: what data segments carry.
#[inline]
fn is_usual(options: &[u8]) -> bool {
    matches!(options, [1, 1, 8, 10, _, _, _, _, _, _, _, _])
}

/// The length of the option that `rest` starts with.
fn option_len(kind: u8, rest: &[u8]) -> Result<usize, DecodeEvent> {
    let fixed = match kind {
        2 => Some(4),
        3 | 18 => Some(3),
        4 => Some(2),
        6 | 7 | 11 | 12 | 13 => Some(6),
        8 => Some(10),
        19 => Some(18),
        _ => None,
    };
    let said = rest.get(1).map(|&len| usize::from(len));
    match (fixed, said) {
        (Some(fixed), _) if fixed > rest.len() => Err(DecodeEvent::TCP_OPTION_TRUNCATED),
        (Some(fixed), Some(said)) if said != fixed => Err(DecodeEvent::TCP_OPTION_LENGTH),
        (_, None) => Err(DecodeEvent::TCP_OPTION_TRUNCATED),
        (_, Some(0 | 1)) => Err(DecodeEvent::TCP_OPTION_LENGTH),
        (_, Some(said)) if said > rest.len() => Err(DecodeEvent::TCP_OPTION_TRUNCATED),
        (_, Some(said)) if kind == 29 && said < 4 => Err(DecodeEvent::TCP_OPTION_LENGTH),
        (_, Some(said)) => Ok(said),
    }
}

const SHAFT_SEQ: u32 = 674_711_609;
const NAPTHA_SEQ: u32 = 6_060_842;
const NAPTHA_ID: u32 = 413;
