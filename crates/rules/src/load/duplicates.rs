//! Which of several rules with the same gid and sid stays.

use super::Loader;
use crate::rule::PrioritySource;
use crate::{Diagnostic, Dialect, Rule, Severity};

/// What becomes of a later rule.
enum Verdict {
    /// It takes the place of the earlier one.
    Replaces(Severity, String),
    /// It is dropped.
    Loses(Severity, String),
}

impl Loader<'_> {
    /// Adds a rule, or settles which of two stays.
    pub(super) fn keep(&mut self, rule: Rule, priority: PrioritySource) {
        let key = (rule.info.gid, rule.info.sid);
        let slot = self.index.get(&key).copied();
        let (Some(index), Some(earlier)) = (slot, slot.and_then(|index| self.loaded.rules.get(index))) else {
            self.index.insert(key, self.loaded.rules.len());
            self.loaded.rules.push(rule);
            self.priorities.push(priority);
            return;
        };
        self.loaded.counts.duplicates = self.loaded.counts.duplicates.saturating_add(1);
        let verdict = judge(earlier, &rule);
        let (severity, message) = match &verdict {
            Verdict::Replaces(severity, message) | Verdict::Loses(severity, message) => (*severity, message.clone()),
        };
        let message = format!("rule {}:{} is defined again: {message}", key.0, key.1);
        let mut diagnostic = Diagnostic::new(severity, "R0320", rule.span, message);
        diagnostic.related = Some((earlier.span, "the other definition".to_owned()));
        diagnostic.rule = Some(key);
        self.report(diagnostic);
        if let (Verdict::Replaces(..), Some(slot)) = (verdict, self.loaded.rules.get_mut(index)) {
            *slot = rule;
            if let Some(slot) = self.priorities.get_mut(index) {
                *slot = priority;
            }
        }
    }
}

fn judge(earlier: &Rule, later: &Rule) -> Verdict {
    match (earlier.enabled, later.enabled) {
        (false, true) => return Verdict::Replaces(Severity::Note, "it replaces a disabled one".to_owned()),
        (true, false) => return Verdict::Loses(Severity::Note, "it is disabled, the other one stays".to_owned()),
        // Nobody runs either; the newer one is kept for whoever enables it.
        (false, false) if later.info.rev >= earlier.info.rev => {
            return Verdict::Replaces(Severity::Note, "both are disabled, it stays".to_owned());
        }
        (false, false) => return Verdict::Loses(Severity::Note, "both are disabled, the other one stays".to_owned()),
        (true, true) => {}
    }
    let suricata = later.dialect == Dialect::Suricata;
    if !suricata && earlier.action != later.action {
        return Verdict::Loses(Severity::Error, "with another action, it is ignored".to_owned());
    }
    if !suricata && earlier.header.protocol != later.header.protocol {
        return Verdict::Loses(Severity::Error, "with another protocol, it is ignored".to_owned());
    }
    let (before, now) = (earlier.info.rev, later.info.rev);
    match now.cmp(&before) {
        std::cmp::Ordering::Greater => Verdict::Replaces(Severity::Warning, format!("rev {now} replaces rev {before}")),
        std::cmp::Ordering::Less => {
            Verdict::Loses(Severity::Warning, format!("rev {now} is older than rev {before} and ignored"))
        }
        std::cmp::Ordering::Equal if suricata => {
            Verdict::Loses(Severity::Error, format!("with the same rev {now}, it is ignored"))
        }
        std::cmp::Ordering::Equal => {
            Verdict::Replaces(Severity::Warning, format!("with the same rev {now}, it replaces the other one"))
        }
    }
}
