//! `tapir rules check|list|show|explain|convert`

use crate::args::{RuleArgs, RulesCommand};
use crate::message::Messages;
use crate::{explain, load, settings};
use std::io::Write;
use std::path::PathBuf;
use tapir_engine::{LoadReport, Rules};
use tapir_rules::{Dialect, Loaded, Rule, Severity};

/// Runs the command; the value is the exit code.
pub fn run(command: &RulesCommand, messages: &Messages) -> Result<u8, String> {
    match command {
        RulesCommand::Check { files, rule_args, warnings, json } => check(files, rule_args, *warnings, *json, messages),
        RulesCommand::List { files, rule_args } => list(files, rule_args, messages),
        RulesCommand::Show { sid, rule_args } => one(sid, rule_args, messages, |rules, index| {
            rules.set.rule(index).map(|rule| format!("{}\n", rule.rule.text)).unwrap_or_default()
        }),
        RulesCommand::Explain { sid, rule_args } => one(sid, rule_args, messages, explain::rule),
        RulesCommand::Convert { files, rule_args } => convert(files, rule_args, messages),
    }
}

fn parse(files: &[PathBuf], args: &RuleArgs) -> Result<(Loaded, settings::Settings), String> {
    let settings = settings::resolve(args, files, None)?;
    let sources = &settings.sources;
    let loaded = if sources.files.is_empty() {
        tapir_rules::load_str("tapir-starter.rules", tapir_engine::STARTER_RULES, &sources.config)
    } else {
        tapir_rules::load_files(&sources.files, &sources.config)
    };
    Ok((loaded, settings))
}

fn check(files: &[PathBuf], args: &RuleArgs, warnings: bool, json: bool, messages: &Messages) -> Result<u8, String> {
    let settings = settings::resolve(args, files, None)?;
    let (_, report) = Rules::load(&settings.sources, settings.engine.profile);
    let least = if warnings { Severity::Note } else { Severity::Error };
    let mut out = std::io::stdout().lock();
    for found in report.diagnostics.iter().filter(|found| found.severity >= least) {
        let line = if json {
            finding(found, &report).to_string()
        } else {
            tapir_rules::render(found, &report.sources, messages.color())
        };
        writeln!(out, "{line}").map_err(|error| error.to_string())?;
    }
    let skipped: Vec<String> = report.skipped.iter().map(|(gid, sid)| format!("{gid}:{sid}")).collect();
    if !json {
        let text = format!(
            "{} parsed, {} evaluable, {} skipped, {} disabled, {} refused by the parser, {} errors, {} warnings",
            report.parsed,
            report.evaluable,
            report.skipped.len(),
            report.disabled,
            report.refused,
            report.errors(),
            report.diagnostics.iter().filter(|found| found.severity == Severity::Warning).count()
        );
        writeln!(out, "{text}").map_err(|error| error.to_string())?;
        if !skipped.is_empty() {
            writeln!(out, "skipped: {}", skipped.join(" ")).map_err(|error| error.to_string())?;
        }
    }
    let strict_failure = args.strict && report.errors() > 0;
    Ok(u8::from(strict_failure || report.parsed == 0))
}

fn finding(found: &tapir_rules::Diagnostic, report: &LoadReport) -> serde_json::Value {
    let (line, column) = report.sources.position(found.span.source, found.span.start);
    serde_json::json!({
        "severity": match found.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        },
        "code": found.code,
        "file": report.sources.name(found.span.source),
        "line": line,
        "column": column,
        "message": found.message,
        "help": found.help,
        "gid": found.rule.map(|rule| rule.0),
        "sid": found.rule.map(|rule| rule.1),
    })
}

fn list(files: &[PathBuf], args: &RuleArgs, messages: &Messages) -> Result<u8, String> {
    let (loaded, settings) = parse(files, args)?;
    let mut out = std::io::stdout().lock();
    for rule in &loaded.rules {
        let state = if settings.sources.enable.switches_on(rule) { "on " } else { "off" };
        let line = format!(
            "{:>10}  {state}  {:<8} {:<28} {}",
            format!("{}:{}", rule.info.gid, rule.info.sid),
            rule.action.name(),
            rule.info.classtype.as_deref().unwrap_or("-"),
            rule.info.msg.as_deref().unwrap_or("-")
        );
        if writeln!(out, "{line}").is_err() {
            return Ok(0);
        }
    }
    messages.info(&format!("{} rules", loaded.rules.len()));
    Ok(u8::from(loaded.rules.is_empty()))
}

fn one(sid: &str, args: &RuleArgs, messages: &Messages, text: impl Fn(&Rules, u32) -> String) -> Result<u8, String> {
    let (gid, sid) = match sid.split_once(':') {
        Some((gid, sid)) => (gid.parse().ok(), sid.parse::<u32>().ok()),
        None => (Some(1_u32), sid.parse().ok()),
    };
    let (Some(gid), Some(sid)) = (gid, sid) else {
        return Err("give a sid such as 21562, or gid:sid".to_owned());
    };
    let mut settings = settings::resolve(args, &[], None)?;
    // A disabled rule can be looked at, too.
    settings.sources.enable.all = true;
    let (rules, report) = Rules::load(&settings.sources, settings.engine.profile);
    let at = rules.set.rules.iter().position(|rule| rule.rule.info.gid == gid && rule.rule.info.sid == sid);
    let Some(index) = at.and_then(|at| u32::try_from(at).ok()) else {
        if report.skipped.contains(&(gid, sid)) {
            load::show(&report, Severity::Error, messages);
            return Err(format!("rule {gid}:{sid} cannot be used; the reasons are above"));
        }
        return Err(format!("no rule {gid}:{sid} among the {} loaded; name its file with --rules", report.parsed));
    };
    let _ = std::io::stdout().lock().write_all(text(&rules, index).as_bytes());
    Ok(0)
}

fn convert(files: &[PathBuf], args: &RuleArgs, messages: &Messages) -> Result<u8, String> {
    let (mut loaded, settings) = parse(files, args)?;
    let mut diagnostics = std::mem::take(&mut loaded.diagnostics);
    let mut out = std::io::stdout().lock();
    let mut lost = 0;
    for rule in &mut loaded.rules {
        rule.enabled = settings.sources.enable.switches_on(rule);
        if !tapir_options::fold(rule, &mut diagnostics) {
            lost += 1;
            continue;
        }
        if writeln!(out, "{}", canonical(rule, &loaded.classifications)).is_err() {
            return Ok(0);
        }
    }
    for found in diagnostics.iter().filter(|found| found.severity == Severity::Error) {
        messages.error(&tapir_rules::render(found, &loaded.sources, messages.color()));
    }
    messages.info(&format!("{} rules converted, {lost} could not be", loaded.rules.len() - lost));
    Ok(u8::from(lost > 0 && args.strict))
}

/// Folded rules are in Snort 3's form, whatever they were written in.
fn canonical(rule: &mut Rule, classes: &tapir_rules::ClassTable) -> String {
    rule.dialect = Dialect::Snort3;
    tapir_rules::format_rule(rule, classes)
}
