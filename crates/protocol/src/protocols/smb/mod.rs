//! SMB over NetBIOS sessions or direct TCP: messages as PDUs, DCE/RPC over named pipes, file data.
//!
//! *How it fits*: service `netbios-ssn`. Each session message is one PDU. If it moves data of a
//! pipe, the PDU has the facts and stub data of the call in it; calls that straddle messages are
//! further PDUs. If it moves data of a file, the PDU has `file_data`.
//!
//! *What a pipe is*: a file handle that was written a DCE/RPC bind. Tree connects and names are not
//! followed, so that a flow picked up late is understood, too.
//!
//! *Limits*: [`inspector::MAX_MESSAGE`] bytes of a message are waited for, the rest comes in pieces
//! (`smb_messages_oversized`); [`pipes::MAX_PIPES`] pipes (`smb_pipes_dropped`);
//! [`requests::MAX_REQUESTS`] unanswered reads and transactions (`smb_requests_dropped`);
//! [`FILE_DEPTH`] bytes of a file, as Snort's `smb_file_depth`.
//!
//! *Spec*: RFC 1002 §4.3; MS-CIFS §2.2.4; MS-SMB2 §2.2; MS-RPCE §2.1.1.2.

mod inspector;
mod pipes;
mod requests;
mod smb1;
mod smb2;

use super::{ProtocolDef, TransportKind};
use crate::EventDef;
use crate::Service;
use inspector::SmbInspector;

#[doc(hidden)]
pub use inspector::fuzz_smb;

/// The registry entry.
pub(super) static DEF: ProtocolDef = ProtocolDef {
    service: Service::NetbiosSsn,
    transports: &[TransportKind::Tcp],
    new: |_, _| Box::new(SmbInspector::default()),
    events: EVENTS,
};

/// What its anomalies mean.
const EVENTS: &[EventDef] =
    &[EventDef { gid: 133, sid: 48, meaning: "SMB write with a count of zero (data may hide behind it)" }];

/// Bytes of a file that become `file_data`.
const FILE_DEPTH: u64 = 16_384;

/// A file handle: SMB 2's 16 bytes, or SMB 1's two and zeros.
type Handle = [u8; 16];

/// What a command gave.
#[derive(Debug)]
enum Found<'m> {
    /// Data within this message.
    Moved(Moved<'m>),
    /// A transaction's data, put together from several messages.
    Joined(Handle, Vec<u8>),
    /// The handle means nothing any more.
    Closed(Handle),
    /// An anomaly: its sid within gid 133.
    Anomaly(u32),
}

/// Data that a message moves to or from a file or pipe.
#[derive(Clone, Copy, Debug)]
struct Moved<'m> {
    handle: Handle,
    offset: u64,
    bytes: &'m [u8],
}
