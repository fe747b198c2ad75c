//! Events say where they were seen and between whom, also when something else than a packet of theirs raises them.

#![allow(clippy::expect_used, reason = "helpers of tests fail like tests")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tapir_detect::Profile;
use tapir_engine::{Directory, Enable, EngineConfig, EventSink, Rules, Suppressions, Worker};
use tapir_event::quiet::{Mode, Scope, Side as Party, Standing};
use tapir_event::{SecurityEvent, Workload};
use tapir_packet::{Frame, FrameMeta, LinkType, Timestamp};
use tapir_testkit::{Conversation, Segment, Side};

const RULES: &str = r#"alert http ( msg:"body"; flow:to_server; http_client_body; content:"MARK-OF-EVIL"; sid:1; )"#;
const START: i64 = 1_700_000_000;

struct Names;

impl Directory for Names {
    fn interface(&self, endpoint: u32) -> Arc<str> {
        format!("cali{endpoint}").into()
    }

    /// The address belongs to somebody else from the third second on.
    fn workload(&self, endpoint: u32, address: IpAddr, time: Timestamp) -> Option<Workload> {
        let name = if time.secs() < START + 3 { "cart" } else { "pay" };
        (address == IpAddr::V4(Ipv4Addr::new(10, 2, 2, 2))).then(|| Workload {
            namespace: format!("shop-{endpoint}"),
            pod: format!("{name}-5d8f-x"),
            owner_kind: "Deployment".into(),
            owner_name: name.into(),
            ..Workload::default()
        })
    }
}

#[derive(Default)]
struct Seen(Vec<(u32, SecurityEvent)>);

impl EventSink for Seen {
    fn event(&mut self, endpoint: u32, event: SecurityEvent) {
        self.0.push((endpoint, event));
    }
}

fn worker() -> Worker {
    let loaded = tapir_rules::load_str("test.rules", RULES, &tapir_rules::Config::default());
    let (rules, report) = Rules::build(loaded, &Enable::default(), Profile::TAPIR);
    assert_eq!(report.errors(), 0, "{:?}", report.diagnostics);
    let mut worker = Worker::new(EngineConfig::default(), Arc::new(rules), "nowhere".into());
    worker.set_directory(Arc::new(Names));
    worker
}

/// Half of a body, which only the silence behind it brings to inspection.
fn half(worker: &mut Worker, endpoint: u32, second: i64, seen: &mut Seen) {
    let mut built = Conversation::open((Ipv4Addr::new(10, 1, 1, 1), 40_000), (Ipv4Addr::new(10, 2, 2, 2), 80));
    let data = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60\r\n\r\nname=MARK-OF-EVIL&";
    built.segment(&Segment { side: Side::Client, data, at: None, acknowledged: true, flags: 0 });
    for data in built.frames() {
        let frame = Frame {
            data,
            timestamp: Timestamp::from_secs_nanos(second, 0),
            link: LinkType::ETHERNET,
            original_len: data.len() as u32,
            meta: FrameMeta::default(),
        };
        worker.process(&frame, 1, endpoint, seen);
    }
}

#[test]
fn events_raised_by_silence_name_the_endpoint_of_their_flow() {
    let (mut worker, mut seen) = (worker(), Seen::default());
    half(&mut worker, 4, START, &mut seen);
    half(&mut worker, 9, START + 4, &mut seen);
    worker.idle(Timestamp::from_secs_nanos(START + 60, 0), &mut seen);
    let found: Vec<(u32, &str, &str, bool)> = seen
        .0
        .iter()
        .map(|(endpoint, event)| {
            let server = event.server.as_ref().expect("a workload");
            (*endpoint, &*event.interface, server.owner_name.as_str(), event.client.is_none())
        })
        .collect();
    // The same addresses and ports on two interfaces are two conversations.
    assert_eq!(found, [(4, "cali4", "cart", true), (9, "cali9", "pay", true)]);
}

#[test]
fn suppressions_know_workloads_by_the_name_they_had() {
    let (mut worker, mut seen) = (worker(), Seen::default());
    let scope = Scope { server: Party::Party("shop-4/Deployment/cart".into()), ..Scope::default() };
    let standing = Standing { id: "s-1".into(), scope, mode: Mode::Stop, expires: None };
    worker.set_suppressions(Arc::new(Suppressions::new(vec![standing], String::new())));
    half(&mut worker, 4, START, &mut seen);
    half(&mut worker, 9, START, &mut seen);
    worker.idle(Timestamp::from_secs_nanos(START + 60, 0), &mut seen);
    assert_eq!(seen.0.iter().map(|(endpoint, _)| *endpoint).collect::<Vec<_>>(), [9]);
}
