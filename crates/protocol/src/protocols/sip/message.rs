//! A SIP message over borrowed bytes: start line, header, body.
//!
//! *Spec*: RFC 3261 §7.1, §7.2, §7.3.3 (compact forms).

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'m> {
    /// Start line, fields and empty line.
    pub(super) header: &'m [u8],
    pub(super) body: &'m [u8],
    /// Empty for a response.
    pub(super) method: &'m [u8],
    pub(super) status: Option<u16>,
}

impl<'m> Message<'m> {
    /// Reads a message; `None` if its start line is not SIP's.
    pub(super) fn read(bytes: &'m [u8]) -> Option<Self> {
        let line = line(bytes);
        let (method, status) = if starts_nocase(line, b"SIP/") {
            let mut words = line.split(|&b| b == b' ');
            words.next()?;
            (&[][..], Some(number(words.next()?)?))
        } else {
            let mut words = line.split(|&b| b == b' ');
            let (method, _uri, version) = (words.next()?, words.next()?, words.next()?);
            if method.is_empty() || !starts_nocase(version, b"SIP/") {
                return None;
            }
            (method, None)
        };
        let end = header_end(bytes, 0).unwrap_or(bytes.len());
        let (header, rest) = bytes.split_at_checked(end)?;
        let body = match content_length(header) {
            Some(length) => rest.get(..length).unwrap_or(rest),
            None => rest,
        };
        Some(Self { header, body, method, status })
    }
}

/// Offset behind the empty line; bytes before `scanned` were searched before.
pub(super) fn header_end(bytes: &[u8], scanned: usize) -> Option<usize> {
    let from = scanned.saturating_sub(2);
    memchr::memchr_iter(b'\n', bytes.get(from..)?).find_map(|at| {
        let next = from.saturating_add(at).saturating_add(1);
        match bytes.get(next..)? {
            [b'\n', ..] => next.checked_add(1),
            [b'\r', b'\n', ..] => next.checked_add(2),
            _ => None,
        }
    })
}

/// The value of `Content-Length` (or `l`); the first one counts.
pub(super) fn content_length(header: &[u8]) -> Option<usize> {
    header.split(|&b| b == b'\n').skip(1).find_map(|field| {
        let colon = memchr::memchr(b':', field)?;
        let (name, value) = field.split_at_checked(colon)?;
        let name = name.trim_ascii();
        if !name.eq_ignore_ascii_case(b"content-length") && !name.eq_ignore_ascii_case(b"l") {
            return None;
        }
        let value = value.get(1..)?.trim_ascii();
        let digits = value.iter().take_while(|b| b.is_ascii_digit());
        Some(
            digits.fold(0usize, |sum, digit| {
                sum.saturating_mul(10).saturating_add(usize::from(digit.wrapping_sub(b'0')))
            }),
        )
    })
}

/// The first line, without its end.
fn line(bytes: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    bytes.get(..end).unwrap_or(bytes).trim_ascii_end()
}

fn starts_nocase(bytes: &[u8], start: &[u8]) -> bool {
    bytes.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

fn number(word: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(word).ok()?;
    text.parse().ok().filter(|status| (100..=999).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_lines_of_other_protocols_are_refused() {
        assert_eq!(Message::read(b"GET / HTTP/1.1\r\n\r\n"), None);
        assert_eq!(Message::read(b"SIP/2.0 abc\r\n\r\n"), None);
        assert_eq!(Message::read(b""), None);
    }

    #[test]
    fn lengths_saturate_and_the_first_counts() {
        assert_eq!(content_length(b"x\nContent-Length: 7\nl: 9\n"), Some(7));
        assert_eq!(content_length(b"x\nCONTENT-LENGTH : 99999999999999999999999\n"), Some(usize::MAX));
        assert_eq!(content_length(b"Content-Length: 7\n"), None);
    }

    #[test]
    fn the_empty_line_may_lie_across_two_calls() {
        let bytes = b"a\r\n\r\nb";
        for scanned in 0..4 {
            assert_eq!(header_end(bytes, scanned), Some(5));
        }
    }
}
