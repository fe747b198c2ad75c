//! The last packets of an endpoint, for the alerts that are to take them along.
//!
//! *How it fits*: the capture side records each frame of an endpoint whose resource asks for packets (`spec.evidence.capture:
//! packets`) before it is inspected. An event then takes along those of its conversation, up to the one that raised it.
//!
//! *Invariants*: 1. memory is taken when the recorder is made and never again: [`BYTES`] for bytes, [`FRAMES`] places; 2. an entry's bytes
//! are not written over while it is listed; 3. recording copies once and looks at nothing.
//!
//! *Limits*: a frame is cut to [`CUT`] bytes. [`EVENTS`] events in a second take packets along, later ones are counted: looking for
//! them takes a walk through all that is there. VLAN tags that the kernel has stripped are not put back. Without ports (ICMP,
//! later fragments) all packets between the two addresses count as the conversation.

use std::collections::VecDeque;
use std::net::IpAddr;
use tapir_event::{Evidence, EvidencePacket, SecurityEvent};
use tapir_kubernetes::resources::{self, Capture};
use tapir_packet::{Frame, FrameMeta, LinkType, Timestamp, decode};

/// Bytes of frames that a recorder holds.
pub const BYTES: usize = 512 << 10;
/// Frames that it holds.
pub const FRAMES: usize = 4096;
/// Recorders of a node: some 70 MiB.
pub const MOST: usize = 110;
/// Bytes of a frame that are kept: more than any link carries unless the kernel puts segments together.
const CUT: usize = 4096;
/// Events with packets in a second.
const EVENTS: u32 = 50;
/// Bytes and packets of one alert, unless the resource says otherwise.
const USUAL: Keep = Keep { bytes: 64 << 10, packets: 100 };
/// A spool's record holds a quarter of a mebibyte: this many bytes as base64, and a head for each of a thousand packets, fit in.
const LARGEST: Keep = Keep { bytes: 64 << 10, packets: 1000 };
const SECOND: i64 = 1_000_000_000;

/// How much of the conversation an alert takes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Keep {
    /// Bytes of all its packets.
    pub bytes: usize,
    /// Packets, the last ones.
    pub packets: usize,
}

impl Keep {
    /// As a resource asks for it; `None` if it does not.
    pub fn of(asked: &resources::Evidence) -> Option<Self> {
        let within = |asked: Option<i32>, usual: usize, largest: usize| {
            asked.map_or(usual, |asked| usize::try_from(asked).unwrap_or_default()).min(largest)
        };
        (asked.capture == Capture::Packets).then(|| Self {
            bytes: within(asked.max_bytes, USUAL.bytes, LARGEST.bytes),
            packets: within(asked.max_packets, USUAL.packets, LARGEST.packets),
        })
    }
}

#[derive(Clone, Copy)]
struct Entry {
    at: usize,
    len: usize,
    original_len: u32,
    time: Timestamp,
    link: LinkType,
}

/// See the module.
pub struct Recorder {
    bytes: Box<[u8]>,
    /// The oldest first, in the order of their places, which goes round once at most.
    entries: VecDeque<Entry>,
    head: usize,
    /// The second in which events were counted last, and how many.
    second: i64,
    events: u32,
    shed: u64,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            bytes: vec![0; BYTES].into(),
            entries: VecDeque::with_capacity(FRAMES),
            head: 0,
            second: 0,
            events: 0,
            shed: 0,
        }
    }
}

impl Recorder {
    /// Takes a frame down.
    pub fn record(&mut self, frame: &Frame<'_>) {
        let data = frame.data.get(..frame.data.len().min(CUT)).unwrap_or_default();
        if data.is_empty() {
            // It has no place, and as the oldest it would hide those behind it from `forget`.
            return;
        }
        if self.entries.len() >= FRAMES {
            self.entries.pop_front();
        }
        let mut end = self.head.saturating_add(data.len());
        if end > self.bytes.len() {
            // What stands behind is older than all that stands before.
            self.forget(self.head, usize::MAX);
            (self.head, end) = (0, data.len());
        }
        self.forget(self.head, end);
        let Some(place) = self.bytes.get_mut(self.head..end) else { return };
        place.copy_from_slice(data);
        let (time, link) = (frame.timestamp, frame.link);
        self.entries.push_back(Entry { at: self.head, len: data.len(), original_len: frame.original_len, time, link });
        self.head = end;
    }

    /// Drops the oldest as long as they have bytes in this part.
    fn forget(&mut self, from: usize, to: usize) {
        while self.entries.front().is_some_and(|one| one.at < to && one.at.saturating_add(one.len) > from) {
            self.entries.pop_front();
        }
    }

    /// Adds the packets of its conversation to an event.
    pub fn fill(&mut self, event: &mut SecurityEvent, keep: Keep) {
        let second = event.observed.0.div_euclid(SECOND);
        if second != self.second {
            (self.second, self.events) = (second, 0);
        }
        if self.events >= EVENTS {
            self.shed = self.shed.saturating_add(1);
            return;
        }
        self.events += 1;
        let (Some(source), Some(destination)) = (event.source, event.destination) else { return };
        let ends = Ends {
            addresses: [source.address, destination.address],
            ports: source.port.zip(destination.port).map(|(source, destination)| [source, destination]),
        };
        let (mut packets, mut left, mut kind) = (Vec::new(), keep.bytes, None);
        for entry in self.entries.iter().rev() {
            let Some(bytes) = self.bytes.get(entry.at..entry.at.saturating_add(entry.len)) else { continue };
            // A file of packets is of one link.
            if kind.is_some_and(|kind| kind != entry.link) || !ends.are_of(bytes, entry) {
                continue;
            }
            if packets.len() >= keep.packets || bytes.len() > left {
                break;
            }
            left -= bytes.len();
            kind = Some(entry.link);
            let (time, original_len) = (entry.time, entry.original_len);
            packets.push(EvidencePacket { time, bytes: bytes.to_vec(), original_len });
        }
        packets.reverse();
        let Some(link) = kind else { return };
        let evidence = event.evidence.get_or_insert_with(Evidence::default);
        evidence.link_type = u16::try_from(link.0).unwrap_or(u16::MAX);
        evidence.packets = packets;
    }

    /// Events that went without packets because there were too many at once.
    pub fn shed(&self) -> u64 {
        self.shed
    }
}

/// Both ends of a conversation.
struct Ends {
    addresses: [IpAddr; 2],
    ports: Option<[u16; 2]>,
}

impl Ends {
    /// Whether a frame is of it, in either direction.
    fn are_of(&self, data: &[u8], entry: &Entry) -> bool {
        let frame = Frame {
            data,
            timestamp: entry.time,
            link: entry.link,
            original_len: entry.original_len,
            meta: FrameMeta::default(),
        };
        let packet = decode(&frame);
        let Some(ip) = packet.inner_ip() else { return false };
        let (addresses, ports) = ([ip.source, ip.destination], packet.ports().map(|(from, to)| [from, to]));
        let turned = |ports: Option<[u16; 2]>| ports.map(|[from, to]| [to, from]);
        let is_way = |addresses: [IpAddr; 2], ports: Option<[u16; 2]>| {
            addresses == self.addresses && (ports.is_none() || self.ports.is_none() || ports == self.ports)
        };
        is_way(addresses, ports) || is_way([addresses[1], addresses[0]], turned(ports))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use tapir_event::Endpoint;

    /// An Ethernet frame with a UDP datagram of `len` bytes between 10.0.0.`from` and 10.0.0.`to`.
    fn datagram(from: (u8, u16), to: (u8, u16), len: usize) -> Vec<u8> {
        let udp = u16::try_from(8 + len).unwrap();
        let total = u16::try_from(28 + len).unwrap();
        let mut bytes = vec![2; 12];
        bytes.extend([8, 0, 0x45, 0]);
        bytes.extend(total.to_be_bytes());
        bytes.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, from.0, 10, 0, 0, to.0]);
        bytes.extend([from.1, to.1, udp, 0].map(u16::to_be_bytes).concat());
        bytes.extend(std::iter::repeat_n(from.0, len));
        bytes
    }

    fn record(recorder: &mut Recorder, data: &[u8], time: i64) {
        recorder.record(&Frame {
            data,
            timestamp: Timestamp(time),
            link: LinkType::ETHERNET,
            original_len: u32::try_from(data.len()).unwrap(),
            meta: FrameMeta::default(),
        });
    }

    fn event(from: (u8, u16), to: (u8, u16)) -> SecurityEvent {
        let end = |(host, port): (u8, u16)| Some(Endpoint { address: [10, 0, 0, host].into(), port: Some(port) });
        SecurityEvent { source: end(from), destination: end(to), ..SecurityEvent::default() }
    }

    fn times(event: &SecurityEvent) -> Vec<i64> {
        event.evidence.iter().flat_map(|evidence| &evidence.packets).map(|packet| packet.time.0).collect()
    }

    #[test]
    fn an_event_takes_the_packets_of_its_conversation_and_no_others() {
        let (mut recorder, client, server) = (Recorder::default(), (1, 4000), (2, 53));
        record(&mut recorder, &datagram(client, server, 10), 1);
        record(&mut recorder, &datagram(server, client, 10), 2);
        record(&mut recorder, &datagram((1, 4001), server, 10), 3);
        record(&mut recorder, &datagram((3, 4000), server, 10), 4);
        record(&mut recorder, b"no packet", 5);
        record(&mut recorder, &datagram(client, server, 11), 6);
        let mut event = event(client, server);
        recorder.fill(&mut event, USUAL);
        assert_eq!(times(&event), [1, 2, 6]);
        let evidence = event.evidence.unwrap();
        assert_eq!((evidence.link_type, evidence.packets[2].original_len), (1, 53));
        assert_eq!(evidence.packets[1].bytes, datagram(server, client, 10));
    }

    #[test]
    fn the_last_packets_are_kept_as_far_as_the_resource_allows() {
        let (mut recorder, client, server) = (Recorder::default(), (1, 4000), (2, 53));
        for time in 0..10 {
            record(&mut recorder, &datagram(client, server, 58), time);
        }
        let mut few = event(client, server);
        recorder.fill(&mut few, Keep { bytes: 1000, packets: 3 });
        assert_eq!(times(&few), [7, 8, 9]);
        let mut small = event(server, client);
        recorder.fill(&mut small, Keep { bytes: 250, packets: 100 });
        assert_eq!(times(&small), [8, 9], "of 100 bytes each");
    }

    #[test]
    fn a_flood_of_alerts_goes_without_and_is_counted() {
        let (mut recorder, client, server) = (Recorder::default(), (1, 4000), (2, 53));
        record(&mut recorder, &datagram(client, server, 10), 1);
        let mut with = 0;
        for _ in 0..EVENTS + 30 {
            let mut event = event(client, server);
            recorder.fill(&mut event, USUAL);
            with += u32::from(!times(&event).is_empty());
        }
        assert_eq!((with, recorder.shed()), (EVENTS, 30));
        let mut later = event(client, server);
        later.observed = Timestamp(SECOND);
        recorder.fill(&mut later, USUAL);
        assert_eq!(times(&later), [1]);
    }

    #[test]
    fn a_resource_says_how_much() {
        let of = |value| Keep::of(&serde_json::from_value(value).unwrap());
        assert_eq!(of(json!({"capture": "bytes", "maxBytes": 64})), None);
        assert_eq!(of(json!({"capture": "packets"})), Some(USUAL));
        assert_eq!(
            of(json!({"capture": "packets", "maxBytes": 64, "maxPackets": 2})),
            Some(Keep { bytes: 64, packets: 2 })
        );
        let huge = of(json!({"capture": "packets", "maxBytes": 2_000_000_000, "maxPackets": 5000}));
        assert_eq!(huge, Some(LARGEST));
        assert_eq!(of(json!({"capture": "packets", "maxBytes": -1})).map(|keep| keep.bytes), Some(0));
    }

    proptest! {
        /// Whatever comes: what is listed is what was recorded, the last of it, in order.
        #[test]
        fn what_is_listed_is_the_last_of_what_was_recorded(lens in prop::collection::vec(0_usize..6000, 1..400)) {
            let mut recorder = Recorder::default();
            for (time, len) in lens.iter().enumerate() {
                let byte = u8::try_from(time % 251).unwrap();
                record(&mut recorder, &vec![byte; *len], i64::try_from(time).unwrap());
            }
            let lens: Vec<(usize, usize)> = lens.into_iter().enumerate().filter(|(_, len)| *len > 0).collect();
            let first = lens.len() - recorder.entries.len();
            let total: usize = recorder.entries.iter().map(|one| one.len).sum();
            prop_assert!(total <= BYTES);
            // Nothing goes that had room: one more frame and what is lost where it goes round would not have fitted.
            if first > 0 {
                prop_assert!(total + 2 * CUT + lens[first - 1].1.min(CUT) > BYTES, "{total}");
            }
            for (entry, (time, len)) in recorder.entries.iter().zip(lens.into_iter().skip(first)) {
                let kept = &recorder.bytes[entry.at..entry.at + entry.len];
                prop_assert_eq!(entry.len, len.min(CUT));
                prop_assert!(kept.iter().all(|byte| usize::from(*byte) == time % 251));
            }
        }
    }
}
