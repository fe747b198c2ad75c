//! The options that identify and describe a rule.
//!
//! Snort 3 manual: general options; Suricata user guide: meta keywords.

use super::{Enable, PrioritySource, error};
use crate::lex::RawRule;
use crate::value::{integer_in, unescape_text, unquote};
use crate::{Diagnostic, Dialect, OptionNode, Reference, RuleInfo, Severity};

/// What was taken out of a rule's options.
pub(super) struct Identity {
    pub info: RuleInfo,
    pub priority: PrioritySource,
    pub enable: Option<Enable>,
}

impl Identity {
    /// Takes the describing options out of the rule.
    pub fn take(raw: &mut RawRule, require_sid: bool, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let mut identity = Self {
            info: RuleInfo { gid: 1, ..RuleInfo::default() },
            priority: PrioritySource::default(),
            enable: None,
        };
        let dialect = raw.dialect;
        let mut seen = [false; ONCE.len()];
        let nodes = std::mem::take(&mut raw.options);
        for node in nodes {
            let slot = ONCE.iter().position(|name| *name == node.name).and_then(|at| seen.get_mut(at));
            if slot.is_some_and(|slot| std::mem::replace(slot, true)) {
                let message = format!("`{}` may be given once only", node.name);
                diagnostics.push(error("R0306", node.name_span, message));
            }
            match identity.read(&node, dialect) {
                Ok(true) => {}
                Ok(false) => raw.options.push(node),
                Err(message) => diagnostics.push(error("R0302", node.value_span, message)),
            }
        }
        // In broken syntax the sid may only not have been found.
        let broken = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        if identity.info.sid == 0 && !broken {
            let mut problem = error("R0301", raw.action_span, "rule has no `sid`");
            if !require_sid && dialect == Dialect::Snort3 {
                problem.severity = Severity::Warning;
            }
            diagnostics.push(problem.help("every rule needs `sid:NUMBER;`, local rules from 1000000 on"));
        }
        identity
    }

    /// Reads an option; false if it isn't one of ours.
    fn read(&mut self, node: &OptionNode, dialect: Dialect) -> Result<bool, String> {
        let value = node.value.as_deref().map_or("", str::trim);
        let snort3 = dialect == Dialect::Snort3;
        match node.name.as_str() {
            "msg" => self.info.msg = Some(message(value, dialect)?),
            "gid" => self.info.gid = number("gid", value, 1, if snort3 { 8129 } else { u32::MAX.into() })?,
            "sid" => self.info.sid = number("sid", value, 1, u32::MAX.into())?,
            "rev" => self.info.rev = number("rev", value, if snort3 { 1 } else { 0 }, u32::MAX.into())?,
            "priority" => {
                let last = if dialect == Dialect::Suricata { 255 } else { i32::MAX.into() };
                self.priority.explicit = Some(number("priority", value, 1, last)?);
                self.priority.class_last = false;
            }
            "classtype" => {
                if value.is_empty() || value.contains(char::is_whitespace) {
                    return Err(format!("`{value}` is no class name"));
                }
                self.info.classtype = Some(value.to_owned());
                self.priority.class_last = true;
                self.priority.class_span = Some(node.value_span);
            }
            "reference" => self.info.references.push(reference(value)?),
            "metadata" => self.info.metadata.extend(metadata(value)),
            "enable" if snort3 => {
                self.enable = Some(match value {
                    "" | "yes" => Enable::Yes,
                    "no" => Enable::No,
                    "inherit" => Enable::Inherit,
                    _ => return Err(format!("`enable` is yes, no or inherit, not `{value}`")),
                });
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn message(value: &str, dialect: Dialect) -> Result<String, String> {
    match unquote(value) {
        Some(quoted) if !quoted.negated => Ok(unescape_text(quoted.inner, dialect)),
        Some(_) => Err("`msg` can't be negated".to_owned()),
        None if value.is_empty() || value.contains('"') => Err("`msg` needs a text in quotes".to_owned()),
        None => Ok(unescape_text(value, dialect)),
    }
}

fn number(name: &str, value: &str, first: i64, last: i64) -> Result<u32, String> {
    let number = integer_in(value, first..=last).map_err(|problem| format!("`{name}`: {problem}"))?;
    u32::try_from(number).map_err(|_| format!("`{name}`: {number} is too big"))
}

fn reference(value: &str) -> Result<Reference, String> {
    let (scheme, id) = value.split_once(',').ok_or("a reference is `scheme,id`")?;
    let (scheme, id) = (scheme.trim(), id.trim());
    if scheme.is_empty() || id.is_empty() {
        return Err("a reference is `scheme,id`".to_owned());
    }
    Ok(Reference { scheme: scheme.to_owned(), id: id.replace("\\;", ";") })
}

fn metadata(value: &str) -> impl Iterator<Item = (String, String)> {
    value.split(',').filter_map(|entry| {
        let entry = entry.trim();
        if entry.is_empty() {
            return None;
        }
        let (key, text) = entry.split_once(char::is_whitespace).unwrap_or((entry, ""));
        Some((key.replace("\\;", ";"), text.trim().replace("\\;", ";")))
    })
}

/// Options that a rule has once at most.
const ONCE: [&str; 7] = ["msg", "gid", "sid", "rev", "classtype", "priority", "enable"];
