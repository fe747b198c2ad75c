//! The rule set of a node: loaded, watched for changes, compiled anew in the background, handed to the capture side.
//!
//! *Invariants*: a set that has nothing to run never replaces one that has; what was skipped is told, file by file.
//!
//! *Limits*: files are looked at every [`LOOK`]: their names, sizes and times. [`MAX_TOLD`] findings are told.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tapir_detect::Profile;
use tapir_engine::{LoadReport, RuleSources, Rules};
use tapir_rules::{Severity, render};

use crate::shared::Shared;
use tokio::sync::{Notify, watch};

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Findings of a load that are told.
const MAX_TOLD: usize = 20;

/// What became of the last load.
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
}

/// See the module.
pub struct RuleKeeper {
    sources: RuleSources,
    profile: Profile,
    current: Arc<Rules>,
    state: watch::Sender<RulesState>,
    seen: Vec<Stamp>,
}

/// Name, size and time of a file.
type Stamp = (PathBuf, u64, Option<SystemTime>);

impl RuleKeeper {
    /// Loads the first set. The error says why there is nothing to run.
    pub fn load(sources: RuleSources, profile: Profile) -> Result<Self, String> {
        let seen = stamps(&sources.files);
        let (rules, report) = Rules::load(&sources, profile);
        let state = accept(&report)?;
        let state = RulesState { rule_set: rules.set.id.0, ..state };
        Ok(Self { sources, profile, current: Arc::new(rules), state: watch::Sender::new(state), seen })
    }

    /// The set in force.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.current
    }

    /// What became of the last load.
    pub fn state(&self) -> watch::Receiver<RulesState> {
        self.state.subscribe()
    }

    /// Follows the files, and loads when it is told to, for ever.
    pub async fn run(mut self, shared: Arc<Shared>, now: Arc<Notify>) {
        loop {
            let told = tokio::select! {
                () = now.notified() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let stamps = stamps(&self.sources.files);
            if !told && stamps == self.seen {
                continue;
            }
            self.seen = stamps;
            let (current, sources, profile) = (Arc::clone(&self.current), self.sources.clone(), self.profile);
            // Compiling takes a second; the control side goes on meanwhile.
            let loaded = tokio::task::spawn_blocking(move || current.load_successor(&sources, profile)).await;
            let Ok((rules, report)) = loaded else { continue };
            match accept(&report) {
                Ok(state) => {
                    self.current = Arc::new(rules);
                    shared.post_rules(Arc::clone(&self.current));
                    self.state.send_replace(RulesState { rule_set: self.current.set.id.0, ..state });
                }
                Err(why) => self.state.send_modify(|state| {
                    state.findings = findings(&report);
                    state.error = Some(why);
                }),
            }
        }
    }
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
        ..RulesState::default()
    })
}

fn findings(report: &LoadReport) -> Vec<String> {
    let errors = report.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    errors.take(MAX_TOLD).map(|found| render(found, &report.sources, false)).collect()
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
        let keeper = RuleKeeper::load(sources, Profile::TAPIR).unwrap();
        let (shared, now) = (Shared::new(), Arc::new(Notify::new()));
        let mut state = keeper.state();
        let first = state.borrow_and_update().clone();
        assert_eq!((first.loaded, first.rejected), (1, 0));
        let running = tokio::spawn(keeper.run(Arc::clone(&shared), Arc::clone(&now)));

        std::fs::write(&file, rule(1) + &rule(2) + "alert nonsense\n").unwrap();
        now.notify_one();
        state.changed().await.unwrap();
        let second = state.borrow_and_update().clone();
        assert_eq!((second.loaded, second.rejected, second.error.is_none()), (2, 1, true));
        assert!(second.findings[0].contains("a.rules"), "{:?}", second.findings);
        assert_ne!(first.rule_set, second.rule_set);
        assert!(shared.take_orders().unwrap().rules.is_some());

        std::fs::write(&file, "alert nonsense\n").unwrap();
        now.notify_one();
        state.changed().await.unwrap();
        let third = state.borrow_and_update().clone();
        assert_eq!((third.loaded, third.rule_set), (2, second.rule_set), "the last good set stays");
        assert!(third.error.unwrap().contains("no rule to run"));
        assert!(shared.take_orders().is_none());
        running.abort();
    }

    #[test]
    fn nothing_to_run_is_refused_at_the_start() {
        let sources = RuleSources { files: vec!["/nowhere.rules".into()], ..RuleSources::default() };
        let error = RuleKeeper::load(sources, Profile::TAPIR).err().unwrap();
        assert!(error.contains("nowhere.rules"), "{error}");
    }
}
