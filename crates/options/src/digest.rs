//! Comparing a digest of part of the buffer: `md5`, `sha256`, `sha512`.
//!
//! *Invariants*: a part that does not fit fails the positive form and satisfies the negated one; a
//! positive match moves the cursor behind the part.
//!
//! *Spec*: Snort 3 manual, `md5`. The digest is a byte string, so hexadecimal text without pipes is
//! text and never matches (measured).

use crate::byte_read::{place, start};
use crate::def::{Operand, ParseCx, Parsed};
use crate::value::Problem;
use crate::{Cursor, Eval, RuleOption};
use std::fmt;

/// An algorithm.
pub(crate) struct Algorithm {
    pub name: &'static str,
    /// Bytes of a digest.
    pub size: usize,
    /// Whether the data has this digest.
    pub test: fn(data: &[u8], digest: &[u8]) -> bool,
}

/// One comparison.
pub(crate) struct DigestMatch {
    algorithm: &'static Algorithm,
    negated: bool,
    digest: Vec<u8>,
    length: usize,
    offset: Operand,
    relative: bool,
}

impl DigestMatch {
    pub(crate) fn parse(cx: &mut ParseCx<'_>, algorithm: &'static Algorithm) -> Result<Parsed, Problem> {
        let args = cx.args()?;
        let Some((first, rest)) = args.split_first() else { return Err(cx.missing("a digest in quotes")) };
        let (negated, digest) = first.byte_string()?;
        let (mut length, mut offset, mut relative) = (None, Operand::Literal(0), false);
        for &arg in rest {
            match arg.pair() {
                ("length", Some(value)) => length = usize::try_from(value.int(1, 65_535)?).ok(),
                ("offset", Some(value)) => offset = cx.operand(value, -65_535, 65_535)?,
                ("relative", None) => relative = true,
                _ => return Err(cx.unknown(arg)),
            }
        }
        let length = length.ok_or_else(|| cx.missing("`length`"))?;
        if digest.len() != algorithm.size {
            let message =
                format!("a digest of {} bytes is never equal; this is text of {}", algorithm.size, digest.len());
            cx.warn_never(first.span, message);
        }
        Parsed::test(Self { algorithm, negated, digest, length, offset, relative })
    }

    fn part<'a>(&self, ev: &Eval<'_, '_>, cursor: &Cursor<'a>) -> Option<(&'a [u8], usize)> {
        let start = usize::try_from(start(cursor, self.relative, self.offset.value(&ev.vars))).ok()?;
        let end = start.checked_add(self.length)?;
        Some((cursor.data.get(start..end)?, end))
    }
}

impl fmt::Debug for DigestMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

impl RuleOption for DigestMatch {
    fn canonical(&self) -> String {
        let digits: Vec<_> = self.digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let negated = if self.negated { "!" } else { "" };
        let mut out = format!("{}:{negated}\"|{}|\",length {}", self.algorithm.name, digits.join(" "), self.length);
        if self.offset != Operand::Literal(0) {
            out.push_str(&format!(",offset {}", self.offset));
        }
        if self.relative {
            out.push_str(",relative");
        }
        out
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, cursor: &mut Cursor<'a>) -> bool {
        let Some((part, end)) = self.part(ev, cursor) else { return self.negated };
        let equal = (self.algorithm.test)(part, &self.digest);
        if equal && !self.negated {
            cursor.pos = end;
        }
        equal != self.negated
    }

    fn is_relative(&self) -> bool {
        self.relative
    }

    fn cost(&self) -> u32 {
        100
    }

    fn explain(&self) -> String {
        let verb = if self.negated { "do not have" } else { "have" };
        let place = place(&self.offset, self.relative);
        format!("{} bytes at {place} {verb} this {} digest", self.length, self.algorithm.name)
    }
}
