//! The patterns of a set: folded, made distinct, and stored so that one can be compared with a buffer at once.
//!
//! A pattern byte `p` equals a buffer byte `h` without regard to case if `(h | mask) == folded`, where `mask` is 0x20
//! for letters and 0 for all other bytes, and `folded` the lower-case letter or the byte itself. Both strings stand
//! side by side in one store, so that a comparison touches one or two cache lines and eight bytes go at a time.

use super::{Pattern, PatternId};

/// The distinct non-empty patterns of a set, in order of (length, folded bytes), and the ids of each.
pub(super) struct Needles {
    /// `folded` and `mask` of each needle, one after the other.
    store: Box<[u8]>,
    spans: Box<[Span]>,
    ids: Box<[PatternId]>,
    /// Ids of the empty patterns, which are no needles.
    empty: Box<[PatternId]>,
}

/// Where a needle and its ids are found.
#[derive(Clone, Copy)]
struct Span {
    /// Into `store`.
    start: u32,
    len: u32,
    /// First of its ids; they end where those of the next needle start.
    ids: u32,
}

impl Needles {
    /// Folds, sorts and removes duplicates. Equal patterns become one needle with several ids.
    ///
    /// # Panics
    /// Never: a set beyond 4 GiB of pattern bytes is cut (rule files are limited to far less).
    pub(super) fn new(patterns: Vec<Pattern>) -> Self {
        let (empty, mut rest): (Vec<_>, Vec<_>) = patterns.into_iter().partition(|p| p.bytes.is_empty());
        rest.iter_mut().for_each(|p| p.bytes.make_ascii_lowercase());
        rest.sort_by(|a, b| (a.bytes.len(), &a.bytes, a.id).cmp(&(b.bytes.len(), &b.bytes, b.id)));
        rest.dedup();
        let mut store = Vec::new();
        let mut spans: Vec<Span> = Vec::new();
        let mut ids = Vec::new();
        let mut last: &[u8] = &[];
        for pattern in &rest {
            if last != pattern.bytes {
                let Some(span) = Span::at(store.len(), pattern.bytes.len(), ids.len()) else { break };
                spans.push(span);
                store.extend_from_slice(&pattern.bytes);
                store.extend(pattern.bytes.iter().map(|&b| case_mask(b)));
                last = &pattern.bytes;
            }
            ids.push(pattern.id);
        }
        let empty = empty.into_iter().map(|p| p.id).collect();
        Self { store: store.into(), spans: spans.into(), ids: ids.into(), empty }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Ids that are reported for every buffer.
    pub(super) fn empty_ids(&self) -> &[PatternId] {
        &self.empty
    }

    /// The folded bytes of needle `index`.
    #[inline]
    pub(super) fn folded(&self, index: u32) -> &[u8] {
        self.span(index).and_then(|s| self.store.get(s.start as usize..)?.get(..s.len as usize)).unwrap_or(&[])
    }

    /// Length of needle `index`.
    #[inline]
    pub(super) fn length(&self, index: u32) -> usize {
        self.span(index).map_or(0, |s| s.len as usize)
    }

    /// The ids of needle `index`.
    #[inline]
    pub(super) fn ids(&self, index: u32) -> &[PatternId] {
        let Some(span) = self.span(index) else { return &[] };
        let end = self.span(index.wrapping_add(1)).map_or(self.ids.len(), |next| next.ids as usize);
        self.ids.get(span.ids as usize..end).unwrap_or(&[])
    }

    /// Does needle `index` stand at `start` of the haystack?
    #[inline]
    pub(super) fn stands_at(&self, index: u32, haystack: &[u8], start: usize) -> bool {
        let Some(span) = self.span(index) else { return false };
        let len = span.len as usize;
        let Some(candidate) = haystack.get(start..).and_then(|h| h.get(..len)) else { return false };
        let Some((folded, mask)) = self.store.get(span.start as usize..).and_then(|s| s.split_at_checked(len)) else {
            return false;
        };
        mask.get(..len).is_some_and(|mask| equal_caseless(candidate, folded, mask))
    }

    /// Bytes of memory held.
    pub(super) fn memory(&self) -> usize {
        self.store.len() + size_of_val(&*self.spans) + size_of_val(&*self.ids) + size_of_val(&*self.empty)
    }

    #[inline]
    fn span(&self, index: u32) -> Option<Span> {
        self.spans.get(index as usize).copied()
    }
}

impl Span {
    fn at(start: usize, len: usize, ids: usize) -> Option<Self> {
        Some(Self { start: start.try_into().ok()?, len: len.try_into().ok()?, ids: ids.try_into().ok()? })
    }
}

/// 0x20 for letters, 0 otherwise.
pub(super) fn case_mask(byte: u8) -> u8 {
    if byte.is_ascii_alphabetic() { 0x20 } else { 0 }
}

/// Compares slices of one length, the last eight bytes first: near misses of long patterns mostly differ there.
#[inline]
fn equal_caseless(candidate: &[u8], folded: &[u8], mask: &[u8]) -> bool {
    match (candidate.last_chunk::<8>(), folded.last_chunk::<8>(), mask.last_chunk::<8>()) {
        (Some(c), Some(f), Some(m)) => {
            equal_word(c, f, m)
                && candidate
                    .as_chunks::<8>()
                    .0
                    .iter()
                    .zip(folded.as_chunks::<8>().0)
                    .zip(mask.as_chunks::<8>().0)
                    .all(|((c, f), m)| equal_word(c, f, m))
        }
        _ => candidate.iter().zip(folded).zip(mask).all(|((&c, &f), &m)| c | m == f),
    }
}

#[inline]
fn equal_word(candidate: &[u8; 8], folded: &[u8; 8], mask: &[u8; 8]) -> bool {
    u64::from_ne_bytes(*candidate) | u64::from_ne_bytes(*mask) == u64::from_ne_bytes(*folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needles(list: &[&[u8]]) -> Needles {
        let pattern = |(i, b): (usize, &&[u8])| Pattern { id: PatternId(i as u32), bytes: b.to_vec() };
        Needles::new(list.iter().enumerate().map(pattern).collect())
    }

    #[test]
    fn equal_patterns_become_one_needle_with_all_ids() {
        let set = needles(&[b"Host", b"", b"a", b"hOST", b"a"]);
        assert_eq!(set.len(), 2);
        assert_eq!(set.folded(0), b"a");
        assert_eq!(set.ids(0), [PatternId(2), PatternId(4)]);
        assert_eq!(set.ids(1), [PatternId(0), PatternId(3)]);
        assert_eq!(set.empty_ids(), [PatternId(1)]);
    }

    #[test]
    fn only_letters_match_in_both_cases() {
        for length in 1..40usize {
            for (byte, other, same) in
                [(b'k', b'K', true), (b'@', b'`', false), (b'[', b'{', false), (0xC4, 0xE4, false)]
            {
                let set = needles(&[&vec![byte; length]]);
                assert!(set.stands_at(0, &vec![byte; length], 0));
                assert_eq!(set.stands_at(0, &vec![other; length], 0), same, "{byte:#x} of length {length}");
            }
        }
    }

    #[test]
    fn one_wrong_byte_anywhere_is_seen() {
        for length in 1..40usize {
            let text: Vec<u8> = (0..length as u8).map(|i| b'A' + i % 58).collect();
            let set = needles(&[&text]);
            assert!(set.stands_at(0, &text, 0));
            for at in 0..length {
                let mut wrong = text.clone();
                wrong[at] ^= 0x80;
                assert!(!set.stands_at(0, &wrong, 0), "length {length}, byte {at}");
            }
            assert!(!set.stands_at(0, &text, 1) && !set.stands_at(0, &text[..length - 1], 0));
        }
    }
}
