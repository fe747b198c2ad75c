//! Conversations in, PDUs out: buffers, sections, events, and independence of segmentation.

use super::inspector::HttpInspector;
use crate::{
    BufferId, BufferKey, DetachReason, End, Expectation, InspectCx, Inspector, InspectorEvent, Limits, Pdu, PduSink,
    Section, Selector, Service, Step, UriPart, fuzz::fuzz_http,
};
use bumpalo::Bump;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use tapir_flow::Direction::{self, ToClient, ToServer};
use tapir_telemetry::{Counter, Counters};

/// What a PDU showed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    direction: Direction,
    section: Section,
    continues: bool,
    payload: Vec<u8>,
    raw: Vec<u8>,
    position: u64,
    buffers: Vec<(BufferId, Vec<u8>)>,
    searchable: Vec<BufferId>,
    asked: Option<Vec<u8>>,
}

impl Seen {
    fn get(&self, id: BufferId) -> Option<&str> {
        self.buffers
            .iter()
            .find(|(own, _)| *own == id)
            .map(|(_, bytes)| std::str::from_utf8(bytes).unwrap_or("not text"))
    }
}

struct Recorder {
    direction: Direction,
    pdus: Vec<Seen>,
    events: Vec<(Direction, u32)>,
    key: Option<BufferKey>,
}

impl PduSink for Recorder {
    fn pdu(&mut self, pdu: &Pdu<'_>) {
        let arena = Bump::new();
        let own = |bytes: &[u8]| bytes.to_vec();
        let all = BufferId::ALL.iter();
        self.pdus.push(Seen {
            direction: self.direction,
            section: pdu.section,
            continues: pdu.continues_flush,
            payload: pdu.payload.to_vec(),
            raw: pdu.raw.to_vec(),
            position: pdu.view.file_position(),
            buffers: all
                .clone()
                .filter_map(|&id| Some((id, pdu.view.buffer(&BufferKey::whole(id), &arena).map(own)?)))
                .collect(),
            searchable: all.copied().filter(|&id| pdu.view.searchable(id, &arena).is_some()).collect(),
            asked: self.key.as_ref().and_then(|key| pdu.view.buffer(key, &arena).map(own)),
        });
    }
    fn event(&mut self, event: InspectorEvent) {
        assert_eq!(event.gid, 119);
        self.events.push((self.direction, event.sid));
    }
    fn expect(&mut self, _expectation: Expectation) {}
}

/// A driver that keeps the contract and checks that the inspector does.
pub(super) struct Conversation {
    inspector: HttpInspector,
    recorder: Recorder,
    limits: Limits,
    counters: Counters,
    tails: [Vec<u8>; 2],
    stopped: [Option<Step>; 2],
}

impl Conversation {
    pub(super) fn new() -> Self {
        Self {
            inspector: HttpInspector::default(),
            recorder: Recorder { direction: ToServer, pdus: Vec::new(), events: Vec::new(), key: None },
            limits: Limits::default(),
            counters: Counters::default(),
            tails: Default::default(),
            stopped: [None; 2],
        }
    }

    fn with<T>(
        &mut self,
        direction: Direction,
        run: impl FnOnce(&mut HttpInspector, &[u8], &mut InspectCx<'_>) -> T,
    ) -> T {
        self.recorder.direction = direction;
        let nobody = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let mut cx = InspectCx {
            sink: &mut self.recorder,
            limits: &self.limits,
            counters: &mut self.counters,
            client: nobody,
            server: nobody,
        };
        run(&mut self.inspector, &self.tails[direction.index()], &mut cx)
    }

    pub(super) fn push(&mut self, direction: Direction, bytes: &[u8]) {
        let index = direction.index();
        if self.stopped[index].is_some() {
            return;
        }
        self.tails[index].extend_from_slice(bytes);
        let mut zero = false;
        while !self.tails[index].is_empty() {
            match self.with(direction, |inspector, tail, cx| inspector.on_bytes(direction, tail, cx)) {
                Step::Consumed(count) => {
                    assert!(!(zero && count == 0), "no progress twice");
                    zero = count == 0;
                    self.tails[index].drain(..count);
                }
                Step::NeedMore { at_least } => {
                    assert!(at_least > self.tails[index].len());
                    return;
                }
                step => {
                    self.stopped[index] = Some(step);
                    return;
                }
            }
        }
    }

    pub(super) fn end(&mut self, direction: Direction) {
        if self.stopped[direction.index()].is_none() {
            self.with(direction, |inspector, tail, cx| inspector.on_end(direction, tail, End::Fin, cx));
        }
    }

    pub(super) fn events(&self) -> impl Iterator<Item = (Direction, u32)> {
        self.recorder.events.iter().copied()
    }

    fn sids(&self) -> Vec<u32> {
        self.recorder.events.iter().map(|&(_, sid)| sid).collect()
    }
}

type Turns<'a> = &'a [(Direction, &'a [u8])];

/// Runs a conversation with everything in one piece.
fn run(turns: Turns<'_>) -> Conversation {
    run_with(turns, |_| {})
}

fn run_with(turns: Turns<'_>, set: impl FnOnce(&mut Conversation)) -> Conversation {
    let mut conversation = Conversation::new();
    set(&mut conversation);
    for (direction, bytes) in turns {
        conversation.push(*direction, bytes);
    }
    conversation.end(ToServer);
    conversation.end(ToClient);
    conversation
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";

fn sections(conversation: &Conversation) -> Vec<(Direction, Section)> {
    conversation.recorder.pdus.iter().map(|pdu| (pdu.direction, pdu.section)).collect()
}

#[test]
fn a_request_and_its_answer_give_three_units() {
    let request = b"GET /%61/../x?id=1 HTTP/1.1\r\nHost: a\r\nCookie: s=1\r\nX: y\r\n\r\n";
    let conversation = run(&[(ToServer, request), (ToClient, OK)]);
    assert_eq!(
        sections(&conversation),
        [(ToServer, Section::Header), (ToClient, Section::Header), (ToClient, Section::Body)]
    );
    let [asked, answered, body] = conversation.recorder.pdus.as_slice() else { panic!() };
    assert_eq!((asked.raw.as_slice(), asked.payload.as_slice()), (request.as_slice(), b"".as_slice()));
    for pdu in [asked, answered, body] {
        assert_eq!(pdu.get(BufferId::HttpUri), Some("/x?id=1"));
        assert_eq!(pdu.get(BufferId::HttpDecodedUri), Some("/a/../x?id=1"));
        assert_eq!(pdu.get(BufferId::HttpRawUri), Some("/%61/../x?id=1"));
        assert_eq!(pdu.get(BufferId::HttpMethod), Some("GET"));
        assert_eq!(pdu.get(BufferId::HttpRawRequest), Some("GET /%61/../x?id=1 HTTP/1.1"));
    }
    assert_eq!(asked.get(BufferId::HttpHeader), Some("Host: a\r\nX: y"));
    assert_eq!(asked.get(BufferId::HttpRawHeader), Some("Host: a\r\nCookie: s=1\r\nX: y"));
    assert_eq!(asked.get(BufferId::HttpCookie), Some("s=1"));
    assert_eq!(asked.get(BufferId::HttpStatCode), None);
    for pdu in [answered, body] {
        assert_eq!(pdu.get(BufferId::HttpHeader), Some("Content-Type: text/plain\r\nContent-Length: 2"));
        assert_eq!(pdu.get(BufferId::HttpStatCode), Some("200"));
        assert_eq!(pdu.get(BufferId::HttpStatMsg), Some("OK"));
        assert_eq!(pdu.get(BufferId::HttpCookie), None);
        assert!(!pdu.searchable.contains(&BufferId::HttpUri));
    }
    assert_eq!((body.payload.as_slice(), body.get(BufferId::FileData)), (b"ok".as_slice(), Some("ok")));
    assert_eq!(body.get(BufferId::HttpClientBody), None);
    assert_eq!(body.searchable, [BufferId::FileData, BufferId::HttpRawBody]);
    assert!(asked.searchable.contains(&BufferId::HttpUri) && asked.searchable.contains(&BufferId::HttpCookie));
    assert_eq!(conversation.sids(), [1, 11], "unreserved percent sequence, /../");
    assert!(conversation.stopped.iter().all(Option::is_none));
}

/// The buffer that a key names in the first PDU of a request.
fn asked(request: &str, key: BufferKey) -> Option<String> {
    let conversation = run_with(&[(ToServer, request.as_bytes())], |c| c.recorder.key = Some(key));
    conversation.recorder.pdus.first()?.asked.clone().map(|bytes| String::from_utf8(bytes).unwrap())
}

#[track_caller]
fn check_part(request: &str, id: BufferId, selector: Selector, expected: Option<&str>) {
    assert_eq!(asked(request, BufferKey { id, request: false, selector }).as_deref(), expected, "{request:?}");
}

#[test]
fn parts_of_buffers_are_found() {
    let request = "GET http://proxy.test:8080/p/%41?z=1+2&id=4%32#frag HTTP/1.1\r\nHost: proxy.test:8080\r\nVia: 1\r\nVIA:  2\r\n\
        Content-Type: Text/Html; Charset=UTF-8\r\nX-Forwarded-For: 203.0.113.9, 198.51.100.4\r\n\r\n";
    let field = |name: &str| Selector::Field(name.into());
    check_part(request, BufferId::HttpUri, Selector::Whole, Some("/p/A?z=1 2&id=42#frag"));
    check_part(request, BufferId::HttpUri, Selector::Uri(UriPart::Path), Some("/p/A"));
    check_part(request, BufferId::HttpUri, Selector::Uri(UriPart::Host), Some("proxy.test"));
    check_part(request, BufferId::HttpRawUri, Selector::Uri(UriPart::Port), Some("8080"));
    check_part(request, BufferId::HttpHeader, field("via"), Some("1,2"));
    check_part(request, BufferId::HttpRawHeader, field("via"), Some(" 1,  2"));
    check_part(request, BufferId::HttpHeader, field("content-type"), Some("text/html;charset=utf-8"));
    check_part(request, BufferId::HttpHeader, field("host"), Some("proxy.test:8080"));
    check_part(request, BufferId::HttpHeader, field("absent"), None);
    check_part(request, BufferId::HttpTrueIp, Selector::Whole, Some("198.51.100.4"));
    let param = |occurrence| Selector::Param { name: (*b"ID").into(), nocase: true, occurrence };
    check_part(request, BufferId::HttpParam, param(0), Some("42"));
    check_part(request, BufferId::HttpParam, param(1), None);
}

#[test]
fn request_headers_are_seen_from_the_answer_when_asked_for() {
    let key = |request| BufferKey { id: BufferId::HttpHeader, request, selector: Selector::Field("x-req".into()) };
    for (request, expected) in [(true, Some(b"1".to_vec())), (false, None)] {
        let conversation = run_with(&[(ToServer, b"GET / HTTP/1.1\r\nX-Req: 1\r\n\r\n"), (ToClient, OK)], |c| {
            c.recorder.key = Some(key(request));
        });
        assert_eq!(conversation.recorder.pdus[1].asked, expected);
    }
}

/// Body payloads of a direction.
fn bodies(conversation: &Conversation, direction: Direction) -> Vec<String> {
    let body = |pdu: &&Seen| pdu.direction == direction && pdu.section == Section::Body;
    let text = |pdu: &Seen| String::from_utf8_lossy(&pdu.payload).into_owned();
    conversation.recorder.pdus.iter().filter(body).map(text).collect()
}

#[test]
fn pipelined_requests_are_paired_with_their_answers() {
    let conversation = run(&[
        (ToServer, b"GET /a HTTP/1.1\r\n\r\nHEAD /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n"),
        (ToClient, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"),
        (ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nc"),
    ]);
    let uris: Vec<_> = conversation.recorder.pdus.iter().map(|pdu| pdu.get(BufferId::HttpUri).unwrap()).collect();
    assert_eq!(uris, ["/a", "/b", "/c", "/a", "/a", "/a", "/b", "/c", "/c"]);
    assert_eq!(bodies(&conversation, ToClient), ["a", "c"]);
    assert_eq!(conversation.sids(), [237], "nobody expected the 100");
}

#[test]
fn chunked_bodies_are_joined_and_trailers_shown() {
    let conversation = run(&[
        (ToServer, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na%62\r\n0\r\nX: t%31\r\n\r\nGET /n HTTP/1.1\r\n\r\n"),
    ]);
    assert_eq!(conversation.stopped, [None; 2], "a broken chunk does not stop the direction");
    assert_eq!(conversation.sids(), [213, 261], "chunk length 3 is one short of its data");
    let conversation = run(&[
        (ToServer, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na%\r\n2\r\n62\r\n0\r\nX: t%31\r\n\r\nGET /n HTTP/1.1\r\n\r\n"),
    ]);
    let [_, body, trailer, next] = conversation.recorder.pdus.as_slice() else {
        panic!("{:?}", sections(&conversation))
    };
    assert_eq!(body.get(BufferId::HttpClientBody), Some("ab"));
    assert_eq!(body.get(BufferId::HttpRawBody), Some("a%62"));
    assert_eq!(body.get(BufferId::HttpTrailer), None);
    assert_eq!((trailer.section, trailer.get(BufferId::HttpTrailer)), (Section::Trailer, Some("X: t1")));
    assert_eq!(trailer.searchable, [BufferId::HttpTrailer, BufferId::HttpRawTrailer]);
    assert_eq!(next.get(BufferId::HttpUri), Some("/n"));
}

#[test]
fn compressed_bodies_are_decompressed() {
    let body = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03+\xce\xcfMUH\xce\xcf-(J-.NMQ(I\xad(Q\xc8H-J\x05\x00\x00\xcfj\xe2\x19\x00\x00\x00";
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
    let answer = [head.as_bytes(), body].concat();
    let conversation = run(&[(ToServer, b"GET / HTTP/1.1\r\n\r\n"), (ToClient, &answer)]);
    assert_eq!(bodies(&conversation, ToClient), ["some compressed text here"]);
    let broken = [head.as_bytes(), &body[..20], b"not deflate data, but 25 bytes"].concat();
    let conversation = run(&[(ToServer, b"GET / HTTP/1.1\r\n\r\n"), (ToClient, &broken)]);
    assert_eq!(conversation.sids(), [217, 201, 279], "broken gzip; the surplus is not HTTP");
    assert_eq!(conversation.counters.value(Counter::HttpInflateFailed), 1);
    assert!(bodies(&conversation, ToClient).concat().contains("data, but 25"), "{:?}", bodies(&conversation, ToClient));
}

#[test]
fn inflation_stops_at_its_limit() {
    let mut deflate = zlib_rs::Deflate::new(9, true, 15);
    let mut packed = vec![0; 100_000];
    deflate.compress(&vec![b'x'; 4 << 20], &mut packed, zlib_rs::DeflateFlush::Finish).unwrap();
    packed.truncate(usize::try_from(deflate.total_out()).unwrap());
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: {}\r\n\r\n", packed.len());
    let answer = [head.as_bytes(), &packed, b"HTTP/1.1 200 next\r\nContent-Length: 0\r\n\r\n"].concat();
    let get = b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    let conversation = run_with(&[(ToServer, get), (ToClient, &answer)], |c| c.limits.inflate_ratio = 100);
    let total: usize = bodies(&conversation, ToClient).iter().map(String::len).sum();
    assert!((1 << 20..(1 << 20) + (128 << 10)).contains(&total), "{total}");
    assert_eq!((conversation.sids(), conversation.counters.value(Counter::HttpInflateLimited)), (vec![229], 1));
    assert_eq!(conversation.recorder.pdus.last().unwrap().get(BufferId::HttpStatMsg), Some("next"));
}

#[test]
fn bodies_are_cut_at_fixed_offsets() {
    let text: Vec<u8> = (0..40_000u32).map(|n| b'a' + u8::try_from(n % 26).unwrap()).collect();
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n".to_vec();
    let identity = [head, text.clone()].concat();
    let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in text.chunks(1000) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let to_end = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &text].concat();
    for answer in [identity, chunked, to_end] {
        let conversation = run(&[(ToServer, b"GET / HTTP/1.1\r\n\r\n"), (ToClient, &answer)]);
        let lengths: Vec<_> = bodies(&conversation, ToClient).iter().map(String::len).collect();
        assert_eq!(
            (lengths, bodies(&conversation, ToClient).concat().into_bytes() == text),
            (vec![16384, 16384, 7232], true)
        );
        let positions: Vec<_> = conversation.recorder.pdus.iter().skip(2).map(|pdu| pdu.position).collect();
        assert_eq!(positions, [0, 16384, 32768]);
        let limited = run_with(&[(ToServer, b"GET / HTTP/1.1\r\n\r\n"), (ToClient, &answer)], |c| {
            c.limits.http_response_depth = Some(20_000);
        });
        let lengths: Vec<_> = bodies(&limited, ToClient).iter().map(String::len).collect();
        assert_eq!(lengths, [16384, 3616]);
        assert_eq!(limited.counters.value(Counter::HttpBodyBytesSkipped), 20_000);
    }
}

#[test]
fn wide_text_is_converted_for_file_data_only() {
    let wide: Vec<u8> = "wide marker".bytes().flat_map(|byte| [byte, 0]).collect();
    for (charset, mark) in [("; charset=utf-16LE", b"".as_slice()), ("", b"\xff\xfe")] {
        let body = [mark, &wide].concat();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/html{charset}\r\nContent-Length: {}\r\n\r\n", body.len());
        let conversation =
            run(&[(ToServer, b"GET / HTTP/1.1\r\n\r\n"), (ToClient, &[head.as_bytes(), &body].concat())]);
        let pdu = conversation.recorder.pdus.last().unwrap();
        assert_eq!((pdu.get(BufferId::FileData), &pdu.payload), (Some("wide marker"), &body));
    }
}

#[test]
fn each_typed_part_of_an_upload_is_a_file() {
    let body = "--B\r\nContent-Type: a/b\r\n\r\nTOKEN one\r\n--B\r\n\r\nuntyped\r\n--B\r\nContent-Type: c/d\r\n\r\nTOKEN two\r\n--B--\r\n";
    let upload = |body: &str| {
        let head = format!(
            "POST /u HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        run(&[(ToServer, (head + body).as_bytes())])
    };
    let conversation = upload(body);
    let [_, one, two] = conversation.recorder.pdus.as_slice() else { panic!() };
    assert_eq!((one.get(BufferId::FileData), one.continues), (Some("TOKEN one"), false));
    assert_eq!((two.get(BufferId::FileData), two.continues), (Some("TOKEN two"), true));
    assert_eq!((one.get(BufferId::HttpClientBody), two.get(BufferId::HttpClientBody)), (Some(body), Some(body)));
    let conversation = upload("--B\r\n\r\nTOKEN one\r\n--B--\r\n");
    let [_, only] = conversation.recorder.pdus.as_slice() else { panic!() };
    assert_eq!((only.get(BufferId::FileData), only.get(BufferId::HttpClientBody).is_some()), (None, true));
    let many = "--B\r\nContent-Type: a/b\r\n\r\nx\r\n".repeat(8) + "--B--\r\n";
    let conversation = upload(&many);
    assert_eq!((conversation.recorder.pdus.len(), conversation.counters.value(Counter::HttpPartsSkipped)), (6, 3));
}

#[test]
fn form_parameters_are_found_in_the_body_too() {
    let key = BufferKey {
        id: BufferId::HttpParam,
        request: false,
        selector: Selector::Param { name: (*b"id").into(), nocase: false, occurrence: 1 },
    };
    let form =
        b"POST /?id=1 HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n\r\nid=a%2bb";
    let conversation = run_with(&[(ToServer, form)], |c| c.recorder.key = Some(key));
    assert_eq!(conversation.recorder.pdus[1].asked.as_deref(), Some(b"a b".as_slice()));
}

#[test]
fn simple_requests_have_an_answer_without_a_head() {
    let conversation = run(&[(ToServer, b"GET /nine\r\n"), (ToClient, b"<html>nine</html>")]);
    assert_eq!(sections(&conversation), [(ToServer, Section::Header), (ToClient, Section::Body)]);
    let body = conversation.recorder.pdus.last().unwrap();
    assert_eq!((body.get(BufferId::HttpUri), body.get(BufferId::FileData)), (Some("/nine"), Some("<html>nine</html>")));
    assert_eq!(conversation.sids(), [32]);
}

#[test]
fn tunnels_and_upgrades_leave_http() {
    let connect = b"CONNECT a.test:443 HTTP/1.1\r\n\r\n";
    let conversation = run(&[
        (ToServer, connect),
        (ToClient, b"HTTP/1.1 200 OK\r\n\r\n"),
        (ToServer, b"\x16\x03"),
        (ToClient, b"\x16"),
    ]);
    assert_eq!(conversation.stopped, [Some(Step::Switch(None)); 2]);
    assert_eq!(conversation.tails, [b"\x16\x03".to_vec(), b"\x16".to_vec()]);
    assert_eq!(conversation.recorder.pdus[0].get(BufferId::HttpUri), Some("a.test:443"));
    let conversation = run(&[
        (ToServer, connect),
        (ToClient, b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"),
        (ToServer, b"GET /x HTTP/1.1\r\n\r\n"),
    ]);
    assert_eq!((conversation.recorder.pdus.len(), conversation.stopped), (3, [None; 2]));
    let ask = b"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n";
    let grant = b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n\0\0";
    let conversation = run(&[(ToServer, ask), (ToClient, grant)]);
    assert_eq!(conversation.stopped[1], Some(Step::Switch(Some(Service::Http2))));
    assert_eq!(conversation.sids(), [263, 264]);
    let conversation = run(&[(ToServer, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]);
    assert_eq!(conversation.stopped[0], Some(Step::Switch(Some(Service::Http2))));
    assert_eq!(conversation.tails[0], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "the preface stays for the new inspector");
}

#[test]
fn what_is_not_http_is_given_up() {
    let not_ours = Some(Step::Detach(DetachReason::NotOurs));
    let conversation = run(&[(ToServer, b"SSH-2.0-notweb\r\n"), (ToClient, b"garbage")]);
    assert_eq!((conversation.stopped, conversation.sids()), ([not_ours; 2], vec![201, 281, 201, 279]));
    let conversation = run(&[(ToServer, b"POST /x\r\n\r\n")]);
    assert_eq!((conversation.stopped[0], conversation.sids()), (not_ours, vec![201, 281]));
    let conversation = run(&[(ToClient, b"HTTP/1.1 2000 OK\r\n\r\n")]);
    assert_eq!((conversation.stopped[1], conversation.sids()), (not_ours, vec![201, 279]));
    let blanks = run(&[(ToServer, &[b' '; 30])]);
    assert!(matches!(blanks.stopped[0], Some(Step::Detach(DetachReason::Limit(_)))));
    let long = [b"GET /".as_slice(), &[b'a'; 70_000]].concat();
    let conversation = run(&[(ToServer, &long)]);
    assert!(matches!(conversation.stopped[0], Some(Step::Detach(DetachReason::Limit(_)))));
    assert_eq!((conversation.sids(), conversation.counters.value(Counter::HttpHeadsTooLong)), (vec![285], 1));
}

#[test]
fn a_request_tail_before_the_first_answer_is_skipped() {
    let conversation = run(&[
        (ToServer, b"some body tail"),
        (ToClient, OK),
        (ToServer, b"GET /abc HTTP/1.1\r\nHost: a\r\n\r\n"),
        (ToClient, OK),
    ]);
    let uris: Vec<_> = conversation.recorder.pdus.iter().map(|pdu| pdu.get(BufferId::HttpUri)).collect();
    assert_eq!(uris, [None, None, Some("/abc"), Some("/abc"), Some("/abc")]);
    assert_eq!(conversation.counters.value(Counter::HttpBytesBeforeSync), 14);
    let early = run(&[(ToServer, b"GET /a"), (ToClient, OK), (ToServer, b"bc HTTP/1.1\r\n\r\n")]);
    assert_eq!(early.recorder.pdus[2].get(BufferId::HttpUri), Some("/abc"), "a real request is never skipped");
}

#[test]
fn ends_of_connections_flush_what_is_there() {
    let conversation = run(&[
        (ToServer, b"POST /x HTTP/1.1\r\nContent-Length: 10\r\n\r\npart"),
        (ToClient, b"HTTP/1.1 200 OK\r\nX: y"),
    ]);
    let [_, body, head] = conversation.recorder.pdus.as_slice() else { panic!() };
    assert_eq!(body.get(BufferId::HttpClientBody), Some("part"));
    assert_eq!(head.get(BufferId::HttpHeader), Some("X: y"));
    assert_eq!((conversation.sids(), conversation.counters.value(Counter::HttpBodiesTruncated)), (vec![260], 1));
    let conversation = run(&[(ToServer, b"GET /x HT")]);
    assert_eq!((conversation.recorder.pdus.len(), conversation.sids()), (0, vec![284]));
}

#[test]
fn too_many_waiting_requests_end_the_pairing() {
    let requests = b"GET /x HTTP/1.1\r\n\r\n".repeat(100);
    let conversation = run(&[(ToServer, &requests), (ToClient, OK)]);
    assert_eq!((conversation.sids(), conversation.counters.value(Counter::HttpPipelineOverflows)), (vec![34], 1));
    assert_eq!(conversation.recorder.pdus.last().unwrap().get(BufferId::HttpUri), None);
}

#[test]
fn facts_are_counted() {
    struct Facts(Vec<(u32, u32, u32, u32, u32)>);
    impl PduSink for Facts {
        fn pdu(&mut self, pdu: &Pdu<'_>) {
            let facts = pdu.view.http(false).unwrap();
            let lines = (facts.max_header_line, facts.max_trailer_line);
            self.0.push((facts.num_headers, facts.num_trailers, facts.num_cookies, lines.0, lines.1));
        }
        fn event(&mut self, _event: InspectorEvent) {}
        fn expect(&mut self, _expectation: Expectation) {}
    }
    let (mut facts, mut counters, limits) = (Facts(Vec::new()), Counters::default(), Limits::default());
    let nobody = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let mut cx =
        InspectCx { sink: &mut facts, limits: &limits, counters: &mut counters, client: nobody, server: nobody };
    let bytes = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nCookie: a; b\r\n\r\n0\r\nX: trailer\r\n\r\n";
    assert_eq!(HttpInspector::default().on_bytes(ToServer, bytes, &mut cx), Step::Consumed(bytes.len()));
    assert_eq!(facts.0, [(2, 0, 2, 26, 0), (2, 1, 2, 26, 10)]);
}

/// What must not depend on segmentation.
fn outcome(conversation: &Conversation, direction: Direction) -> (Vec<Seen>, Vec<u32>, Option<Step>) {
    let own = |pdu: &&Seen| pdu.direction == direction;
    let events =
        conversation.recorder.events.iter().filter(|event| event.0 == direction).map(|event| event.1).collect();
    (conversation.recorder.pdus.iter().filter(own).cloned().collect(), events, conversation.stopped[direction.index()])
}

fn small(conversation: &mut Conversation) {
    conversation.limits.pdu_bytes = 8;
    conversation.limits.http_header_bytes = 40;
}

/// Runs turns with each turn cut at the given places.
fn run_cut(turns: Turns<'_>, mut cut_here: impl FnMut(usize) -> bool, set: fn(&mut Conversation)) -> Conversation {
    let mut conversation = Conversation::new();
    set(&mut conversation);
    let mut at = 0;
    for (direction, bytes) in turns {
        let mut from = 0;
        for to in 1..=bytes.len() {
            at += 1;
            if to == bytes.len() || cut_here(at) {
                conversation.push(*direction, &bytes[from..to]);
                from = to;
            }
        }
    }
    conversation.end(ToServer);
    conversation.end(ToClient);
    conversation
}

#[test]
fn every_segmentation_of_short_transcripts_gives_the_same_units() {
    let transcripts: &[Turns<'_>] = &[
        &[(ToServer, b"\r\nGET /\r\n")],
        &[(ToServer, b"A / HTTP/1.1\n\nB")],
        &[(ToServer, b"A  HTTP/1.1\rB:\n C\r\n")],
        &[(ToClient, b"HTTP/1.1 200\r\n\r\nX")],
        &[(ToClient, b"HTTP/1.1 304\n\r\nHT")],
    ];
    for turns in transcripts {
        let whole = run(turns);
        let total: usize = turns.iter().map(|(_, bytes)| bytes.len()).sum();
        for cuts in 0u32..1 << (total - 1) {
            let cut = run_cut(turns, |at| cuts >> (at - 1) & 1 == 1, |_| {});
            for direction in [ToServer, ToClient] {
                assert_eq!(outcome(&cut, direction), outcome(&whole, direction), "{cuts:b}");
            }
        }
    }
}

const LONG: Turns<'_> = &[
    (ToServer, b"POST /%61/../b?q=%252f HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n1e;x=y\r\n123456789012345678901234567890\r\n0\r\nT: v\r\n\r\n"),
    (ToServer, b"POST /up HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: 84\r\n\r\n--B\r\nContent-Type: a/b\r\n\r\none and more\r\n--B\r\nContent-Type: c/d\r\n\r\nTOKEN two\r\n--B--\r\n"),
    (ToClient, b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 45\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03+\xce\xcfMUH\xce\xcf-(J-.NMQ(I\xad(Q\xc8H-J\x05\x00\x00\xcfj\xe2\x19\x00\x00\x00"),
    (ToClient, b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-16le\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nw\0i\r\n5\r\n\0d\0e\0\r\n0\r\n\r\n"),
    (ToServer, b"GET /last HTTP/1.1\r\nX: folded\r\n  line\r\n\r\n"),
    (ToClient, b"HTTP/1.1 200 OK\r\n\r\nuntil the end of the connection"),
];

#[test]
fn the_long_transcript_is_read_as_intended() {
    let conversation = run(LONG);
    assert_eq!(bodies(&conversation, ToClient)[0], "some compressed text here");
    assert_eq!(bodies(&conversation, ToServer)[0], "abcde123456789012345678901234567890");
    assert_eq!(sections(&conversation).len(), 13, "{:?}", sections(&conversation));
    assert_eq!(conversation.stopped, [None; 2]);
}

proptest! {
    #[test]
    fn random_cuts_of_a_long_transcript_give_the_same_units(cuts in proptest::collection::vec(any::<bool>(), 800), rare: bool, tight: bool) {
        let set: fn(&mut Conversation) = if tight { small } else { |_| {} };
        let whole = run_with(LONG, set);
        let mut skip = 0;
        let cut = run_cut(LONG, |at| {
            skip += 1;
            cuts[at % cuts.len()] && (!rare || skip % 7 == 0)
        }, set);
        for direction in [ToServer, ToClient] {
            prop_assert_eq!(outcome(&cut, direction), outcome(&whole, direction));
        }
    }

    #[test]
    fn damaged_transcripts_do_not_depend_on_cuts_either(
        damage in proptest::collection::vec((0usize..400, any::<u8>()), 1..6),
        cuts in proptest::collection::vec(any::<bool>(), 400),
    ) {
        let direction = ToServer;
        let mut bytes: Vec<u8> = LONG.iter().filter(|turn| turn.0 == direction).flat_map(|turn| turn.1.to_vec()).collect();
        for (at, byte) in damage {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let turns: Turns<'_> = &[(direction, &bytes)];
        let whole = run(turns);
        let cut = run_cut(turns, |at| cuts[at % cuts.len()], |_| {});
        prop_assert_eq!(outcome(&cut, direction), outcome(&whole, direction));
    }

    #[test]
    fn hostile_bytes_never_panic(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz_http(&data);
    }

    #[test]
    fn hostile_http_never_panics(
        plan in proptest::collection::vec(any::<u8>(), 16),
        words in "(GET |POST |HTTP/1.1|HTTP/1.0|/%41|/\\.\\./| 200 OK|\r\n|\n|\r| |Content-Length: 5|Transfer-Encoding: chunked|Content-Encoding: gzip|Content-Type: multipart/form-data; boundary=B|--B|3\r\nabc\r\n|0\r\n|x){0,60}",
    ) {
        fuzz_http(&[plan.as_slice(), words.as_bytes()].concat());
    }

    #[test]
    fn what_httparse_accepts_is_read_alike(
        method in "(GET|POST|PUT|X-Y)", path in "/[a-z0-9/?&=._-]{0,20}",
        headers in proptest::collection::vec(("[A-Za-z][A-Za-z0-9-]{0,12}", "[ -~]{0,20}"), 0..8),
    ) {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("{method} {path} HTTP/1.1\r\n{lines}\r\n");
        let mut slots = [httparse::EMPTY_HEADER; 16];
        let mut oracle = httparse::Request::new(&mut slots);
        prop_assert_eq!(oracle.parse(head.as_bytes()), Ok(httparse::Status::Complete(head.len())));
        let mine = super::message::Message::for_test(head.as_bytes());
        prop_assert_eq!(mine.start.method.of(&mine.head), oracle.method.unwrap().as_bytes());
        prop_assert_eq!(mine.uri.whole(&mine.head, super::uri::Level::Raw), oracle.path.unwrap().as_bytes());
        prop_assert_eq!(mine.lines.len(), oracle.headers.len());
        for (line, header) in mine.lines.iter().zip(oracle.headers.iter()) {
            prop_assert_eq!(line.name.of(&mine.head), header.name.as_bytes());
            prop_assert_eq!(super::span::trim(line.value.of(&mine.head)), header.value.trim_ascii());
        }
    }
}
