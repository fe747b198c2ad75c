//! One incomplete datagram.

use super::part::{MAX_LENGTH, Part};
use super::{DefragConfig, event};
use crate::overlap::{Old, Span, contest, part};
use crate::pieces::Pieces;
use tapir_packet::Timestamp;
use tapir_telemetry::{Counter, Counters};

/// What is known of a datagram.
#[derive(Debug)]
pub(super) struct Tracker {
    pub(super) serial: u64,
    /// When the first fragment came.
    pub(super) since: Timestamp,
    pieces: Pieces<()>,
    /// Payload length, by the last fragment.
    total: Option<u64>,
    /// From the fragment at offset 0.
    header: Option<Box<[u8]>>,
    /// IPv4 options of the fragment that came first.
    options: Option<Box<[u8]>>,
    overlaps: u32,
}

/// What a fragment did for its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// Something is still missing.
    Waiting,
    /// Nothing is missing.
    Complete,
    /// The fragments disagree on the end; there is no such datagram.
    Conflict,
}

impl Tracker {
    pub(super) fn new(serial: u64, since: Timestamp) -> Self {
        Self { serial, since, pieces: Pieces::default(), total: None, header: None, options: None, overlaps: 0 }
    }

    /// Takes in a fragment.
    pub(super) fn add(
        &mut self,
        part: &Part<'_>,
        config: &DefragConfig,
        counters: &mut Counters,
        events: &mut dyn FnMut(u32),
    ) -> Added {
        let span = Span::at(u64::from(part.offset), part.data.len());
        self.check_options(part, events);
        let other_end = self.total.is_some_and(|total| total != span.end)
            || self.pieces.last_end().is_some_and(|end| end > span.end);
        if !part.more && other_end {
            events(event::TEARDROP);
            return Added::Conflict;
        }
        if part.more && self.total.is_some_and(|total| span.end > total) {
            events(event::BEYOND_END);
            counters.bump(Counter::FragmentsInvalid);
            return Added::Waiting;
        }
        if !self.place(span, &part.data, config, counters, events) {
            return Added::Waiting;
        }
        if !part.more {
            self.total = Some(span.end);
        }
        if part.offset == 0 && self.header.is_none() {
            self.header = Some(part.unfragmented_header());
        }
        let whole = self.total == Some(self.pieces.bytes() as u64) && self.header.is_some();
        if whole { Added::Complete } else { Added::Waiting }
    }

    /// Writes the datagram to `out`; false if it is too large after all.
    pub(super) fn assemble(&self, out: &mut Vec<u8>, events: &mut dyn FnMut(u32)) -> bool {
        out.clear();
        out.extend_from_slice(self.header.as_deref().unwrap_or_default());
        let header = out.len();
        for (_, piece) in self.pieces.iter() {
            out.extend_from_slice(&piece.data);
        }
        // The first fragment's header may be longer than that of the last one.
        let v4 = out.first().is_some_and(|byte| byte >> 4 == 4);
        let counted = if v4 { out.len() } else { out.len().saturating_sub(40) };
        let Ok(length) = u16::try_from(counted) else {
            debug_assert!(counted > MAX_LENGTH);
            events(event::TOO_LARGE);
            return false;
        };
        let field = if v4 { 2..4 } else { 4..6 };
        if let Some(field) = out.get_mut(field) {
            field.copy_from_slice(&length.to_be_bytes());
        }
        if v4 {
            set_checksum(out, header);
        }
        true
    }

    /// Memory held.
    pub(super) fn footprint(&self) -> usize {
        let header = self.header.as_ref().map_or(0, |header| header.len());
        let options = self.options.as_ref().map_or(0, |options| options.len());
        size_of::<Self>().saturating_add(self.pieces.footprint()).saturating_add(header).saturating_add(options)
    }

    /// Fragments of one datagram carry the same options.
    fn check_options(&mut self, part: &Part<'_>, events: &mut dyn FnMut(u32)) {
        match &self.options {
            Some(known) if **known != *part.options => events(event::OPTIONS),
            Some(_) => {}
            None => self.options = Some(part.options.into()),
        }
    }

    /// Puts the bytes where the policy lets them. Returns false if a limit keeps them out.
    fn place(
        &mut self,
        span: Span,
        data: &[u8],
        config: &DefragConfig,
        counters: &mut Counters,
        events: &mut dyn FnMut(u32),
    ) -> bool {
        let (mut covered, mut differs, mut full) = (0, false, false);
        for (old, piece) in self.pieces.overlapping(span) {
            let common = old.intersect(span);
            covered += common.len();
            differs |= part(&piece.data, old, common) != part(data, span, common);
            full |= common == old;
        }
        if full {
            events(event::FULL_OVERLAP);
        }
        if covered == span.len() && !differs {
            return true;
        }
        if differs {
            counters.bump(Counter::FragmentOverlaps);
            self.overlaps = self.overlaps.saturating_add(1);
            if config.max_overlaps != 0 && self.overlaps > config.max_overlaps {
                events(event::OVERLAP_LIMIT);
                counters.bump(Counter::FragmentPiecesFull);
                return false;
            }
        }
        let mut won = Vec::new();
        let olds = self.pieces.overlapping(span).map(|(span, _)| Old { span, settled: None });
        contest(&config.policy, span, None, olds, &mut won);
        for new in won {
            if self.pieces.len() >= config.max_pieces {
                counters.bump(Counter::FragmentPiecesFull);
                return false;
            }
            self.pieces.put(new.start, part(data, span, new), ());
        }
        true
    }
}

/// Fills in the IPv4 header checksum (RFC 791 §3.1).
fn set_checksum(datagram: &mut [u8], header: usize) {
    if let Some(field) = datagram.get_mut(10..12) {
        field.fill(0);
    }
    // A header is a multiple of four bytes, at most 60: no odd byte, no overflow.
    let (words, _) = datagram.get(..header).unwrap_or_default().as_chunks::<2>();
    let sum: u32 = words.iter().map(|&word| u32::from(u16::from_be_bytes(word))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    let checksum = u16::try_from(folded).map_or(0, |sum| !sum);
    if let Some(field) = datagram.get_mut(10..12) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
}
