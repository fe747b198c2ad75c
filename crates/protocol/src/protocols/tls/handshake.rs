//! Handshake messages: their types across record borders, the server name, the version of a hello.
//!
//! Pure functions of bytes and a small scanner that remembers a message cut by a record border.
//!
//! *Spec*: RFC 8446 §4; RFC 6066 §3.

use crate::SslFacts;
use crate::wire::{be16, be24, byte, size16, size32};

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const SERVER_KEY_EXCHANGE: u8 = 12;
const SERVER_HELLO_DONE: u8 = 14;
const CLIENT_KEY_EXCHANGE: u8 = 16;
const FINISHED: u8 = 20;

/// Walks the handshake messages of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Messages {
    header: [u8; 4],
    have: u8,
    left: usize,
    /// Bits of `ssl_state` since the last [`Messages::take_state`].
    state: u8,
    /// The last message ends a flight.
    ends_flight: bool,
}

impl Messages {
    /// Takes the payload of the next handshake record.
    pub(super) fn record(&mut self, mut payload: &[u8]) {
        while !payload.is_empty() {
            if self.left > 0 {
                payload = payload.get(self.left.min(payload.len())..).map_or(&[][..], |rest| {
                    self.left = self.left.saturating_sub(payload.len().saturating_sub(rest.len()));
                    rest
                });
                continue;
            }
            let Some((&first, rest)) = payload.split_first() else { return };
            payload = rest;
            if let Some(slot) = self.header.get_mut(usize::from(self.have)) {
                *slot = first;
            }
            self.have = self.have.saturating_add(1);
            if usize::from(self.have) == self.header.len() {
                self.have = 0;
                self.message(payload);
            }
        }
    }

    /// The messages so far are complete and the last of them is a flight's last.
    pub(super) fn at_flight_end(&self) -> bool {
        self.ends_flight && self.left == 0 && self.have == 0
    }

    /// The bits since the last call.
    pub(super) fn take_state(&mut self) -> u8 {
        std::mem::take(&mut self.state)
    }

    /// A message header is complete; `rest` is what follows in this record.
    fn message(&mut self, rest: &[u8]) {
        let kind = byte(&self.header, 0).unwrap_or(0);
        self.left = be24(&self.header, 1).map_or(0, size32);
        self.state |= match kind {
            CLIENT_HELLO => SslFacts::CLIENT_HELLO,
            SERVER_HELLO => SslFacts::SERVER_HELLO,
            SERVER_KEY_EXCHANGE => SslFacts::SERVER_KEYX,
            CLIENT_KEY_EXCHANGE => SslFacts::CLIENT_KEYX,
            0 | 4 | 5 | 8 | 11 | 13 | 14 | 15 | 20..=25 | 67 => 0,
            _ => SslFacts::UNKNOWN,
        };
        self.ends_flight = match kind {
            CLIENT_HELLO | SERVER_HELLO_DONE | FINISHED => true,
            SERVER_HELLO => rest.get(..self.left).is_some_and(is_tls13),
            _ => false,
        };
    }
}

/// Whether a server hello body chose TLS 1.3 (extension `supported_versions`).
fn is_tls13(body: &[u8]) -> bool {
    let tail = || {
        let session = usize::from(byte(body, 34)?);
        body.get(35usize.checked_add(session)?.checked_add(3)?..)
    };
    tail().and_then(|extensions| extension(extensions, 43)).is_some_and(|version| version == [3, 4])
}

/// The `host_name` in a client hello, as sent. `messages` starts with its message header; a hello
/// that is cut off yields what can be read of it.
pub(super) fn server_name(messages: &[u8]) -> Option<&[u8]> {
    if byte(messages, 0)? != CLIENT_HELLO {
        return None;
    }
    let body = messages.get(4..)?;
    let body = be24(messages, 1).and_then(|length| body.get(..size32(length))).unwrap_or(body);
    let mut at = 35usize.checked_add(usize::from(byte(body, 34)?))?;
    at = at.checked_add(2)?.checked_add(size16(be16(body, at)?))?;
    at = at.checked_add(1)?.checked_add(usize::from(byte(body, at)?))?;
    let list = extension(body.get(at..)?, 0)?;
    if byte(list, 2)? != 0 {
        return None;
    }
    list.get(5..)?.get(..size16(be16(list, 3)?)).filter(|name| !name.is_empty())
}

/// The data of extension `wanted` in a list that starts with its length.
fn extension(list: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = list.get(2..)?;
    loop {
        let (kind, length) = (be16(rest, 0)?, size16(be16(rest, 2)?));
        let data = rest.get(4..)?;
        if kind == wanted {
            return data.get(..length);
        }
        rest = data.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cut_by_records_is_seen_once() {
        let mut messages = Messages::default();
        messages.record(&[2, 0]);
        assert_eq!(messages.take_state(), 0);
        messages.record(&[0, 5, 9, 9]);
        assert_eq!(messages.take_state(), SslFacts::SERVER_HELLO);
        messages.record(&[1, 1, 1, 12, 0, 0, 0, 14, 0, 0, 0]);
        assert_eq!(messages.take_state(), SslFacts::SERVER_KEYX);
        assert!(messages.at_flight_end());
    }

    #[test]
    fn a_name_cut_off_by_the_end_is_none() {
        let mut hello = vec![1, 0, 0, 63, 3, 3];
        hello.extend([7; 32]);
        hello.extend([0, 0, 2, 0x13, 1, 1, 0, 0, 18, 0, 0, 0, 14, 0, 12, 0, 0, 9]);
        hello.extend(b"a.example");
        assert_eq!(server_name(&hello), Some(&b"a.example"[..]));
        for end in 0..hello.len() {
            assert_eq!(server_name(&hello[..end]), None);
        }
    }
}
