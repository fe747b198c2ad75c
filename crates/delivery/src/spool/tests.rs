//! Tests of the spool as a whole: what comes back after damage, caps, crashes and jumps of the clock.

use super::*;
use crate::AppendError;
use crate::clock::Clock;
use crate::record::{MAX_PAYLOAD, NewRecord, Record};
use crate::testing::{Folder, NOW, clock, drain, new_record, new_records, number_of, open, small};
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn segments(folder: &Folder) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "seg"))
        .collect();
    paths.sort();
    paths
}

/// Appends each record as a batch of its own.
fn append(writer: &mut Writer, from: u64, count: u64) {
    for n in from..from + count {
        writer.append(&[new_record(n)]).unwrap();
    }
}

#[test]
fn records_come_back_in_order_with_their_ids_over_many_segments_and_boots() {
    let (folder, clock) = (Folder::new(), clock());
    let mut all = Vec::new();
    for boot in 0..3 {
        let (mut writer, _) = open(&folder, small(), &clock);
        assert_eq!(writer.stream().boot, NOW + boot);
        writer.append(&new_records(boot * 200, 200)).unwrap();
    }
    let (_writer, spool) = open(&folder, small(), &clock);
    let mut subscription = spool.subscribe("a").unwrap();
    while subscription.read(7, 100, &mut all).unwrap() > 0 {}
    assert!(all.iter().map(number_of).eq(0..600));
    assert!(all.iter().map(Record::seq).eq(0..600));
    assert_eq!(all[450].id.to_string(), format!("node-a-{}-450", NOW + 2));
    assert_eq!((all[450].time_ns, all[450].queued_ns), (450, NOW * 1_000_000_000));
    assert_eq!(subscription.losses(), Losses::default());
}

#[test]
fn a_batch_is_bounded_by_records_and_by_bytes_but_one_record_always_comes() {
    let (folder, clock) = (Folder::new(), clock());
    let (mut writer, spool) = open(&folder, small(), &clock);
    let record = |len| NewRecord { time_ns: 0, payload: vec![b'x'; len] };
    writer.append(&[record(10), record(10), record(90), record(5)]).unwrap();
    let mut subscription = spool.subscribe("a").unwrap();
    let mut sizes = |records| {
        let mut out = Vec::new();
        subscription.read(records, 25, &mut out).unwrap();
        out.iter().map(|record| record.payload.len()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(1), [10]);
    assert_eq!(sizes(9), [10]);
    assert_eq!(sizes(9), [90]);
    assert_eq!(sizes(9), [5]);
    assert_eq!(sizes(9), [] as [usize; 0]);
}

#[test]
fn the_largest_record_passes_and_a_larger_one_is_refused_whole() {
    let (folder, clock) = (Folder::new(), clock());
    let (mut writer, spool) = open(&folder, small(), &clock);
    let of = |len| NewRecord { time_ns: 0, payload: vec![0xFF; len] };
    writer.append(&[of(MAX_PAYLOAD)]).unwrap();
    let refused = writer.append(&[new_record(1), of(MAX_PAYLOAD + 1)]);
    assert!(matches!(refused, Err(AppendError::TooLarge(n)) if n == MAX_PAYLOAD + 1));
    writer.append(&[new_record(2)]).unwrap();
    let mut out = Vec::new();
    let mut subscription = spool.subscribe("a").unwrap();
    subscription.read(9, usize::MAX, &mut out).unwrap();
    assert_eq!(out.iter().map(|r| (r.seq(), r.payload.len())).collect::<Vec<_>>(), [(0, MAX_PAYLOAD), (1, 7)]);
    assert_eq!(spool.stats().refused_records, 2);
}

#[test]
fn two_processes_cannot_write_the_same_spool() {
    let (folder, clock) = (Folder::new(), clock());
    let (writer, _) = open(&folder, small(), &clock);
    let again = super::open(folder.path(), "n", small(), Arc::clone(&clock) as Arc<dyn Clock>);
    assert!(matches!(again, Err(Error::Locked(path)) if path == folder.path()));
    writer.close();
    open(&folder, small(), &clock);
}

#[test]
fn a_record_cut_at_any_byte_costs_itself_alone() {
    let (folder, clock) = (Folder::new(), clock());
    let (mut writer, _) = open(&folder, small(), &clock);
    append(&mut writer, 0, 4);
    let before = fs::metadata(&segments(&folder)[0]).unwrap().len();
    append(&mut writer, 4, 1);
    drop(writer);
    let path = segments(&folder).remove(0);
    let whole = fs::read(&path).unwrap();
    for end in before..whole.len() as u64 {
        fs::write(&path, &whole[..end as usize]).unwrap();
        let opened = super::open(folder.path(), "node-a", small(), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        assert_eq!((opened.recovery.torn, opened.recovery.torn_bytes), (end > before, end - before), "cut at {end}");
        let mut writer = opened.writer;
        append(&mut writer, 40, 1);
        let mut subscription = opened.spool.subscribe("a").unwrap();
        assert_eq!(drain(&mut subscription), [0, 1, 2, 3, 40], "cut at {end}");
        assert_eq!(subscription.losses(), Losses::default());
        drop((writer, subscription));
        fs::remove_file(segments(&folder).remove(1)).unwrap();
    }
}

#[test]
fn a_header_that_was_never_finished_is_no_loss_and_leaves_no_file() {
    let (folder, clock) = (Folder::new(), clock());
    let (mut writer, _) = open(&folder, small(), &clock);
    append(&mut writer, 0, 2);
    drop(writer);
    fs::write(folder.path().join("00000000000000000077.seg"), b"TAPIR").unwrap();
    let (mut writer, spool) = open(&folder, small(), &clock);
    assert_eq!((spool.stats().set_aside, segments(&folder).len()), (0, 1));
    append(&mut writer, 2, 1);
    assert!(segments(&folder)[1].ends_with("00000000000000000078.seg"));
    assert_eq!(drain(&mut spool.subscribe("a").unwrap()), [0, 1, 2]);
}

#[test]
fn segments_that_cannot_be_read_are_set_aside_and_their_records_counted() {
    let (folder, clock) = (Folder::new(), clock());
    let (mut writer, _) = open(&folder, small(), &clock);
    append(&mut writer, 0, 200);
    drop(writer);
    let paths = segments(&folder);
    assert!(paths.len() >= 3, "{paths:?}");
    let mut hurt = fs::read(&paths[1]).unwrap();
    hurt[3] ^= 1;
    hurt[600] ^= 1;
    fs::write(&paths[1], &hurt).unwrap();
    let (_writer, spool) = open(&folder, small(), &clock);
    assert_eq!(spool.stats().set_aside, 1);
    assert_eq!(fs::read(folder.path().join("00000000000000000001.seg.aside")).unwrap(), hurt);
    let mut subscription = spool.subscribe("a").unwrap();
    let got = drain(&mut subscription);
    let losses = subscription.losses();
    assert!(losses.to_damage > 10 && losses.to_caps == 0, "{losses:?}");
    assert_eq!(got.len() as u64 + losses.to_damage, 200);
}

#[test]
fn files_set_aside_are_bounded() {
    let (folder, clock) = (Folder::new(), clock());
    for n in 0..40 {
        fs::write(folder.path().join(format!("{n:020}.seg")), vec![1; 2000]).unwrap();
        open(&folder, small(), &clock);
    }
    let aside = fs::read_dir(folder.path())
        .unwrap()
        .filter(|e| e.as_ref().unwrap().path().to_string_lossy().ends_with("aside"));
    assert_eq!(aside.count(), 16);
}

#[test]
fn what_a_cap_takes_is_lost_to_the_number_for_each_sink() {
    let (folder, clock) = (Folder::new(), clock());
    let config = SpoolConfig { segment_bytes: 4096, max_bytes: 16384, ..small() };
    let (mut writer, spool) = open(&folder, config, &clock);
    let mut slow = spool.subscribe("slow").unwrap();
    let mut fast = spool.subscribe("fast").unwrap();
    let mut fast_got = Vec::new();
    for batch in 0..50 {
        append(&mut writer, batch * 20, 20);
        assert!(spool.stats().bytes <= 16384, "{}", spool.stats().bytes);
        fast_got.extend(drain(&mut fast));
    }
    assert!(fast_got.into_iter().eq(0..1000));
    assert_eq!(fast.losses(), Losses::default());
    let got = drain(&mut slow);
    assert!(got.windows(2).all(|pair| pair[0] + 1 == pair[1]) && got.last() == Some(&999));
    assert_eq!(slow.losses(), Losses { to_caps: 1000 - got.len() as u64, ..Losses::default() });
    assert!(spool.stats().dropped_by_size > 5);
}

#[test]
fn what_a_cap_took_while_a_sink_was_not_there_is_counted_when_it_comes_back() {
    let (folder, clock) = (Folder::new(), clock());
    let config = SpoolConfig { segment_bytes: 4096, max_bytes: 8192, ..small() };
    let (mut writer, spool) = open(&folder, config.clone(), &clock);
    append(&mut writer, 0, 10);
    let mut subscription = spool.subscribe("a").unwrap();
    drain(&mut subscription);
    subscription.settle(10).unwrap();
    drop((writer, subscription, spool));
    let (mut writer, spool) = open(&folder, config, &clock);
    append(&mut writer, 10, 490);
    let mut subscription = spool.subscribe("a").unwrap();
    let got = drain(&mut subscription);
    assert_eq!(subscription.losses().to_caps + got.len() as u64, 490);
}

#[test]
fn the_age_cap_goes_by_the_steady_clock() {
    let (folder, clock) = (Folder::new(), clock());
    let config = SpoolConfig { max_age: DAY, roll_after: DAY / 24, ..small() };
    let (mut writer, spool) = open(&folder, config, &clock);
    let mut subscription = spool.subscribe("a").unwrap();
    append(&mut writer, 0, 3);
    clock.advance(DAY / 2);
    writer.tick();
    append(&mut writer, 3, 3);
    clock.set_wall(Duration::from_secs(NOW) + DAY * 400);
    writer.tick();
    assert_eq!(spool.stats().dropped_by_age, 0, "the wall clock does not matter");
    clock.advance(DAY / 2 + DAY / 10);
    writer.tick();
    assert_eq!(spool.stats().dropped_by_age, 1);
    assert_eq!(drain(&mut subscription), [3, 4, 5]);
    assert_eq!(subscription.losses().to_caps, 3);
}

#[test]
fn a_wrong_clock_at_the_start_drops_nothing_before_sinks_had_their_time() {
    let (folder, clock) = (Folder::new(), clock());
    let config = SpoolConfig { max_age: DAY, ..small() };
    let (mut writer, _) = open(&folder, config.clone(), &clock);
    append(&mut writer, 0, 3);
    drop(writer);
    clock.set_wall(Duration::from_secs(NOW) + DAY * 4000);
    let (mut writer, spool) = open(&folder, config, &clock);
    writer.tick();
    clock.advance(Duration::from_secs(1800));
    writer.tick();
    assert_eq!(spool.stats().segments, 1);
    clock.advance(Duration::from_secs(3600));
    writer.tick();
    assert_eq!((spool.stats().segments, spool.stats().dropped_by_age), (0, 1));
}

#[test]
fn ids_do_not_come_again_when_the_clock_jumps_or_the_folder_is_lost() {
    let (folder, clock) = (Folder::new(), clock());
    let mut seen = std::collections::BTreeSet::new();
    for seconds in [NOW, NOW + 500, 10, NOW + 400, 0, NOW] {
        clock.set_wall(Duration::from_secs(seconds));
        let (mut writer, spool) = open(&folder, small(), &clock);
        append(&mut writer, 0, 2);
        let mut out = Vec::new();
        spool.subscribe("a").unwrap().read(100, 10_000, &mut out).unwrap();
        seen.extend(out.into_iter().map(|record| record.id));
    }
    assert_eq!(seen.len(), 12);
    for path in fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        fs::remove_file(path).unwrap();
    }
    clock.set_wall(Duration::from_secs(NOW + 600));
    let (mut writer, spool) = open(&folder, small(), &clock);
    append(&mut writer, 0, 2);
    let mut out = Vec::new();
    spool.subscribe("a").unwrap().read(100, 10_000, &mut out).unwrap();
    assert!(out.iter().all(|record| !seen.contains(&record.id)) && out.len() == 2);
}

#[test]
fn segments_go_when_every_sink_has_passed_them_and_not_before() {
    let (folder, clock) = (Folder::new(), clock());
    let (mut writer, spool) = open(&folder, small(), &clock);
    let mut one = spool.subscribe("one").unwrap();
    let mut two = spool.subscribe("two").unwrap();
    append(&mut writer, 0, 500);
    let all = spool.stats().segments;
    drain(&mut one);
    one.settle(500).unwrap();
    assert_eq!(spool.stats().segments, all, "two has nothing yet");
    drain(&mut two);
    two.settle(250).unwrap();
    assert!(spool.stats().segments < all && spool.stats().segments > 2);
    two.settle(500).unwrap();
    assert_eq!((spool.stats().segments, segments(&folder).len()), (1, 1), "the one being written stays");
    assert_eq!(spool.stats().dropped_by_size + spool.stats().dropped_by_age, 0);
    assert_eq!(spool.stats().released, all - 1);
}

#[test]
fn a_sink_that_is_forgotten_holds_nothing_back() {
    let (folder, clock) = (Folder::new(), clock());
    let (mut writer, spool) = open(&folder, small(), &clock);
    let mut one = spool.subscribe("one").unwrap();
    let two = spool.subscribe("two").unwrap();
    append(&mut writer, 0, 500);
    drain(&mut one);
    drop(two);
    one.settle(500).unwrap();
    assert!(spool.stats().segments > 3);
    assert_eq!(spool.sinks(), ["one", "two"]);
    spool.forget("two").unwrap();
    assert_eq!((spool.stats().segments, spool.sinks().len()), (1, 1));
    drop((one, writer, spool));
    let (_writer, spool) = open(&folder, small(), &clock);
    assert_eq!(spool.sinks(), ["one"]);
}

#[test]
fn a_cursor_goes_on_where_it_was_settled_and_a_damaged_one_repeats() {
    let (folder, clock) = (Folder::new(), clock());
    let (mut writer, spool) = open(&folder, small(), &clock);
    append(&mut writer, 0, 10);
    let mut subscription = spool.subscribe("a").unwrap();
    drain(&mut subscription);
    subscription.settle(3).unwrap();
    subscription.settle(6).unwrap();
    drop(subscription);
    assert_eq!(drain(&mut spool.subscribe("a").unwrap()), [6, 7, 8, 9]);
    let path = folder.path().join("cursors/a");
    let mut hurt = fs::read(&path).unwrap();
    hurt[5] ^= 1;
    fs::write(&path, &hurt).unwrap();
    let mut subscription = spool.subscribe("a").unwrap();
    assert_eq!(drain(&mut subscription), [3, 4, 5, 6, 7, 8, 9], "the text before");
    assert!(subscription.cursor_damaged());
    drop(subscription);
    fs::write(folder.path().join("cursors/a.old"), "").unwrap();
    assert_eq!(drain(&mut spool.subscribe("a").unwrap()).len(), 10, "from the oldest");
}

#[test]
fn a_sink_has_one_subscription_and_a_name_that_is_safe_as_a_file() {
    let (folder, clock) = (Folder::new(), clock());
    let (_writer, spool) = open(&folder, small(), &clock);
    let _one = spool.subscribe("one").unwrap();
    assert!(matches!(spool.subscribe("one"), Err(Error::SinkTaken(_))));
    for name in ["", "../x", "a/b", "a.old", &"x".repeat(65)] {
        assert!(matches!(spool.subscribe(name), Err(Error::SinkName(_))), "{name}");
    }
}

#[test]
fn records_lost_with_the_power_after_a_delivery_give_their_numbers_to_nobody() {
    let (folder, clock) = (Folder::new(), clock());
    let (mut writer, spool) = open(&folder, small(), &clock);
    append(&mut writer, 0, 10);
    let mut ahead = spool.subscribe("ahead").unwrap();
    drain(&mut ahead);
    ahead.settle(10).unwrap();
    spool.subscribe("behind").unwrap().settle(4).unwrap();
    drop((writer, ahead, spool));
    // The disk got the cursors and only six records.
    let path = segments(&folder).remove(0);
    let bytes = fs::read(&path).unwrap();
    let frame = (bytes.len() - 1024) / 10;
    fs::write(&path, &bytes[..1024 + 6 * frame]).unwrap();
    let (mut writer, spool) = open(&folder, small(), &clock);
    append(&mut writer, 100, 2);
    assert_eq!(drain(&mut spool.subscribe("ahead").unwrap()), [100, 101]);
    let mut behind = spool.subscribe("behind").unwrap();
    assert_eq!(drain(&mut behind), [4, 5, 100, 101]);
    assert_eq!(behind.losses(), Losses { to_damage: 4, ..Losses::default() });
}

#[test]
fn a_segment_deleted_by_hand_is_counted_and_passed_over() {
    let (folder, clock) = (Folder::new(), clock());
    let (mut writer, spool) = open(&folder, small(), &clock);
    append(&mut writer, 0, 300);
    fs::remove_file(&segments(&folder)[1]).unwrap();
    let mut subscription = spool.subscribe("a").unwrap();
    let got = drain(&mut subscription);
    assert_eq!(got.len() as u64 + subscription.losses().to_damage, 300);
    assert!(subscription.losses().to_damage > 10);
}

#[tokio::test]
async fn a_reader_sleeps_until_the_writer_appends() {
    let (folder, clock) = (Folder::new(), clock());
    let (mut writer, spool) = open(&folder, small(), &clock);
    let mut subscription = spool.subscribe("a").unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(20), subscription.wait()).await;
    assert!(waiting.is_err());
    std::thread::spawn(move || append(&mut writer, 0, 1)).join().unwrap();
    tokio::time::timeout(Duration::from_secs(10), subscription.wait()).await.unwrap();
    assert_eq!(drain(&mut subscription), [0]);
}

#[test]
fn the_configuration_is_checked() {
    for (segment_bytes, max_bytes, word) in [(100, 1 << 20, "too small"), (8192, 8192, "two segments")] {
        let config = SpoolConfig { segment_bytes, max_bytes, ..SpoolConfig::default() };
        assert!(config.check().unwrap_err().to_string().contains(word));
    }
}

/// A spool of three segments and a bit, closed.
fn filled(folder: &Folder) -> u64 {
    let (mut writer, _) = open(folder, small(), &clock());
    append(&mut writer, 0, 200);
    200
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_flipped_bit_costs_one_record_or_none(place in any::<prop::sample::Index>(), bit in 0..8_u32, live in any::<bool>()) {
        let folder = Folder::new();
        let count = filled(&folder);
        let held = live.then(|| open(&folder, small(), &clock()));
        let paths = segments(&folder);
        let sizes: Vec<u64> = paths.iter().map(|path| fs::metadata(path).unwrap().len()).collect();
        let mut at = place.index(sizes.iter().sum::<u64>() as usize);
        let mut which = 0;
        while at >= sizes[which] as usize {
            at -= sizes[which] as usize;
            which += 1;
        }
        let mut bytes = fs::read(&paths[which]).unwrap();
        bytes[at] ^= 1 << bit;
        fs::write(&paths[which], bytes).unwrap();
        let (_writer, spool) = held.unwrap_or_else(|| open(&folder, small(), &clock()));
        let mut subscription = spool.subscribe("a").unwrap();
        let got = drain(&mut subscription);
        prop_assert!(got.windows(2).all(|pair| pair[0] < pair[1]));
        let missing = count - got.len() as u64;
        if at < 1024 {
            prop_assert_eq!(missing, 0, "headers are there twice");
        } else {
            prop_assert_eq!(missing, 1);
            // The newest record is cut off at the start; all others are missed between their neighbours.
            let cut = u64::from(spool.stats().torn_bytes > 0);
            prop_assert_eq!(subscription.losses(), Losses { to_damage: 1 - cut, ..Losses::default() });
            prop_assert!(cut == 0 || got.last() == Some(&198));
        }
    }

    #[test]
    fn the_reader_stands_any_bytes_and_any_damage(data in prop::collection::vec(any::<u8>(), 0..2000)) {
        fuzz_spool(&data);
    }

    #[test]
    fn whatever_happens_each_record_comes_once_or_is_counted(ops in prop::collection::vec((0..6_u8, 1..60_u64), 1..60)) {
        let (folder, clock) = (Folder::new(), clock());
        let config = SpoolConfig { segment_bytes: 4096, max_bytes: 12288, ..small() };
        let mut spools = Some(open(&folder, config.clone(), &clock));
        let mut subscription = spools.as_ref().unwrap().1.subscribe("a").unwrap();
        let (mut written, mut expected, mut settled, mut lost_before) = (0, 0, 0, 0);
        for (op, n) in ops {
            let (writer, _) = spools.as_mut().unwrap();
            match op {
                0 | 1 => {
                    writer.append(&new_records(written, n)).unwrap();
                    written += n;
                }
                2 | 3 => {
                    let mut out = Vec::new();
                    subscription.read(n as usize, 4000, &mut out).unwrap();
                    for record in out {
                        let number = number_of(&record);
                        prop_assert_eq!(number, record.seq());
                        prop_assert!(number >= expected);
                        lost_before += number - expected;
                        expected = number + 1;
                    }
                    prop_assert_eq!(subscription.losses().to_damage, 0);
                    prop_assert!(lost_before <= subscription.losses().to_caps);
                }
                4 => {
                    settled = expected;
                    subscription.settle(settled).unwrap();
                }
                _ => {
                    drop(spools.take());
                    drop(subscription);
                    spools = Some(open(&folder, config.clone(), &clock));
                    subscription = spools.as_ref().unwrap().1.subscribe("a").unwrap();
                    (expected, lost_before) = (settled, 0);
                }
            }
        }
        let rest = drain(&mut subscription);
        for number in rest {
            prop_assert!(number >= expected);
            lost_before += number - expected;
            expected = number + 1;
        }
        prop_assert_eq!(expected, written);
        prop_assert_eq!(subscription.losses(), Losses { to_caps: lost_before, ..Losses::default() });
    }
}
