//! The state of an HTTP flow: per direction a head, a body, or trailers.
//!
//! *How it fits*: [`HttpInspector::on_bytes`] loops over the bytes; each state has one method that says
//! how much it used. Nothing unconsumed is kept.
//!
//! *Invariants*: a head is consumed as a whole, so that its PDU is made once, when it is complete;
//! leading white space, chunk framing and body pieces are consumed as they come.
//!
//! *Limits*: [`MAX_LEADING`] bytes of white space before a message.
//!
//! *Spec*: RFC 9112; Snort 3 http_inspect stream splitter.

use super::{
    body::{Body, Outlet, Plan, Turn as BodyTurn, Workspace},
    events::{self, Events},
    exchange::{self, Exchange},
    field::{Name, elements, same},
    framing::{self, Coding, Length, Text},
    head::{Found, Scan},
    message::Message,
    start_line::{self, Method, Version},
    sync::{Plausible, is_leading, known_method, plausible},
    view::HttpView,
};
use crate::{
    DetachReason, End, InspectCx, Inspector, Pdu, PduKind, Section, Service, Step,
    content::{inflate::Format, multipart::Multipart},
};
use tapir_flow::Direction;
use tapir_telemetry::Counter;

/// White space before a message at most.
const MAX_LEADING: u32 = 20;

/// Where a direction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before or in a start line.
    #[default]
    Start,
    /// In a header block.
    Block,
    /// In a body.
    Body,
    /// In trailers.
    Trailer,
    /// Given up.
    Lost(DetachReason),
}

/// One direction.
#[derive(Debug, Default)]
struct Side {
    state: State,
    scan: Scan,
    /// White space skipped before this message.
    leading: u32,
    /// The message whose head is coming in.
    building: Option<Box<Message>>,
    body: Body,
    events: Events,
    /// Bytes that were given but not used in the last call.
    waiting: usize,
    /// So many bytes belong to a message whose start was not captured.
    orphaned: usize,
    /// An HTTP/0.9 message went by.
    simple: bool,
}

/// What a state made of the bytes.
enum Turn {
    Used(usize),
    Need(usize),
    Stop(Step),
}

/// The inspector of one flow.
#[derive(Debug, Default)]
pub(super) struct HttpInspector {
    client: Side,
    server: Side,
    exchange: Exchange,
    workspace: Workspace,
    /// The flow leaves HTTP before the next byte.
    switch: Option<Option<Service>>,
    /// Responses seen.
    responses: u64,
    /// A CONNECT waits for its answer.
    connecting: bool,
}

impl Inspector for HttpInspector {
    fn on_bytes(&mut self, direction: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Step {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let turn = match self.switch {
                Some(service) => Turn::Stop(Step::Switch(service)),
                None if rest.is_empty() => Turn::Need(1),
                None => self.turn(direction, rest, cx),
            };
            match turn {
                Turn::Used(count) => used += count,
                Turn::Need(at_least) => {
                    self.side(direction).waiting = rest.len();
                    return if used > 0 { Step::Consumed(used) } else { Step::NeedMore { at_least } };
                }
                Turn::Stop(_) if used > 0 => return Step::Consumed(used),
                Turn::Stop(step) => return step,
            }
        }
    }

    fn on_gap(&mut self, direction: Direction, _len: u64, cx: &mut InspectCx<'_>) -> Step {
        if self.side(direction).state == State::Body {
            self.with_body(direction, cx, |body, outlet| body.gap(outlet));
        }
        self.lose(direction, DetachReason::Gap);
        Step::Detach(DetachReason::Gap)
    }

    fn on_end(&mut self, direction: Direction, tail: &[u8], _end: End, cx: &mut InspectCx<'_>) {
        match self.side(direction).state {
            State::Start => {
                let blank = tail.iter().all(|&byte| is_leading(byte));
                if !blank && self.switch.is_none() {
                    let side = self.side(direction);
                    side.events.raise(events::PARTIAL_START);
                    side.events.flush(cx.sink);
                }
            }
            State::Block => {
                let side = self.side(direction);
                if let Some(mut message) = side.building.take() {
                    side.scan.finish(tail, &mut message.lines, cx.limits, &mut side.events);
                    self.head_done(direction, message, tail, cx);
                }
            }
            State::Body => self.with_body(direction, cx, |body, outlet| body.end(tail, outlet)),
            State::Trailer => self.end_trailer(direction, tail, cx),
            State::Lost(_) => {}
        }
        self.lose(direction, DetachReason::NotOurs);
    }

    fn on_idle(&mut self, direction: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> usize {
        if self.side(direction).state != State::Body || self.switch.is_some() {
            return 0;
        }
        let used = self.with_body(direction, cx, |body, outlet| body.idle(bytes, outlet));
        self.side(direction).waiting = bytes.len().saturating_sub(used);
        used
    }

    fn holds(&self, direction: Direction) -> bool {
        match direction {
            Direction::ToServer => self.client.body.holds(),
            Direction::ToClient => self.server.body.holds(),
        }
    }

    fn footprint(&self) -> usize {
        let sides = [&self.client, &self.server];
        let building: usize = sides.iter().filter_map(|side| side.building.as_ref()).map(|m| m.footprint()).sum();
        size_of::<Self>()
            + self.exchange.footprint()
            + self.workspace.footprint()
            + building
            + sides.iter().map(|side| side.body.footprint()).sum::<usize>()
    }
}

impl HttpInspector {
    fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::ToServer => &mut self.client,
            Direction::ToClient => &mut self.server,
        }
    }

    /// One step of a direction's state.
    fn turn(&mut self, direction: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Turn {
        match self.side(direction).state {
            State::Start => self.start(direction, bytes, cx),
            State::Block => self.block(direction, bytes, cx),
            State::Body => self.body(direction, bytes, cx),
            State::Trailer => self.trailer(direction, bytes, cx),
            State::Lost(reason) => Turn::Stop(Step::Detach(reason)),
        }
    }

    /// Runs something on a direction's body with all that it needs.
    fn with_body<T>(
        &mut self,
        direction: Direction,
        cx: &mut InspectCx<'_>,
        run: impl FnOnce(&mut Body, &mut Outlet<'_, '_>) -> T,
    ) -> T {
        let side = match direction {
            Direction::ToServer => &mut self.client,
            Direction::ToClient => &mut self.server,
        };
        let mut outlet = Outlet {
            direction,
            exchange: &self.exchange,
            workspace: &mut self.workspace,
            events: &mut side.events,
            cx,
        };
        run(&mut side.body, &mut outlet)
    }

    /// A direction is not followed any more.
    fn lose(&mut self, direction: Direction, reason: DetachReason) {
        let side = self.side(direction);
        side.state = State::Lost(reason);
        side.building = None;
        if direction == Direction::ToClient {
            self.exchange.stop_pairing();
        }
    }

    /// Gives a direction up with an event.
    fn give_up(
        &mut self,
        direction: Direction,
        event: u16,
        counter: Counter,
        reason: DetachReason,
        cx: &mut InspectCx<'_>,
    ) -> Turn {
        let side = self.side(direction);
        side.events.raise(event);
        side.events.flush(cx.sink);
        cx.counters.bump(counter);
        self.lose(direction, reason);
        Turn::Stop(Step::Detach(reason))
    }

    /// White space, then a start line.
    fn start(&mut self, direction: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Turn {
        if let Some(turn) = self.before_start(direction, bytes, cx) {
            return turn;
        }
        match plausible(direction, bytes) {
            Plausible::Yes => {}
            Plausible::Unknown => return Turn::Need(bytes.len() + 1),
            Plausible::No => {
                let event = match direction {
                    Direction::ToServer => events::BAD_REQUEST_LINE,
                    Direction::ToClient => events::BAD_STATUS_LINE,
                };
                self.side(direction).events.raise(event);
                return self.not_http(direction, cx);
            }
        }
        let side = self.side(direction);
        let (end, _) = match side.scan.start_line(bytes, cx.limits, &mut side.events) {
            Ok(found) => found,
            Err(Found::TooLong) => {
                let event = match direction {
                    Direction::ToServer => events::REQUEST_LIMIT,
                    Direction::ToClient => events::STATUS_LIMIT,
                };
                return self.too_long(direction, event, cx);
            }
            Err(_) => return Turn::Need(bytes.len() + 1),
        };
        self.start_line(direction, bytes.get(..end).unwrap_or_default(), cx)
    }

    /// What may come before a start line, or instead of one.
    fn before_start(&mut self, direction: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Option<Turn> {
        let simple = self.exchange.unanswered().is_some_and(|request| request.start.class == Version::Simple);
        if direction == Direction::ToClient && simple && !b"HTTP/".starts_with(bytes.get(..bytes.len().min(5))?) {
            // differs: an answer to HTTP/0.9 that has a status line is read as HTTP/1.
            self.exchange_response(Box::default());
            self.begin_body(direction, Length::ToEnd, cx);
            return Some(Turn::Used(0));
        }
        if direction == Direction::ToServer && self.client.orphaned > 0 {
            let orphaned = std::mem::take(&mut self.client.orphaned).min(bytes.len());
            if !known_method(bytes) {
                self.client.scan = Scan::default();
                cx.counters.add(Counter::HttpBytesBeforeSync, orphaned as u64);
                return Some(Turn::Used(orphaned));
            }
        }
        let side = self.side(direction);
        let blanks = bytes.iter().take_while(|&&byte| is_leading(byte)).count();
        if blanks == 0 {
            return None;
        }
        let room = (MAX_LEADING - side.leading.min(MAX_LEADING)) as usize;
        let used = blanks.min(room);
        if bytes.iter().take(used).any(|&byte| byte != b'\r' && byte != b'\n') {
            side.events.raise(events::BLANK_BETWEEN);
        }
        if used == 0 {
            return Some(self.too_long(direction, events::LEADING_LIMIT, cx));
        }
        side.leading += u32::try_from(used).unwrap_or(MAX_LEADING);
        Some(Turn::Used(used))
    }

    fn not_http(&mut self, direction: Direction, cx: &mut InspectCx<'_>) -> Turn {
        self.give_up(direction, events::LOST_SYNC, Counter::HttpLostSync, DetachReason::NotOurs, cx)
    }

    fn too_long(&mut self, direction: Direction, event: u16, cx: &mut InspectCx<'_>) -> Turn {
        self.give_up(direction, event, Counter::HttpHeadsTooLong, DetachReason::Limit("http_header_bytes"), cx)
    }

    /// A complete start line.
    fn start_line(&mut self, direction: Direction, line: &[u8], cx: &mut InspectCx<'_>) -> Turn {
        if direction == Direction::ToServer && line == b"PRI * HTTP/2.0" {
            self.client.events.raise(events::HTTP2_PREFACE);
            self.client.events.flush(cx.sink);
            self.switch = Some(Some(Service::Http2));
            return Turn::Stop(Step::Switch(Some(Service::Http2)));
        }
        let (connecting, earlier) = (self.connecting, self.exchange.begun);
        let side = self.side(direction);
        let events = &mut side.events;
        let parsed = match direction {
            Direction::ToServer => start_line::request(line, events),
            Direction::ToClient => start_line::status(line, events),
        };
        let Some(start) = parsed else {
            return self.not_http(direction, cx);
        };
        if direction == Direction::ToServer {
            if side.simple {
                side.events.raise(events::CONTINUED_09);
            } else if start.class == Version::Simple && earlier > 0 {
                side.events.raise(events::LATE_09);
            }
            if connecting {
                side.events.raise(events::AFTER_CONNECT);
            }
        }
        let mut message = exchange::fresh();
        message.start = start;
        message.is_response = direction == Direction::ToClient;
        let side = self.side(direction);
        side.building = Some(message);
        side.state = State::Block;
        Turn::Used(0)
    }

    /// Header lines.
    fn block(&mut self, direction: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Turn {
        let side = self.side(direction);
        let Some(mut message) = side.building.take() else {
            side.state = State::Start;
            return Turn::Used(0);
        };
        let found = match message.start.class {
            Version::Simple => Found::End(side.scan.block.start as usize),
            _ => side.scan.block(bytes, &mut message.lines, cx.limits, &mut side.events),
        };
        match found {
            Found::More => {
                side.building = Some(message);
                Turn::Need(bytes.len() + 1)
            }
            Found::TooLong => self.too_long(direction, events::BLOCK_LIMIT, cx),
            Found::End(end) => {
                self.head_done(direction, message, bytes.get(..end).unwrap_or_default(), cx);
                Turn::Used(end)
            }
        }
    }

    /// A head is complete: evaluates it and sets up what follows.
    fn head_done(&mut self, direction: Direction, mut message: Box<Message>, head: &[u8], cx: &mut InspectCx<'_>) {
        let side = self.side(direction);
        let scan = std::mem::take(&mut side.scan);
        side.leading = 0;
        (message.block, message.count, message.longest) = (scan.block, scan.count, scan.longest);
        cx.counters.add(Counter::HttpLinesUntracked, u64::from(scan.untracked));
        message.head.extend_from_slice(head);
        framing::header_events(&message, &mut side.events);
        match direction {
            Direction::ToServer => self.request_head(message, cx),
            Direction::ToClient => self.response_head(message, cx),
        }
    }

    fn request_head(&mut self, mut message: Box<Message>, cx: &mut InspectCx<'_>) {
        cx.counters.bump(Counter::HttpRequests);
        let events = &mut self.client.events;
        let (uri, connect) = (message.start.uri, message.start.kind == Method::Connect);
        if !uri.is_empty() {
            let Message { head, uri: parsed, .. } = &mut *message;
            parsed.parse(head, uri, connect, events);
        }
        self.client.simple |= message.start.class == Version::Simple;
        if elements(&message.lines, &message.head, Name::Upgrade).any(|element| same(element, b"h2c")) {
            events.raise(events::UPGRADE_ASKED);
        }
        let length = match message.start.class {
            Version::Simple => Length::None,
            _ => framing::request(&message, events),
        };
        self.connecting |= connect;
        let overflow = self.exchange.begin_request(message, cx.limits.http_pipelined);
        if overflow {
            self.client.events.raise(events::PIPELINE_LIMIT);
            cx.counters.bump(Counter::HttpPipelineOverflows);
        }
        self.emit(Direction::ToServer, Section::Header, cx);
        self.begin_body(Direction::ToServer, length, cx);
    }

    fn response_head(&mut self, message: Box<Message>, cx: &mut InspectCx<'_>) {
        cx.counters.bump(Counter::HttpResponses);
        if self.exchange.begun == 0 && self.responses == 0 {
            self.server.events.raise(events::EARLY_RESPONSE);
            if self.client.state == State::Start {
                self.client.orphaned = self.client.waiting;
            }
        }
        self.responses = self.responses.saturating_add(1);
        let status = message.start.status;
        let request = self.exchange.unanswered();
        let length = framing::response(&message, request, &mut self.server.events);
        let connect = request.is_some_and(|request| request.start.kind == Method::Connect);
        status_events(status, request, self.exchange.continues, &mut self.server.events);
        // An upgrade that nobody asked for changes nothing.
        let upgraded = status == 101 && request.is_none_or(|request| request.has(Name::Upgrade));
        let h2c =
            upgraded && elements(&message.lines, &message.head, Name::Upgrade).any(|element| same(element, b"h2c"));
        if h2c {
            self.server.events.raise(events::UPGRADE_GRANTED);
        }
        self.exchange_response(message);
        self.emit(Direction::ToClient, Section::Header, cx);
        if status == 100 {
            self.exchange.continues = self.exchange.continues.saturating_add(1);
        }
        if connect && status >= 200 {
            self.connecting = false;
            let tunnel = status < 300 && self.exchange.begun == self.exchange.answered.saturating_add(1);
            if tunnel && !matches!(self.client.state, State::Body | State::Trailer | State::Block) {
                self.switch = Some(None);
            }
        }
        if upgraded {
            self.switch = Some(h2c.then_some(Service::Http2));
        }
        self.begin_body(Direction::ToClient, length, cx);
    }

    fn exchange_response(&mut self, mut message: Box<Message>) {
        message.is_response = true;
        self.exchange.begin_response(message);
    }

    /// What follows a head.
    fn begin_body(&mut self, direction: Direction, length: Length, cx: &mut InspectCx<'_>) {
        if length == Length::None {
            return self.message_done(direction, cx);
        }
        let plan = self.plan(direction, cx);
        let side = self.side(direction);
        side.body.begin(length, plan);
        side.state = State::Body;
    }

    fn plan(&mut self, direction: Direction, cx: &mut InspectCx<'_>) -> Plan {
        let (request, response) = self.exchange.messages(direction);
        let (message, events, depth) = match direction {
            Direction::ToServer => (request, &mut self.client.events, cx.limits.http_request_depth),
            Direction::ToClient => (response, &mut self.server.events, cx.limits.http_response_depth),
        };
        let mut plan = Plan { depth, ..Plan::default() };
        let Some(message) = message else { return plan };
        match framing::coding(message, events) {
            Coding::Compressed(format) if cx.limits.unzip => plan.compressed = Some(format),
            Coding::Opaque => cx.counters.bump(Counter::HttpCodingsOpaque),
            Coding::Compressed(Format::Gzip | Format::Deflate) | Coding::Identity => {}
        }
        match direction {
            Direction::ToClient => plan.text = framing::text(message, events),
            Direction::ToServer => {
                plan.text = Text::Narrow;
                plan.multipart = message
                    .lines
                    .iter()
                    .find(|line| line.id == Name::ContentType)
                    .and_then(|line| Multipart::from_content_type(super::span::trim(line.value.of(&message.head))))
                    .map(Box::new);
            }
        }
        plan
    }

    fn body(&mut self, direction: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Turn {
        match self.with_body(direction, cx, |body, outlet| body.feed(bytes, outlet)) {
            BodyTurn::Used(used) => Turn::Used(used),
            BodyTurn::Need(at_least) => Turn::Need(at_least),
            BodyTurn::Done(used) => {
                let side = self.side(direction);
                if side.body.has_trailers() {
                    side.state = State::Trailer;
                    side.scan = Scan::block_from(0);
                } else {
                    self.message_done(direction, cx);
                }
                Turn::Used(used)
            }
        }
    }

    /// Trailer lines and the blank line behind a chunked body.
    fn trailer(&mut self, direction: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) -> Turn {
        let side = match direction {
            Direction::ToServer => &mut self.client,
            Direction::ToClient => &mut self.server,
        };
        let Some(message) = self.exchange.current(direction) else {
            self.message_done(direction, cx);
            return Turn::Used(0);
        };
        match side.scan.block(bytes, &mut message.trailer_lines, cx.limits, &mut side.events) {
            Found::More => Turn::Need(bytes.len() + 1),
            Found::TooLong => self.too_long(direction, events::BLOCK_LIMIT, cx),
            Found::End(end) => {
                self.trailer_done(direction, bytes.get(..end).unwrap_or_default(), cx);
                self.message_done(direction, cx);
                Turn::Used(end)
            }
        }
    }

    /// The connection ended inside trailers.
    fn end_trailer(&mut self, direction: Direction, tail: &[u8], cx: &mut InspectCx<'_>) {
        let side = match direction {
            Direction::ToServer => &mut self.client,
            Direction::ToClient => &mut self.server,
        };
        if let Some(message) = self.exchange.current(direction) {
            side.scan.finish(tail, &mut message.trailer_lines, cx.limits, &mut side.events);
            self.trailer_done(direction, tail, cx);
        }
    }

    fn trailer_done(&mut self, direction: Direction, bytes: &[u8], cx: &mut InspectCx<'_>) {
        let scan = std::mem::take(&mut self.side(direction).scan);
        let Some(message) = self.exchange.current(direction) else { return };
        message.trailer.extend_from_slice(bytes);
        message.trailer_block = scan.block;
        message.trailer_count = scan.count;
        message.trailer_longest = scan.longest;
        cx.counters.add(Counter::HttpLinesUntracked, u64::from(scan.untracked));
        if scan.count == 0 {
            return;
        }
        let side = match direction {
            Direction::ToServer => &mut self.client,
            Direction::ToClient => &mut self.server,
        };
        framing::trailer_events(&message.trailer_lines, &mut side.events);
        self.emit(direction, Section::Trailer, cx);
    }

    /// The message is over; the next one begins.
    fn message_done(&mut self, direction: Direction, cx: &mut InspectCx<'_>) {
        match direction {
            Direction::ToServer => self.exchange.end_request(),
            Direction::ToClient => {
                let (_, response) = self.exchange.messages(direction);
                let interim = response.is_some_and(|response| matches!(response.start.status, 100..=199));
                self.exchange.end_response(interim);
            }
        }
        self.workspace.shrink();
        let side = self.side(direction);
        side.events.flush(cx.sink);
        side.events.clear();
        side.scan = Scan::default();
        side.state = State::Start;
    }

    /// Hands a header or trailer section to the rules.
    fn emit(&mut self, direction: Direction, section: Section, cx: &mut InspectCx<'_>) {
        let side = match direction {
            Direction::ToServer => &mut self.client,
            Direction::ToClient => &mut self.server,
        };
        side.events.flush(cx.sink);
        let (request, response) = self.exchange.messages(direction);
        let message = if direction == Direction::ToServer { request } else { response };
        let raw = message.map_or(&[][..], |message| match section {
            Section::Trailer => message.trailer.as_slice(),
            _ => message.head.as_slice(),
        });
        let view = HttpView {
            request,
            response,
            direction,
            section,
            piece: None,
            client_body: &self.workspace.client_body,
            scratch: &self.workspace.scratch,
            starved: &self.workspace.starved,
            first_param_only: cx.limits.http_first_param_only,
        };
        cx.sink.pdu(&Pdu {
            raw,
            payload: &[],
            view: &view,
            section,
            kind: PduKind::Stream,
            starts_message: section == Section::Header,
            continues_flush: false,
        });
        self.workspace.settle(cx);
    }
}

/// Anomalies between a status and its request.
fn status_events(status: u16, request: Option<&Message>, continues: u8, events: &mut Events) {
    let Some(request) = request else { return };
    if status == 206 && !request.has(Name::Range) {
        events.raise(events::PARTIAL_NO_RANGE);
    }
    if status == 100 {
        if !request.has(Name::Expect) {
            events.raise(events::UNEXPECTED_100);
        }
        if continues > 0 {
            events.raise(events::SEVERAL_100);
        }
    }
    if matches!(status, 100..=199) && request.start.kind == Method::Connect {
        events.raise(events::CONNECT_1XX);
    }
}
