//! Multisets of alert keys, and how two of them differ.

use std::collections::BTreeMap;

/// A multiset.
pub(crate) type Bag = BTreeMap<String, i64>;

/// Collects keys.
pub(crate) fn bag(keys: impl Iterator<Item = String>) -> Bag {
    let mut bag = Bag::new();
    for key in keys {
        *bag.entry(key).or_default() += 1;
    }
    bag
}

/// `None` if equal, else what is missing (`-`) and what is too much (`+`).
pub(crate) fn difference(expected: &Bag, found: &Bag) -> Option<String> {
    let mut parts = Vec::new();
    for (key, count) in expected {
        let have = found.get(key).copied().unwrap_or(0);
        if have < *count {
            parts.push(format!("-{}{key}", times(count - have)));
        }
    }
    for (key, count) in found {
        let want = expected.get(key).copied().unwrap_or(0);
        if want < *count {
            parts.push(format!("+{}{key}", times(count - want)));
        }
    }
    if parts.is_empty() {
        return None;
    }
    let more = parts.len().saturating_sub(6);
    parts.truncate(6);
    if more > 0 {
        parts.push(format!("and {more} more"));
    }
    Some(parts.join("; "))
}

fn times(n: i64) -> String {
    if n == 1 { String::new() } else { format!("{n}×") }
}
