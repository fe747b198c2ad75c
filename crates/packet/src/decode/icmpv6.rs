//! ICMPv6 with neighbour discovery.
//!
//! *Spec*: RFC 4443, RFC 4861 (neighbour discovery), RFC 4620 (node information), the IANA registry
//! of types. Where the payload starts is Snort's choice: types without checks of their own have none.

use super::{Step, Walk};
use crate::bytes::{be16, be32, from};
use crate::{DecodeEvent, IcmpHeader, Packet, Transport};
use std::net::IpAddr;

const UNREACHABLE: u8 = 1;
const TOO_BIG: u8 = 2;
const ECHO: u8 = 128;
const ECHO_REPLY: u8 = 129;
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;

impl<'a> Walk<'a> {
    pub(super) fn icmpv6(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let Some(&[kind, code, _, _]) = data.first_chunk::<4>() else {
            packet.events.push(DecodeEvent::ICMPV6_TRUNCATED);
            return Step::Bad;
        };
        if packet.inner_ip().is_none_or(|ip| ip.is_v4()) {
            packet.events.push(DecodeEvent::ICMPV6_OUTSIDE_IPV6);
            return Step::Bad;
        }
        let needed = match kind {
            UNREACHABLE | 3 | 4 | ECHO | ECHO_REPLY | ROUTER_SOLICITATION => 8,
            TOO_BIG => 12,
            ROUTER_ADVERTISEMENT | 139 | 140 => 16,
            _ => 4,
        };
        if data.len() < needed {
            packet.events.push(DecodeEvent::ICMP_TRUNCATED);
            return Step::Bad;
        }
        let echo = matches!(kind, ECHO | ECHO_REPLY);
        self.icmpv6_events(packet, kind, code, data);
        let (id, seq) = if echo { (be16(data, 4), be16(data, 6)) } else { (None, None) };
        packet.transport = Transport::Icmp(IcmpHeader { kind, code, id, seq, v6: true });
        Step::Done(match kind {
            ECHO | ECHO_REPLY => from(data, 8),
            1..=4 => self.quoted_v6(packet, from(data, 8)),
            ROUTER_SOLICITATION | ROUTER_ADVERTISEMENT | 139 | 140 => from(data, 4),
            _ => &[],
        })
    }

    fn icmpv6_events(&mut self, packet: &mut Packet<'a>, kind: u8, code: u8, data: &[u8]) {
        match kind {
            ECHO | ECHO_REPLY => {
                let destination = packet.inner_ip().map(|ip| ip.destination);
                if matches!(destination, Some(IpAddr::V6(address)) if address.is_multicast()) {
                    packet.events.push(DecodeEvent::ICMPV6_TO_MULTICAST);
                }
            }
            UNREACHABLE if code == 2 => packet.events.push(DecodeEvent::ICMPV6_UNREACHABLE_CODE),
            UNREACHABLE if code > 6 => packet.events.push(DecodeEvent::ICMPV6_UNREACHABLE_CODE_UNKNOWN),
            TOO_BIG if be32(data, 4) < Some(1_280) => packet.events.push(DecodeEvent::ICMPV6_MTU_LOW),
            1..=4 => {}
            ROUTER_SOLICITATION => {
                if code != 0 {
                    packet.events.push(DecodeEvent::ICMPV6_SOLICITATION_CODE);
                }
                if be32(data, 4) != Some(0) {
                    packet.events.push(DecodeEvent::ICMPV6_SOLICITATION_RESERVED);
                }
                self.discovery_options(packet, from(data, 8));
            }
            ROUTER_ADVERTISEMENT => {
                if code != 0 {
                    packet.events.push(DecodeEvent::ICMPV6_ADVERTISEMENT_CODE);
                }
                if be32(data, 8) > Some(3_600_000) {
                    packet.events.push(DecodeEvent::ICMPV6_REACHABLE_TIME);
                }
                self.discovery_options(packet, from(data, 16));
            }
            135 | 136 => self.discovery_options(packet, from(data, 24)),
            137 => self.discovery_options(packet, from(data, 40)),
            139 | 140 if code > 2 => packet.events.push(DecodeEvent::ICMPV6_NODE_INFORMATION_CODE),
            130..=132 | 139..=149 | 151..=159 => {}
            _ => packet.events.push(DecodeEvent::ICMPV6_TYPE_UNKNOWN),
        }
    }

    /// Neighbour discovery options: a length of 0 would never end (RFC 4861 §4.6).
    fn discovery_options(&mut self, packet: &mut Packet<'a>, mut options: &[u8]) {
        while let [_, units, ..] = options {
            if *units == 0 {
                return packet.events.push(DecodeEvent::ICMPV6_OPTION_EMPTY);
            }
            options = from(options, usize::from(*units) * 8);
        }
    }
}
