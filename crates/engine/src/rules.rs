//! Rule files to a rule set that workers share: parse → fold → compile → build, with everything
//! that was skipped named.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use tapir_detect::{Profile, RuleSet};
use tapir_event::RuleSummary;
use tapir_options::{BitNames, CompileContext, Effect, fold};
use tapir_rules::{Action, Diagnostic, Input, Loaded, Rule, Severity, SourceMap};

/// Which rules to switch on beside the enabled ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enable {
    /// Every commented-out rule.
    pub all: bool,
    /// Rules whose metadata has `policy NAME …`; if any is given, rules without it are off.
    pub policies: Vec<String>,
    /// These sids (gid 1).
    pub sids: Vec<u32>,
    /// These rules, by gid and sid.
    pub rules: Vec<(u32, u32)>,
    /// None of these, whatever switches them on, by gid and sid.
    pub not: Vec<(u32, u32)>,
}

/// Rules that are in no file of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleText {
    /// What findings and rules call it.
    pub name: Arc<str>,
    /// The text.
    pub bytes: Arc<[u8]>,
}

/// Where rules come from and how to build them.
#[derive(Clone, Debug, Default)]
pub struct RuleSources {
    /// Files and directories; empty: the built-in starter set.
    pub files: Vec<PathBuf>,
    /// The built-in set behind the files.
    pub with_starter: bool,
    /// Leave the files and the built-in set out.
    pub texts_only: bool,
    /// Texts, behind the files.
    pub texts: Vec<RuleText>,
    /// Variables and dialect.
    pub config: tapir_rules::Config,
    /// What to switch on.
    pub enable: Enable,
}

/// A rule set with what events say about its rules.
pub struct Rules {
    /// The set.
    pub set: RuleSet,
    summaries: Vec<Arc<RuleSummary>>,
    /// Names of the flowbits, for the next set.
    bits: BitNames,
    /// Summaries of builtin rules that the set loads explicitly.
    builtin: HashMap<(u32, u32), (Action, Arc<RuleSummary>)>,
}

/// What loading found.
pub struct LoadReport {
    /// Sources, for rendering diagnostics.
    pub sources: SourceMap,
    /// Everything worth saying, in file order.
    pub diagnostics: Vec<Diagnostic>,
    /// Rules that parsed, disabled ones included.
    pub parsed: usize,
    /// Rules switched on.
    pub enabled: usize,
    /// Rules in the set.
    pub evaluable: usize,
    /// gid and sid of rules that are switched on but could not be compiled.
    pub skipped: Vec<(u32, u32)>,
    /// Parsed rules behind `#` that stay off.
    pub disabled: usize,
    /// Rules that the parser refused.
    pub refused: usize,
}

impl LoadReport {
    /// Errors among the diagnostics.
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|found| found.severity == Severity::Error).count()
    }
}

impl Rules {
    /// Loads and builds.
    pub fn load(sources: &RuleSources, profile: Profile) -> (Self, LoadReport) {
        Self::assemble(Self::read(sources), &sources.enable, profile, BitNames::default())
    }

    /// Loads and builds a set that is to replace this one: a flowbit of a live flow means the same in both.
    pub fn load_successor(&self, sources: &RuleSources, profile: Profile) -> (Self, LoadReport) {
        Self::assemble(Self::read(sources), &sources.enable, profile, self.bits.successor())
    }

    /// Builds from parsed rules.
    pub fn build(loaded: Loaded, enable: &Enable, profile: Profile) -> (Self, LoadReport) {
        Self::assemble(loaded, enable, profile, BitNames::default())
    }

    fn read(sources: &RuleSources) -> Loaded {
        let starter = Input::Text("tapir-starter.rules", crate::STARTER_RULES.as_bytes());
        let mut inputs: Vec<Input<'_>> = match (sources.texts_only, sources.files.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => vec![starter],
            (false, false) => {
                let files = sources.files.iter().map(|path| Input::Path(path));
                files.chain(sources.with_starter.then_some(starter)).collect()
            }
        };
        inputs.extend(sources.texts.iter().map(|text| Input::Text(&text.name, &text.bytes)));
        tapir_rules::load_inputs(inputs, &sources.config)
    }

    fn assemble(loaded: Loaded, enable: &Enable, profile: Profile, mut bits: BitNames) -> (Self, LoadReport) {
        let Loaded { rules, filters, classifications, references, sources, mut diagnostics, counts, .. } = loaded;
        let parsed = rules.len();
        for rule in &rules {
            tapir_options::declare(rule, &mut bits);
        }
        let mut cx = CompileContext::new(&mut bits);
        let (mut compiled, mut skipped, mut enabled) = (Vec::new(), Vec::new(), 0);
        for mut rule in rules {
            if !enable.switches_on(&rule) {
                continue;
            }
            enabled += 1;
            let place = sources.place(rule.span);
            let identity = (rule.info.gid, rule.info.sid);
            let ready =
                fold(&mut rule, &mut cx.diagnostics).then(|| tapir_options::compile(&rule, place, &mut cx)).flatten();
            match ready {
                Some(rule) => compiled.push(rule),
                None => skipped.push(identity),
            }
        }
        diagnostics.append(&mut cx.diagnostics);
        let filters = crate::filters::convert(&filters, &mut diagnostics);
        let set = RuleSet::build(compiled, filters, profile);
        let summaries: Vec<Arc<RuleSummary>> =
            set.rules.iter().map(|rule| Arc::new(summary(&rule.rule, &classifications, &references))).collect();
        let builtin = set
            .rules
            .iter()
            .zip(&summaries)
            .filter(|(rule, _)| rule.is_builtin())
            .map(|(rule, summary)| ((rule.rule.info.gid, rule.rule.info.sid), (rule.rule.action, Arc::clone(summary))))
            .collect();
        let report = LoadReport {
            parsed,
            enabled,
            evaluable: set.rules.len(),
            skipped,
            disabled: parsed.saturating_sub(enabled),
            refused: counts.skipped,
            sources,
            diagnostics,
        };
        (Self { set, summaries, bits, builtin }, report)
    }

    /// What events of a rule say.
    #[inline]
    pub fn summary(&self, index: u32) -> Option<&Arc<RuleSummary>> {
        self.summaries.get(index as usize)
    }

    /// What events of each rule say, in the order of evaluation.
    pub fn summaries(&self) -> &[Arc<RuleSummary>] {
        &self.summaries
    }

    /// A rule names the builtin event.
    #[inline]
    pub(crate) fn names_builtin(&self, gid: u32, sid: u32) -> bool {
        !self.builtin.is_empty() && self.builtin.contains_key(&(gid, sid))
    }

    /// Action and summary of a builtin event, if a rule names it or all are wanted.
    pub(crate) fn builtin(&self, gid: u32, sid: u32, all: bool) -> Option<(Action, Arc<RuleSummary>)> {
        if let Some((action, found)) = self.builtin.get(&(gid, sid)) {
            return Some((*action, Arc::clone(found)));
        }
        all.then(|| {
            let summary = Arc::new(RuleSummary {
                gid,
                sid,
                rev: 1,
                msg: Some(crate::builtin::message(gid, sid)),
                priority: 3,
                action: "alert".to_owned(),
                ..RuleSummary::default()
            });
            (Action::Alert, summary)
        })
    }
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("set", &self.set.id).field("rules", &self.summaries.len()).finish_non_exhaustive()
    }
}

impl Enable {
    /// Whether a parsed rule is to run.
    pub fn switches_on(&self, rule: &Rule) -> bool {
        let identity = (rule.info.gid, rule.info.sid);
        if self.not.contains(&identity) {
            return false;
        }
        if self.all || self.sids.contains(&rule.info.sid) || self.rules.contains(&identity) {
            return true;
        }
        if self.policies.is_empty() {
            return rule.enabled;
        }
        rule.info.metadata.iter().any(|(key, value)| {
            key == "policy"
                && value.split_ascii_whitespace().next().is_some_and(|name| self.policies.iter().any(|p| p == name))
        })
    }
}

fn summary(
    rule: &tapir_options::CompiledRule,
    classes: &tapir_rules::ClassTable,
    references: &tapir_rules::ReferenceTable,
) -> RuleSummary {
    let info = &rule.info;
    let class = info.classtype.as_deref().and_then(|name| classes.class(name)).map(|class| class.text.clone());
    RuleSummary {
        gid: info.gid,
        sid: info.sid,
        rev: info.rev,
        msg: info.msg.clone(),
        classtype: info.classtype.clone(),
        class,
        priority: info.priority,
        references: info
            .references
            .iter()
            .map(|one| (one.scheme.clone(), one.id.clone(), references.url(one)))
            .collect(),
        metadata: info.metadata.clone(),
        action: rule.action.name().to_owned(),
        text: rule.text.clone(),
        place: rule.place.clone(),
        target_is_source: rule.effects.iter().find_map(|effect| match effect {
            Effect::Target { source } => Some(*source),
            _ => None,
        }),
    }
}
