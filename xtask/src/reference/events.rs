//! `events.md`: the anomalies that decoder, flows and inspectors can raise.

use super::{cell, head};
use std::fmt::Write;
use tapir_engine::{builtin_events, generator};

pub(super) fn page() -> String {
    let mut text = head(
        "Builtin events",
        "Anomalies that no text rule describes, under Snort's numbers. They are counted always \
         (`builtin_events`) and raised with `--builtin-events`, or one by one by a rule that names them: \
         `alert ( gid:129; sid:15; rev:1; msg:\"reset outside the window\"; )`.",
    );
    let mut last = None;
    for event in builtin_events() {
        if last != Some(event.gid) {
            let title = generator(event.gid);
            let _ = write!(text, "\n## {} – {title}\n\n| gid:sid | meaning |\n| --- | --- |\n", event.gid);
            last = Some(event.gid);
        }
        let meaning = cell(event.meaning.trim_end_matches('.'));
        let _ = writeln!(text, "| {}:{} | {meaning} |", event.gid, event.sid);
    }
    text
}
