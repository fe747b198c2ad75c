//! A TCP conversation between one client and one server, frame by frame.

use crate::frame::{ethernet, ipv4, tcp, tcp_flags};
use std::net::Ipv4Addr;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// A data segment with everything that tests vary.
#[derive(Clone, Debug)]
pub struct Segment<'d> {
    /// Sender.
    pub side: Side,
    /// Bytes.
    pub data: &'d [u8],
    /// Offset in the sender's stream; `None`: where the last segment ended.
    pub at: Option<u32>,
    /// The other side acknowledges everything sent so far.
    pub acknowledged: bool,
    /// Further flags (RST).
    pub flags: u8,
}

/// Builds the frames of one conversation.
#[derive(Debug)]
pub struct Conversation {
    client: (Ipv4Addr, u16),
    server: (Ipv4Addr, u16),
    /// Next stream offset of client and server.
    next: [u32; 2],
    frames: Vec<Vec<u8>>,
}

const INITIAL: [u32; 2] = [1_000, 9_000];

impl Conversation {
    /// Without a handshake.
    pub fn midstream(client: (Ipv4Addr, u16), server: (Ipv4Addr, u16)) -> Self {
        Self { client, server, next: [1, 1], frames: Vec::new() }
    }

    /// With a handshake.
    pub fn open(client: (Ipv4Addr, u16), server: (Ipv4Addr, u16)) -> Self {
        let mut new = Self::midstream(client, server);
        new.next = [0, 0];
        new.send(Side::Client, 0, tcp_flags::SYN, false, &[]);
        new.send(Side::Server, 0, tcp_flags::SYN, true, &[]);
        new.next = [1, 1];
        new.send(Side::Client, 1, 0, true, &[]);
        new
    }

    /// Sends data at the end of the sender's stream, acknowledged.
    pub fn data(&mut self, side: Side, data: &[u8]) -> &mut Self {
        self.segment(&Segment { side, data, at: None, acknowledged: true, flags: 0 })
    }

    /// Sends one segment. Offsets count data bytes from 0.
    pub fn segment(&mut self, segment: &Segment<'_>) -> &mut Self {
        let index = segment.side as usize;
        let start = segment.at.map_or(self.next.get(index).copied().unwrap_or(1), |at| at + 1);
        self.send(segment.side, start, tcp_flags::PSH | segment.flags, true, segment.data);
        if let Some(next) = self.next.get_mut(index) {
            *next = (*next).max(start + u32::try_from(segment.data.len()).unwrap_or(0));
        }
        if segment.acknowledged {
            self.acknowledge(segment.side);
        }
        self
    }

    /// The other side acknowledges what `side` sent.
    pub fn acknowledge(&mut self, side: Side) -> &mut Self {
        let other = match side {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        };
        let at = self.next.get(other as usize).copied().unwrap_or(1);
        self.send(other, at, 0, true, &[]);
        self
    }

    /// An orderly close by both sides, acknowledged.
    pub fn close(&mut self) -> &mut Self {
        for (side, index) in [(Side::Client, 0), (Side::Server, 1)] {
            let at = self.next.get(index).copied().unwrap_or(1);
            self.send(side, at, tcp_flags::FIN, true, &[]);
            if let Some(next) = self.next.get_mut(index) {
                *next += 1;
            }
        }
        let at = self.next.first().copied().unwrap_or(1);
        self.send(Side::Client, at, 0, true, &[]);
        self
    }

    fn send(&mut self, side: Side, offset: u32, flags: u8, ack: bool, data: &[u8]) {
        let (from, to, mine, theirs) = match side {
            Side::Client => (self.client, self.server, 0, 1),
            Side::Server => (self.server, self.client, 1, 0),
        };
        let number = |index: usize, offset: u32| INITIAL.get(index).copied().unwrap_or(0).wrapping_add(offset);
        let acknowledged = if ack { number(theirs, self.next.get(theirs).copied().unwrap_or(0).max(1)) } else { 0 };
        let flags = flags | if ack { tcp_flags::ACK } else { 0 };
        let segment = tcp(from.1, to.1, number(mine, offset), acknowledged, flags, data);
        self.frames.push(ethernet(&ipv4(from.0, to.0, 6, &segment)));
    }

    /// The frames so far.
    pub fn frames(&self) -> &[Vec<u8>] {
        &self.frames
    }
}
