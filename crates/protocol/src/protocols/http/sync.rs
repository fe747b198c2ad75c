//! Whether bytes can be the start of an HTTP message.
//!
//! *How it fits*: the inspector asks before it looks for lines, so that bytes of another protocol are
//! given up at once.
//!
//! *Limits*: [`MAX_METHOD`] bytes of method.
//!
//! *Spec*: RFC 9110 §5.6.2 (`tchar`), RFC 9112 §4; Snort 3 http_inspect validation of start lines.

use super::start_line::{self, Method};
use tapir_flow::Direction;

/// Longest method.
const MAX_METHOD: usize = 80;

/// White space that is skipped before a message.
pub(super) fn is_leading(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0B | 0x0C)
}

/// Whether bytes can be the start of a message.
pub(super) enum Plausible {
    Yes,
    No,
    Unknown,
}

pub(super) fn plausible(direction: Direction, bytes: &[u8]) -> Plausible {
    match direction {
        Direction::ToServer => {
            let token = bytes.iter().take(MAX_METHOD + 1).take_while(|&&byte| is_token(byte)).count();
            match bytes.get(token) {
                _ if token > MAX_METHOD => Plausible::No,
                None => Plausible::Unknown,
                Some(b' ' | b'\t') => Plausible::Yes,
                Some(_) => Plausible::No,
            }
        }
        Direction::ToClient => {
            let name = bytes.get(..bytes.len().min(5)).unwrap_or_default();
            match (b"HTTP/".get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)), name.len()) {
                (false, _) => Plausible::No,
                (true, 5) => Plausible::Yes,
                (true, _) => Plausible::Unknown,
            }
        }
    }
}

/// A registered method and a blank.
pub(super) fn known_method(bytes: &[u8]) -> bool {
    let token = bytes.iter().take(MAX_METHOD).take_while(|&&byte| is_token(byte)).count();
    start_line::method(bytes.get(..token).unwrap_or_default()) != Method::Unknown
        && matches!(bytes.get(token), Some(b' ' | b'\t'))
}

/// RFC 9110 `tchar`.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
