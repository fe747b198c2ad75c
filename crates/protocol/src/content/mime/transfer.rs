//! Content-Transfer-Encodings (RFC 2045 §6) behind one face.

use super::base64::Base64;
use super::quoted_printable::QuotedPrintable;
use super::uuencode::Uuencode;

/// The decoder of one MIME part; keeps its place between pieces.
#[derive(Clone, Debug, Default)]
pub(crate) enum Decoder {
    /// 7bit, 8bit, binary and unknown encodings: the bytes themselves.
    #[default]
    Identity,
    /// base64
    Base64(Base64),
    /// quoted-printable
    QuotedPrintable(QuotedPrintable),
    /// uuencode, x-uuencode, uue, x-uue
    Uuencode(Uuencode),
}

/// The decoders that can fail, for events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// base64 text without a single digit.
    Base64,
    /// No `begin` line.
    Uuencode,
}

impl Decoder {
    /// The decoder that the header value names, `None` for an unknown name.
    pub(crate) fn named(value: &[u8]) -> Option<Self> {
        let name = value.trim_ascii();
        let name = name.split(|byte| matches!(byte, b';' | b' ' | b'\t' | b'(')).next().unwrap_or(name);
        let name = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name);
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("base64") {
            Some(Self::Base64(Base64::default()))
        } else if is("quoted-printable") {
            Some(Self::QuotedPrintable(QuotedPrintable::default()))
        } else if ["uuencode", "x-uuencode", "uue", "x-uue"].iter().any(|known| is(known)) {
            Some(Self::Uuencode(Uuencode::default()))
        } else if ["7bit", "8bit", "binary", ""].iter().any(|known| is(known)) {
            Some(Self::Identity)
        } else {
            None
        }
    }

    /// Whether the bytes are used as they are.
    pub(crate) fn is_identity(&self) -> bool {
        matches!(self, Self::Identity)
    }

    /// Decodes a piece; `last` says that the part ends with it. Gives `input` itself when nothing is
    /// encoded, else bytes built in `out`.
    pub(crate) fn decode<'a>(&mut self, input: &'a [u8], last: bool, out: &'a mut Vec<u8>) -> &'a [u8] {
        out.clear();
        match self {
            Self::Identity => return input,
            Self::Base64(state) => {
                state.push(input, out);
                if last {
                    state.finish(out);
                }
            }
            Self::QuotedPrintable(state) => {
                state.push(input, out);
                if last {
                    state.finish(out);
                }
            }
            Self::Uuencode(state) => {
                state.push(input, out);
                if last {
                    state.finish(out);
                }
            }
        }
        out.as_slice()
    }

    /// Why a finished part of `encoded` bytes that gave `decoded` bytes counts as broken.
    pub(crate) fn failure(&self, encoded: u64, decoded: u64) -> Option<Failure> {
        match self {
            Self::Base64(_) if encoded > 0 && decoded == 0 => Some(Failure::Base64),
            Self::Uuencode(state) if encoded > 0 && !state.begun => Some(Failure::Uuencode),
            _ => None,
        }
    }
}
