//! The cut between two pieces of a file, as a unit of its own.
//!
//! Long bodies and attachments are inspected piece by piece; without this whatever stands across a cut would be
//! missed, and an attacker could choose where the cuts fall. The bytes around the cut are given to the rules
//! that may match in a part of the data (`RuleOption::floats`); what they find is raised once.
//!
//! *Limits*: `EngineConfig::overlap` bytes on each side of the cut.

use bumpalo::Bump;
use tapir_protocol::{
    BufferId, BufferKey, CipFacts, DceFacts, Dnp3Facts, DnsFacts, GtpFacts, HttpFacts, Iec104Facts, MmsFacts,
    ModbusFacts, PduView, S7commplusFacts, Selector, SipFacts, SslFacts,
};

/// The view of the piece behind the cut, with the bytes around the cut in place of its file bytes.
pub(crate) struct BorderView<'v> {
    pub(crate) piece: &'v dyn PduView,
    /// File bytes of the piece.
    pub(crate) file: &'v [u8],
    /// Bytes around the cut.
    pub(crate) border: &'v [u8],
    /// Where they start in the file.
    pub(crate) position: u64,
}

impl BorderView<'_> {
    /// The file bytes, or a buffer that is the same bytes.
    fn is_file(&self, id: BufferId, arena: &Bump) -> bool {
        let same = |bytes: &[u8]| std::ptr::eq(bytes, self.file);
        match id {
            BufferId::FileData => true,
            BufferId::HttpClientBody | BufferId::HttpRawBody => {
                let key = BufferKey { id, request: false, selector: Selector::Whole };
                self.piece.buffer(&key, arena).is_some_and(same)
            }
            _ => false,
        }
    }
}

impl PduView for BorderView<'_> {
    fn buffer<'a>(&'a self, key: &BufferKey, arena: &'a Bump) -> Option<&'a [u8]> {
        match key.id {
            BufferId::FileData | BufferId::HttpClientBody | BufferId::HttpRawBody => {
                (!key.request && key.selector == Selector::Whole && self.is_file(key.id, arena)).then_some(self.border)
            }
            _ => self.piece.buffer(key, arena),
        }
    }

    fn searchable<'a>(&'a self, id: BufferId, arena: &'a Bump) -> Option<&'a [u8]> {
        self.is_file(id, arena).then_some(self.border)
    }

    fn file_position(&self) -> u64 {
        self.position
    }

    fn ssl(&self) -> Option<SslFacts> {
        self.piece.ssl()
    }

    fn dns(&self) -> Option<DnsFacts> {
        self.piece.dns()
    }

    fn sip(&self) -> Option<SipFacts<'_>> {
        self.piece.sip()
    }

    fn dce(&self) -> Option<DceFacts> {
        self.piece.dce()
    }

    fn modbus(&self) -> Option<ModbusFacts> {
        self.piece.modbus()
    }

    fn dnp3(&self) -> Option<Dnp3Facts> {
        self.piece.dnp3()
    }

    fn iec104(&self) -> Option<Iec104Facts> {
        self.piece.iec104()
    }

    fn gtp(&self) -> Option<GtpFacts> {
        self.piece.gtp()
    }

    fn s7commplus(&self) -> Option<S7commplusFacts> {
        self.piece.s7commplus()
    }

    fn mms(&self) -> Option<MmsFacts> {
        self.piece.mms()
    }

    fn cip(&self) -> Option<CipFacts> {
        self.piece.cip()
    }

    fn http(&self, request: bool) -> Option<HttpFacts<'_>> {
        self.piece.http(request)
    }
}
