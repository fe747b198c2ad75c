//! The rule sets of a node: loaded, watched for changes, compiled anew in the background, handed to the capture side.
//!
//! *How it fits*: rules come from files, from what the cluster [lends](crate::library), and from [outside](crate::pinned); for each [selection](crate::selection) that is in use there
//! is one set, and always that of the node.
//!
//! *Invariants*: 1. a set that has nothing to run, or has lost all of a text that gave rules before, never replaces one that is in
//! force; 2. what was skipped is told, with file, line and column; 3. a set is compiled again only if something that it is made of has
//! changed; 4. a choice that is another one only by the digests of its sources begins with the set that was in force before.
//!
//! *Limits*: files are looked at every [`LOOK`]: their names, sizes and times. [`MAX_TOLD`] findings are told of a set, and
//! [`MAX_SELECTIONS`] sets are kept besides the node's.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tapir_detect::Profile;
use tapir_engine::{LoadReport, RuleSources, RuleText, Rules};
use tapir_rules::{Severity, render};

use crate::library::{Library, Loan};
use crate::pinned::{Pins, Wanted};
use crate::selection::Selection;
use crate::shared::Shared;
use tokio::sync::{Notify, watch};

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Findings of a load that are told.
const MAX_TOLD: usize = 20;
/// Settings of a `snort.lua` that are named.
const MAX_NAMED: usize = 8;
/// The loader's word for them.
const UNREAD: &str = "R0413";
/// Sets besides that of the node: each takes the memory of its rules.
pub const MAX_SELECTIONS: usize = 16;

/// What became of the last load of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesState {
    /// Identity of the set in force.
    pub rule_set: u64,
    /// Rules in force.
    pub loaded: usize,
    /// Rules that were refused or skipped.
    pub rejected: usize,
    /// Commented out.
    pub disabled: usize,
    /// Why the last load did not replace the set, if so.
    pub error: Option<String>,
    /// What is wrong in the files, rendered.
    pub findings: Vec<String>,
    /// The same, one line each, with its place.
    pub faults: Vec<Fault>,
    /// What else is not as it was asked for: sources that are missing, variables that mean nothing.
    pub notes: Vec<String>,
    /// Sources outside of the cluster, and why one is not what it should be; what it gave last is in force then.
    pub outside: BTreeMap<Arc<str>, Option<String>>,
}

/// Something that is wrong in a rule file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// `R0102`, …
    pub code: &'static str,
    /// The file, or `configmap/NAME/KEY`.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    /// The character in it, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, file, line, column, message } = self;
        write!(f, "{file}:{line}:{column}: {message} ({code})")
    }
}

/// All sets in force, by what was selected.
#[derive(Clone, Default)]
pub struct RuleSets(BTreeMap<Selection, Arc<Rules>>);

impl RuleSets {
    /// That of the node alone.
    pub fn of_node(rules: Arc<Rules>) -> Self {
        Self(BTreeMap::from([(Selection::default(), rules)]))
    }

    /// And one for a selection.
    #[cfg(test)]
    pub(crate) fn with(mut self, selection: Selection, rules: Arc<Rules>) -> Self {
        self.0.insert(selection, rules);
        self
    }

    /// The set for a selection, once it is compiled.
    pub fn get(&self, selection: &Selection) -> Option<&Arc<Rules>> {
        self.0.get(selection)
    }
}

/// What became of all sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetStates {
    /// Of the node's.
    pub node: RulesState,
    /// Of the others.
    pub others: BTreeMap<Selection, RulesState>,
}

impl SetStates {
    /// Of the set for a selection; `None`: it was not compiled yet, or there is no room for it.
    pub fn of(&self, selection: &Selection) -> Option<&RulesState> {
        if selection.is_default() { Some(&self.node) } else { self.others.get(selection) }
    }
}

/// A set, and what it was made of.
#[derive(Clone, Default)]
struct Kept {
    rules: Option<Arc<Rules>>,
    loan: Loan,
    /// Texts, and places of texts, that gave rules.
    fruitful: HashSet<Arc<str>>,
}

/// Rules from outside of the cluster.
struct Outside {
    /// The node's own.
    node: BTreeSet<Wanted>,
    pins: watch::Receiver<Arc<Pins>>,
}

/// See the module.
pub struct RuleKeeper {
    sources: RuleSources,
    profile: Profile,
    kept: BTreeMap<Selection, Kept>,
    state: watch::Sender<SetStates>,
    seen: Vec<Stamp>,
    files: Vec<PathBuf>,
    outside: Option<Outside>,
    /// What is not as it was asked for, whatever is loaded.
    note: Option<String>,
}

/// Name, size and time of a file.
type Stamp = (PathBuf, u64, Option<SystemTime>);

/// A set that was loaded.
struct Outcome {
    rules: Rules,
    report: LoadReport,
    notes: Vec<String>,
}

impl RuleKeeper {
    /// Loads the node's first set, of the files. If there is nothing to run its state says why, and what comes later is waited for.
    pub fn load(sources: RuleSources, profile: Profile) -> Self {
        let seen = stamps(&sources.files);
        let (rules, report) = Rules::load(&sources, profile);
        let notes: Vec<String> = unread(&report).into_iter().collect();
        // What a snort.lua holds is called after it and the line.
        let file = |name: &str| PathBuf::from(name.split_once(" from line ").map_or(name, |(file, _)| file));
        let files = report.sources.names().map(file).filter(|file| file.is_file()).collect();
        let (node, rules) = match accept(&report) {
            Ok(state) => (RulesState { rule_set: rules.set.id.0, notes, ..state }, Some(Arc::new(rules))),
            Err(why) => {
                let (findings, faults) = (findings(&report), faults(&report));
                (RulesState { error: Some(why), findings, faults, notes, ..RulesState::default() }, None)
            }
        };
        let kept = Kept { rules, ..Kept::default() };
        let state = watch::Sender::new(SetStates { node, others: BTreeMap::new() });
        Self {
            sources,
            profile,
            kept: BTreeMap::from([(Selection::default(), kept)]),
            state,
            seen,
            files,
            outside: None,
            note: None,
        }
    }

    /// Tells of the node's set, for as long as the agent runs, that something is not as it was asked for.
    pub fn with_note(mut self, note: String) -> Self {
        self.state.send_modify(|states| states.node.notes.push(note.clone()));
        self.note = Some(note);
        self
    }

    /// Takes rules from outside of the cluster, too: for the node's set, and those that selections name.
    pub fn with_outside(mut self, node: BTreeSet<Wanted>, pins: watch::Receiver<Arc<Pins>>) -> Self {
        self.outside = Some(Outside { node, pins });
        self
    }

    /// The files of the first load, those that others include among them.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The sets in force.
    pub fn sets(&self) -> RuleSets {
        let ready = self
            .kept
            .iter()
            .filter_map(|(selection, kept)| Some((selection.clone(), Arc::clone(kept.rules.as_ref()?))));
        RuleSets(ready.collect())
    }

    /// What became of the last loads.
    pub fn state(&self) -> watch::Receiver<SetStates> {
        self.state.subscribe()
    }

    /// Follows files, the library and what is selected, and loads when it is told to, for ever.
    pub async fn run(
        mut self,
        shared: Arc<Shared>,
        now: Arc<Notify>,
        mut library: watch::Receiver<Arc<Library>>,
        mut selected: watch::Receiver<Arc<BTreeSet<Selection>>>,
    ) {
        let (mut has_library, mut has_selected) = (true, true);
        // Nobody keeps the other end: no change is ever heard.
        let (_, silent) = watch::channel::<Arc<Pins>>(Arc::default());
        let mut pins = self.outside.as_ref().map_or(silent, |outside| outside.pins.clone());
        let mut has_pins = self.outside.is_some();
        loop {
            let mut told = false;
            tokio::select! {
                () = now.notified() => told = true,
                () = tokio::time::sleep(LOOK) => {}
                changed = library.changed(), if has_library => has_library = changed.is_ok(),
                changed = selected.changed(), if has_selected => has_selected = changed.is_ok(),
                changed = pins.changed(), if has_pins => has_pins = changed.is_ok(),
            }
            let stamps = stamps(&self.sources.files);
            let files_changed = stamps != self.seen;
            self.seen = stamps;
            let lent = Arc::clone(&library.borrow_and_update());
            let wanted = Arc::clone(&selected.borrow_and_update());
            let wanted: BTreeSet<Selection> =
                wanted.iter().filter(|one| !one.is_default()).take(MAX_SELECTIONS).cloned().collect();
            let given = Arc::clone(&pins.borrow_and_update());
            let before = self.kept.len();
            let mut changed = self.inherit(&wanted);
            self.kept.retain(|selection, _| selection.is_default() || wanted.contains(selection));
            changed |= before != self.kept.len();
            for selection in std::iter::once(Selection::default()).chain(wanted) {
                let mut loan = lent.lend(&selection);
                let node = self.outside.iter().filter(|_| !selection.without_node).flat_map(|outside| &outside.node);
                loan.extend(&given, node.chain(&selection.pinned));
                let is_same = self.kept.get(&selection).is_some_and(|kept| kept.loan == loan);
                if is_same && !told && (selection.without_node || !files_changed) {
                    continue;
                }
                changed |= self.renew(selection, loan).await;
            }
            if changed {
                shared.post_rules(Arc::new(self.sets()));
            }
            let kept = &self.kept;
            self.state.send_if_modified(|state| {
                let before = state.others.len();
                state.others.retain(|selection, _| kept.contains_key(selection));
                before != state.others.len()
            });
        }
    }

    /// Choices that have come in the place of others begin with what those had; whether there are any.
    fn inherit(&mut self, wanted: &BTreeSet<Selection>) -> bool {
        let mut changed = false;
        for selection in wanted.iter().filter(|one| !one.pinned.is_empty()) {
            if self.kept.contains_key(selection) {
                continue;
            }
            let family = selection.family();
            let older = self.kept.iter().find(|(known, _)| known.family() == family);
            let Some((older, kept)) = older.map(|(known, kept)| (known.clone(), kept.clone())) else { continue };
            self.kept.insert(selection.clone(), kept);
            self.state.send_modify(|states| {
                if let Some(state) = states.of(&older).cloned() {
                    states.others.insert(selection.clone(), state);
                }
            });
            changed = true;
        }
        changed
    }

    /// Compiles a set; whether it is another one now.
    async fn renew(&mut self, selection: Selection, loan: Loan) -> bool {
        let current = self.kept.get(&selection).and_then(|kept| kept.rules.clone());
        let (sources, profile) = (self.sources.clone(), self.profile);
        let (texts, asked) = (loan.texts.clone(), selection.clone());
        // Compiling takes a second; the control side goes on meanwhile.
        let load = move || {
            let (sources, notes) = specific(&sources, &asked, texts);
            let (rules, report) = match &current {
                Some(current) => current.load_successor(&sources, profile),
                None => Rules::load(&sources, profile),
            };
            Outcome { rules, report, notes }
        };
        // A compiler that panicked has left nothing behind; the set before stays, and the next change is tried again.
        let Ok(Outcome { rules, report, mut notes }) = tokio::task::spawn_blocking(load).await else { return false };
        notes.extend(loan.notes.iter().cloned().chain(unread(&report)));
        notes.extend(self.note.clone().filter(|_| selection.is_default()));
        let kept = self.kept.entry(selection.clone()).or_default();
        let fruitful = fruitful(&rules, &loan);
        let accepted = accept(&report).and_then(|state| match barren(&kept.fruitful, &fruitful, &loan, &state) {
            Some(why) => Err(why),
            None => Ok(state),
        });
        let outside = loan.outside.clone();
        kept.loan = loan;
        let (changed, state) = match accepted {
            Ok(state) => {
                let state = RulesState { rule_set: rules.set.id.0, notes, outside, ..state };
                (kept.rules, kept.fruitful) = (Some(Arc::new(rules)), fruitful);
                (true, state)
            }
            Err(why) => {
                let before = self.state.borrow().of(&selection).cloned().unwrap_or_default();
                let (findings, faults) = (findings(&report), faults(&report));
                (false, RulesState { error: Some(why), findings, faults, notes, outside, ..before })
            }
        };
        self.state.send_modify(|states| match selection.is_default() {
            true => states.node = state,
            false => drop(states.others.insert(selection, state)),
        });
        changed
    }
}

/// Settings of a `snort.lua` that nobody acts on, in one line.
fn unread(report: &LoadReport) -> Option<String> {
    let all: Vec<&tapir_rules::Diagnostic> = report.diagnostics.iter().filter(|found| found.code == UNREAD).collect();
    let first = all.first()?;
    let name = |found: &&tapir_rules::Diagnostic| {
        let what = found.message.split('`').nth(1).unwrap_or_default();
        format!("{what} (line {})", report.sources.line(found.span.source, found.span.start))
    };
    let named: Vec<String> = all.iter().take(MAX_NAMED).map(name).collect();
    let rest = all.len().saturating_sub(named.len());
    let more =
        if rest > 0 { format!(" and {rest} more; `tapir rules check --warnings` has them all") } else { String::new() };
    Some(format!("{}: not acted on: {}{more}", report.sources.name(first.span.source), named.join(", ")))
}

/// The node's sources, changed as a selection says; and what of that is impossible.
fn specific(node: &RuleSources, selection: &Selection, texts: Vec<RuleText>) -> (RuleSources, Vec<String>) {
    let mut sources = RuleSources { texts, texts_only: selection.without_node, ..node.clone() };
    let mut notes = Vec::new();
    for (name, value) in &selection.variables {
        if let Err(why) = sources.config.set(&format!("{name}={value}")) {
            notes.push(format!("variable {name}: {why}; the node's value holds"));
        }
    }
    if let Some(policy) = selection.policy {
        // Rules say `balanced-ips`.
        sources.enable.policies = vec![policy.to_owned(), format!("{policy}-ips")];
        sources.enable.all = false;
        sources.enable.sids.clear();
    }
    sources.enable.rules.extend(&selection.enable);
    sources.enable.not.extend(&selection.disable);
    (sources, notes)
}

/// The texts that rules of the set are from, and the places outside.
fn fruitful(rules: &Rules, loan: &Loan) -> HashSet<Arc<str>> {
    let places: HashSet<&str> =
        rules.set.rules.iter().filter_map(|rule| Some(rule.rule.place.rsplit_once(':')?.0)).collect();
    let texts = loan.texts.iter().map(|text| &text.name).filter(|name| places.contains(&***name));
    let outside = loan.outside.keys().filter(|place| places.iter().any(|name| is_of(name, place)));
    texts.chain(outside).map(Arc::clone).collect()
}

/// Whether a text is of a place outside.
fn is_of(name: &str, place: &str) -> bool {
    name.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Why a set must not replace the one in force: a text, or a place outside, that had rules is there still, has faults, and has no rule
/// left; or there is nothing but comments at the place. Whose rules others have, too, in a newer revision, has lost nothing.
fn barren(before: &HashSet<Arc<str>>, now: &HashSet<Arc<str>>, loan: &Loan, state: &RulesState) -> Option<String> {
    for place in loan.outside.keys().filter(|place| before.contains(*place) && !now.contains(*place)) {
        if let Some(first) = state.faults.iter().find(|fault| is_of(&fault.file, place)) {
            return Some(format!("{place} has no rule left that can run: {first}"));
        }
        let is_void = |text: &RuleText| {
            let mut lines = text.bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            lines.all(|line| line.is_empty() || line.starts_with(b"#"))
        };
        if loan.texts.iter().filter(|text| is_of(&text.name, place)).all(is_void) {
            return Some(format!("{place} has no rule any more"));
        }
    }
    let lost = loan.texts.iter().find(|text| {
        let is_faulty = state.faults.iter().any(|fault| fault.file == *text.name);
        before.contains(&text.name) && !now.contains(&text.name) && is_faulty
    })?;
    let first = state.faults.iter().find(|fault| fault.file == *lost.name)?;
    Some(format!("{} has no rule left that can run: {first}", lost.name))
}

/// What a load came to, if it may be put in force.
fn accept(report: &LoadReport) -> Result<RulesState, String> {
    let findings = findings(report);
    if report.evaluable == 0 {
        let first = findings.first().map(|first| format!(":\n{first}")).unwrap_or_default();
        return Err(format!("no rule to run{first}"));
    }
    Ok(RulesState {
        loaded: report.evaluable,
        rejected: report.skipped.len().saturating_add(report.refused),
        disabled: report.disabled,
        findings,
        faults: faults(report),
        ..RulesState::default()
    })
}

fn findings(report: &LoadReport) -> Vec<String> {
    let errors = report.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    errors.take(MAX_TOLD).map(|found| render(found, &report.sources, false)).collect()
}

fn faults(report: &LoadReport) -> Vec<Fault> {
    let errors = report.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    let fault = |found: &tapir_rules::Diagnostic| {
        let (line, column) = report.sources.position(found.span.source, found.span.start);
        let file = report.sources.name(found.span.source).to_owned();
        Fault { code: found.code, file, line, column, message: found.message.clone() }
    };
    errors.take(MAX_TOLD).map(fault).collect()
}

/// Of all rule files, those in directories among them.
fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &Path| {
        let found = std::fs::metadata(path).ok();
        (
            path.to_owned(),
            found.as_ref().map_or(0, std::fs::Metadata::len),
            found.and_then(|found| found.modified().ok()),
        )
    };
    let mut stamps = Vec::new();
    for file in files {
        stamps.push(stamp(file));
        // A ConfigMap in a volume is a link that is swapped: what it leads to is looked at.
        for entry in std::fs::read_dir(file).into_iter().flatten().flatten() {
            stamps.push(stamp(&entry.path()));
        }
    }
    stamps.sort();
    stamps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(sid: u32) -> String {
        format!("alert tcp any any -> any any ( msg:\"x\"; content:\"y\"; sid:{sid}; )\n")
    }

    #[tokio::test]
    async fn a_change_is_taken_over_and_a_broken_file_leaves_the_last_good_set() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.rules");
        std::fs::write(&file, rule(1)).unwrap();
        let sources = RuleSources { files: vec![dir.path().to_owned()], ..RuleSources::default() };
        let keeper = RuleKeeper::load(sources, Profile::TAPIR);
        let (shared, now) = (Shared::new(), Arc::new(Notify::new()));
        let mut state = keeper.state();
        let first = state.borrow_and_update().node.clone();
        assert_eq!((first.loaded, first.rejected), (1, 0));
        let (_library, lent) = watch::channel(Arc::default());
        let (_selected, selected) = watch::channel(Arc::default());
        let running = tokio::spawn(keeper.run(Arc::clone(&shared), Arc::clone(&now), lent, selected));

        std::fs::write(&file, rule(1) + &rule(2) + "alert nonsense\n").unwrap();
        now.notify_one();
        state.changed().await.unwrap();
        let second = state.borrow_and_update().node.clone();
        assert_eq!((second.loaded, second.rejected, second.error.is_none()), (2, 1, true));
        assert!(second.findings[0].contains("a.rules"), "{:?}", second.findings);
        assert_ne!(first.rule_set, second.rule_set);
        assert!(shared.take_orders().unwrap().rules.is_some());

        std::fs::write(&file, "alert nonsense\n").unwrap();
        now.notify_one();
        state.changed().await.unwrap();
        let third = state.borrow_and_update().node.clone();
        assert_eq!((third.loaded, third.rule_set), (2, second.rule_set), "the last good set stays");
        assert!(third.error.unwrap().contains("no rule to run"));
        assert!(shared.take_orders().is_none());
        running.abort();
    }

    #[tokio::test]
    async fn rules_of_the_cluster_join_those_of_the_node_and_selections_have_sets_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.rules"), rule(1)).unwrap();
        std::fs::write(dir.path().join("snort.lua"), "stream = {}\nsuppress = { { sid = 9 } }").unwrap();
        let files = vec![dir.path().join("snort.lua"), dir.path().to_owned()];
        let sources = RuleSources { files, ..RuleSources::default() };
        let keeper = RuleKeeper::load(sources, Profile::TAPIR);
        let (shared, now) = (Shared::new(), Arc::new(Notify::new()));
        let mut state = keeper.state();
        let (library, lent) = watch::channel(Arc::default());
        let (select, selected) = watch::channel(Arc::default());
        let running = tokio::spawn(keeper.run(Arc::clone(&shared), now, lent, selected));
        let shelf = |text: String, is_for_all| crate::library::Shelf {
            is_for_all,
            texts: BTreeMap::from([("x.rules".to_owned(), text.into_bytes().into())]),
        };
        let object = |name: &str| crate::selection::Object { is_secret: false, name: name.into() };
        let publish = |all: String| {
            let shelves = [(object("all"), shelf(all, true)), (object("named"), shelf(rule(3), false))];
            library.send_replace(Arc::new(Library { shelves: shelves.into() }));
        };
        publish(rule(2) + "alert broken\n");
        state.wait_for(|state| state.node.loaded == 2).await.unwrap();
        let node = state.borrow_and_update().node.clone();
        assert_eq!(node.rejected, 1);
        assert!(node.notes[0].ends_with("snort.lua: not acted on: stream (line 1)"), "{:?}", node.notes);
        assert_eq!((node.faults[0].file.as_str(), node.faults[0].line), ("configmap/all/x.rules", 2));

        // A text that gave rules and has none any more does not take the good set away.
        publish("alert broken\n".to_owned());
        let bad = state.wait_for(|state| state.node.error.is_some()).await.unwrap().node.clone();
        assert_eq!((bad.loaded, bad.rule_set), (2, node.rule_set));
        assert!(
            bad.error
                .unwrap()
                .contains("configmap/all/x.rules has no rule left that can run: configmap/all/x.rules:1:")
        );
        publish(rule(4));
        state.wait_for(|state| state.node.error.is_none()).await.unwrap();

        let named = Selection {
            without_node: true,
            sources: [(object("named"), None)].into(),
            variables: [("HOME_NET".into(), "10.0.0.300".into())].into(),
            ..Selection::default()
        };
        let without = Selection { disable: [(1, 1)].into(), ..Selection::default() };
        select.send_replace(Arc::new([named.clone(), without.clone()].into()));
        state.wait_for(|state| state.others.len() == 2).await.unwrap();
        let states = state.borrow_and_update().clone();
        assert_eq!(states.of(&named).map(|one| (one.loaded, one.notes.len())), Some((1, 1)), "{states:?}");
        assert_eq!(states.of(&without).map(|one| one.loaded), Some(1));
        let sets = loop {
            if let Some(sets) = shared.take_orders().and_then(|orders| orders.rules)
                && sets.get(&named).is_some()
            {
                break sets;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let sids = |selection: &Selection| -> Vec<u32> {
            sets.get(selection).unwrap().set.rules.iter().map(|rule| rule.rule.info.sid).collect()
        };
        assert_eq!((sids(&Selection::default()), sids(&named), sids(&without)), (vec![1, 4], vec![3], vec![4]));

        select.send_replace(Arc::default());
        state.wait_for(|state| state.others.is_empty()).await.unwrap();
        running.abort();
    }

    #[tokio::test]
    async fn rules_from_outside_join_and_what_fails_there_takes_nothing_away() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.rules"), rule(1)).unwrap();
        let sources = RuleSources { files: vec![dir.path().to_owned()], ..RuleSources::default() };
        let wanted = |place: &str, digest: &str| {
            let digest = tapir_artifacts::Digest::of(digest.as_bytes()).to_string();
            let source = tapir_artifacts::Source::web(&format!("https://a.example/{place}"), &digest).unwrap();
            Wanted { source, secret: None }
        };
        let pin = |name: &str, rules: String, error: Option<&str>| crate::pinned::Pin {
            texts: vec![RuleText {
                name: format!("https://a.example/{name}").into(),
                bytes: rules.into_bytes().into(),
            }],
            error: error.map(str::to_owned),
            notes: Vec::new(),
        };
        let (pins, given) = watch::channel(Arc::default());
        let publish = |all: &[(&Wanted, crate::pinned::Pin)]| {
            let all = all.iter().map(|(wanted, pin)| ((*wanted).clone(), pin.clone()));
            pins.send_replace(Arc::new(Pins::of(all)));
        };
        let node = wanted("node", "1");
        let keeper = RuleKeeper::load(sources, Profile::TAPIR).with_outside([node.clone()].into(), given);
        let (shared, now) = (Shared::new(), Arc::new(Notify::new()));
        let mut state = keeper.state();
        let (_library, lent) = watch::channel(Arc::default());
        let (select, selected) = watch::channel(Arc::default());
        let running = tokio::spawn(keeper.run(Arc::clone(&shared), now, lent, selected));

        publish(&[(&node, pin("node/x.rules", rule(2), None))]);
        let first = state.wait_for(|state| state.node.loaded == 2).await.unwrap().node.clone();
        let place: Arc<str> = "https://a.example/node".into();
        assert_eq!((first.outside.get(&place), &first.error), (Some(&None), &None));
        // A source that fails: what it gave is in force, and that is told.
        publish(&[(&node, pin("node/x.rules", rule(2), Some("https://a.example/node: 404")))]);
        let failed = state.wait_for(|state| state.node.outside[&place].is_some()).await.unwrap().node.clone();
        assert_eq!((failed.loaded, failed.rule_set, &failed.error), (2, first.rule_set, &None));
        // One that came as it should and has nothing to run: the set before is in force.
        publish(&[(&node, pin("node/y.rules", "alert nonsense\n".to_owned(), None))]);
        let barren = state.wait_for(|state| state.node.error.is_some()).await.unwrap().node.clone();
        let why = barren.error.unwrap();
        assert!(
            why.contains("https://a.example/node has no rule left that can run: https://a.example/node/y.rules:1:"),
            "{why}"
        );
        assert_eq!(barren.rule_set, first.rule_set);

        // A choice that only a digest tells from the one before begins with the set of that.
        let (older, newer) = (wanted("feed", "1"), wanted("feed", "2"));
        let choice =
            |one: &Wanted| Selection { without_node: true, pinned: [one.clone()].into(), ..Selection::default() };
        publish(&[(&older, pin("feed", rule(5), None))]);
        select.send_replace(Arc::new([choice(&older)].into()));
        let before = state.wait_for(|state| state.others.values().any(|one| one.loaded == 1)).await.unwrap().clone();
        select.send_replace(Arc::new([choice(&newer)].into()));
        let after = state.wait_for(|state| state.of(&choice(&newer)).is_some()).await.unwrap().clone();
        let set = |states: &SetStates, one| states.of(&choice(one)).map(|state| state.rule_set);
        assert_eq!(set(&after, &newer), set(&before, &older));
        publish(&[(&newer, pin("feed", rule(6) + &rule(7), None))]);
        state.wait_for(|state| state.of(&choice(&newer)).is_some_and(|one| one.loaded == 2)).await.unwrap();
        running.abort();
    }

    #[test]
    fn a_place_outside_that_has_lost_its_rules_is_told_from_one_whose_rules_others_have() {
        let place: Arc<str> = "https://a.example/x".into();
        let before = HashSet::from([Arc::clone(&place)]);
        let why = |text: &str, faults: &[Fault]| {
            let text = RuleText { name: "https://a.example/x/a.rules".into(), bytes: text.as_bytes().into() };
            let loan = Loan { texts: vec![text], outside: [(Arc::clone(&place), None)].into(), ..Loan::default() };
            barren(&before, &HashSet::new(), &loan, &RulesState { faults: faults.to_vec(), ..RulesState::default() })
        };
        assert_eq!(why(&rule(1), &[]), None, "another source has it in a newer revision");
        assert_eq!(why("# moved\n\n", &[]).unwrap(), "https://a.example/x has no rule any more");
        let fault = Fault { file: "https://a.example/x/a.rules".into(), line: 1, ..Fault::default() };
        assert!(
            why(&rule(1), &[fault]).unwrap().starts_with("https://a.example/x has no rule left that can run: https://")
        );
    }

    #[tokio::test]
    async fn nothing_to_run_is_told_and_what_comes_later_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.rules");
        std::fs::write(&file, "alert nonsense\n").unwrap();
        let sources = RuleSources { files: vec![dir.path().to_owned()], ..RuleSources::default() };
        let keeper = RuleKeeper::load(sources, Profile::TAPIR).with_note("as always".into());
        let mut state = keeper.state();
        {
            let node = &state.borrow_and_update().node;
            assert!(node.error.as_ref().is_some_and(|why| why.contains("a.rules")), "{node:?}");
            assert_eq!((node.loaded, node.faults.len(), node.notes.as_slice()), (0, 1, &["as always".to_owned()][..]));
            assert!(keeper.sets().0.is_empty());
        }
        let (shared, now) = (Shared::new(), Arc::new(Notify::new()));
        let (_library, library) = watch::channel(Arc::default());
        let (_selected, selected) = watch::channel(Arc::default());
        std::fs::write(&file, rule(7)).unwrap();
        now.notify_one();
        let _run = tokio::spawn(keeper.run(Arc::clone(&shared), now, library, selected));
        let is_there = |states: &SetStates| states.node.loaded == 1 && states.node.error.is_none();
        let states = tokio::time::timeout(std::time::Duration::from_secs(20), state.wait_for(is_there)).await;
        assert_eq!(states.unwrap().unwrap().node.notes, ["as always"]);
    }
}
