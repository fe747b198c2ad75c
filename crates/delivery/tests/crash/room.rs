//! No room: a disk of 2 MiB (a tmpfs in a mount namespace of its own, which goes with the process), and a largest file of
//! 64 KiB.

use crate::{Folder, again};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tapir_delivery::{AppendError, NewRecord, QueueConfig, Record, SpoolConfig, SystemClock, open, queue};

const FOLDER: &str = "TAPIR_CRASH_FOLDER";

fn record(n: u64) -> NewRecord {
    NewRecord { time_ns: n, payload: format!("{{\"n\":{n},\"pad\":\"{}\"}}", "x".repeat(3000)).into_bytes() }
}

fn number(record: &Record) -> u64 {
    let text = std::str::from_utf8(&record.payload).unwrap();
    text.strip_prefix("{\"n\":").and_then(|rest| rest.split(',').next()).unwrap().parse().unwrap()
}

pub(crate) fn small_disk_test() {
    let folder = Folder::new("disk");
    let script = format!("mount -t tmpfs -o size=2m tmpfs \"${FOLDER}\" && exec \"$0\"");
    let ours = again("small-disk");
    // As root, or as nobody in particular where the kernel lets anybody have namespaces.
    for flags in ["-m", "-rm"] {
        let probe = format!("mount -t tmpfs -o size=2m tmpfs \"${FOLDER}\"");
        let can = Command::new("unshare").args([flags, "sh", "-c", &probe]).env(FOLDER, folder.path()).output();
        if !can.is_ok_and(|output| output.status.success()) {
            continue;
        }
        let mut command = Command::new("unshare");
        command.args([flags, "sh", "-c", &script]).arg(ours.get_program());
        let status = command.envs(ours.get_envs().filter_map(|(key, value)| Some((key, value?))));
        assert!(status.env(FOLDER, folder.path()).status().unwrap().success());
        println!("ok");
        return;
    }
    println!("skipped: neither root nor user namespaces, so there can be no small disk");
}

/// In the process with the small disk.
pub(crate) fn small_disk() {
    let folder = PathBuf::from(std::env::var(FOLDER).unwrap());
    std::fs::write(folder.join("filler"), vec![1; 1 << 20]).unwrap();
    let config = SpoolConfig { segment_bytes: 256 << 10, max_bytes: 64 << 20, ..SpoolConfig::default() };
    let opened = open(&folder.join("spool"), "n", config, Arc::new(SystemClock::default())).unwrap();
    let (mut writer, spool) = (opened.writer, opened.spool);
    let mut subscription = spool.subscribe("a").unwrap();

    // Full: refused whole, counted, and nobody sees a part of it.
    let mut accepted = Vec::new();
    let refused = (0..).step_by(7).find_map(|n| {
        let batch: Vec<_> = (n..n + 7).map(record).collect();
        match writer.append(&batch) {
            Ok(_) => {
                accepted.extend(n..n + 7);
                None
            }
            Err(error) => Some(error),
        }
    });
    assert!(matches!(&refused, Some(AppendError::Full(_))), "{refused:?}");
    assert!(writer.append(&(9_000_000..9_000_007).map(record).collect::<Vec<_>>()).is_err());
    let stats = spool.stats();
    assert!(stats.full && stats.last_error.is_some() && accepted.len() > 200, "{}", accepted.len());
    assert_eq!(stats.refused_records, 14);
    let mut out = Vec::new();
    subscription.read(100, 1 << 20, &mut out).unwrap();

    // Delivered segments make room, although the cursor has none at first.
    let next = subscription.next();
    subscription.settle(next).unwrap();
    assert!(spool.stats().released > 0);
    assert!(writer.append(&[record(1_000_000)]).is_ok());
    accepted.push(1_000_000);

    // The queue holds on while there is no room, refuses what is more, and goes on by itself.
    while writer.append(&[record(2_000_000)]).is_ok() {
        accepted.push(2_000_000);
    }
    let (handle, thread) = queue::start(writer, QueueConfig { records: 50, ..QueueConfig::default() }).unwrap();
    for n in 3_000_000..3_000_200 {
        if handle.offer(record(n)) {
            accepted.push(n);
        }
    }
    while handle.stats().write_failures < 2 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let stats = handle.stats();
    assert!(stats.refused_full > 0 && stats.waiting >= 50, "{stats:?}");
    std::fs::remove_file(folder.join("filler")).unwrap();
    thread.close(Duration::from_secs(20));
    let stats = handle.stats();
    assert_eq!((stats.given_up, stats.written), (0, stats.taken), "{stats:?}");
    assert!(!spool.stats().full);
    while subscription.read(100, 1 << 20, &mut out).unwrap() > 0 {}
    assert_eq!(out.iter().map(number).collect::<Vec<_>>(), accepted);
    assert_eq!(subscription.losses(), tapir_delivery::Losses::default());
}

pub(crate) fn small_file_test() {
    let folder = Folder::new("file");
    let ours = again("small-file");
    // bash counts in KiB. Without the trap the signal would end the process.
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\""]).arg(ours.get_program());
    command.envs(ours.get_envs().filter_map(|(key, value)| Some((key, value?))));
    assert!(command.env(FOLDER, folder.path()).status().unwrap().success());
    println!("ok");
}

/// In the process whose files are small: a write ends half-way at 64 KiB.
pub(crate) fn small_file() {
    let folder = PathBuf::from(std::env::var(FOLDER).unwrap());
    let open_it = || open(&folder, "n", SpoolConfig::default(), Arc::new(SystemClock::default())).unwrap();
    let opened = open_it();
    let mut writer = opened.writer;
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for n in (0..400).step_by(4) {
        match writer.append(&(n..n + 4).map(record).collect::<Vec<_>>()) {
            Ok(_) => accepted.extend(n..n + 4),
            Err(error) => {
                assert!(error.is_full(), "{error}");
                refused += 4;
            }
        }
    }
    assert!(refused > 0 && refused < 120, "{refused}");
    assert_eq!(opened.spool.stats().refused_records, refused);
    let check = |spool: &tapir_delivery::Spool| {
        let mut subscription = spool.subscribe("a").unwrap();
        let mut out = Vec::new();
        while subscription.read(100, 1 << 20, &mut out).unwrap() > 0 {}
        assert_eq!(out.iter().map(number).collect::<Vec<_>>(), accepted);
        assert_eq!(subscription.losses(), tapir_delivery::Losses::default());
    };
    check(&opened.spool);
    drop(writer);
    drop(opened.spool);
    let again = open_it();
    assert!(!again.recovery.torn);
    check(&again.spool);
}
