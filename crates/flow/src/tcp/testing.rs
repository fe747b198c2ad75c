//! Packets, segments and a connection to write tests with.

use super::{SegmentMeta, SegmentOutcome, TcpConfig, TcpSession};
use crate::Direction::{self, ToClient, ToServer};
use std::net::IpAddr;
use tapir_packet::{
    DecodeEvents, Fragment, Frame, FrameMeta, IpLayer, LinkType, MAX_IP_LAYERS, Packet, TcpHeader, Timestamp, Transport,
};
use tapir_telemetry::{Counter, Counters};

pub(crate) use tapir_packet::TcpHeader as Tcp;

pub(crate) fn header(flags: u8, seq: u32, ack: u32) -> TcpHeader<'static> {
    TcpHeader {
        source_port: 40_000,
        destination_port: 80,
        seq,
        ack,
        flags,
        window: 65_535,
        urgent: 0,
        options: &[],
        header_len: 20,
    }
}

pub(crate) fn packet(source: IpAddr, destination: IpAddr, transport: Transport<'static>) -> Packet<'static> {
    let frame =
        Frame { data: &[], timestamp: Timestamp(0), link: LinkType::RAW, original_len: 0, meta: FrameMeta::default() };
    let layer = IpLayer {
        source,
        destination,
        protocol: 6,
        ttl: 64,
        tos: 0,
        id: 0,
        fragment: Fragment::default(),
        header: &[],
        options: &[],
        payload: &[],
    };
    let mut ip = [None; MAX_IP_LAYERS];
    ip[0] = Some(layer);
    Packet {
        frame,
        ethernet: None,
        vlan: [None; 2],
        ip,
        ip_layers: 1,
        transport,
        payload: &[],
        defragmented: false,
        events: DecodeEvents::default(),
        broken: false,
    }
}

pub(crate) fn packet_between(source: (&str, u16), destination: (&str, u16)) -> Packet<'static> {
    let mut tcp = header(Tcp::ACK, 0, 0);
    (tcp.source_port, tcp.destination_port) = (source.1, destination.1);
    packet(source.0.parse().unwrap(), destination.0.parse().unwrap(), Transport::Tcp(tcp))
}

/// A session with its surroundings. Offsets are stream offsets; `isn` are the numbers of the SYNs.
pub(crate) struct Connection {
    pub(crate) session: TcpSession,
    pub(crate) config: TcpConfig,
    pub(crate) counters: Counters,
    pub(crate) events: Vec<u32>,
    pub(crate) isn: [u32; 2],
    pub(crate) now: Timestamp,
    packets: u64,
    /// Highest offset sent, per direction.
    sent: [u32; 2],
}

impl Connection {
    /// Nothing sent yet.
    pub(crate) fn new(config: TcpConfig) -> Self {
        let (mut session, _) = TcpSession::new(&packet_between(("10.0.0.1", 40_000), ("10.0.0.2", 80)));
        session.midstream = false;
        Self {
            session,
            config,
            counters: Counters::default(),
            events: Vec::new(),
            // Both wrap around after a few bytes.
            isn: [u32::MAX - 7, u32::MAX - 11],
            now: Timestamp(0),
            packets: 0,
            sent: [0; 2],
        }
    }

    /// Handshake done.
    pub(crate) fn open(config: TcpConfig) -> Self {
        let mut c = Self::new(config);
        c.send(ToServer, header(Tcp::SYN, c.isn[0], 0), b"");
        c.send(ToClient, header(Tcp::SYN | Tcp::ACK, c.isn[1], c.seq(ToServer, 0)), b"");
        c.ack(ToServer, 0);
        assert!(c.session.established());
        c
    }

    /// No handshake seen.
    pub(crate) fn midstream(config: TcpConfig) -> Self {
        let mut c = Self::new(config);
        c.session.midstream = true;
        c
    }

    pub(crate) fn seq(&self, dir: Direction, offset: u32) -> u32 {
        self.isn[dir.index()].wrapping_add(1).wrapping_add(offset)
    }

    pub(crate) fn send(&mut self, dir: Direction, tcp: TcpHeader<'_>, payload: &[u8]) -> SegmentOutcome {
        self.packets += 1;
        let meta = SegmentMeta { packet: self.packets, time: self.now };
        let events = &mut self.events;
        self.session.on_segment(dir, &tcp, payload, meta, &self.config, &mut self.counters, &mut |sid| events.push(sid))
    }

    /// Data at an offset, acknowledging nothing new.
    pub(crate) fn data(&mut self, dir: Direction, offset: u32, payload: &[u8]) -> SegmentOutcome {
        let end = offset + payload.len() as u32;
        self.sent[dir.index()] = self.sent[dir.index()].max(end);
        let tcp = header(Tcp::ACK | Tcp::PSH, self.seq(dir, offset), self.seq(dir.reverse(), 0));
        self.send(dir, tcp, payload)
    }

    /// `dir` acknowledges what the other side sent below `offset`.
    pub(crate) fn ack(&mut self, dir: Direction, offset: u32) -> SegmentOutcome {
        let tcp = header(Tcp::ACK, self.seq(dir, self.sent[dir.index()]), self.seq(dir.reverse(), offset));
        self.send(dir, tcp, b"")
    }

    pub(crate) fn ready(&self, dir: Direction) -> &[u8] {
        self.session.half(dir).ready()
    }

    pub(crate) fn count(&self, counter: Counter) -> u64 {
        self.counters.value(counter)
    }

    /// Everything that is ready, with `?` for each skipped byte.
    pub(crate) fn take(&mut self, dir: Direction) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let half = self.session.half_mut(dir);
            let ready = half.ready().to_vec();
            half.consume(ready.len());
            all.extend(ready);
            let Some(gap) = half.gap() else { return all };
            all.extend(vec![b'?'; gap as usize]);
            half.skip_gap();
        }
    }
}
