//! `docs/reference/`: pages written from the registries that the engine itself uses.
//!
//! *Invariants*: 1. the same tree gives the same bytes; 2. nothing is written by hand, so nothing is stale
//! once `tidy` passes.

// The command line is a part of the binary and has no library; its definition alone is needed here.
#[path = "../../crates/tapir/src/args.rs"]
#[allow(dead_code, unreachable_pub, reason = "only the definition of the command line is used")]
mod args;

mod buffers;
mod cli;
mod counters;
mod events;
mod options;
mod services;

use crate::tree::Tree;

const FOLDER: &str = "docs/reference";

/// All pages: path from the root, text.
pub(crate) fn pages(tree: &Tree) -> Vec<(String, String)> {
    [
        ("options", options::page()),
        ("buffers", buffers::page()),
        ("services", services::page(tree)),
        ("counters", counters::page(tree)),
        ("events", events::page()),
        ("cli", cli::page()),
    ]
    .into_iter()
    .map(|(name, text)| (format!("{FOLDER}/{name}.md"), text))
    .collect()
}

/// The head of a page.
fn head(title: &str, intro: &str) -> String {
    format!("# {title}\n\n<!-- Written by `cargo run -p xtask -- reference`; do not edit. -->\n\n{intro}\n")
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}
