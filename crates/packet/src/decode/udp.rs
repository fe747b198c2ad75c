//! UDP, and the ports behind which tunnels are looked for.
//!
//! *Spec*: RFC 768; tunnels: [`super::tunnel`]. differs: Snort does not inspect a datagram whose
//! length field is shorter than the IP payload; receivers accept it, so the payload is cut to the
//! field and inspected (the event is raised all the same).

use super::{Header, Step, Walk};
use crate::{DecodeEvent, Packet, Transport};

const TEREDO: u16 = 3544;
const VXLAN: u16 = 4789;
const GENEVE: u16 = 6081;
const GTP_U: u16 = 2152;
/// GTP' and, in version 0, everything.
const GTP_0: u16 = 3386;

impl<'a> Walk<'a> {
    #[inline]
    pub(super) fn udp(&mut self, packet: &mut Packet<'a>, data: &'a [u8]) -> Step<'a> {
        let Some(&[s0, s1, d0, d1, l0, l1, _, _]) = data.first_chunk::<8>() else {
            packet.events.push(DecodeEvent::UDP_TRUNCATED);
            return Step::Bad;
        };
        let length = u16::from_be_bytes([l0, l1]);
        let payload = match data.get(8..usize::from(length)) {
            Some(payload) => payload,
            // Beyond 65,535 bytes (UDP segmentation offload, jumbograms) the field says 0.
            None if length == 0 && data.len() > usize::from(u16::MAX) => data.get(8..).unwrap_or_default(),
            None => {
                let low = length < 8;
                packet.events.push(if low {
                    DecodeEvent::UDP_LENGTH_LOW
                } else {
                    DecodeEvent::UDP_LENGTH_BEYOND_PAYLOAD
                });
                return Step::Bad;
            }
        };
        if length != 0 && usize::from(length) < data.len() {
            packet.events.push(DecodeEvent::UDP_LENGTH_BELOW_PAYLOAD);
        }
        let (source_port, destination_port) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
        packet.transport = Transport::Udp { source_port, destination_port, length };
        if payload.len() > 4_000 {
            packet.events.push(DecodeEvent::UDP_LARGE);
        }
        if source_port == 0 || destination_port == 0 {
            packet.events.push(DecodeEvent::UDP_PORT_ZERO);
        }
        match (source_port, destination_port) {
            (GTP_U | GTP_0, _) | (_, GTP_U | GTP_0) => self.enter(packet, Header::Gtp, payload, payload),
            (TEREDO, _) | (_, TEREDO) => self.enter(packet, Header::Teredo, payload, payload),
            (VXLAN, _) | (_, VXLAN) => self.enter(packet, Header::Vxlan, payload, payload),
            (GENEVE, _) | (_, GENEVE) => self.enter(packet, Header::Geneve, payload, payload),
            _ => Step::Done(payload),
        }
    }
}
