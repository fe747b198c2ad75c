//! Out-of-order data: disjoint pieces by their offset.
//!
//! *Invariants*: pieces are not empty and never overlap; `bytes` is the sum of their lengths.
//! Work per call is logarithmic in the number of pieces plus linear in the bytes of the new data.

use crate::overlap::Span;
use std::collections::BTreeMap;

/// Pieces with what is known about each.
#[derive(Clone, Debug)]
pub(crate) struct Pieces<M> {
    map: BTreeMap<u64, Piece<M>>,
    bytes: usize,
}

/// The bytes of one piece.
#[derive(Clone, Debug)]
pub(crate) struct Piece<M> {
    pub(crate) data: Vec<u8>,
    pub(crate) meta: M,
}

impl<M> Default for Pieces<M> {
    fn default() -> Self {
        Self { map: BTreeMap::new(), bytes: 0 }
    }
}

impl<M: Copy> Pieces<M> {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// Bytes held.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Memory held, with an estimate for the tree.
    pub(crate) fn footprint(&self) -> usize {
        self.bytes.saturating_add(self.map.len().saturating_mul(size_of::<(u64, Piece<M>)>() + 16))
    }

    /// Where the first piece starts.
    #[inline]
    pub(crate) fn first_start(&self) -> Option<u64> {
        self.map.first_key_value().map(|(&start, _)| start)
    }

    /// Where the last piece ends.
    pub(crate) fn last_end(&self) -> Option<u64> {
        self.map.last_key_value().map(|(&start, piece)| start.saturating_add(piece.data.len() as u64))
    }

    /// The end of the last piece that starts before `offset`, unless it reaches beyond it.
    pub(crate) fn end_before(&self, offset: u64) -> Option<u64> {
        let (&start, piece) = self.map.range(..offset).next_back()?;
        let end = start.saturating_add(piece.data.len() as u64);
        (end <= offset).then_some(end)
    }

    /// All pieces in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Piece<M>)> {
        self.map.iter().map(|(&start, piece)| (start, piece))
    }

    /// The pieces that overlap `span`, in order.
    pub(crate) fn overlapping(&self, span: Span) -> impl Iterator<Item = (Span, &Piece<M>)> {
        let left = self.map.range(..span.start).next_back();
        let left = left.filter(|(start, piece)| Span::at(**start, piece.data.len()).end > span.start);
        // An empty span would make an invalid range.
        let rest = self.map.range(span.start..span.end.max(span.start));
        left.into_iter().chain(rest).map(|(&start, piece)| (Span::at(start, piece.data.len()), piece))
    }

    /// Puts `data` at `start`; whatever lies there is cut away.
    pub(crate) fn put(&mut self, start: u64, data: &[u8], meta: M) {
        if data.is_empty() {
            return;
        }
        self.cut(Span::at(start, data.len()));
        self.insert(start, data.to_vec(), meta);
    }

    /// Removes and returns the first piece.
    pub(crate) fn pop_first(&mut self) -> Option<(u64, Piece<M>)> {
        let (start, piece) = self.map.pop_first()?;
        self.bytes = self.bytes.saturating_sub(piece.data.len());
        Some((start, piece))
    }

    /// Removes and returns the last piece, if it starts at or after `from`.
    pub(crate) fn pop_last_from(&mut self, from: u64) -> Option<(u64, Piece<M>)> {
        let entry = self.map.last_entry()?;
        if *entry.key() < from {
            return None;
        }
        let (start, piece) = entry.remove_entry();
        self.bytes = self.bytes.saturating_sub(piece.data.len());
        Some((start, piece))
    }

    /// Moves every piece up by `by`.
    pub(crate) fn shift(&mut self, by: u64) {
        let old = std::mem::take(&mut self.map);
        self.map = old.into_iter().map(|(start, piece)| (start.saturating_add(by), piece)).collect();
    }

    pub(crate) fn clear(&mut self) {
        self.map.clear();
        self.bytes = 0;
    }

    fn insert(&mut self, start: u64, data: Vec<u8>, meta: M) {
        if !data.is_empty() {
            self.bytes = self.bytes.saturating_add(data.len());
            self.map.insert(start, Piece { data, meta });
        }
    }

    /// Makes room: pieces within `span` go, those that reach in are shortened, one around it is split.
    pub(crate) fn cut(&mut self, span: Span) {
        if let Some((&start, piece)) = self.map.range_mut(..span.start).next_back() {
            let keep = usize::try_from(span.start - start).unwrap_or(usize::MAX);
            if keep < piece.data.len() {
                let mut tail = piece.data.split_off(keep);
                let meta = piece.meta;
                self.bytes = self.bytes.saturating_sub(tail.len());
                let beyond = usize::try_from(span.len()).unwrap_or(usize::MAX).min(tail.len());
                tail.drain(..beyond);
                self.insert(span.end, tail, meta);
            }
        }
        while let Some((&start, _)) = self.map.range(span.start..span.end).next() {
            let Some(Piece { mut data, meta }) = self.map.remove(&start) else { break };
            self.bytes = self.bytes.saturating_sub(data.len());
            let covered = usize::try_from(span.end - start).unwrap_or(usize::MAX).min(data.len());
            data.drain(..covered);
            self.insert(span.end, data, meta);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(pieces: &Pieces<u8>) -> Vec<(u64, String, u8)> {
        pieces.iter().map(|(s, p)| (s, String::from_utf8_lossy(&p.data).into_owned(), p.meta)).collect()
    }

    #[test]
    fn a_piece_put_inside_another_splits_it() {
        let mut pieces = Pieces::default();
        pieces.put(10, b"aaaaaa", 1);
        pieces.put(12, b"bb", 2);
        assert_eq!(text(&pieces), [(10, "aa".into(), 1), (12, "bb".into(), 2), (14, "aa".into(), 1)]);
        assert_eq!(pieces.bytes(), 6);
    }

    #[test]
    fn a_piece_put_over_several_shortens_the_outer_ones() {
        let mut pieces = Pieces::default();
        pieces.put(0, b"aaa", 1);
        pieces.put(4, b"cc", 1);
        pieces.put(7, b"ddd", 1);
        pieces.put(2, b"bbbbbb", 2);
        assert_eq!(text(&pieces), [(0, "aa".into(), 1), (2, "bbbbbb".into(), 2), (8, "dd".into(), 1)]);
    }

    proptest! {
        #[test]
        fn puts_behave_like_writes_to_a_flat_array(
            writes in prop::collection::vec((0u64..60, 1usize..12, any::<u8>()), 0..40),
        ) {
            let mut flat = [None; 80];
            let mut pieces = Pieces::default();
            for (start, len, byte) in writes {
                flat[start as usize..start as usize + len].fill(Some(byte));
                pieces.put(start, &vec![byte; len], ());
            }
            let mut seen = [None; 80];
            let mut last = 0;
            for (start, piece) in pieces.iter() {
                prop_assert!(start >= last && !piece.data.is_empty());
                last = start + piece.data.len() as u64;
                for (i, &byte) in piece.data.iter().enumerate() {
                    seen[start as usize + i] = Some(byte);
                }
            }
            prop_assert_eq!(seen, flat);
            prop_assert_eq!(pieces.bytes(), flat.iter().flatten().count());
        }
    }
}
