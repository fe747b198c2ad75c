//! The rest of a message that is too long to wait for, handed out at fixed offsets.
//!
//! *Limits*: pieces are `Limits::pdu_bytes` long, so that they depend on offsets only.

use crate::Step;

/// Bytes of a message still to be passed on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pieces {
    left: usize,
}

impl Pieces {
    pub(crate) fn new(left: usize) -> Self {
        Self { left }
    }

    pub(crate) fn active(self) -> bool {
        self.left > 0
    }

    /// The next piece, or how many bytes it takes.
    pub(crate) fn next<'b>(&mut self, bytes: &'b [u8], size: usize) -> Result<&'b [u8], Step> {
        let wanted = self.left.min(size.max(1));
        let piece = bytes.get(..wanted).ok_or(Step::NeedMore { at_least: wanted })?;
        self.left = self.left.saturating_sub(wanted);
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_at_fixed_offsets() {
        let mut pieces = Pieces::new(10);
        assert_eq!(pieces.next(b"abc", 4), Err(Step::NeedMore { at_least: 4 }));
        assert_eq!(pieces.next(b"abcdef", 4), Ok(&b"abcd"[..]));
        assert_eq!(pieces.next(b"efghij", 4), Ok(&b"efgh"[..]));
        assert_eq!(pieces.next(b"ijk", 4), Ok(&b"ij"[..]));
        assert!(!pieces.active());
    }
}
