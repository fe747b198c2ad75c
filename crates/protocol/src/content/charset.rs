//! UTF-16 and UTF-32 text as 8-bit text, so that ordinary patterns match it.
//!
//! *How it fits*: a body that declares such a charset, or starts with a byte order mark, is converted
//! piece by piece; a character that is cut by the end of a piece is carried over.
//!
//! *Invariants*: output never exceeds input; the sum of all output does not depend on the cuts.
//!
//! *Spec*: RFC 2781, Unicode byte order mark; Snort 3 http_inspect `normalize_utf`.

/// A charset whose characters are wider than a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "charset names")]
pub(crate) enum Charset {
    Utf16Le,
    Utf16Be,
    Utf32Le,
    Utf32Be,
}

impl Charset {
    /// By its name in a Content-Type, lower case.
    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"utf-16le" => Some(Self::Utf16Le),
            b"utf-16be" => Some(Self::Utf16Be),
            b"utf-32le" => Some(Self::Utf32Le),
            b"utf-32be" => Some(Self::Utf32Be),
            _ => None,
        }
    }

    /// By the byte order mark at the start of a text; also its length.
    pub(crate) fn from_mark(text: &[u8]) -> Option<(Self, usize)> {
        match text {
            [0xFF, 0xFE, 0, 0, ..] => Some((Self::Utf32Le, 4)),
            [0, 0, 0xFE, 0xFF, ..] => Some((Self::Utf32Be, 4)),
            [0xFF, 0xFE, ..] => Some((Self::Utf16Le, 2)),
            [0xFE, 0xFF, ..] => Some((Self::Utf16Be, 2)),
            _ => None,
        }
    }

    fn width(self) -> usize {
        match self {
            Self::Utf16Le | Self::Utf16Be => 2,
            Self::Utf32Le | Self::Utf32Be => 4,
        }
    }

    /// The byte of one code unit; 0xFF if it is above 0xFF.
    fn narrow(self, unit: &[u8]) -> u8 {
        let (byte, rest_is_zero) = match (self, unit) {
            (Self::Utf16Le, [low, high]) => (*low, *high == 0),
            (Self::Utf16Be, [high, low]) => (*low, *high == 0),
            (Self::Utf32Le, [low, rest @ ..]) => (*low, rest == [0, 0, 0]),
            (Self::Utf32Be, [rest @ .., low]) => (*low, rest == [0, 0, 0]),
            _ => (0xFF, false),
        };
        if rest_is_zero { byte } else { 0xFF }
    }
}

/// Conversion of one text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Converter {
    charset: Charset,
    carry: [u8; 4],
    carried: usize,
}

impl Converter {
    /// Starts a text.
    pub(crate) fn new(charset: Charset) -> Self {
        Self { charset, carry: [0; 4], carried: 0 }
    }

    /// Appends the converted `text` to `out`. Says whether every character fitted in 8 bits.
    pub(crate) fn convert(&mut self, text: &[u8], out: &mut Vec<u8>) -> bool {
        let (charset, width) = (self.charset, self.charset.width());
        let (mut fitted, mut rest) = (true, text);
        out.reserve(text.len() / width + 1);
        while self.carried > 0
            && let Some((&byte, tail)) = rest.split_first()
        {
            rest = tail;
            self.keep(byte);
            if self.carried == width {
                push(charset, self.carry.get(..width).unwrap_or_default(), out, &mut fitted);
                self.carried = 0;
            }
        }
        let mut units = rest.chunks_exact(width);
        for unit in &mut units {
            push(charset, unit, out, &mut fitted);
        }
        for &byte in units.remainder() {
            self.keep(byte);
        }
        fitted
    }

    fn keep(&mut self, byte: u8) {
        if let Some(slot) = self.carry.get_mut(self.carried) {
            *slot = byte;
            self.carried += 1;
        }
    }
}

// differs: Snort leaves a piece unconverted once one character does not fit; here such a character
// becomes 0xFF, so that one of them does not hide the rest of the text.
#[inline]
fn push(charset: Charset, unit: &[u8], out: &mut Vec<u8>, fitted: &mut bool) {
    let byte = charset.narrow(unit);
    *fitted &= byte != 0xFF;
    out.push(byte);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn converted(charset: Charset, text: &[u8], cut: usize) -> (Vec<u8>, bool) {
        let (mut converter, mut out) = (Converter::new(charset), Vec::new());
        let (left, right) = text.split_at(cut.min(text.len()));
        let fitted = converter.convert(left, &mut out) & converter.convert(right, &mut out);
        (out, fitted)
    }

    #[test]
    fn wide_text_becomes_narrow() {
        assert_eq!(converted(Charset::Utf16Le, b"w\0i\0d\0e\0", 3), (b"wide".to_vec(), true));
        assert_eq!(converted(Charset::Utf16Be, b"\0w\0i", 0), (b"wi".to_vec(), true));
        assert_eq!(converted(Charset::Utf32Le, b"a\0\0\0b\0\0\0", 5), (b"ab".to_vec(), true));
        assert_eq!(converted(Charset::Utf32Be, b"\0\0\0a", 1), (b"a".to_vec(), true));
        assert_eq!(converted(Charset::Utf16Le, b"a\0\x34\x12b\0", 2), (b"a\xffb".to_vec(), false));
    }

    #[test]
    fn byte_order_marks_are_known() {
        assert_eq!(Charset::from_mark(b"\xff\xfea\0"), Some((Charset::Utf16Le, 2)));
        assert_eq!(Charset::from_mark(b"\xff\xfe\0\0a"), Some((Charset::Utf32Le, 4)));
        assert_eq!(Charset::from_mark(b"\xfe\xff\0a"), Some((Charset::Utf16Be, 2)));
        assert_eq!(Charset::from_mark(b"\0\0\xfe\xff"), Some((Charset::Utf32Be, 4)));
        assert_eq!(Charset::from_mark(b"plain"), None);
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(text in proptest::collection::vec(any::<u8>(), 0..60), cut in 0usize..60, which in 0usize..4) {
            let charset = [Charset::Utf16Le, Charset::Utf16Be, Charset::Utf32Le, Charset::Utf32Be][which];
            prop_assert_eq!(converted(charset, &text, cut), converted(charset, &text, 0));
        }
    }
}
