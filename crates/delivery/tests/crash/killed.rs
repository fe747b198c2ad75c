//! SIGKILL at a random moment: what was acknowledged arrives, and arrives under one id only.
//!
//! The child appends as fast as it can and prints, after each append, which numbers stand for which events. A courier in
//! it delivers to the parent's store meanwhile. At the end one child delivers the rest and ends by itself.

use crate::receiver::{ReceiverSink, serve};
use crate::{Folder, again};
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tapir_delivery::courier::{self, CourierConfig, DeadLetterConfig};
use tapir_delivery::{NewRecord, SpoolConfig, Stream, SyncPolicy, SystemClock, open};

/// Events that may wait for delivery before the child pauses: bounds the parent's work.
const MOST_WAITING: u64 = 20_000;

/// `"u":"RUN-K"` is unique; the rest makes sizes differ.
fn payload(run: u64, k: u64) -> String {
    format!("{{\"u\":\"{run}-{k}\",\"pad\":\"{}\"}}", "x".repeat((k * 7919 % 1500) as usize))
}

pub(crate) fn child() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let number = |name: &str| variable(name).parse::<u64>().unwrap();
    let folder = PathBuf::from(variable("TAPIR_CRASH_FOLDER"));
    let (run, port, last) = (number("TAPIR_CRASH_RUN"), number("TAPIR_CRASH_PORT"), number("TAPIR_CRASH_LAST") == 1);
    let sync = SyncPolicy::Interval(Duration::from_millis(20));
    let config = SpoolConfig { segment_bytes: 128 * 1024, sync, ..SpoolConfig::default() };
    let opened = open(&folder, "node-a", config, Arc::new(SystemClock::default())).unwrap();
    let (mut writer, spool) = (opened.writer, opened.spool);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let letters = DeadLetterConfig::new(folder.join("dead"));
    let config =
        CourierConfig { batch_records: 200, linger: Duration::from_millis(2), ..CourierConfig::new("store", letters) };
    let sink = Box::new(ReceiverSink { port: port as u16, stream: None });
    let courier = runtime.block_on(async { courier::start(&spool, config, sink) }).unwrap();
    if last {
        writer.close();
        let stats = runtime.block_on(courier.shutdown(Duration::from_secs(120)));
        assert_eq!(
            (stats.lag_records, stats.lost_to_caps, stats.lost_to_damage, stats.rejected),
            (0, 0, 0, 0),
            "{stats:?}"
        );
        return;
    }
    let courier = Arc::new(courier);
    let watched = Arc::clone(&courier);
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    let mut out = std::io::stdout().lock();
    let boot = writer.stream().boot;
    let mut k = 0;
    loop {
        let count = 1 + RandomState::new().hash_one(k) % 50;
        let record = |k| NewRecord { time_ns: k, payload: payload(run, k).into_bytes() };
        let range = writer.append(&(k..k + count).map(record).collect::<Vec<_>>()).unwrap();
        out.write_all(format!("{boot} {} {} {k}\n", range.start, range.end).as_bytes()).unwrap();
        k += count;
        while watched.stats().lag_records > MOST_WAITING {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

pub(crate) fn test() {
    let kills: u64 = std::env::var("TAPIR_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let folder = Folder::new("killed");
    let (port, kept) = serve();
    let command = |run: u64, last: bool| {
        let mut command = again("killed");
        command
            .env("TAPIR_CRASH_FOLDER", folder.path())
            .env("TAPIR_CRASH_PORT", port.to_string())
            .env("TAPIR_CRASH_RUN", run.to_string())
            .env("TAPIR_CRASH_LAST", u8::from(last).to_string());
        command
    };
    let mut expected: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for run in 0..kills {
        let mut child = command(run, false).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).unwrap();
            text
        });
        std::thread::sleep(Duration::from_micros(RandomState::new().hash_one(run) % 200_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let text = reader.join().unwrap();
        // A line that the kill cut short acknowledges nothing.
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let numbers: Vec<u64> = line.split_whitespace().map(|word| word.parse().unwrap()).collect();
            let [boot, first, end, k] = numbers[..] else { panic!("{line}") };
            for seq in first..end {
                let id = Stream { node: "node-a".into(), boot }.id(seq);
                let before = expected.insert(id.to_string(), (run, k + seq - first));
                assert_eq!(before, None, "{id} was given twice");
            }
        }
    }
    assert!(command(kills, true).status().unwrap().success());
    let kept = kept.lock().unwrap();
    let lost: Vec<_> = expected.iter().filter(|(id, _)| !kept.events.contains_key(*id)).take(5).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    for (id, (run, k)) in &expected {
        assert_eq!(kept.events[id], payload(*run, *k), "{id}");
    }
    let unique: HashSet<&str> = kept.events.values().map(|payload| payload.split('"').nth(3).unwrap()).collect();
    assert_eq!(unique.len(), kept.events.len(), "an event is there under two ids");
    assert_eq!(kept.conflicts, [] as [String; 0]);
    assert!(!expected.is_empty(), "no child got as far as to append");
    println!(
        "ok ({kills} kills: {} records acknowledged, 0 lost, {} sent twice, 0 kept twice)",
        expected.len(),
        kept.again
    );
}
