//! Base64 (RFC 4648, RFC 2045 §6.8), streaming and forgiving: bytes outside the alphabet are
//! skipped, padding ends a quantum and decoding goes on behind it.

/// Position within a stream of base64.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Base64 {
    bits: u32,
    digits: u8,
}

const SKIP: u8 = 0xff;
const PAD: u8 = 0xfe;

static DIGIT: [u8; 256] = table();

const fn table() -> [u8; 256] {
    let mut table = [SKIP; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut value = 0u8;
    while (value as usize) < alphabet.len() {
        #[allow(clippy::indexing_slicing, reason = "evaluated at compile time")]
        {
            table[alphabet[value as usize] as usize] = value;
        }
        value += 1;
    }
    #[allow(clippy::indexing_slicing, reason = "evaluated at compile time")]
    {
        table[b'=' as usize] = PAD;
    }
    table
}

#[inline]
fn digit(byte: u8) -> u8 {
    DIGIT.get(usize::from(byte)).copied().unwrap_or(SKIP)
}

impl Base64 {
    /// Decodes `input` onto the end of `out`.
    pub(crate) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        out.reserve(input.len() / 4 * 3 + 3);
        let mut rest = input;
        loop {
            if self.digits == 0 {
                rest = whole_quanta(rest, out);
            }
            let Some((&byte, tail)) = rest.split_first() else { return };
            rest = tail;
            match digit(byte) {
                SKIP => {}
                PAD => self.finish(out),
                value => self.digit(value, out),
            }
        }
    }

    fn digit(&mut self, value: u8, out: &mut Vec<u8>) {
        self.bits = self.bits << 6 | u32::from(value);
        self.digits = self.digits.wrapping_add(1);
        if self.digits == 4 {
            let [_, bytes @ ..] = self.bits.to_be_bytes();
            out.extend_from_slice(&bytes);
            *self = Self::default();
        }
    }

    /// Emits the whole bytes of an unfinished quantum.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let [_, a, b, _] = (self.bits << (6 * u32::from(4u8.saturating_sub(self.digits)))).to_be_bytes();
        match self.digits {
            2 => out.push(a),
            3 => out.extend_from_slice(&[a, b]),
            _ => {}
        }
        *self = Self::default();
    }
}

/// Decodes while the input consists of whole quanta; returns the rest.
fn whole_quanta<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    while let Some((&[a, b, c, d], tail)) = rest.split_first_chunk::<4>() {
        let (a, b, c, d) = (digit(a), digit(b), digit(c), digit(d));
        if (a | b | c | d) & 0x80 != 0 {
            break;
        }
        let bits = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
        let [_, bytes @ ..] = bits.to_be_bytes();
        out.extend_from_slice(&bytes);
        rest = tail;
    }
    rest
}

/// Whether a line is nothing but base64, and long enough that it is no word.
pub(crate) fn looks_like(line: &[u8]) -> bool {
    let text = line.trim_ascii_end();
    text.len() >= 16 && text.len().is_multiple_of(4) && text.iter().all(|&byte| digit(byte) != SKIP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut state, mut out) = (Base64::default(), Vec::new());
        for piece in pieces {
            state.push(piece, &mut out);
        }
        state.finish(&mut out);
        out
    }

    #[test]
    fn decodes_across_lines_pieces_and_padding() {
        assert_eq!(decode(&[b"aGVs\r\nbG8=\r\n"]), b"hello");
        assert_eq!(decode(&[b"a", b"GVsb", b"G8"]), b"hello");
        assert_eq!(decode(&[b"aGVsbG8=d29ybGQ="]), b"helloworld");
    }

    #[test]
    fn skips_what_is_not_in_the_alphabet() {
        assert_eq!(decode(&[b"aG!V s*b\x00G8"]), b"hello");
        assert_eq!(decode(&[b"!!!"]), b"");
    }
}
