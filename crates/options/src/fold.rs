//! Folding: Snort 2.9 and Suricata option nodes become nodes in Snort 3's form.
//!
//! *How it fits*: called on a parsed rule before [`crate::compile`]; the compiler then knows one
//! form only. `Rule::dialect` stays what the rule was written in: escapes, and the meaning of some
//! words (`flowbits` groups), depend on it.
//!
//! *Invariants*: 1. a Snort 3 rule isn't touched; 2. every new node has the span of the node that
//! it comes from; 3. what has no Snort 3 form is left as it is, so the compiler refuses the rule
//! instead of matching too much. A rule is folded once only: lengths and ranges are rewritten.
//!
//! *Spec*: Snort 2.9 manual chapter 3.5, Suricata user guide (payload keywords, HTTP keywords),
//! Snort 3 manual.

mod contents;
mod snort2;
mod suricata;

use tapir_rules::{Config, Diagnostic, Dialect, OptionNode, Rule, Severity, Span};

/// Rewrites the options of a rule into Snort 3's form. False if the rule can't be used; why is in
/// `diagnostics`.
pub fn fold(rule: &mut Rule, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let mut problems = Vec::new();
    match rule.dialect {
        Dialect::Snort3 => {}
        Dialect::Snort2 => snort2::fold(rule, &mut problems),
        Dialect::Suricata => suricata::fold(rule, &mut problems),
    }
    let usable = problems.iter().all(|problem| problem.severity != Severity::Error);
    for problem in &mut problems {
        problem.rule = Some((rule.info.gid, rule.info.sid));
    }
    diagnostics.append(&mut problems);
    usable
}

/// An error at a node.
fn error(code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Severity::Error, code, span, message)
}

/// The node under another name and with another value.
fn renamed(node: &OptionNode, name: &str, value: Option<String>) -> OptionNode {
    OptionNode { name: name.to_owned(), value, ..node.clone() }
}

/// The value of a node, trimmed; empty without one.
fn value(node: &OptionNode) -> &str {
    node.value.as_deref().map_or("", str::trim)
}

/// Folds whatever rules are in hostile bytes; the printed result must read again.
#[doc(hidden)]
pub fn fuzz_fold(data: &[u8]) {
    for dialect in [Dialect::Snort2, Dialect::Suricata] {
        let config = Config { dialect: Some(dialect), include_depth: 0, ..Config::default() };
        let loaded = tapir_rules::load_bytes("fuzz", data, &config);
        for mut rule in loaded.rules.into_iter().take(20) {
            if fold(&mut rule, &mut Vec::new()) {
                let printed = tapir_rules::format_rule(&rule, &loaded.classifications);
                assert!(printed.contains("sid:"), "every rule keeps its identity");
            }
        }
    }
}

#[cfg(test)]
mod tests;
