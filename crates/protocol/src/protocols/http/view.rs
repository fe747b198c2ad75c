//! What rules see of an HTTP message: buffers and facts of one PDU.
//!
//! *How it fits*: built on the stack for each PDU; borrows the messages. Whatever needs no decoding is
//! a slice of the received bytes; the rest is made when asked for, whole buffers once, parts in the
//! unit's arena.
//!
//! *Spec*: Snort 3 http_inspect rule options; which buffers a response still sees of its request was
//! measured.

use super::{
    field::{self, Name, Value},
    message::{Derived, Message, decode_to},
    params,
    span::present,
    uri::{self, Level},
};
use crate::{BufferId, BufferKey, HttpFacts, PduView, Section, Selector, UriPart};
use bumpalo::Bump;
use std::cell::{Cell, RefCell};
use tapir_flow::Direction;

/// A body piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'m> {
    /// Dechunked and decompressed.
    pub(super) bytes: &'m [u8],
    /// `file_data`, and its offset in the file.
    pub(super) file: Option<(&'m [u8], u64)>,
}

/// The view of one PDU.
pub(super) struct HttpView<'m> {
    /// The request: the message itself, or what a response answers.
    pub(super) request: Option<&'m Message>,
    /// The response.
    pub(super) response: Option<&'m Message>,
    /// Whose message this is.
    pub(super) direction: Direction,
    /// Which section.
    pub(super) section: Section,
    /// The piece of a body section.
    pub(super) piece: Option<Piece<'m>>,
    /// The piece decoded.
    pub(super) client_body: &'m Derived,
    /// Working memory.
    pub(super) scratch: &'m RefCell<Vec<u8>>,
    /// Derived buffers for which the arena had no room.
    pub(super) starved: &'m Cell<u64>,
    /// `Limits::http_first_param_only`.
    pub(super) first_param_only: bool,
}

impl HttpView<'_> {
    /// The message, or the request if so asked.
    fn message(&self, request: bool) -> Option<&Message> {
        match self.direction {
            Direction::ToClient if !request => self.response,
            _ => self.request,
        }
    }

    /// A copy in the arena.
    fn keep<'a>(&self, bytes: &[u8], arena: &'a Bump) -> Option<&'a [u8]> {
        match arena.try_alloc_slice_copy(bytes) {
            Ok(copy) => present(copy),
            Err(_) => {
                self.starved.set(self.starved.get().saturating_add(1));
                None
            }
        }
    }

    fn uri<'a>(&'a self, level: Level, selector: &Selector) -> Option<&'a [u8]> {
        let request = self.request?;
        match selector {
            Selector::Uri(part) => present(request.uri.part(&request.head, *part, level)?),
            _ => present(request.uri.whole(&request.head, level)),
        }
    }

    /// The value of one field.
    fn field<'a>(&'a self, block: Block<'a>, name: &[u8], raw: bool, arena: &'a Bump) -> Option<&'a [u8]> {
        let mut scratch = self.scratch.try_borrow_mut().ok()?;
        let read = if raw { field::raw_value } else { field::value };
        match read(block.lines, block.bytes, name, &mut scratch)? {
            Value::Borrowed(value) => present(value),
            Value::Built => self.keep(&scratch, arena),
        }
    }

    /// A header or trailer block, whole or one field of it.
    fn block<'a>(&'a self, key: &BufferKey, arena: &'a Bump) -> Option<&'a [u8]> {
        let message = self.message(key.request)?;
        let raw = matches!(key.id, BufferId::HttpRawHeader | BufferId::HttpRawTrailer);
        let trailer = matches!(key.id, BufferId::HttpTrailer | BufferId::HttpRawTrailer);
        if let Selector::Field(name) = &key.selector {
            let (lines, bytes) = match trailer {
                true => (message.trailer_lines.as_slice(), message.trailer.as_slice()),
                false => (message.lines.as_slice(), message.head.as_slice()),
            };
            return self.field(Block { lines, bytes }, name.as_bytes(), raw, arena);
        }
        present(match (trailer, raw) {
            (false, false) => message.header(),
            (false, true) => message.raw_header(),
            (true, false) => message.trailer(),
            (true, true) => message.raw_trailer(),
        })
    }

    /// The last address of the first forwarding header that is there.
    fn true_ip<'a>(&'a self, arena: &'a Bump) -> Option<&'a [u8]> {
        let request = self.request?;
        let block = Block { lines: &request.lines, bytes: &request.head };
        let list = [b"x-forwarded-for".as_slice(), b"true-client-ip"]
            .into_iter()
            .find_map(|name| self.field(block, name, false, arena))?;
        present(list.rsplit(|&byte| byte == b',' || byte == b' ').next()?)
    }

    fn param<'a>(&'a self, selector: &Selector, arena: &'a Bump) -> Option<&'a [u8]> {
        let Selector::Param { name, nocase, occurrence } = selector else { return None };
        if self.first_param_only && *occurrence > 0 {
            return None;
        }
        let request = self.request?;
        let query = request.uri.part(&request.head, UriPart::Query, Level::Raw);
        let form = self.piece.filter(|_| self.direction == Direction::ToServer && is_form(request));
        let sources = query.into_iter().chain(form.map(|piece| piece.bytes));
        let mut scratch = self.scratch.try_borrow_mut().ok()?;
        let value = params::find(sources, name, *nocase, *occurrence, &mut scratch)?;
        if !params::needs_decoding(value) {
            return present(value);
        }
        scratch.clear();
        uri::decode_value(value, &mut scratch);
        self.keep(&scratch, arena)
    }

    /// `http_client_body`.
    fn decoded_body(&self) -> Option<&[u8]> {
        let piece = self.piece.filter(|_| self.direction == Direction::ToServer)?;
        present(if super::decode::needs_decoding(piece.bytes) {
            self.client_body.get(|out| decode_to(piece.bytes, out))
        } else {
            piece.bytes
        })
    }
}

/// Lines and the bytes that they point into.
#[derive(Clone, Copy)]
struct Block<'a> {
    lines: &'a [field::Line],
    bytes: &'a [u8],
}

/// The body is a form.
fn is_form(request: &Message) -> bool {
    let form = b"application/x-www-form-urlencoded";
    request.lines.iter().filter(|line| line.id == Name::ContentType).any(|line| {
        let value = super::span::trim(line.value.of(&request.head));
        value.get(..form.len()).is_some_and(|start| start.eq_ignore_ascii_case(form))
    })
}

impl PduView for HttpView<'_> {
    fn buffer<'a>(&'a self, key: &BufferKey, arena: &'a Bump) -> Option<&'a [u8]> {
        let response = self.response.filter(|_| self.direction == Direction::ToClient);
        match key.id {
            BufferId::HttpUri => self.uri(Level::Normal, &key.selector),
            BufferId::HttpRawUri => self.uri(Level::Raw, &key.selector),
            BufferId::HttpDecodedUri => self.uri(Level::Decoded, &key.selector),
            BufferId::HttpMethod => self.request.and_then(|m| present(m.start.method.of(&m.head))),
            BufferId::HttpRawRequest => self.request.and_then(|m| present(m.start.line.of(&m.head))),
            BufferId::HttpVersion => self.message(key.request).and_then(|m| present(m.start.version.of(&m.head))),
            BufferId::HttpRawStatus => response.and_then(|m| present(m.start.line.of(&m.head))),
            BufferId::HttpStatCode => response.and_then(|m| present(m.start.code.of(&m.head))),
            BufferId::HttpStatMsg => response.and_then(|m| present(m.start.reason.of(&m.head))),
            BufferId::HttpHeader | BufferId::HttpRawHeader | BufferId::HttpTrailer | BufferId::HttpRawTrailer => {
                self.block(key, arena)
            }
            BufferId::HttpCookie => self.message(key.request)?.cookie().and_then(present),
            BufferId::HttpRawCookie => self.message(key.request)?.raw_cookie().and_then(present),
            BufferId::HttpTrueIp => self.true_ip(arena),
            BufferId::HttpParam => self.param(&key.selector, arena),
            BufferId::HttpClientBody => self.decoded_body(),
            BufferId::HttpRawBody => present(self.piece?.bytes),
            BufferId::FileData => present(self.piece?.file?.0),
            _ => None,
        }
    }

    fn searchable<'a>(&'a self, id: BufferId, arena: &'a Bump) -> Option<&'a [u8]> {
        let section = match id {
            BufferId::HttpUri
            | BufferId::HttpRawUri
            | BufferId::HttpDecodedUri
            | BufferId::HttpMethod
            | BufferId::HttpRawRequest
            | BufferId::HttpTrueIp
                if self.direction == Direction::ToServer =>
            {
                Section::Header
            }
            BufferId::HttpVersion
            | BufferId::HttpRawStatus
            | BufferId::HttpStatCode
            | BufferId::HttpStatMsg
            | BufferId::HttpHeader
            | BufferId::HttpRawHeader
            | BufferId::HttpCookie
            | BufferId::HttpRawCookie => Section::Header,
            BufferId::HttpClientBody | BufferId::HttpRawBody | BufferId::FileData => Section::Body,
            BufferId::HttpTrailer | BufferId::HttpRawTrailer => Section::Trailer,
            _ => return None,
        };
        if section == self.section { self.buffer(&BufferKey::whole(id), arena) } else { None }
    }

    fn file_position(&self) -> u64 {
        self.piece.and_then(|piece| piece.file).map_or(0, |(_, position)| position)
    }

    fn http(&self, request: bool) -> Option<HttpFacts<'_>> {
        let message = self.message(request)?;
        let bytes = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Some(HttpFacts {
            num_headers: message.count,
            num_trailers: message.trailer_count,
            num_cookies: message.cookies(),
            max_header_line: bytes(message.longest),
            max_trailer_line: bytes(message.trailer_longest),
            version: message.start.version.of(&message.head),
        })
    }
}
