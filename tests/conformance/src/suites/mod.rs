//! The suites, one file each.

mod demo;
mod golden;
mod options;
mod pcaps;
mod suricata;
mod synth;
mod traps;

use crate::Options;
use crate::known::Outcome;
use serde_json::Value;
use std::path::Path;

/// A suite.
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Options) -> Vec<Outcome>,
}

/// In the order of the report.
pub(crate) static ALL: &[Suite] = &[
    Suite { name: "snort3-options", run: options::run },
    Suite { name: "traps", run: traps::run },
    Suite { name: "snort3-golden", run: golden::run },
    Suite { name: "snort3-synth", run: synth::run },
    Suite { name: "snort3-demo", run: demo::run },
    Suite { name: "pcaps", run: pcaps::run },
    Suite { name: "suricata", run: suricata::run },
    Suite { name: "suricata-invalid", run: suricata::run_invalid },
];

/// Lines of a JSON-lines file.
fn json_lines(path: &Path) -> Vec<Value> {
    match std::fs::read_to_string(path) {
        Ok(text) => text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
        Err(error) => {
            eprintln!("cannot read {}: {error}", path.display());
            Vec::new()
        }
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// Case folders of a suite, sorted.
fn folders(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(directory)
        .map(|entries| entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
        .unwrap_or_default();
    found.sort();
    found
}
