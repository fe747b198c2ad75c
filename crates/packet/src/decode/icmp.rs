//! ICMPv4, and the one check on IGMP.
//!
//! *Spec*: RFC 792, RFC 950 (address mask), RFC 1256 (router discovery), RFC 1191 (path MTU). Where
//! the payload starts is Snort's choice: behind identifier and sequence number of echoes, behind the
//! quoted IP header of errors, else behind the checksum.

use super::{Step, Walk};
use crate::bytes::{be16, from};
use crate::{DecodeEvent, IcmpHeader, Packet, Transport};
use std::net::IpAddr;

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const SOURCE_QUENCH: u8 = 4;
const REDIRECT: u8 = 5;
const ECHO: u8 = 8;

impl<'a> Walk<'a> {
    pub(super) fn icmp(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let Some(&[kind, code, _, _]) = data.first_chunk::<4>() else {
            packet.events.push(DecodeEvent::ICMPV4_TRUNCATED);
            return Step::Bad;
        };
        let (needed, event) = match kind {
            ECHO_REPLY | UNREACHABLE | SOURCE_QUENCH | REDIRECT | ECHO | 9 | 10 | 11 | 12 | 15 | 16 => {
                (8, DecodeEvent::ICMP_TRUNCATED)
            }
            13 | 14 => (20, DecodeEvent::ICMP_TIMESTAMP_TRUNCATED),
            17 | 18 => (12, DecodeEvent::ICMP_ADDRESS_TRUNCATED),
            _ => {
                packet.events.push(DecodeEvent::ICMP_TYPE_UNKNOWN);
                (4, DecodeEvent::ICMP_TYPE_UNKNOWN)
            }
        };
        if data.len() < needed {
            packet.events.push(event);
            return Step::Bad;
        }
        let echo = matches!(kind, ECHO | ECHO_REPLY);
        let (id, seq) = if echo { (be16(data, 4), be16(data, 6)) } else { (None, None) };
        let quoting = matches!(kind, UNREACHABLE | SOURCE_QUENCH | REDIRECT | 11 | 12);
        let payload = from(data, if echo || quoting { 8 } else { 4 });
        if kind == ECHO {
            self.icmp_destination(packet);
        }
        self.icmp_events(packet, kind, code, data, payload);
        packet.transport = Transport::Icmp(IcmpHeader { kind, code, id, seq, v6: false });
        Step::Done(if quoting { self.quoted_v4(packet, payload) } else { payload })
    }

    fn icmp_destination(&mut self, packet: &mut Packet<'a>) {
        let Some(IpAddr::V4(destination)) = packet.inner_ip().map(|ip| ip.destination) else {
            return;
        };
        if destination.is_broadcast() {
            packet.events.push(DecodeEvent::ICMP_TO_BROADCAST);
        }
        if destination.is_multicast() {
            packet.events.push(DecodeEvent::ICMP_TO_MULTICAST);
        }
    }

    /// Messages that are notable by type, code or what known tools put into them.
    fn icmp_events(&mut self, packet: &mut Packet<'a>, kind: u8, code: u8, data: &[u8], payload: &[u8]) {
        let seq = be16(data, 6);
        let checks = [
            (kind == UNREACHABLE && code == 4 && seq < Some(576), DecodeEvent::ICMP_PATH_MTU_LOW),
            (kind == ECHO && payload.is_empty(), DecodeEvent::ICMP_NMAP_PING),
            // The tool sets 666; Snort on x86 compares without swapping bytes.
            (payload.is_empty() && seq == Some(666_u16.swap_bytes()), DecodeEvent::ICMP_ENUM),
            (kind == REDIRECT && code == 1, DecodeEvent::ICMP_REDIRECT_HOST),
            (kind == REDIRECT && code == 0, DecodeEvent::ICMP_REDIRECT_NET),
            (kind == ECHO_REPLY && self.options.record_route, DecodeEvent::ICMP_TRACEROUTE_OPTIONS),
            (kind == SOURCE_QUENCH && code == 0, DecodeEvent::ICMP_SOURCE_QUENCH),
            (kind == ECHO && code == 0 && payload.len() == 4 && seq == Some(0), DecodeEvent::ICMP_SMURF_SCAN),
            (kind == UNREACHABLE && code == 13, DecodeEvent::ICMP_FILTERED),
            (kind == UNREACHABLE && code == 10, DecodeEvent::ICMP_HOST_FILTERED),
            (kind == UNREACHABLE && code == 9, DecodeEvent::ICMP_NET_FILTERED),
        ];
        for (holds, event) in checks {
            if holds {
                packet.events.push(event);
            }
        }
    }

    /// An IGMP membership query with an IPv4 option of three bytes that is not router alert.
    pub(super) fn igmp(&mut self, packet: &mut Packet<'a>, data: &[u8]) {
        if data.first() == Some(&0x11) && self.options.three_bytes && !self.options.router_alert {
            packet.events.push(DecodeEvent::IGMP_OPTION);
        }
    }
}
