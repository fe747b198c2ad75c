//! Numbered replies of FTP (RFC 959 §4.2) and SMTP (RFC 5321 §4.2): `ddd text`, or several lines
//! from `ddd-` to `ddd ` with the same number. One reply is one PDU, cut when it exceeds the PDU size.

use super::line::{Found, LineScan};
use crate::Step;

/// Finds whole replies in the unconsumed bytes of the server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReplyScan {
    lines: LineScan,
    /// End of the last complete line of the reply so far.
    lines_end: usize,
    /// Number of an open multi-line reply.
    open: Option<[u8; 3]>,
    /// Longest line so far.
    longest: usize,
    /// The previous piece ended in the middle of this reply.
    continued: bool,
}

/// A reply or a piece of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Its bytes.
    pub len: usize,
    /// The number, if it is complete and starts with one.
    pub code: Option<[u8; 3]>,
    /// The reply is complete.
    pub complete: bool,
    /// The piece starts the reply.
    pub starts: bool,
    /// Longest line in it.
    pub longest: usize,
}

impl ReplyScan {
    /// The next reply of `bytes`, or what to wait for.
    pub(crate) fn next(&mut self, bytes: &[u8], limit: usize) -> Result<Reply, Step> {
        loop {
            let from = self.lines_end;
            match self.lines.next(bytes, from, limit) {
                Found::NeedMore(step) => return Err(step),
                Found::Oversized(len) => {
                    let len = if from > 0 { from } else { len };
                    let reply = self.reply(len, None, false, len);
                    self.continued = true;
                    return Ok(reply);
                }
                Found::Line(end) => {
                    let line = bytes.get(from..end).unwrap_or_default();
                    self.longest = self.longest.max(line.len());
                    self.lines_end = end;
                    let number = number(line);
                    let goes_on = match (self.open, number) {
                        (Some(open), Some((code, more))) => open != code || more,
                        (Some(_), None) => true,
                        (None, Some((code, true))) => {
                            self.open = Some(code);
                            true
                        }
                        (None, _) => false,
                    };
                    if !goes_on {
                        let code = number.map(|(code, _)| code);
                        let reply = self.reply(end, code, true, 0);
                        self.open = None;
                        self.continued = false;
                        return Ok(reply);
                    }
                }
            }
        }
    }

    fn reply(&mut self, len: usize, code: Option<[u8; 3]>, complete: bool, line: usize) -> Reply {
        let reply = Reply { len, code, complete, starts: !self.continued, longest: self.longest.max(line) };
        self.lines = LineScan::default();
        self.lines_end = 0;
        self.longest = 0;
        reply
    }
}

/// The number of a reply line and whether more lines follow.
fn number(line: &[u8]) -> Option<([u8; 3], bool)> {
    let code = line.first_chunk::<3>()?;
    code.iter().all(u8::is_ascii_digit).then(|| (*code, line.get(3) == Some(&b'-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8], limit: usize) -> Vec<(usize, bool)> {
        let (mut scan, mut at, mut out) = (ReplyScan::default(), 0, Vec::new());
        while let Ok(reply) = scan.next(&input[at..], limit) {
            at += reply.len;
            out.push((reply.len, reply.complete));
        }
        out
    }

    #[test]
    fn a_reply_of_several_lines_is_one_unit() {
        assert_eq!(all(b"250-a\r\n250-b\r\n250 c\r\n220 x\r\n", 100), [(21, true), (7, true)]);
    }

    #[test]
    fn ftp_text_between_the_numbered_lines_belongs_to_the_reply() {
        assert_eq!(all(b"230-hello\r\n 230 not yet\r\nmore\r\n230 in\r\n", 100), [(39, true)]);
    }

    #[test]
    fn an_endless_reply_is_cut_at_a_line_end() {
        assert_eq!(all(b"230-aaaa\n230-bbbb\n230-cccc\n230 d\n", 20), [(18, false), (15, true)]);
    }

    #[test]
    fn a_line_without_number_stands_alone() {
        assert_eq!(all(b"hello\r\n220 x\r\n", 100), [(7, true), (7, true)]);
    }
}
