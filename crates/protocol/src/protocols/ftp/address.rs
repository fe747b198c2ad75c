//! Addresses of data channels: `h1,h2,h3,h4,p1,p2` (RFC 959 §4.1.2) and `|af|address|port|` (RFC 2428).

use crate::content::line::decimal;
use std::net::{IpAddr, Ipv4Addr};

/// Reads six numbers at the start of `text`.
pub(super) fn host_port(text: &[u8]) -> Option<(IpAddr, u16)> {
    let mut numbers = [0u8; 6];
    let mut parts = text.splitn(7, |&byte| byte == b',');
    for (index, number) in numbers.iter_mut().enumerate() {
        let part = parts.next()?.trim_ascii();
        // What follows the last number, such as a closing bracket, does not matter.
        let end =
            if index == 5 { part.iter().position(|b| !b.is_ascii_digit()).unwrap_or(part.len()) } else { part.len() };
        *number = u8::try_from(decimal(part.get(..end)?)?).ok()?;
    }
    let [a, b, c, d, high, low] = numbers;
    Some((IpAddr::V4(Ipv4Addr::new(a, b, c, d)), u16::from_be_bytes([high, low])))
}

/// The six numbers somewhere in the text of a 227 reply, in brackets or not.
pub(super) fn in_text(reply: &[u8]) -> Option<(IpAddr, u16)> {
    let text = reply.get(4..)?;
    let starts = text.iter().enumerate().filter(|&(at, byte)| {
        byte.is_ascii_digit() && !at.checked_sub(1).and_then(|before| text.get(before)).is_some_and(u8::is_ascii_digit)
    });
    starts.take(16).find_map(|(at, _)| host_port(text.get(at..)?))
}

/// Reads `|af|address|port|`; the delimiter is the first byte, the address may be empty.
pub(super) fn extended(text: &[u8]) -> Option<(Option<IpAddr>, u16)> {
    let (&delimiter, rest) = text.split_first()?;
    if !delimiter.is_ascii_graphic() || delimiter.is_ascii_alphanumeric() {
        return None;
    }
    let mut parts = rest.splitn(4, |&byte| byte == delimiter);
    let (_family, host, port) = (parts.next()?, parts.next()?, parts.next()?);
    let port = u16::try_from(decimal(port)?).ok()?;
    let host = match host {
        b"" => None,
        host => Some(std::str::from_utf8(host).ok()?.parse().ok()?),
    };
    Some((host, port))
}

/// The bracketed address of a 229 reply.
pub(super) fn extended_in_text(reply: &[u8]) -> Option<(Option<IpAddr>, u16)> {
    let open = memchr::memchr(b'(', reply)?;
    extended(reply.get(open.checked_add(1)?..)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let expected = Some((IpAddr::from([10, 2, 2, 3]), 50_000));
        assert_eq!(host_port(b"10,2,2,3,195,80"), expected);
        assert_eq!(in_text(b"227 Entering Passive Mode (10,2,2,3,195,80).\r\n"), expected);
        assert_eq!(in_text(b"227 Entering 1 Passive Mode 10,2,2,3,195,80\r\n"), expected);
        assert_eq!(host_port(b"10,2,2,3,195"), None);
        assert_eq!(host_port(b"10,2,2,300,1,1"), None);
        assert_eq!(extended(b"|2|::1|5282|"), Some((Some("::1".parse().unwrap()), 5282)));
        assert_eq!(extended_in_text(b"229 Extended (|||6446|)\r\n"), Some((None, 6446)));
        assert_eq!(extended(b"|1|10.0.0.1|70000|"), None);
    }
}
