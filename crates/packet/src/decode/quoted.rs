//! The datagram that an ICMP error quotes: checked, not followed.
//!
//! *How it fits*: returns what counts as payload of the ICMP message: what the quoted IP header
//! carries, or, if that header is unusable, the quote as it stands.
//! *Spec*: RFC 792, RFC 1812 §4.3.2.3; conditions as Snort 3.

use super::Walk;
use crate::bytes::from;
use crate::{DecodeEvent, Packet};

/// The longest error that RFC 1812 lets a router send.
const MAX_ERROR: usize = 576;

impl<'a> Walk<'a> {
    pub(super) fn quoted_v4(&mut self, packet: &mut Packet<'a>, quote: &'a [u8]) -> &'a [u8] {
        let Some(fixed) = quote.first_chunk::<20>() else {
            packet.events.push(DecodeEvent::ICMP_QUOTED_TRUNCATED);
            return quote;
        };
        if fixed[0] >> 4 != 4 {
            packet.events.push(DecodeEvent::ICMP_QUOTED_VERSION);
            return quote;
        }
        let header_len = usize::from(fixed[0] & 0x0f) * 4;
        let Some(payload) = quote.get(header_len..) else {
            packet.events.push(DecodeEvent::ICMP_QUOTED_BELOW_HEADER);
            return quote;
        };
        if u16::from_be_bytes([fixed[6], fixed[7]]) & 0x1fff != 0 {
            packet.events.push(DecodeEvent::ICMP_QUOTED_FRAGMENT);
            return quote;
        }
        if payload.len() < 8 {
            packet.events.push(DecodeEvent::ICMP_QUOTED_PAYLOAD_SHORT);
            return quote;
        }
        if packet.inner_ip().is_some_and(|ip| ip.header.len() + ip.payload.len() > MAX_ERROR) {
            packet.events.push(DecodeEvent::ICMP_QUOTED_PAYLOAD_LONG);
        }
        payload
    }

    pub(super) fn quoted_v6(&mut self, packet: &mut Packet<'a>, quote: &'a [u8]) -> &'a [u8] {
        let Some(fixed) = quote.first_chunk::<40>() else {
            packet.events.push(DecodeEvent::ICMP_QUOTED_TRUNCATED);
            return quote;
        };
        if fixed[0] >> 4 != 6 {
            packet.events.push(DecodeEvent::ICMP_QUOTED_VERSION);
            return quote;
        }
        from(quote, 40)
    }
}
