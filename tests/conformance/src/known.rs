//! Known failures: one line a case in `tests/conformance/known/SUITE.txt`, `case # reason`.

use crate::Options;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Result of one case.
pub(crate) struct Outcome {
    /// Stable name.
    pub(crate) case: String,
    /// Group for partial figures (variant, kind), may be empty.
    pub(crate) group: String,
    /// What differed; `None` = agrees.
    pub(crate) failure: Option<String>,
}

fn file(suite: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("known").join(format!("{suite}.txt"))
}

/// Cases with reasons.
fn load(suite: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file(suite)).unwrap_or_default();
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (case, reason) = line.split_once(" # ").unwrap_or((line, ""));
            (case.trim().to_owned(), reason.trim().to_owned())
        })
        .collect()
}

/// Prints the suite's row; false on a regression or on a listed failure that passes.
pub(crate) fn judge(suite: &str, outcomes: &[Outcome], options: &Options) -> bool {
    let known = load(suite);
    let failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.failure.is_some()).collect();
    let passed = outcomes.len() - failed.len();
    let new: Vec<&&Outcome> = failed.iter().filter(|outcome| !known.contains_key(&outcome.case)).collect();
    let fixed: Vec<&Outcome> =
        outcomes.iter().filter(|outcome| outcome.failure.is_none() && known.contains_key(&outcome.case)).collect();
    let verdict = match (new.len(), fixed.len()) {
        (0, 0) => "ok".to_owned(),
        (new, fixed) => format!("{new} new failures, {fixed} listed failures pass"),
    };
    row(suite, passed, failed.len(), known.len(), &verdict);
    groups(suite, outcomes);
    if options.verbose {
        for outcome in &failed {
            println!("    FAIL {}: {}", outcome.case, outcome.failure.as_deref().unwrap_or(""));
        }
    } else {
        for outcome in new.iter().take(20) {
            println!("    NEW {}: {}", outcome.case, outcome.failure.as_deref().unwrap_or(""));
        }
        for outcome in fixed.iter().take(20) {
            println!("    PASSES, remove from the list: {}", outcome.case);
        }
    }
    if options.update {
        update(suite, &failed, &known);
        return true;
    }
    new.is_empty() && fixed.is_empty()
}

fn row(name: &str, passed: usize, failed: usize, known: usize, verdict: &str) {
    let share = if passed + failed == 0 { 0.0 } else { 100.0 * passed as f64 / (passed + failed) as f64 };
    println!("| {name} | {passed} | {failed} | {share:.1} % | {known} | {verdict} |");
}

fn groups(suite: &str, outcomes: &[Outcome]) {
    let mut groups: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| !outcome.group.is_empty()) {
        let entry = groups.entry(&outcome.group).or_default();
        if outcome.failure.is_none() { entry.0 += 1 } else { entry.1 += 1 }
    }
    for (group, (passed, failed)) in groups {
        row(&format!("{suite}: {group}"), passed, failed, 0, "");
    }
}

fn update(suite: &str, failed: &[&Outcome], known: &BTreeMap<String, String>) {
    let mut text =
        format!("# Known failures of {suite}: case # reason. Checked: a listed case that passes is an error.\n");
    let mut lines: Vec<String> = failed
        .iter()
        .map(|outcome| {
            let why = outcome.failure.as_deref().unwrap_or("");
            let reason = known.get(&outcome.case).filter(|old| !old.is_empty()).map_or(why, String::as_str);
            format!("{} # {}\n", outcome.case, reason.replace('\n', " "))
        })
        .collect();
    lines.sort();
    text.extend(lines);
    if let Err(error) = std::fs::write(file(suite), text) {
        eprintln!("cannot write {}: {error}", file(suite).display());
    }
}
