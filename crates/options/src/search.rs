//! One literal, searched in one buffer: the confirmation of `content`.
//!
//! *How it fits*: `detect` finds candidate rules with one multi-pattern search; this runs for the
//! contents of those rules only, on the window that each allows.
//!
//! *Invariants*: 1. No allocation after construction. 2. Time is linear in the window: the
//! case-sensitive search is `memchr`'s, the caseless one looks for the two rarest bytes and turns to
//! Knuth-Morris-Pratt when candidates fail too often.

use memchr::{memchr, memmem};

/// A literal, ready to search.
#[derive(Debug)]
pub(crate) struct Literal {
    bytes: Box<[u8]>,
    method: Method,
    shift: usize,
}

#[derive(Debug)]
enum Method {
    Byte(u8),
    Exact(Box<memmem::Finder<'static>>),
    Caseless(Caseless),
}

/// A literal with letters, in lower case.
#[derive(Debug)]
struct Caseless {
    /// The two rarest bytes; twice the same one if there is no other.
    first: Probe,
    second: Probe,
    /// Longest proper border of each prefix (Knuth-Morris-Pratt).
    borders: Box<[u32]>,
}

/// A byte of the literal that is looked for before the whole is compared.
#[derive(Clone, Copy, Debug)]
struct Probe {
    at: usize,
    byte: u8,
    /// The case bit of letters, else nothing.
    case: u8,
}

impl Literal {
    /// Prepares a literal; `fold` ignores the case of ASCII letters. Empty literals are found anywhere.
    pub(crate) fn new(bytes: &[u8], fold: bool) -> Self {
        let fold = fold && bytes.iter().any(u8::is_ascii_alphabetic);
        let bytes: Box<[u8]> = if fold { bytes.to_ascii_lowercase().into() } else { bytes.into() };
        let borders = borders(&bytes);
        let longest = borders.last().copied().unwrap_or(0) as usize;
        let shift = (bytes.len() - longest).max(1);
        let method = match (fold, &*bytes) {
            (true, _) => Method::Caseless(Caseless::new(&bytes, borders)),
            (false, [byte]) => Method::Byte(*byte),
            (false, _) => Method::Exact(Box::new(memmem::Finder::new(&bytes).into_owned())),
        };
        Self { bytes, method, shift }
    }

    /// Length.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The smallest shift at which the literal could overlap itself; its length if it can't.
    #[inline]
    pub(crate) fn shift(&self) -> usize {
        self.shift
    }

    /// Offset of the first occurrence in `hay`.
    #[inline]
    pub(crate) fn find(&self, hay: &[u8]) -> Option<usize> {
        if hay.len() <= self.bytes.len() {
            return self.is(hay).then_some(0);
        }
        match &self.method {
            Method::Byte(byte) => memchr(*byte, hay),
            Method::Exact(finder) => finder.find(hay),
            Method::Caseless(caseless) => caseless.find(&self.bytes, hay),
        }
    }

    /// Whether `hay` is the literal.
    #[inline]
    fn is(&self, hay: &[u8]) -> bool {
        match self.method {
            Method::Caseless(_) => hay.eq_ignore_ascii_case(&self.bytes),
            _ => hay == &*self.bytes,
        }
    }
}

impl Caseless {
    /// Failed comparisons cost up to the literal's length; this many bytes of them are free.
    const FREE_WORK: usize = 4_096;

    /// Places tested at once; the compiler makes vector instructions of it.
    const BLOCK: usize = 32;

    fn new(bytes: &[u8], borders: Box<[u32]>) -> Self {
        let mut order: Vec<usize> = (0..bytes.len()).collect();
        order.sort_by_key(|&at| bytes.get(at).map_or(0, |&byte| commonness(byte)));
        let probe = |at: usize| {
            let byte = bytes.get(at).copied().unwrap_or(0);
            Probe { at, byte, case: if byte.is_ascii_lowercase() { 0x20 } else { 0 } }
        };
        let first = probe(order.first().copied().unwrap_or(0));
        let other = order.iter().map(|&at| probe(at)).find(|probe| probe.byte != first.byte);
        Self { first, second: other.unwrap_or(first), borders }
    }

    fn find(&self, bytes: &[u8], hay: &[u8]) -> Option<usize> {
        let places = hay.len().checked_sub(bytes.len())? + 1;
        let firsts = hay.get(self.first.at..self.first.at + places)?;
        let seconds = hay.get(self.second.at..self.second.at + places)?;
        let (first_blocks, first_rest) = firsts.as_chunks::<{ Self::BLOCK }>();
        let (second_blocks, second_rest) = seconds.as_chunks::<{ Self::BLOCK }>();
        let (mut start, mut work) = (0, 0);
        for (firsts, seconds) in first_blocks.iter().zip(second_blocks) {
            if self.may_stand(firsts, seconds)
                && let Some(end) = self.find_among(bytes, hay, start, (firsts, seconds), &mut work)
            {
                return end;
            }
            start += Self::BLOCK;
        }
        self.find_among(bytes, hay, start, (first_rest, second_rest), &mut work).flatten()
    }

    /// Whether both probes fit at some place of the block.
    #[inline]
    fn may_stand(&self, firsts: &[u8; Self::BLOCK], seconds: &[u8; Self::BLOCK]) -> bool {
        let (first, second) = (self.first, self.second);
        let mut fits = false;
        for (one, other) in firsts.iter().zip(seconds) {
            fits |= (one | first.case == first.byte) & (other | second.case == second.byte);
        }
        fits
    }

    /// Compares at the places from `start` on where both probes fit. `Some`: the search is over.
    fn find_among(
        &self,
        bytes: &[u8],
        hay: &[u8],
        start: usize,
        (firsts, seconds): (&[u8], &[u8]),
        work: &mut usize,
    ) -> Option<Option<usize>> {
        let (first, second) = (self.first, self.second);
        for (at, (one, other)) in (start..).zip(firsts.iter().zip(seconds)) {
            if one | first.case != first.byte || other | second.case != second.byte {
                continue;
            }
            if hay.get(at..at + bytes.len()).is_some_and(|part| part.eq_ignore_ascii_case(bytes)) {
                return Some(Some(at));
            }
            *work += bytes.len();
            if *work > Self::FREE_WORK + 8 * at {
                let next = at + 1;
                let found = hay.get(next..).and_then(|rest| self.find_linear(bytes, rest));
                return Some(found.map(|found| found + next));
            }
        }
        None
    }

    /// Knuth-Morris-Pratt: never looks at a byte of `hay` twice.
    fn find_linear(&self, bytes: &[u8], hay: &[u8]) -> Option<usize> {
        let mut matched = 0_usize;
        for (at, byte) in hay.iter().map(u8::to_ascii_lowercase).enumerate() {
            while matched > 0 && bytes.get(matched) != Some(&byte) {
                matched = *self.borders.get(matched - 1)? as usize;
            }
            if bytes.get(matched) == Some(&byte) {
                matched += 1;
                if matched == bytes.len() {
                    return Some(at + 1 - matched);
                }
            }
        }
        None
    }
}

fn borders(bytes: &[u8]) -> Box<[u32]> {
    let mut table: Vec<u32> = vec![0; bytes.len()];
    let mut length = 0_usize;
    for at in 1..bytes.len() {
        while length > 0 && bytes.get(length) != bytes.get(at) {
            length = table.get(length - 1).copied().unwrap_or(0) as usize;
        }
        if bytes.get(length) == bytes.get(at) {
            length += 1;
        }
        if let Some(slot) = table.get_mut(at) {
            *slot = u32::try_from(length).unwrap_or(0);
        }
    }
    table.into()
}

/// How often a byte occurs in traffic, roughly: 0 = rare.
fn commonness(byte: u8) -> usize {
    const COMMON: &[u8] = b"\0 etaoinsrhldcumfpg/.w=-ybv01:2%&3\xff\n\r4568797_k\"?x,<>;jqz()+";
    COMMON.iter().position(|&common| common == byte.to_ascii_lowercase()).map_or(0, |at| COMMON.len() - at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(needle: &[u8], hay: &[u8], fold: bool) -> Option<usize> {
        hay.windows(needle.len()).position(|w| if fold { w.eq_ignore_ascii_case(needle) } else { w == needle })
    }

    #[test]
    fn only_ascii_letters_are_folded() {
        assert_eq!(Literal::new(b"\xe4a", true).find(b"\xc4A"), None);
        assert_eq!(Literal::new(b"\xe4a", true).find(b".\xe4A"), Some(1));
        assert_eq!(Literal::new(b"[", true).find(b"{"), None);
    }

    #[test]
    fn the_shift_is_the_smallest_self_overlap() {
        assert_eq!(Literal::new(b"aa", false).shift(), 1);
        assert_eq!(Literal::new(b"xyxy", false).shift(), 2);
        assert_eq!(Literal::new(b"abc", false).shift(), 3);
        assert_eq!(Literal::new(b"aA", true).shift(), 1);
        assert_eq!(Literal::new(b"aA", false).shift(), 2);
    }

    #[test]
    fn many_failing_candidates_do_not_make_it_quadratic() {
        let needle = [vec![b'a'; 2_000], vec![b'b']].concat();
        let hay = vec![b'A'; 1 << 20];
        let started = std::time::Instant::now();
        assert_eq!(Literal::new(&needle, true).find(&hay), None);
        let needle = vec![b'a'; 2_000];
        let mut hay = [vec![b'a'; 1_999], vec![b'c']].concat().repeat(500);
        assert_eq!(Literal::new(&needle, true).find(&hay), None);
        hay.extend(vec![b'A'; 2_000]);
        assert_eq!(Literal::new(&needle, true).find(&hay), Some(1_000_000));
        assert!(started.elapsed().as_secs() < 5);
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_search(
            needle in "[abAB]{1,6}|[a-zA-Z0-9 /.]{1,4}",
            hay in "[abAB]{0,60}|[a-zA-Z0-9 /.]{0,60}",
            fold: bool,
        ) {
            let literal = Literal::new(needle.as_bytes(), fold);
            prop_assert_eq!(literal.find(hay.as_bytes()), naive(needle.as_bytes(), hay.as_bytes(), fold));
        }

        #[test]
        fn the_linear_search_agrees(needle in "[ab]{1,8}", hay in "[abAB]{0,200}") {
            let caseless = Caseless::new(needle.as_bytes(), borders(needle.as_bytes()));
            let expected = naive(needle.as_bytes(), hay.as_bytes(), true);
            prop_assert_eq!(caseless.find_linear(needle.as_bytes(), hay.as_bytes()), expected);
        }
    }
}
