//! Tests of the flow table, against examples and against a simple model.

use super::*;
use crate::tcp::testing::packet_between;
use proptest::prelude::*;

fn key(n: u16) -> FlowKey {
    FlowKey::of(&packet_between(("10.0.0.1", n), ("10.0.0.2", 80)), 0).unwrap().0
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs_nanos(1_700_000_000 + second, 5)
}

fn table(max_flows: usize) -> FlowTable<u16> {
    FlowTable::new(TableConfig { max_flows, max_bytes: 1000, seed: 3 })
}

fn expired(table: &mut FlowTable<u16>, second: i64) -> Vec<u16> {
    let mut gone = Vec::new();
    table.expire(at(second), 100, &mut |_, state| gone.push(state));
    gone
}

#[test]
fn a_flow_is_found_by_its_key_until_it_is_removed() {
    let mut table = table(10);
    let (id, evicted) = table.insert(key(1), at(0), FlowTimeout::UDP, 11);
    assert_eq!(evicted, None);
    assert_eq!(table.find(&key(1)), Some(id));
    assert_eq!(table.find(&key(2)), None);
    *table.get_mut(id).unwrap() += 1;
    assert_eq!(table.remove(id), Some(12));
    assert_eq!(table.remove(id), None);
    assert_eq!(table.find(&key(1)), None);
    assert!(table.is_empty());
}

#[test]
fn an_old_id_does_not_reach_the_next_flow_in_its_place() {
    let mut table = table(10);
    let (old, _) = table.insert(key(1), at(0), FlowTimeout::UDP, 1);
    table.remove(old);
    let (new, _) = table.insert(key(2), at(0), FlowTimeout::UDP, 2);
    assert_eq!(new.index, old.index);
    assert_eq!(table.get_mut(old), None);
    assert_eq!(table.key(new), Some(&key(2)));
}

#[test]
fn flows_expire_by_their_last_packet_and_their_own_timeout() {
    let mut table = table(10);
    let (a, _) = table.insert(key(1), at(0), FlowTimeout(10), 1);
    table.insert(key(2), at(0), FlowTimeout(10), 2);
    table.insert(key(3), at(0), FlowTimeout(5), 3);
    table.touch(a, at(8));
    assert_eq!(expired(&mut table, 4), [0u16; 0]);
    assert_eq!(expired(&mut table, 12), [3, 2]);
    assert_eq!(expired(&mut table, 17), [0u16; 0]);
    assert_eq!(expired(&mut table, 18), [1]);
    let mut counters = Counters::default();
    table.report(&mut counters);
    table.report(&mut counters);
    assert_eq!(counters.value(Counter::FlowsTimedOut), 3);
}

#[test]
fn a_changed_timeout_counts_from_the_last_packet() {
    let mut table = table(10);
    let (a, _) = table.insert(key(1), at(0), FlowTimeout(3600), 1);
    let (b, _) = table.insert(key(2), at(0), FlowTimeout(5), 2);
    table.set_timeout(a, 3);
    table.set_timeout(b, 9000);
    assert_eq!(expired(&mut table, 3), [1]);
    assert_eq!(expired(&mut table, 8999), [0u16; 0]);
    assert_eq!(expired(&mut table, 9000), [2]);
}

#[test]
fn a_jump_of_years_expires_everything_once() {
    let mut table = table(10);
    for n in 0..5 {
        table.insert(key(n), at(i64::from(n)), FlowTimeout::TCP, n);
    }
    assert_eq!(expired(&mut table, 100_000_000), [0, 1, 2, 3, 4]);
    table.insert(key(9), at(0), FlowTimeout::TCP, 9);
    assert_eq!(expired(&mut table, 100_000_000), [9]);
}

#[test]
fn at_the_cap_the_flow_idle_for_longest_makes_room() {
    let mut table = table(3);
    let (a, _) = table.insert(key(1), at(0), FlowTimeout::TCP, 1);
    table.insert(key(2), at(1), FlowTimeout::UDP, 2);
    table.insert(key(3), at(2), FlowTimeout::TCP_ESTABLISHED, 3);
    table.touch(a, at(50));
    assert_eq!(table.insert(key(4), at(51), FlowTimeout::TCP, 4).1.map(|e| e.1), Some(2));
    assert_eq!(table.insert(key(5), at(52), FlowTimeout::TCP, 5).1.map(|e| e.1), Some(3));
    assert_eq!(table.insert(key(6), at(53), FlowTimeout::TCP, 6).1.map(|e| e.1), Some(1));
    let mut counters = Counters::default();
    table.report(&mut counters);
    assert_eq!(counters.value(Counter::FlowsEvictedCount), 3);
}

#[test]
fn above_the_memory_cap_the_longest_idle_go_first() {
    let mut table = table(10);
    let ids: Vec<_> = (0..4).map(|n| table.insert(key(n), at(i64::from(n)), FlowTimeout::TCP, n).0).collect();
    for &id in &ids {
        table.set_footprint(id, 400);
    }
    table.touch(ids[0], at(20));
    assert_eq!(table.footprint(), 1600);
    assert_eq!(expired(&mut table, 21), [1, 2]);
    assert_eq!(table.footprint(), 800);
    let mut counters = Counters::default();
    table.report(&mut counters);
    assert_eq!(counters.value(Counter::FlowsEvictedMemory), 2);
}

#[test]
fn drain_goes_by_creation_whatever_places_were_reused() {
    let mut table = table(10);
    let (a, _) = table.insert(key(1), at(0), FlowTimeout::TCP, 1);
    table.insert(key(2), at(0), FlowTimeout::TCP, 2);
    table.remove(a);
    table.insert(key(3), at(0), FlowTimeout::TCP, 3);
    let mut order = Vec::new();
    table.drain(&mut |key, state| order.push((key, state)));
    assert_eq!(order, [(key(2), 2), (key(3), 3)]);
    assert!(table.is_empty());
}

#[test]
fn a_flow_inserted_again_returns_the_one_before() {
    let mut table = table(10);
    table.insert(key(1), at(0), FlowTimeout::TCP, 1);
    assert_eq!(table.insert(key(1), at(0), FlowTimeout::TCP, 2).1, Some((key(1), 1)));
    assert_eq!(table.len(), 1);
}

#[derive(Clone, Debug)]
enum Op {
    Insert(u16, u32),
    Touch(u16),
    Timeout(u16, u32),
    Remove(u16),
    Wait(i64),
}

fn op() -> impl Strategy<Value = Op> {
    let seconds = prop_oneof![0u32..20, 4000u32..9000];
    prop_oneof![
        3 => (0u16..12, seconds.clone()).prop_map(|(k, s)| Op::Insert(k, s)),
        3 => (0u16..12).prop_map(Op::Touch),
        1 => (0u16..12, seconds).prop_map(|(k, s)| Op::Timeout(k, s)),
        1 => (0u16..12).prop_map(Op::Remove),
        3 => prop_oneof![0i64..15, 3000i64..6000].prop_map(Op::Wait),
    ]
}

proptest! {
    /// The model: a list of (key, last packet, time-out), searched from end to end.
    #[test]
    fn the_table_agrees_with_a_plain_list(ops in prop::collection::vec(op(), 0..80)) {
        let mut table = table(6);
        let mut model: Vec<(u16, i64, u32)> = Vec::new();
        let mut now = 0;
        for op in ops {
            match op {
                Op::Insert(k, timeout) => {
                    let (_, evicted) = table.insert(key(k), at(now), FlowTimeout(timeout), k);
                    let evicted = evicted.map(|(_, state)| state);
                    if let Some(i) = model.iter().position(|f| f.0 == k) {
                        prop_assert_eq!(evicted, Some(k));
                        model.remove(i);
                    } else if model.len() == 6 {
                        let oldest = model.iter().map(|f| f.1).min().unwrap();
                        let gone = model.iter().position(|f| Some(f.0) == evicted).unwrap();
                        prop_assert_eq!(model.remove(gone).1, oldest);
                    } else {
                        prop_assert_eq!(evicted, None);
                    }
                    model.push((k, now, timeout));
                }
                Op::Touch(k) => {
                    if let Some(id) = table.find(&key(k)) {
                        table.touch(id, at(now));
                    }
                    model.iter_mut().filter(|f| f.0 == k).for_each(|f| f.1 = now);
                }
                Op::Timeout(k, timeout) => {
                    if let Some(id) = table.find(&key(k)) {
                        table.set_timeout(id, timeout);
                    }
                    model.iter_mut().filter(|f| f.0 == k).for_each(|f| f.2 = timeout);
                }
                Op::Remove(k) => {
                    let removed = table.find(&key(k)).and_then(|id| table.remove(id));
                    let at = model.iter().position(|f| f.0 == k);
                    prop_assert_eq!(removed, at.map(|i| model.remove(i).0));
                }
                Op::Wait(seconds) => {
                    now += seconds;
                    let mut gone = expired(&mut table, now);
                    gone.sort_unstable();
                    let mut due: Vec<u16> =
                        model.iter().filter(|f| f.1 + i64::from(f.2) <= now).map(|f| f.0).collect();
                    model.retain(|f| f.1 + i64::from(f.2) > now);
                    due.sort_unstable();
                    prop_assert_eq!(gone, due);
                }
            }
            prop_assert_eq!(table.len(), model.len());
        }
        let mut order = Vec::new();
        table.drain(&mut |_, state| order.push(state));
        prop_assert_eq!(order, model.iter().map(|f| f.0).collect::<Vec<_>>());
    }
}
