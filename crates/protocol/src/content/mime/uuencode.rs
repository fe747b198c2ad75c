//! Uuencoded bodies (`begin mode name` … `end`), as some mail still carries them.
//!
//! Only one line is held, at most [`LINE_MAX`] bytes of it: an encoded line has 61 bytes.

use memchr::memchr;

const LINE_MAX: usize = 128;

/// Position within a uuencoded stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uuencode {
    line: Vec<u8>,
    inside: bool,
    /// A `begin` line was met.
    pub begun: bool,
}

impl Uuencode {
    /// Decodes `input` onto the end of `out`.
    pub(crate) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let mut rest = input;
        while let Some(at) = memchr(b'\n', rest) {
            let (line, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            if self.line.is_empty() {
                self.line(line, out);
            } else {
                self.hold(line);
                self.finish(out);
            }
            rest = tail.get(1..).unwrap_or_default();
        }
        self.hold(rest);
    }

    fn hold(&mut self, bytes: &[u8]) {
        let room = LINE_MAX.saturating_sub(self.line.len());
        self.line.extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or_default());
    }

    /// The part ended: takes the last line even without line end.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let mut line = std::mem::take(&mut self.line);
        self.line(&line, out);
        line.clear();
        self.line = line;
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !self.inside {
            if line.starts_with(b"begin ") {
                self.inside = true;
                self.begun = true;
            }
            return;
        }
        if line == b"end" {
            self.inside = false;
            return;
        }
        let Some((&first, digits)) = line.split_first() else { return };
        let wanted = usize::from(value(first));
        let before = out.len();
        for quantum in digits.chunks(4) {
            if out.len().saturating_sub(before) >= wanted {
                break;
            }
            let bits =
                (0..4).fold(0u32, |bits, i| bits << 6 | u32::from(value(quantum.get(i).copied().unwrap_or(b' '))));
            let [_, bytes @ ..] = bits.to_be_bytes();
            out.extend_from_slice(&bytes);
        }
        out.truncate(before.saturating_add(wanted));
    }
}

/// The six bits of a character (blank and grave are both zero).
fn value(byte: u8) -> u8 {
    byte.wrapping_sub(b' ') & 0x3f
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut state, mut out) = (Uuencode::default(), Vec::new());
        for piece in pieces {
            state.push(piece, &mut out);
        }
        state.finish(&mut out);
        out
    }

    #[test]
    fn decodes_between_begin_and_end() {
        let text = b"hi\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\nafter\r\n";
        assert_eq!(decode(&[text]), b"Cat");
        for cut in 0..text.len() {
            let (head, tail) = text.split_at(cut);
            assert_eq!(decode(&[head, tail]), b"Cat", "cut at {cut}");
        }
    }

    #[test]
    fn missing_digits_count_as_blanks_and_the_length_byte_rules() {
        assert_eq!(decode(&[b"begin 644 x\n#0V\n"]), decode(&[b"begin 644 x\n#0V  \n"]));
        assert_eq!(decode(&[b"begin 644 x\n\"0V%T\n"]), b"Ca");
    }
}
