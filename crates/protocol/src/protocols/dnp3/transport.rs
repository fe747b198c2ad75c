//! DNP3 transport function: segments put together to application fragments.
//!
//! *Limits*: a fragment has [`MAX_FRAGMENT`] bytes at most; a longer one is given up.
//!
//! *Spec*: IEEE 1815 §8.2 (FIN, FIR, sequence modulo 64). A segment that repeats the sequence number
//! before it is ignored; any other jump gives the fragment up.

/// Bytes of an application fragment. Devices take 2,048 unless they say otherwise.
const MAX_FRAGMENT: usize = 64 << 10;
/// Memory kept between fragments.
const KEPT: usize = 4 << 10;

const FIN: u8 = 0x80;
const FIR: u8 = 0x40;
const SEQUENCE: u8 = 0x3f;

/// What a segment did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// More segments are to come.
    Continues,
    /// [`Fragment::bytes`] is whole.
    Complete,
    /// It begins no fragment, or repeats the one before it: ignored.
    Stray,
    /// It doesn't follow the one before it, or makes the fragment too long: given up.
    Broken,
}

/// The application fragment of one direction.
#[derive(Debug, Default)]
pub(super) struct Fragment {
    bytes: Vec<u8>,
    /// Sequence number of the last segment, while segments are to come.
    last: Option<u8>,
}

impl Fragment {
    /// The next segment, in blocks, its transport header first. `interrupted` tells that an unfinished
    /// fragment was given up for a new one.
    pub(super) fn push<'b>(&mut self, blocks: impl Iterator<Item = &'b [u8]>, interrupted: &mut bool) -> Outcome {
        let mut blocks = blocks;
        let Some((&header, first)) = blocks.next().and_then(<[u8]>::split_first) else { return Outcome::Stray };
        let sequence = header & SEQUENCE;
        if header & FIR != 0 {
            *interrupted = self.unfinished();
            self.bytes.clear();
        } else {
            match self.last {
                None => return Outcome::Stray,
                Some(last) if last == sequence => return Outcome::Stray,
                Some(last) if last.wrapping_add(1) & SEQUENCE != sequence => return self.give_up(),
                Some(_) => {}
            }
        }
        for block in std::iter::once(first).chain(blocks) {
            if self.bytes.len().saturating_add(block.len()) > MAX_FRAGMENT {
                return self.give_up();
            }
            self.bytes.extend_from_slice(block);
        }
        if header & FIN != 0 {
            self.last = None;
            return Outcome::Complete;
        }
        self.last = Some(sequence);
        Outcome::Continues
    }

    /// Segments are to come.
    pub(super) fn unfinished(&self) -> bool {
        self.last.is_some()
    }

    /// The fragment, once complete.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Lets go of the memory of an unusually long fragment.
    pub(super) fn release(&mut self) {
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
    }

    /// Memory held.
    pub(super) fn footprint(&self) -> usize {
        self.bytes.capacity()
    }

    fn give_up(&mut self) -> Outcome {
        *self = Self::default();
        Outcome::Broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{Broken, Complete, Continues, Stray};

    fn push(fragment: &mut Fragment, segment: &[u8]) -> (Outcome, bool) {
        let mut interrupted = false;
        let outcome = fragment.push(segment.chunks(16), &mut interrupted);
        (outcome, interrupted)
    }

    #[test]
    fn segments_in_sequence_make_a_fragment() {
        let mut fragment = Fragment::default();
        assert_eq!(push(&mut fragment, &[FIR | 63, 1, 2]), (Continues, false));
        assert_eq!(push(&mut fragment, &[0, 3]), (Continues, false));
        assert_eq!(push(&mut fragment, &[0, 9]), (Stray, false), "repeated");
        assert_eq!(push(&mut fragment, &[FIN | 1, 4]), (Complete, false));
        assert_eq!(fragment.bytes(), [1, 2, 3, 4]);
        assert_eq!(push(&mut fragment, &[FIN | 2, 5]), (Stray, false), "begins nothing");
    }

    #[test]
    fn a_jump_gives_the_fragment_up_and_a_new_beginning_replaces_it() {
        let mut fragment = Fragment::default();
        assert_eq!(push(&mut fragment, &[FIR, 1]), (Continues, false));
        assert_eq!(push(&mut fragment, &[2, 2]), (Broken, false));
        assert_eq!(push(&mut fragment, &[FIN | 3, 3]), (Stray, false));
        assert_eq!(push(&mut fragment, &[FIR, 1]), (Continues, false));
        assert_eq!(push(&mut fragment, &[FIR | FIN | 9, 7]), (Complete, true));
        assert_eq!(fragment.bytes(), [7]);
    }

    #[test]
    fn a_fragment_has_an_end_and_its_memory_is_given_back() {
        let mut fragment = Fragment::default();
        let mut outcome = push(&mut fragment, &[FIR; 250]).0;
        let mut sequence = 0u8;
        while outcome == Continues {
            assert!(fragment.footprint() <= 2 * MAX_FRAGMENT);
            sequence = sequence.wrapping_add(1) & SEQUENCE;
            outcome = push(&mut fragment, &[sequence; 250]).0;
        }
        assert_eq!((outcome, fragment.footprint()), (Broken, 0));
        push(&mut fragment, &[FIR | FIN; 5_000]);
        fragment.release();
        assert_eq!(fragment.footprint(), 0);
    }

    #[test]
    fn a_frame_without_data_changes_nothing() {
        let mut fragment = Fragment::default();
        push(&mut fragment, &[FIR, 1]);
        assert_eq!(push(&mut fragment, &[]), (Stray, false));
        assert!(fragment.unfinished());
    }
}
