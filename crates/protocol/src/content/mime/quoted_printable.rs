//! Quoted-printable (RFC 2045 §6.7), streaming and forgiving: an `=` that starts neither an escape
//! nor a soft line break stays as it is.

use memchr::memchr;

/// Position within a stream of quoted-printable.
#[derive(Clone, Debug, Default)]
pub(crate) struct QuotedPrintable {
    /// An `=` and what followed it, not decided yet.
    held: Vec<u8>,
}

/// Blanks between `=` and line end that are tolerated.
const HELD_MAX: usize = 80;

impl QuotedPrintable {
    /// Decodes `input` onto the end of `out`.
    pub(crate) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let mut rest = input;
        loop {
            while !self.held.is_empty() {
                let Some((&byte, tail)) = rest.split_first() else { return };
                rest = tail;
                self.held_byte(byte, out);
            }
            let Some(at) = memchr(b'=', rest) else {
                out.extend_from_slice(rest);
                return;
            };
            let (text, escape) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            out.extend_from_slice(text);
            rest = match escape {
                [_, high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    out.push(hex(*high) << 4 | hex(*low));
                    tail
                }
                _ => {
                    self.held.push(b'=');
                    escape.get(1..).unwrap_or_default()
                }
            };
        }
    }

    /// One more byte behind a held `=`.
    fn held_byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (self.held.as_slice(), byte) {
            ([_, high], low) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex(*high) << 4 | hex(low));
                self.held.clear();
            }
            ([_] | [_, .., b' ' | b'\t' | b'\r'], b'\n') => self.held.clear(),
            ([_], digit) if digit.is_ascii_hexdigit() => self.held.push(byte),
            ([_], b' ' | b'\t' | b'\r') => self.held.push(byte),
            ([_, .., b' ' | b'\t'], b' ' | b'\t' | b'\r') if self.held.len() < HELD_MAX => self.held.push(byte),
            _ => {
                self.release(out);
                // A new `=` may start a good escape.
                if byte == b'=' { self.held.push(byte) } else { out.push(byte) }
            }
        }
    }

    fn release(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.held);
        self.held.clear();
    }

    /// The part ended: what is held is text, unless it is a bare `=` before the end.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.held.len() > 1 && !self.held.iter().skip(1).all(u8::is_ascii_whitespace) {
            self.release(out);
        }
        self.held.clear();
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit.wrapping_sub(b'0'),
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut state, mut out) = (QuotedPrintable::default(), Vec::new());
        for piece in pieces {
            state.push(piece, &mut out);
        }
        state.finish(&mut out);
        out
    }

    #[test]
    fn escapes_and_soft_breaks() {
        assert_eq!(decode(&[b"quoted=20marker-=\r\nqp=21\r\n"]), b"quoted marker-qp!\r\n");
        assert_eq!(decode(&[b"a=  \t\r\nb=\nc"]), b"abc");
        assert_eq!(decode(&[b"=e2=82=AC"]), "€".as_bytes());
    }

    #[test]
    fn state_survives_any_cut() {
        let text = b"a=20b= \r\nc=4x==41=\r\nd=";
        let whole = decode(&[text]);
        for cut in 0..text.len() {
            let (head, tail) = text.split_at(cut);
            assert_eq!(decode(&[head, tail]), whole, "cut at {cut}");
        }
        assert_eq!(whole, b"a bc=4x=Ad");
    }
}
