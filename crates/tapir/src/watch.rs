//! `tapir watch`

use crate::args::WatchArgs;
use crate::message::Messages;

/// Runs the command; the value is the exit code.
pub fn run(_args: &WatchArgs, _messages: &Messages) -> Result<u8, String> {
    Err("live capture lands with the capture crate".to_owned())
}
