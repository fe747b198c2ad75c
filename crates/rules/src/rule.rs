//! From a raw rule to a [`Rule`]: header resolved, identity read, whole-rule checks.

mod header;
mod info;

use crate::lex::RawRule;
use crate::variables::Variables;
use crate::{Action, ClassTable, Diagnostic, Dialect, OptionNode, ReferenceTable, Rule, Severity, Span, suggest};
use info::Identity;

/// A rule-state stub (Snort 3: a rule with `enable`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stub {
    /// Generator.
    pub gid: u32,
    /// Signature id.
    pub sid: u32,
    /// Action that the rule gets.
    pub action: Action,
    /// State that the rule gets.
    pub enable: Enable,
    /// The whole stub.
    pub span: Span,
}

/// Argument of `enable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enable {
    /// Switched on.
    Yes,
    /// Switched off.
    No,
    /// As the policy says: the rule's state stays.
    Inherit,
}

/// What a raw rule turned out to be.
pub(crate) enum Built {
    /// A rule, and what decides its priority.
    Rule(Box<Rule>, PrioritySource),
    /// A state stub.
    Stub(Stub),
}

/// What a rule's priority comes from; settled when all classes are known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PrioritySource {
    /// Argument of `priority`.
    pub explicit: Option<u32>,
    /// `classtype` stands behind `priority`.
    pub class_last: bool,
    /// Where the class is named.
    pub class_span: Option<Span>,
}

impl PrioritySource {
    /// The effective priority. In the Snort dialects the last of `priority` and `classtype` counts,
    /// in Suricata `priority`.
    pub fn effective(self, dialect: Dialect, class: Option<u32>) -> u32 {
        match (self.explicit, class) {
            (Some(_), Some(class)) if self.class_last && dialect != Dialect::Suricata => class,
            (Some(explicit), _) => explicit,
            (None, Some(class)) => class,
            (None, None) if dialect == Dialect::Suricata => 3,
            (None, None) => 0,
        }
    }
}

/// Judges a raw rule. `None` if it can't be used; why is in `diagnostics`.
pub(crate) fn build(
    raw: RawRule,
    require_sid: bool,
    variables: &mut Variables,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Built> {
    let first = diagnostics.len();
    let (identity, built) = build_rule(raw, require_sid, variables, diagnostics);
    let found = diagnostics.get_mut(first..).unwrap_or_default();
    let failed = found.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    for diagnostic in found {
        diagnostic.rule = identity;
    }
    built.filter(|_| !failed)
}

type Identified = (Option<(u32, u32)>, Option<Built>);

fn build_rule(
    mut raw: RawRule,
    require_sid: bool,
    variables: &mut Variables,
    diagnostics: &mut Vec<Diagnostic>,
) -> Identified {
    diagnostics.append(&mut raw.problems);
    let identity = Identity::take(&mut raw, require_sid, diagnostics);
    let id = (identity.info.sid > 0).then_some((identity.info.gid, identity.info.sid));
    let Some(action) = action(&raw, diagnostics) else { return (id, None) };
    if let Some(enable) = identity.enable {
        return (id, stub(&raw, action, enable, &identity, diagnostics).map(Built::Stub));
    }
    // Rules about file types and built-in events need no header.
    let headless = action == Action::FileId || is_builtin(identity.info.gid);
    let header = header::resolve(&raw, headless, variables, diagnostics);
    check_options(&raw, &identity, diagnostics);
    let Some(header) = header else { return (id, None) };
    let rule = Rule {
        dialect: raw.dialect,
        enabled: raw.enabled,
        action,
        header,
        info: identity.info,
        options: raw.options,
        span: raw.span,
        line: 0,
    };
    (id, Some(Built::Rule(Box::new(rule), identity.priority)))
}

fn action(raw: &RawRule, diagnostics: &mut Vec<Diagnostic>) -> Option<Action> {
    let word = raw.action.as_str();
    let everywhere = match word {
        "alert" => Some(Action::Alert),
        "pass" => Some(Action::Pass),
        "drop" => Some(Action::Drop),
        "reject" => Some(Action::Reject),
        "block" => Some(Action::Block),
        "log" => Some(Action::Log),
        "react" => Some(Action::React),
        "rewrite" => Some(Action::Rewrite),
        "file_id" => Some(Action::FileId),
        _ => None,
    };
    let action = everywhere.or(match (raw.dialect, word) {
        (Dialect::Snort2, "sdrop") => Some(Action::Sdrop),
        (Dialect::Suricata, "rejectsrc" | "rejectdst" | "rejectboth") => Some(Action::Reject),
        _ => None,
    });
    if action.is_none() {
        let diagnostic = error("R0115", raw.action_span, format!("unknown action `{word}`"));
        let words = ["alert", "pass", "drop", "reject", "block", "log", "react", "rewrite", "file_id"];
        diagnostics.push(match (word, suggest::did_you_mean(word, words)) {
            ("sdrop", _) => diagnostic.help("`sdrop` is an action of Snort 2.9; use `drop`"),
            ("activate" | "dynamic", _) => diagnostic.help("use flowbits instead of activate and dynamic rules"),
            ("config", _) => diagnostic.help("`config` rules change Suricata itself and detect nothing"),
            (_, Some(help)) => diagnostic.help(help),
            (_, None) => diagnostic.help(format!("actions are {}", words.join(", "))),
        });
    }
    action
}

fn stub(
    raw: &RawRule,
    action: Action,
    enable: Enable,
    identity: &Identity,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Stub> {
    if let Some(option) = raw.options.iter().find(|option| !is_meta(&option.name)) {
        let message = format!("`enable` makes this a state stub, which can't have `{}`", option.name);
        diagnostics.push(error("R0310", option.name_span, message).help("switch a rule off by a `#` before it"));
        return None;
    }
    let (gid, sid) = (identity.info.gid, identity.info.sid);
    (sid > 0).then_some(Stub { gid, sid, action, enable, span: raw.span })
}

/// Options that may not be repeated, that should not, and what a rule must not lack.
fn check_options(raw: &RawRule, identity: &Identity, diagnostics: &mut Vec<Diagnostic>) {
    if raw.dialect == Dialect::Snort3 {
        for name in ["detection_filter", "tag", "target", "soid"] {
            if let Some(second) = occurrences(&raw.options, name).nth(1) {
                diagnostics.push(error("R0306", second.name_span, format!("`{name}` may be given once only")));
            }
        }
        for (name, limit) in SHOULD_NOT_REPEAT {
            if let Some(extra) = occurrences(&raw.options, name).nth(*limit) {
                let message = format!("`{name}` is given more than {limit} times");
                diagnostics.push(Diagnostic::new(Severity::Warning, "R0307", extra.name_span, message));
            }
        }
    }
    let detects = raw.options.iter().find(|option| !is_meta(&option.name));
    let builtin = is_builtin(identity.info.gid);
    match detects {
        Some(option) if builtin && raw.dialect == Dialect::Snort3 => {
            let message =
                format!("gid {} is for built-in events, whose rules have no detection options", identity.info.gid);
            diagnostics
                .push(error("R0308", option.name_span, message).help("remove the gid, or the detection options"));
        }
        None if !builtin => {
            let message = "rule has no detection option and matches by its header alone";
            diagnostics.push(Diagnostic::new(Severity::Warning, "R0309", raw.action_span, message));
        }
        _ => {}
    }
}

fn occurrences<'a>(options: &'a [OptionNode], name: &str) -> impl Iterator<Item = &'a OptionNode> {
    options.iter().filter(move |option| option.name == name)
}

/// Whether an option detects nothing.
fn is_meta(name: &str) -> bool {
    matches!(
        name,
        "service"
            | "rem"
            | "target"
            | "tag"
            | "detection_filter"
            | "threshold"
            | "soid"
            | "noalert"
            | "requires"
            | "prefilter"
    )
}

/// Generators of decoder and inspector events.
pub(crate) fn is_builtin(gid: u32) -> bool {
    gid == 2 || gid == 256 || (105..=175).contains(&gid)
}

/// Says what is odd about classes and references, once all tables are known.
pub(crate) fn check_tables(
    rule: &Rule,
    priority: PrioritySource,
    classes: &ClassTable,
    references: &ReferenceTable,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut warn = |code, span: Span, message: String, help: Option<String>| {
        let mut diagnostic = Diagnostic::new(Severity::Warning, code, span, message);
        diagnostic.rule = Some((rule.info.gid, rule.info.sid));
        diagnostic.help = help;
        diagnostics.push(diagnostic);
    };
    if let Some(name) = rule.info.classtype.as_deref().filter(|name| classes.class(name).is_none()) {
        let help = suggest::did_you_mean(name, classes.iter().map(|class| class.name.as_str()));
        let span = priority.class_span.unwrap_or(rule.span);
        warn("R0311", span, format!("unknown classtype `{name}`: the rule gets no class"), help);
    }
    for reference in &rule.info.references {
        if references.prefix(&reference.scheme).is_none() {
            let help = Some(format!("define it: config reference: {} https://…", reference.scheme));
            warn("R0312", rule.span, format!("unknown reference scheme `{}`", reference.scheme), help);
        }
    }
}

fn error(code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Severity::Error, code, span, message)
}

/// Options that Snort 3 warns about beyond this number.
const SHOULD_NOT_REPEAT: &[(&str, usize)] = &[
    ("flow", 1),
    ("flags", 1),
    ("ttl", 1),
    ("dsize", 1),
    ("id", 1),
    ("itype", 1),
    ("icode", 1),
    ("seq", 1),
    ("ack", 1),
    ("fragoffset", 1),
    ("ipopts", 1),
    ("base64_decode", 1),
    ("bufferlen", 5),
];
