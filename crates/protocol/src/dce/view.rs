//! What rules see of a DCE/RPC call, alone or in an SMB message that also moves a file.

use crate::{BufferId, BufferKey, DceFacts, PduView, Selector};
use bumpalo::Bump;

/// Facts and buffers of a PDU.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DceView<'p> {
    /// Facts of a request or response.
    pub(crate) facts: Option<DceFacts>,
    /// `dce_stub_data`.
    pub(crate) stub: Option<&'p [u8]>,
    /// `file_data` and where in the file it starts.
    pub(crate) file: Option<(&'p [u8], u64)>,
}

impl PduView for DceView<'_> {
    fn buffer<'a>(&'a self, key: &BufferKey, arena: &'a Bump) -> Option<&'a [u8]> {
        if key.request || key.selector != Selector::Whole {
            return None;
        }
        self.searchable(key.id, arena)
    }

    fn searchable<'a>(&'a self, id: BufferId, _arena: &'a Bump) -> Option<&'a [u8]> {
        let bytes = match id {
            BufferId::DceStubData => self.stub,
            BufferId::FileData => self.file.map(|(bytes, _)| bytes),
            _ => None,
        };
        bytes.filter(|bytes| !bytes.is_empty())
    }

    fn file_position(&self) -> u64 {
        self.file.map_or(0, |(_, position)| position)
    }

    fn dce(&self) -> Option<DceFacts> {
        self.facts
    }
}
