//! Text patterns with a wildcard: request lines (`* * HTTP/`, `* * SIP/`) and banners (`220*SMTP`).
//!
//! A wildcard runs over any bytes, none included. All patterns of a direction share one pass: behind
//! the lead (the first blank, or `220`) the earliest of the tails decides.
//!
//! *Limits*: [`super::MAX_SEARCH_DEPTH`]; each byte is searched once, but for a tail that may lie
//! across two calls.

use super::Found;
use crate::{Service, TransportKind};
use tapir_flow::Direction;

/// Progress in one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Floating {
    lead: Lead,
    /// Bytes before this offset were searched.
    scanned: usize,
    /// What was found, while a pattern of higher rank holds it back.
    found: Option<Found>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lead {
    #[default]
    Wanted,
    /// It is there, up to this offset.
    Until(usize),
    /// It can't come any more.
    Missing,
}

/// A tail and the transport it needs.
struct Tail {
    text: &'static [u8],
    service: Service,
    tcp_only: bool,
}

const LINES: &[Tail] = &[
    Tail { text: b" HTTP/", service: Service::Http, tcp_only: true },
    Tail { text: b" SIP/", service: Service::Sip, tcp_only: false },
];

const BANNERS: &[Tail] = &[
    Tail { text: b"FTP", service: Service::Ftp, tcp_only: true },
    Tail { text: b"FILEZILLA", service: Service::Ftp, tcp_only: true },
    Tail { text: b"SMTP", service: Service::Smtp, tcp_only: true },
    Tail { text: b"MAIL", service: Service::Smtp, tcp_only: true },
];

/// Length of the longest tail, less one: how far back a tail may have begun.
const OVERLAP: usize = 8;

impl Floating {
    /// Searches what is new of `prefix`.
    pub(super) fn scan(&mut self, transport: TransportKind, dir: Direction, prefix: &[u8]) -> Option<Found> {
        if self.found.is_some() || !self.open(transport, dir) {
            return self.found;
        }
        if self.lead == Lead::Wanted {
            self.lead = find_lead(dir, prefix, self.scanned);
            self.scanned = match self.lead {
                Lead::Until(lead) => lead,
                _ => prefix.len(),
            };
        }
        let Lead::Until(lead) = self.lead else { return None };
        let from = self.scanned.saturating_sub(OVERLAP).max(lead);
        self.scanned = prefix.len();
        let bytes = prefix.get(from..)?;
        self.found = earliest(transport, tails(dir), bytes).map(|(at, tail)| Found {
            service: tail.service,
            end: from.saturating_add(at).saturating_add(tail.text.len()),
        });
        self.found
    }

    /// Whether more bytes could still match.
    pub(super) fn open(&self, transport: TransportKind, dir: Direction) -> bool {
        let any = tails(dir).iter().any(|tail| !tail.tcp_only || transport == TransportKind::Tcp);
        any && self.lead != Lead::Missing
    }
}

fn tails(dir: Direction) -> &'static [Tail] {
    match dir {
        Direction::ToServer => LINES,
        Direction::ToClient => BANNERS,
    }
}

fn find_lead(dir: Direction, prefix: &[u8], scanned: usize) -> Lead {
    match dir {
        Direction::ToServer => match prefix.get(scanned..).and_then(|new| memchr::memchr(b' ', new)) {
            Some(at) => Lead::Until(scanned.saturating_add(at).saturating_add(1)),
            None => Lead::Wanted,
        },
        Direction::ToClient if prefix.starts_with(b"220") => Lead::Until(3),
        Direction::ToClient if b"220".starts_with(prefix) => Lead::Wanted,
        Direction::ToClient => Lead::Missing,
    }
}

/// The tail that is complete first.
fn earliest<'t>(transport: TransportKind, tails: &'t [Tail], bytes: &[u8]) -> Option<(usize, &'t Tail)> {
    let usable = |tail: &&Tail| !tail.tcp_only || transport == TransportKind::Tcp;
    let mut best: Option<(usize, &Tail)> = None;
    for tail in tails.iter().filter(usable) {
        let within = best.map_or(bytes.len(), |(at, best)| at.saturating_add(best.text.len()));
        let Some(at) = bytes.get(..within).and_then(|bytes| find_nocase(bytes, tail.text)) else { continue };
        let end = at.saturating_add(tail.text.len());
        if best.is_none_or(|(at, best)| end < at.saturating_add(best.text.len())) {
            best = Some((at, tail));
        }
    }
    best
}

/// First occurrence of `needle` (upper case) without regard to case.
fn find_nocase(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let (&first, rest) = needle.split_first()?;
    let lower = first.to_ascii_lowercase();
    memchr::memchr2_iter(first, lower, bytes).find(|&at| {
        let tail = bytes.get(at.saturating_add(1)..).and_then(|tail| tail.get(..rest.len()));
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(rest))
    })
}
