//! Counters for people (`--stats`).

use crate::message::Messages;
use tapir_engine::Rules;
use tapir_telemetry::Counters;

/// Every counter that is not zero, with its help.
pub fn print(counters: &Counters, rules: &Rules, messages: &Messages) {
    let sizes = rules.set.stats();
    messages.info(&format!(
        "rule set {}: {} rules, {} without pattern, {} pattern sets, {:.1} MiB of patterns",
        rules.set.id,
        sizes.rules,
        sizes.without_pattern,
        sizes.pattern_sets,
        sizes.pattern_bytes as f64 / f64::from(1 << 20)
    ));
    for (counter, value) in counters.iter().filter(|(_, value)| *value > 0) {
        messages.info(&format!("{:>14}  {:<34} {}", value, counter.name(), counter.help()));
    }
    if let Some(kib) = peak_memory() {
        messages.info(&format!("{:>14}  {:<34} Largest resident memory, KiB.", kib, "peak_memory"));
    }
}

/// Peak resident memory in KiB, where the system tells.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_ascii_whitespace().next()?.parse().ok()
}
