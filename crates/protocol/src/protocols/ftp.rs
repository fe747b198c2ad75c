//! FTP control channel (RFC 959), with EPRT/EPSV (RFC 2428) and AUTH TLS (RFC 4217).
//!
//! PDUs: a command line; a whole reply. The payload has telnet commands carried out, `raw` is as
//! sent. PORT, EPRT, 227 and 229 announce data channels.

mod address;

use super::{ProtocolDef, TransportKind};
use crate::content::line::{Found, LineScan, first_word, is_one_of};
use crate::content::reply::ReplyScan;
use crate::content::telnet::{Commands, strip};
use crate::{End, EventDef, Expectation, InspectCx, Inspector, InspectorEvent, Pdu, Service, Step};
use tapir_flow::Direction;
use tapir_telemetry::Counter;

/// The FTP protocol.
pub(crate) static DEF: ProtocolDef = ProtocolDef {
    service: Service::Ftp,
    transports: &[TransportKind::Tcp],
    new: |_, _| Box::new(Ftp::default()),
    events: EVENTS,
};

/// What its anomalies mean.
const EVENTS: &[EventDef] = &[
    EventDef { gid: GID, sid: TELNET_COMMAND, meaning: "telnet command in the control channel" },
    EventDef { gid: GID, sid: BOUNCE, meaning: "PORT to another host than the client (bounce)" },
    EventDef { gid: GID, sid: EVASIVE_TELNET, meaning: "telnet erase command: the text is not what is on the wire" },
];

const GID: u32 = 125;
const TELNET_COMMAND: u32 = 1;
const BOUNCE: u32 = 8;
const EVASIVE_TELNET: u32 = 9;

/// One FTP session.
#[derive(Debug, Default)]
struct Ftp {
    lines: LineScan,
    line_continued: bool,
    replies: ReplyScan,
    scratch: Vec<u8>,
    /// AUTH TLS or AUTH SSL waits for its answer.
    tls_asked: bool,
    tls: bool,
}

/// Capacity that the scratch buffer may keep between PDUs.
const SCRATCH_KEEP: usize = 4096;

impl Ftp {
    /// Hands a unit to detection and gives its text to `read`.
    fn emit(&mut self, raw: &[u8], starts_message: bool, cx: &mut InspectCx<'_>) -> Commands {
        let (payload, met) = strip(raw, &mut self.scratch);
        cx.sink.pdu(&Pdu { payload, starts_message, ..Pdu::plain(raw) });
        met
    }

    fn client(&mut self, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let (len, complete) = match self.lines.next(bytes, 0, cx.limits.pdu_bytes) {
            Found::NeedMore(step) => return step,
            Found::Line(len) => (len, true),
            Found::Oversized(len) => {
                cx.counters.bump(Counter::ServiceLineOversized);
                (len, false)
            }
        };
        let raw = bytes.get(..len).unwrap_or(bytes);
        let met = self.emit(raw, !self.line_continued, cx);
        if met.commands > 0 {
            cx.sink.event(InspectorEvent { gid: GID, sid: TELNET_COMMAND });
        }
        if met.erased {
            cx.sink.event(InspectorEvent { gid: GID, sid: EVASIVE_TELNET });
        }
        if !self.line_continued && complete {
            let line = if met.commands > 0 { std::mem::take(&mut self.scratch) } else { Vec::new() };
            self.command(if line.is_empty() { raw } else { &line }, cx);
            self.scratch = line;
        }
        if self.scratch.capacity() > SCRATCH_KEEP {
            self.scratch = Vec::new();
        }
        self.line_continued = !complete;
        Step::Consumed(raw.len())
    }

    fn command(&mut self, line: &[u8], cx: &mut InspectCx<'_>) {
        let (verb, arguments) = first_word(line);
        let is = |known: &str| verb.eq_ignore_ascii_case(known.as_bytes());
        let listener = if is("PORT") {
            address::host_port(arguments)
        } else if is("EPRT") {
            address::extended(arguments).and_then(|(host, port)| Some((host?, port)))
        } else {
            if !verb.is_empty() {
                self.tls_asked = is("AUTH") && is_one_of(arguments, &["TLS", "SSL", "TLS-C", "TLS-P"]);
            }
            None
        };
        if let Some(listener) = listener {
            if listener.0 != cx.client.0 {
                cx.sink.event(InspectorEvent { gid: GID, sid: BOUNCE });
            }
            expect(listener, cx.server.0, true, cx);
        }
    }

    fn server(&mut self, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let reply = match self.replies.next(bytes, cx.limits.pdu_bytes) {
            Err(step) => return step,
            Ok(reply) => reply,
        };
        let text = bytes.get(..reply.len).unwrap_or(bytes);
        self.emit(text, reply.starts, cx);
        match reply.code.as_ref() {
            Some(b"227") => {
                if let Some(listener) = address::in_text(text) {
                    expect(listener, cx.client.0, false, cx);
                    if listener.0 != cx.server.0 {
                        // Behind address translation clients connect to where the control channel goes.
                        expect((cx.server.0, listener.1), cx.client.0, false, cx);
                    }
                }
            }
            Some(b"229") => {
                if let Some((_, port)) = address::extended_in_text(text) {
                    expect((cx.server.0, port), cx.client.0, false, cx);
                }
            }
            Some(b"234") if self.tls_asked => self.tls = true,
            _ => {}
        }
        Step::Consumed(text.len())
    }
}

/// Announces a data channel.
fn expect(server: (std::net::IpAddr, u16), client: std::net::IpAddr, listener_is_client: bool, cx: &mut InspectCx<'_>) {
    cx.counters.bump(Counter::FtpDataExpected);
    cx.sink.expect(Expectation { server, client, service: Service::FtpData, listener_is_client });
}

impl Inspector for Ftp {
    fn on_bytes(&mut self, dir: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        if self.tls {
            return Step::Switch(Some(Service::Ssl));
        }
        match dir {
            Direction::ToServer => self.client(bytes, cx),
            Direction::ToClient => self.server(bytes, cx),
        }
    }

    fn on_end(&mut self, dir: Direction, tail: &[u8], _end: End, cx: &mut InspectCx<'_>) {
        if !tail.is_empty() {
            let starts = dir == Direction::ToClient || !self.line_continued;
            self.emit(tail, starts, cx);
        }
    }

    fn footprint(&self) -> usize {
        size_of::<Self>().saturating_add(self.scratch.capacity())
    }
}

/// Fuzz entry: a script of both directions.
#[doc(hidden)]
pub fn fuzz_ftp(data: &[u8]) {
    crate::replay::fuzz(Box::new(Ftp::default()), data);
}

#[cfg(test)]
mod tests;
