//! Tests only: rules from option text, and an evaluation that takes the retry rule by its word.

mod json;
mod measured;

use crate::probe::{NET, run, unit};
use crate::{BitNames, BitView, CompileContext, CompiledRule, Cursor, Eval, RuleOption, Unit};
use bumpalo::Bump;
use tapir_flow::Direction;
use tapir_packet::{
    DecodeEvents, Fragment, Frame, FrameMeta, IcmpHeader, IpLayer, LinkType, Packet, TcpHeader, Timestamp, Transport,
};
use tapir_protocol::{
    BufferId, BufferKey, CipFacts, DceFacts, Dnp3Facts, GtpFacts, HttpFacts, Iec104Facts, MmsFacts, ModbusFacts,
    PduView, S7commplusFacts, Selector, SipFacts, SslFacts,
};
use tapir_rules::{Action, Address, Arrow, Diagnostic, Dialect, Header, OptionNode, Ports, Rule, RuleInfo, Span};

/// `name:value; …` as the body of `alert udp any any -> any any`.
pub(crate) fn parse_rule(body: &str) -> Rule {
    Rule {
        dialect: Dialect::Snort3,
        enabled: true,
        action: Action::Alert,
        header: Header {
            protocol: "udp".into(),
            protocol_span: Span::default(),
            source: Address::default(),
            source_ports: Ports::any(),
            arrow: Arrow::To,
            destination: Address::default(),
            destination_ports: Ports::any(),
            text: [const { None }; 4].map(|_: Option<String>| Some("any".to_owned())),
        },
        info: RuleInfo { gid: 1, sid: 1, ..RuleInfo::default() },
        options: nodes(body),
        span: Span::default(),
        line: 1,
    }
}

/// Splits at `;` outside quotes.
fn nodes(body: &str) -> Vec<OptionNode> {
    let (mut list, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in body.char_indices().chain([(body.len(), ';')]) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted || at == body.len() => {
                list.extend(node(body, start, at));
                start = at + 1;
            }
            _ => {}
        }
    }
    list
}

fn node(body: &str, start: usize, end: usize) -> Option<OptionNode> {
    let text = body.get(start..end)?.trim();
    let at = u32::try_from(start).ok()?;
    let span = |len: usize| Span { start: at, end: at + u32::try_from(len).unwrap(), ..Span::default() };
    if text.is_empty() {
        return None;
    }
    let (name, value) = match text.split_once(':') {
        Some((name, value)) => (name, Some(value.trim().to_owned())),
        None => (text, None),
    };
    Some(OptionNode { name: name.trim().to_owned(), name_span: span(name.len()), value_span: span(text.len()), value })
}

pub(crate) fn compile_rule(rule: &Rule) -> (Option<CompiledRule>, Vec<Diagnostic>) {
    let mut bits = BitNames::default();
    crate::declare(rule, &mut bits);
    let mut cx = CompileContext::new(&mut bits);
    let compiled = crate::compile(rule, "test:1".into(), &mut cx);
    (compiled, cx.diagnostics)
}

/// The compiled rule of a body.
pub(crate) fn compile(body: &str) -> Option<CompiledRule> {
    compile_rule(&parse_rule(body)).0
}

/// The compiled first option of a body.
pub(crate) fn compile_one(body: &str) -> Box<dyn RuleOption> {
    let (rule, diagnostics) = compile_rule(&parse_rule(body));
    rule.unwrap_or_else(|| panic!("{body}: {diagnostics:?}")).options.remove(0)
}

/// Messages about a body.
pub(crate) fn problems(body: &str) -> Vec<String> {
    compile_rule(&parse_rule(body)).1.into_iter().map(|diagnostic| diagnostic.message).collect()
}

/// Whether the rule matches a datagram.
pub(crate) fn matches(body: &str, data: &[u8]) -> bool {
    let (rule, diagnostics) = compile_rule(&parse_rule(body));
    let rule = rule.unwrap_or_else(|| panic!("{body}: {diagnostics:?}"));
    crate::probe::with_eval(data, |ev, cursor| chain(&rule.options, ev, *cursor))
}

/// Evaluates options in order. One that can be retried is tried again if the next one is relative.
pub(crate) fn chain<'a>(options: &[Box<dyn RuleOption>], ev: &mut Eval<'a, '_>, cursor: Cursor<'a>) -> bool {
    let Some((first, rest)) = options.split_first() else { return true };
    let again = first.can_retry() && rest.first().is_some_and(|next| next.is_relative());
    let mut delta = 0;
    loop {
        let mut next = Cursor { delta, ..cursor };
        let (vars, base64) = (ev.vars, ev.base64);
        if !first.eval(ev, &mut next) {
            return false;
        }
        delta = next.delta;
        if chain(rest, ev, Cursor { delta: 0, ..next }) {
            return true;
        }
        if !again {
            return false;
        }
        assert_ne!(delta, 0, "a retry must go on");
        (ev.vars, ev.base64) = (vars, base64);
    }
}

/// Runs `f` on an empty unit of a flow with these bits; `None`: without flow.
pub(crate) fn with_flow<R>(bits: Option<&[u32]>, f: impl for<'a> FnOnce(&mut Eval<'a, '_>, &mut Cursor<'a>) -> R) -> R {
    let arena = Bump::new();
    let flow = bits.map(|flowbits| BitView {
        direction: Direction::ToServer,
        established: true,
        flowbits,
        stream_bytes: [100, 2_000],
    });
    run(&Unit { flow, ..unit(b"", &arena) }, f)
}

/// Runs `f` on a unit with these buffers.
pub(crate) fn with_buffers<R>(
    buffers: &[(BufferId, &[u8])],
    f: impl for<'a> FnOnce(&mut Eval<'a, '_>, &mut Cursor<'a>) -> R,
) -> R {
    with_view(&Buffers(buffers), f)
}

/// Runs `f` on a unit with this service view.
pub(crate) fn with_view<R>(view: &dyn PduView, f: impl for<'a> FnOnce(&mut Eval<'a, '_>, &mut Cursor<'a>) -> R) -> R {
    let arena = Bump::new();
    run(&Unit { view, ..unit(b"", &arena) }, f)
}

/// Runs `f` on a wire packet.
pub(crate) fn with_packet<R>(
    packet: &Packet<'_>,
    f: impl for<'a> FnOnce(&mut Eval<'a, '_>, &mut Cursor<'a>) -> R,
) -> R {
    let arena = Bump::new();
    run(&Unit { packet: Some(packet), ..unit(packet.payload, &arena) }, f)
}

struct Buffers<'b>(&'b [(BufferId, &'b [u8])]);

impl PduView for Buffers<'_> {
    fn buffer<'a>(&'a self, key: &BufferKey, _arena: &'a Bump) -> Option<&'a [u8]> {
        (key.selector == Selector::Whole).then_some(())?;
        self.0.iter().find(|(id, _)| *id == key.id).map(|(_, data)| *data)
    }
    fn searchable<'a>(&'a self, id: BufferId, arena: &'a Bump) -> Option<&'a [u8]> {
        self.buffer(&BufferKey::whole(id), arena)
    }
}

fn packet<'a>(layer: IpLayer<'a>, transport: Transport<'a>) -> Packet<'a> {
    Packet {
        frame: Frame {
            data: &[],
            timestamp: Timestamp(0),
            link: LinkType::RAW,
            original_len: 0,
            meta: FrameMeta::default(),
        },
        ethernet: None,
        vlan: [None, None],
        ip: [Some(layer), None, None, None],
        ip_layers: 1,
        transport,
        payload: &[],
        defragmented: false,
        events: DecodeEvents::default(),
        broken: false,
    }
}

/// An IPv4 header with record-route and no-operation options.
pub(crate) fn layer(protocol: u8, fragment: Fragment) -> IpLayer<'static> {
    IpLayer {
        source: NET.source,
        destination: NET.destination,
        protocol,
        ttl: 64,
        tos: 16,
        id: 4660,
        fragment,
        header: &[],
        options: &[1, 7, 7, 4, 0, 0, 0, 0, 0],
        payload: &[],
    }
}

/// SYN and ACK, seq 1000, ack 2000, window 1234; more fragments, offset 1480.
pub(crate) fn tcp_packet() -> Packet<'static> {
    let header = TcpHeader {
        source_port: 1,
        destination_port: 2,
        seq: 1_000,
        ack: 2_000,
        flags: TcpHeader::SYN | TcpHeader::ACK,
        window: 1_234,
        urgent: 0,
        options: &[],
        header_len: 20,
    };
    let fragment = Fragment { offset: 1_480, more: true, dont: false, reserved: false };
    packet(layer(6, fragment), Transport::Tcp(header))
}

/// Type 8, code 3, identifier 678, sequence number 5; DF.
pub(crate) fn icmp_packet() -> Packet<'static> {
    let fragment = Fragment { dont: true, ..Fragment::default() };
    let header = IcmpHeader { kind: 8, code: 3, id: Some(678), seq: Some(5), v6: false };
    packet(layer(1, fragment), Transport::Icmp(header))
}

/// The view of an HTTP message with these facts (as current message, not as request of a response).
pub(crate) fn http_facts(facts: HttpFacts<'static>) -> impl PduView {
    Http { facts, values: Vec::new() }
}

/// The view of an HTTP message whose every header field has this value.
pub(crate) fn http_field(value: &'static [u8]) -> impl PduView {
    Http { facts: HttpFacts::default(), values: vec![value] }
}

/// The view of an HTTP message whose every parameter has these values.
pub(crate) fn http_params(values: &[&'static [u8]]) -> impl PduView {
    Http { facts: HttpFacts::default(), values: values.to_vec() }
}

struct Http {
    facts: HttpFacts<'static>,
    values: Vec<&'static [u8]>,
}

impl PduView for Http {
    fn buffer<'a>(&'a self, key: &BufferKey, _arena: &'a Bump) -> Option<&'a [u8]> {
        match &key.selector {
            Selector::Field(_) => self.values.first().copied(),
            Selector::Param { occurrence, .. } => self.values.get(*occurrence as usize).copied(),
            _ => None,
        }
    }
    fn searchable<'a>(&'a self, _id: BufferId, _arena: &'a Bump) -> Option<&'a [u8]> {
        None
    }
    fn http(&self, request: bool) -> Option<HttpFacts<'_>> {
        (!request).then_some(self.facts)
    }
}

/// The view of a PDU with facts of one service.
#[derive(Default)]
pub(crate) struct Facts {
    pub ssl: Option<SslFacts>,
    pub sip: Option<SipFacts<'static>>,
    pub dce: Option<DceFacts>,
    pub modbus: Option<ModbusFacts>,
    pub dnp3: Option<Dnp3Facts>,
    pub iec104: Option<Iec104Facts>,
    pub gtp: Option<GtpFacts>,
    pub s7commplus: Option<S7commplusFacts>,
    pub mms: Option<MmsFacts>,
    pub cip: Option<CipFacts>,
}

impl PduView for Facts {
    fn buffer<'a>(&'a self, _key: &BufferKey, _arena: &'a Bump) -> Option<&'a [u8]> {
        None
    }
    fn searchable<'a>(&'a self, _id: BufferId, _arena: &'a Bump) -> Option<&'a [u8]> {
        None
    }
    fn ssl(&self) -> Option<SslFacts> {
        self.ssl
    }
    fn sip(&self) -> Option<SipFacts<'_>> {
        self.sip
    }
    fn dce(&self) -> Option<DceFacts> {
        self.dce
    }
    fn modbus(&self) -> Option<ModbusFacts> {
        self.modbus
    }
    fn dnp3(&self) -> Option<Dnp3Facts> {
        self.dnp3
    }
    fn iec104(&self) -> Option<Iec104Facts> {
        self.iec104
    }
    fn gtp(&self) -> Option<GtpFacts> {
        self.gtp
    }

    fn s7commplus(&self) -> Option<S7commplusFacts> {
        self.s7commplus
    }
    fn mms(&self) -> Option<MmsFacts> {
        self.mms
    }

    fn cip(&self) -> Option<CipFacts> {
        self.cip
    }
}
