//! Loading rules for a command, with findings told to the user.

use crate::message::Messages;
use crate::settings::Settings;
use std::sync::Arc;
use tapir_engine::{LoadReport, Rules};
use tapir_rules::{Severity, render};

/// Two rules with one gid and sid: told also when it is only a warning.
const DUPLICATE: &str = "R0320";
/// Diagnostics shown at most before the rest is only counted.
const MAX_SHOWN: usize = 20;

/// Loads the rules; errors are shown, and fatal with `--strict` or if no rule is left.
/// With `previous`, the set is its successor.
pub fn rules(
    settings: &Settings,
    strict: bool,
    previous: Option<&Rules>,
    messages: &Messages,
) -> Result<Arc<Rules>, String> {
    let started = std::time::Instant::now();
    let (rules, report) = match previous {
        Some(previous) => previous.load_successor(&settings.sources, settings.engine.profile),
        None => Rules::load(&settings.sources, settings.engine.profile),
    };
    show(&report, Severity::Error, messages);
    for found in report.diagnostics.iter().filter(|found| found.code == DUPLICATE).take(MAX_SHOWN) {
        messages.info(&render(found, &report.sources, messages.color()));
    }
    if strict && report.errors() > 0 {
        return Err(format!("{} errors in the rules and --strict was given", report.errors()));
    }
    if report.evaluable == 0 {
        return Err("no rule to run: give rule files with --rules, or switch rules on with --enable all".to_owned());
    }
    messages.info(&format!(
        "{} rules ({} skipped, {} disabled) loaded in {} ms",
        report.evaluable,
        report.skipped.len() + report.refused,
        report.disabled,
        started.elapsed().as_millis()
    ));
    Ok(Arc::new(rules))
}

/// Prints diagnostics of at least this severity.
pub fn show(report: &LoadReport, least: Severity, messages: &Messages) {
    let found: Vec<_> = report.diagnostics.iter().filter(|found| found.severity >= least).collect();
    for diagnostic in found.iter().take(MAX_SHOWN) {
        let text = render(diagnostic, &report.sources, messages.color());
        if diagnostic.severity == Severity::Error {
            messages.say(crate::message::Level::Error, text.strip_prefix("error: ").unwrap_or(&text));
        } else {
            messages.info(&text);
        }
    }
    if found.len() > MAX_SHOWN {
        messages.warning(&format!(
            "{} more findings not shown; `tapir rules check` lists them all",
            found.len() - MAX_SHOWN
        ));
    }
}
