//! SMB 2 and 3 messages: reads, writes and pipe transceives, compounds included.
//!
//! Encrypted (0xFD) and compressed (0xFC) messages are not looked into.
//!
//! *Limits*: [`MAX_COMPOUND`] messages of a compound.
//!
//! *Spec*: MS-SMB2 §2.2.1 (header), §2.2.19–22 (READ, WRITE), §2.2.31–32 (IOCTL).

use super::requests::Requests;
use super::{Found, Handle, Moved};
use crate::wire::{array, byte, le16, le32, le64, size16, size32};
use tapir_flow::Direction;
use tapir_telemetry::Counters;

const MAX_COMPOUND: usize = 16;
const HEADER: usize = 64;
const CLOSE: u16 = 6;
const READ: u16 = 8;
const WRITE: u16 = 9;
const IOCTL: u16 = 11;
const FSCTL_PIPE_TRANSCEIVE: u32 = 0x0011_c017;
/// In a related compound: the handle of the message before.
const SAME: Handle = [0xff; 16];

/// Calls `found` for everything the message moves. `smb` starts with its 0xFE.
pub(super) fn walk<'m>(
    dir: Direction,
    smb: &'m [u8],
    requests: &mut Requests,
    counters: &mut Counters,
    found: &mut dyn FnMut(Found<'m>),
) {
    let mut rest = smb;
    let mut last = SAME;
    for _ in 0..MAX_COMPOUND {
        let next = le32(rest, 20).map_or(0, size32);
        let message = if next == 0 { rest } else { rest.get(..next).unwrap_or(rest) };
        if !message.starts_with(b"\xfeSMB") {
            return;
        }
        let moved = match dir {
            Direction::ToServer => request(message, &mut last, requests, counters),
            Direction::ToClient => response(message, requests),
        };
        if let Some(moved) = moved {
            found(moved);
        }
        match rest.get(next..) {
            Some(behind) if next >= HEADER => rest = behind,
            _ => return,
        }
    }
}

fn request<'m>(
    message: &'m [u8],
    last: &mut Handle,
    requests: &mut Requests,
    counters: &mut Counters,
) -> Option<Found<'m>> {
    let id = le64(message, 24)?;
    let command = le16(message, 12)?;
    let at = match command {
        READ | WRITE => 80,
        CLOSE | IOCTL => 72,
        _ => return None,
    };
    let mut handle: Handle = array(message, at)?;
    if handle == SAME {
        handle = *last;
    }
    *last = handle;
    match command {
        CLOSE => Some(Found::Closed(handle)),
        READ => {
            requests.asked(id, handle, le64(message, 72)?, counters);
            None
        }
        WRITE => {
            let bytes = data(message, size16(le16(message, 66)?), size32(le32(message, 68)?))?;
            Some(Found::Moved(Moved { handle, offset: le64(message, 72)?, bytes }))
        }
        _ if le32(message, 68)? == FSCTL_PIPE_TRANSCEIVE => {
            requests.asked(id, handle, 0, counters);
            let bytes = data(message, size32(le32(message, 88)?), size32(le32(message, 92)?))?;
            Some(Found::Moved(Moved { handle, offset: 0, bytes }))
        }
        _ => None,
    }
}

fn response<'m>(message: &'m [u8], requests: &mut Requests) -> Option<Found<'m>> {
    let id = le64(message, 24)?;
    // Errors and interim answers have a body of another size.
    let bytes = match (le16(message, 12)?, le16(message, HEADER)?) {
        (READ, 17) => data(message, usize::from(byte(message, 66)?), size32(le32(message, 68)?))?,
        (IOCTL, 49) => data(message, size32(le32(message, 96)?), size32(le32(message, 100)?))?,
        _ => return None,
    };
    let (handle, offset) = requests.answered(id)?;
    Some(Found::Moved(Moved { handle, offset, bytes }))
}

/// Data by offset from the header; what is cut off is left out.
fn data(message: &[u8], offset: usize, len: usize) -> Option<&[u8]> {
    let data = message.get(offset.max(HEADER)..)?;
    Some(data.get(..len).unwrap_or(data))
}
