//! The anomalies that a real Snort 3 raised on recorded conversations, compared with ours.
//!
//! *How it fits*: needs the shared conformance data (`TAPIR_SHARED`, or `../shared` above the
//! workspace); without it the test says that it is skipped. A minimal pcap reader and reassembly feed
//! the inspector; captures that this reader can't read are left out.

use super::tests::Conversation;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use tapir_flow::Direction::{self, ToClient, ToServer};

fn shared() -> Option<PathBuf> {
    let given = std::env::var_os("TAPIR_SHARED").map(PathBuf::from);
    let above = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    given
        .into_iter()
        .chain(above.ancestors().map(|dir| dir.join("shared")))
        .find(|dir| dir.join("conformance").is_dir())
}

/// One direction's data, in order.
#[derive(Default)]
struct Stream {
    next: Option<u32>,
    held: BTreeMap<u32, Vec<u8>>,
    fin: Option<u32>,
    ended: bool,
}

impl Stream {
    /// Takes a segment; gives what is in order now.
    fn segment(&mut self, seq: u32, syn: bool, fin: bool, data: &[u8]) -> Vec<u8> {
        let seq = if syn { seq.wrapping_add(1) } else { seq };
        if syn || self.next.is_none() {
            self.next = Some(seq);
        }
        if fin {
            self.fin = Some(seq.wrapping_add(data.len() as u32));
        }
        if !data.is_empty() {
            self.held.entry(seq).or_insert_with(|| data.to_vec());
        }
        let (mut out, mut next) = (Vec::new(), self.next.unwrap());
        while let Some(&at) = self.held.keys().find(|&&at| (at.wrapping_sub(next) as i32) <= 0) {
            let bytes = self.held.remove(&at).unwrap();
            let skip = next.wrapping_sub(at) as usize;
            if skip < bytes.len() {
                out.extend_from_slice(&bytes[skip..]);
                next = at.wrapping_add(bytes.len() as u32);
            }
        }
        self.next = Some(next);
        out
    }
}

struct Flow {
    client: (u32, u16),
    streams: [Stream; 2],
    conversation: Conversation,
    http: Option<bool>,
    early: Vec<(Direction, Vec<u8>)>,
}

impl Flow {
    fn push(&mut self, direction: Direction, bytes: Vec<u8>) {
        if self.http.is_none() {
            let web = match direction {
                ToServer => super::sync::known_method(&bytes),
                ToClient => bytes.starts_with(b"HTTP/"),
            };
            self.early.push((direction, bytes));
            if web {
                self.http = Some(true);
                for (direction, bytes) in std::mem::take(&mut self.early) {
                    self.conversation.push(direction, &bytes);
                }
            }
        } else {
            self.conversation.push(direction, &bytes);
        }
    }

    fn end(&mut self, direction: Direction) {
        if self.http.is_some() && !std::mem::replace(&mut self.streams[direction.index()].ended, true) {
            self.conversation.end(direction);
        }
    }
}

type Packet<'a> = (u32, u32, u16, u16, u32, u8, &'a [u8]);

/// TCP over IPv4 over Ethernet.
fn tcp(frame: &[u8]) -> Option<Packet<'_>> {
    let be16 = |at: usize| Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?));
    let be32 = |at: usize| Some(u32::from_be_bytes(frame.get(at..at + 4)?.try_into().ok()?));
    if be16(12)? != 0x0800 || frame.get(23)? != &6 {
        return None;
    }
    let tcp = 14 + usize::from(frame.get(14)? & 15) * 4;
    let data = tcp + usize::from(frame.get(tcp + 12)? >> 4) * 4;
    let end = 14 + usize::from(be16(16)?);
    let payload = frame.get(data..end.min(frame.len())).unwrap_or_default();
    Some((be32(26)?, be32(30)?, be16(tcp)?, be16(tcp + 2)?, be32(tcp + 4)?, *frame.get(tcp + 13)?, payload))
}

/// Our events on a capture: direction and id.
fn events(pcap: &[u8]) -> Option<BTreeSet<u32>> {
    if pcap.get(..4)? != [0xd4, 0xc3, 0xb2, 0xa1] || pcap.get(20..24)? != [1, 0, 0, 0] {
        return None;
    }
    let (mut flows, mut at): (HashMap<_, Flow>, _) = (HashMap::new(), 24);
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    while let Some(header) = pcap.get(at..at + 16) {
        let length = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
        let frame = pcap.get(at + 16..at + 16 + length).unwrap_or_default();
        at += 16 + length;
        let Some((src, dst, sport, dport, seq, flags, data)) = tcp(frame) else { continue };
        let (from, to) = ((src, sport), (dst, dport));
        let key = (from.min(to), from.max(to));
        let flow = flows.entry(key).or_insert_with(|| {
            order.push(key);
            let client = if flags & 0x12 == 0x12 || sport < dport && flags & 2 == 0 { to } else { from };
            Flow {
                client,
                streams: Default::default(),
                conversation: Conversation::new(),
                http: None,
                early: Vec::new(),
            }
        });
        let direction = if from == flow.client { ToServer } else { ToClient };
        let stream = &mut flow.streams[direction.index()];
        let bytes = stream.segment(seq, flags & 2 != 0, flags & 1 != 0, data);
        let ended = stream.fin.is_some_and(|fin| stream.next == Some(fin));
        if !bytes.is_empty() {
            flow.push(direction, bytes);
        }
        if ended {
            flow.end(direction);
        }
    }
    for key in order {
        let flow = flows.get_mut(&key).unwrap();
        flow.end(ToServer);
        flow.end(ToClient);
        seen.extend(flow.conversation.events().map(|(_, sid)| sid));
    }
    Some(seen)
}

/// Captures on which we differ, and why.
const DIFFERENT: &[(&str, &[&str])] = &[
    (
        "Snort knows that it missed the start, and does not call a response early",
        &[
            "scapy/http_chunk.pcap",
            "scapy/http_compressed-zstd.pcap",
            "scapy/http_compressed.pcap",
            "zeek/tls__ssl-to-http-server.pcap",
            "stream-async-6063-srv-01",
            "stream-async-6063-srv-02",
            "stream-async-6063-srv-03",
        ],
    ),
    (
        "this reader announces no gaps and decodes no tunnels",
        &[
            "zeek/http__content-range-gap.pcap",
            "zeek/http__entity_gap.pcap",
            "zeek/tunnels__vxlan-encapsulated-http.pcap",
        ],
    ),
    (
        "we leave HTTP after a granted upgrade; Snort goes on and loses sync",
        &[
            "zeek/http__docker-http-upgrade.pcap",
            "zeek/websocket__fragmented-http-reply.pcap",
            "zeek/websocket__wstunnel-https.pcap",
            "http2-disabled",
            "http2-frames",
            "http2-keywords2",
        ],
    ),
    (
        "this reader takes HTTP/2 for HTTP/1, the identification would not",
        &[
            "demo__inspectors__http2_inspect",
            "bug-5780-01-http2-header",
            "dns-over-http2",
            "http2-authority-mismatch",
            "http2-bugfixes",
            "http2-long-frame",
            "http2-userinfo-authority",
        ],
    ),
    (
        "checksums of gzip are not verified",
        &[
            "evader-195",
            "evader-203",
            "evader-204",
            "evader-212",
            "evader-220",
            "evader-221",
            "evader-233",
            "evader-234",
        ],
    ),
    (
        "not explained: when Snort calls a start line partial, or adds loss of sync to a bad one; fuzzed traffic",
        &[
            "zeek/http__curl_http_09.pcap",
            "zeek/http__http-09-content-length-confusion.pcap",
            "zeek/http__http-inner-transfer-encoding-ossfuzz.pcap",
            "zeek/http__http-post-large.pcap",
            "zeek/http__interleaved-http-entity.pcap",
            "evader-413",
            "evader-415",
            "http-request-invalid",
        ],
    ),
];

#[test]
fn anomalies_agree_with_a_real_snort() {
    let Some(shared) = shared() else {
        println!("skipped: no shared conformance data");
        return;
    };
    let golden = std::fs::read_to_string(shared.join("conformance/snort3-golden/builtin.jsonl")).unwrap();
    let known = |file: &str| DIFFERENT.iter().any(|(_, files)| files.iter().any(|known| file.contains(known)));
    let (mut same, mut differing) = (0, Vec::new());
    for line in golden.lines() {
        let file = line.split('"').nth(3).unwrap();
        if !file.contains("http") {
            continue;
        }
        let number = |text: &str| text.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse::<u32>().unwrap();
        let theirs: BTreeSet<u32> = line.split("\"gid\": 119, \"sid\": ").skip(1).map(number).collect();
        let Ok(pcap) = std::fs::read(shared.join("conformance").join(file)) else { continue };
        let Some(ours) = events(&pcap) else { continue };
        if ours == theirs {
            same += 1;
        } else if !known(file) {
            differing.push(format!("{file}: ours {ours:?}, theirs {theirs:?}"));
        }
    }
    println!("{same} captures agree");
    assert!(differing.is_empty(), "{differing:#?}");
    assert!(same > 400, "{same}");
}
