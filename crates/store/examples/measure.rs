//! What the embedded store costs: `cargo run --release -p tapir-store --example measure -- EVENTS [DIRECTORY [keep|again|more]]`.
//!
//! Events of 4,000 rules, 60 namespaces and 60,000 groups with a skew (a few groups have most events), documents of
//! about 1.8 KB, batches of 5,000 from eight senders. Prints one line per figure. With `keep`, the store stays as
//! DIRECTORY/events.db for a manager to serve, and nothing is removed from it. With `again`, such a store is only read: then
//! the memory told is that of a store of this size, without what writing took. With `more`, 200,000 events are added to such a
//! store of EVENTS events, of which at most 20,000 (37 MB) wait here: what writing costs at this size, in time and memory.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a tool for developers")]

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tapir_event::*;
use tapir_packet::Timestamp;
use tapir_query::{Dialect, Field, parse};
use tapir_store::*;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;
const GROUPS: u64 = 60_000;

/// The wall clock at the start.
fn now() -> i64 {
    static NOW: OnceLock<i64> = OnceLock::new();
    *NOW.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        i64::try_from(since.as_nanos()).unwrap()
    })
}

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Small numbers far more often than great ones.
    fn skewed(&mut self, end: u64) -> u64 {
        let part = self.below(1 << 20) as f64 / f64::from(1 << 20);
        ((part * part * part) * end as f64) as u64
    }
}

fn event(dice: &mut Dice, place: u64, count: u64) -> SecurityEvent {
    let group = dice.skewed(GROUPS);
    let mut of_group = Dice(group);
    let sid = of_group.below(4_000) as u32;
    let namespace = of_group.below(60);
    let service = of_group.below(20);
    let outside = of_group.below(3) > 0;
    let replica = dice.below(3);
    let server: std::net::IpAddr = [10, namespace as u8, service as u8, replica as u8].into();
    let client: std::net::IpAddr = match outside {
        true => [203, (group >> 8) as u8, group as u8, dice.below(256) as u8].into(),
        false => [10, (group >> 8) as u8, group as u8, 9].into(),
    };
    let client = Endpoint { address: client, port: Some(1_024 + dice.below(60_000) as u16) };
    let server = Endpoint { address: server, port: Some(8080) };
    let uri = format!("/shop/{}/item?id={}&session={:016x}", sid % 7, dice.below(100_000), dice.next());
    let pod = |namespace: u64, service: u64| Workload {
        namespace: format!("team-{namespace}"),
        pod: format!("service-{service}-7f9c6d5b4-{replica}"),
        uid: format!("{:032x}", namespace * 1_000 + service),
        owner_kind: "Deployment".into(),
        owner_name: format!("service-{service}"),
        service: format!("service-{service}"),
        labels: [("app".to_owned(), format!("service-{service}"))].into(),
    };
    let time = now() - (30 * DAY / count as i64) * (count as i64 - place as i64);
    SecurityEvent {
        id: EventId { node: format!("worker-{}", place % 20).into(), boot: 3, seq: place / 20 + 1 },
        time: Timestamp(time),
        observed: Timestamp(time + SECOND),
        packet_number: place,
        rule: Arc::new(RuleSummary {
            gid: 1,
            sid,
            rev: 1 + sid % 5,
            msg: Some(format!("SERVER-WEBAPP suspicious request number {sid} with a path that nobody asks for")),
            classtype: Some("web-application-attack".into()),
            class: Some("Web Application Attack".into()),
            priority: 1 + sid % 3,
            references: vec![(
                "cve".into(),
                format!("2021-{sid}"),
                Some(format!("https://cve.example/CVE-2021-{sid}")),
            )],
            metadata: vec![("mitre_technique_id".into(), "T1190".into()), ("mitre_tactic_id".into(), "TA0001".into())],
            action: "alert".into(),
            text: String::new(),
            place: "community.rules:17".into(),
            target_is_source: None,
        }),
        protocol: "TCP".into(),
        protocol_number: Some(6),
        generator: Generator::StreamTcp,
        direction: Some(FlowDirection::ToServer),
        source: Some(client),
        destination: Some(server),
        client: (!outside).then(|| pod((namespace + 1) % 60, service)),
        server: Some(pod(namespace, service)),
        inspection: Some(Inspection { namespace: format!("team-{namespace}"), name: "all".into() }),
        service: Some("http".into()),
        packet_len: 400,
        flow: Some(FlowSummary {
            id: dice.below(1 << 40),
            start: Timestamp(time - SECOND),
            client,
            server,
            packets: [4, 3],
            bytes: [900, 700],
            missing: [0; 2],
            midstream: false,
        }),
        interface: format!("cali{:08x}", namespace * 20 + service).into(),
        session: Session {
            http: Some(session::Http {
                method: Some("GET".into()),
                uri: Some(uri.clone()),
                version: Some("1.1".into()),
                host: Some("shop.example".into()),
                user_agent: Some("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101".into()),
                ..session::Http::default()
            }),
            ..Session::default()
        },
        evidence: Some(Evidence {
            buffers: vec![EvidenceBuffer {
                name: "http_uri".into(),
                offset: 0,
                original_len: uri.len() as u32,
                bytes: uri.into_bytes(),
            }],
            hits: vec![EvidenceHit {
                option: 2,
                text: "content:\"item\"".into(),
                buffer: "http_uri".into(),
                offset: 8,
                len: 4,
            }],
            ..Evidence::default()
        }),
        rule_set: 77,
        ..SecurityEvent::default()
    }
}

fn ask<T>(answer: Answer<'_, T>) -> Result<T, StoreError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answer)
}

fn wait<T>(answer: Answer<'_, T>) -> T {
    ask(answer).unwrap()
}

/// Processor time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// Resident memory of this process now and at most, batches of documents that wait to be sent among it.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}

fn timed<T>(name: &str, mut call: impl FnMut() -> T) -> T {
    let mut times = Vec::new();
    let mut last = None;
    let before = cpu();
    for _ in 0..5 {
        let start = Instant::now();
        last = Some(call());
        times.push(start.elapsed());
    }
    let first = times[0];
    times.sort();
    let spent = ms(cpu() - before) / 5.0;
    println!("{name}: first {:.1} ms, median {:.1} ms, {spent:.0} ms of processor time", ms(first), ms(times[2]));
    last.unwrap()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let place = arguments.next();
    let mode = arguments.next().unwrap_or_default();
    let (keep, again, more) = (mode == "keep", mode == "again", mode == "more");
    let directory = match place {
        Some(place) if keep || again || more => PathBuf::from(place),
        place => place.map_or_else(std::env::temp_dir, PathBuf::from).join("tapir-store-measure"),
    };
    if !again && !more {
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
    }
    let store = SqliteStore::open(SqliteConfig::new(directory.join("events.db"))).unwrap();
    match (again, more) {
        (false, false) => write(&store, 0..count, count, 100_000),
        _ => println!("memory when opened: {}", memory()),
    }
    if more {
        write(&store, count..count + 200_000, count, 20_000);
        return;
    }
    read(&store, count);
    println!("memory after the reads: {}", memory());
    if keep || again {
        return;
    }
    timed("step of retention by size", || {
        wait(store.retain(RetentionPolicy { max_bytes: 1, ..RetentionPolicy::default() }, Timestamp(now())))
    });
    drop(store);
    let _ = std::fs::remove_dir_all(&directory);
}

/// Writes the events at these places of a series of `of`, so many of them made before the clock runs.
fn write(store: &SqliteStore, places: std::ops::Range<u64>, of: u64, round: u64) {
    let mut dice = Dice(1 + places.start);
    let (mut wall, mut spent, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
    let count = places.end - places.start;
    let mut place = places.start;
    while place < places.end {
        let round = (places.end - place).min(round);
        let batches: Vec<IngestBatch> = (place..place + round)
            .collect::<Vec<_>>()
            .chunks(5_000)
            .map(|chunk| IngestBatch {
                documents: chunk.iter().map(|at| serde_json::to_vec(&event(&mut dice, *at, of)).unwrap()).collect(),
            })
            .collect();
        bytes += batches.iter().flat_map(|batch| &batch.documents).map(Vec::len).sum::<usize>();
        place += round;
        let (start, before) = (Instant::now(), cpu());
        let queue = std::sync::Mutex::new(batches);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    loop {
                        let batch = queue.lock().unwrap().pop();
                        let Some(batch) = batch else { return };
                        let outcome = wait(store.ingest(batch, Timestamp(now())));
                        assert!(outcome.rejected.is_empty() && outcome.duplicates == 0);
                    }
                });
            }
        });
        wall += start.elapsed();
        spent += cpu() - before;
    }
    let rate = count as f64 / wall.as_secs_f64();
    println!("{count} events of {} bytes", bytes as u64 / count);
    println!("ingest: {rate:.0} events/s, {:.1} µs processor time an event", spent.as_secs_f64() * 1e6 / count as f64);
    for thread in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap();
        let name = std::fs::read_to_string(thread.path().join("comm")).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        println!("    {}: {:.1} µs an event", name.trim(), ticks as f64 * 10_000.0 / count as f64);
    }
    println!("memory: {}", memory());
}

fn read(store: &SqliteStore, count: u64) {
    let health = wait(store.health());
    println!("groups: {}, file: {} bytes an event", health.groups, health.bytes / count.max(1));

    let filter = |text: &str| Filter { query: parse(text, Dialect::Tapir).unwrap(), ..Filter::all(Timestamp(now())) };
    let page = |total| PageRequest { limit: 100, cursor: None, total };
    for (name, query, from) in [
        ("all", "", None),
        ("severity>=high ns:team-7", "severity>=high ns:team-7", None),
        ("is:open -is:dismissed, last day", "is:open", Some(1)),
        ("free word in the message", "number", None),
        ("free word in the path, rare", "item", None),
        ("address", "ip:203.0.16.0/20", None),
        ("nothing found, document", "uri:nothing", None),
        ("protocol:tcp service:http", "protocol:tcp service:http", None),
    ] {
        let mut filter = filter(query);
        filter.from = from.map(|days| Timestamp(now() - days * DAY));
        let groups =
            timed(&format!("groups, {name}"), || wait(store.groups(filter.clone(), GroupSort::LastSeen, page(false))));
        println!("    {} rows, partial {:?}", groups.items.len(), groups.partial);
        let events = timed(&format!("events, {name}"), || wait(store.events(filter.clone(), page(false))));
        println!("    {} rows, partial {:?}", events.items.len(), events.partial);
        let groups = timed(&format!("groups with total, {name}"), || {
            wait(store.groups(filter.clone(), GroupSort::LastSeen, page(true)))
        });
        println!("    {:?}", groups.total);
    }
    let groups = wait(store.groups(filter(""), GroupSort::Count, page(false)));
    timed("groups by count", || wait(store.groups(filter(""), GroupSort::Count, page(false))));
    timed("groups by severity", || wait(store.groups(filter(""), GroupSort::Severity, page(false))));
    for (by, name) in [(BundleBy::Signature, "rule"), (BundleBy::Workload, "workload"), (BundleBy::Source, "source")] {
        for days in [None, Some(1), Some(31)] {
            let from = days.map(|days| Timestamp(now() - days * DAY));
            let filter = Filter { from, ..filter("") };
            let rows = timed(&format!("groups by {name}, {days:?} days"), || {
                ask(store.bundles(filter.clone(), by, GroupSort::LastSeen, page(true)))
            });
            // On a machine that does much else it may take longer than a call may.
            let Ok(rows) = rows else {
                println!("    gave up");
                continue;
            };
            let counted = rows.items.iter().filter(|row| row.in_range.is_some()).count();
            println!("    {:?} in all, {counted} of {} counted in range", rows.total, rows.items.len());
        }
    }
    for days in [1, 31] {
        let filter = Filter { from: Some(Timestamp(now() - days * DAY)), ..filter("") };
        let rows = timed(&format!("groups with counts of {days} days"), || {
            wait(store.groups(filter.clone(), GroupSort::LastSeen, page(false)))
        });
        println!("    {} counted", rows.items.iter().filter(|row| row.in_range.is_some()).count());
    }
    let busiest = &groups.items[0];
    println!("    the busiest group has {} events", busiest.count);
    timed("breakdown of the busiest group", || wait(store.breakdown(busiest.id)));
    let ids: Vec<GroupId> = groups.items.iter().map(|group| group.id).collect();
    timed("sparklines of 100 groups, a day", || {
        wait(store.sparklines(ids.clone(), Timestamp(now() - DAY), Timestamp(now()), 24))
    });
    timed("sparklines of 100 groups, 31 days", || {
        wait(store.sparklines(ids.clone(), Timestamp(now() - 31 * DAY), Timestamp(now()), 24))
    });
    let scope = |sid, client: Side| Scope { gid: Some(1), sid, client, ..Scope::default() };
    let scopes = vec![
        scope(Some(busiest.sid), Side::Party(busiest.client.key.clone())),
        scope(Some(busiest.sid), Side::Any),
        Scope { namespace: Some("team-7".into()), ..Scope::default() },
    ];
    let preview =
        timed("preview of three scopes, 30 days", || wait(store.preview(scopes.clone(), 30, Timestamp(now()))));
    for preview in preview {
        println!(
            "    would hide {}, leave {}, {} shapes",
            preview.would_hide, preview.left_visible, preview.shapes_hidden
        );
    }
    timed("histogram, 30 days", || wait(store.histogram(filter(""), 60)));
    timed("histogram, a namespace", || wait(store.histogram(filter("ns:team-7"), 60)));
    let mut day = filter("");
    day.from = Some(Timestamp(now() - DAY));
    timed("histogram, a day in 96 parts", || wait(store.histogram(day.clone(), 96)));
    let (facets, partial) = timed("facets of severity, namespace, protocol, a day", || {
        wait(store.facets(day.clone(), vec![Field::Severity, Field::Namespace, Field::Protocol]))
    });
    println!("    {} values, partial {partial:?}", facets[1].values.len());
    timed("top rules", || {
        wait(store.top(TopRequest { filter: filter(""), field: Field::Sid, prefix: String::new(), limit: 50 }))
    });
}
