//! `counters.md`: the catalogue of counters, in its own order and sections.

use super::{cell, head};
use crate::tree::Tree;
use std::fmt::Write;
use tapir_telemetry::Counter;

pub(super) fn page(tree: &Tree) -> String {
    let mut text = head(
        "Counters",
        "`--stats` prints every counter that is not zero. Whatever is lost, cut, skipped or given up has a counter \
         here. Counters are the sum over workers.",
    );
    let mut section = String::new();
    for counter in Counter::ALL {
        let now = section_of(tree, *counter);
        if now != section {
            let _ = write!(text, "\n## {now}\n\n| counter | unit | meaning |\n| --- | --- | --- |\n");
            section = now;
        }
        let unit = counter.unit().name();
        let _ = writeln!(text, "| `{}` | {unit} | {} |", counter.name(), cell(counter.help()));
    }
    text
}

/// The comment above the counter's line in the catalogue.
fn section_of(tree: &Tree, counter: Counter) -> String {
    let mut section = "";
    let start = format!("{counter:?} = ");
    for line in tree.text("crates/telemetry/src/catalogue.rs").unwrap_or_default().lines().map(str::trim_start) {
        if line.starts_with(&start) {
            return section.to_owned();
        }
        if let Some(comment) = line.strip_prefix("// ") {
            section = comment;
        }
    }
    String::new()
}
