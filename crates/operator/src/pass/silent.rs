//! Agents that ended without a word: what their nodes said last is taken back.
//!
//! *How it fits*: agents write what they say at least every five minutes, and in order only the end of an agent takes its word back. One that was
//! killed leaves a success behind. Each pass, of which there is one a minute at least, looks at the times.
//! *Invariants*: 1. what is taken back says since when, once; the agent's next write replaces it whole; 2. a time that lies ahead is that of a
//! clock that goes wrong, or of an operator's that does, and is not judged; neither is an entry without one; 3. nothing but success is taken back.
//! *Limits*: a node whose clock is six minutes behind the operator's is taken for silent between two of its writes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tapir_kubernetes::resources::{Counts, NodeEntry, NodeReport};
use tapir_kubernetes::status::{unready, unsuccessful};

/// Two times of agents' five minutes, and one for the way.
const SILENT: SignedDuration = SignedDuration::from_mins(11);

/// Since when nobody was heard who should have been.
fn since(last: Option<&Time>, now: Timestamp) -> Option<Timestamp> {
    let last = last?.0;
    (now.duration_since(last) > SILENT).then_some(last)
}

fn in_words(since: Timestamp) -> String {
    format!("the agent of this node has not reported since {since}")
}

/// Nothing is inspected by nobody.
fn nothing_attached(counts: Counts) -> Counts {
    Counts { attached: 0, ..counts }
}

/// The entry as it is to be, if it is not as it should be.
pub(super) fn entry(said: &NodeEntry, now: Timestamp) -> Option<NodeEntry> {
    let active = said.active.as_ref().filter(|active| active.success)?;
    let since = since(active.last_updated.as_ref(), now)?;
    let mut entry = unsuccessful(said.clone(), &in_words(since), now);
    // The time stays: it is the agent's.
    entry.active.iter_mut().for_each(|told| told.last_updated.clone_from(&active.last_updated));
    entry.endpoints = entry.endpoints.map(nothing_attached);
    Some(entry)
}

/// The same of a report.
pub(super) fn report(said: &NodeReport, now: Timestamp) -> Option<NodeReport> {
    let since = since(said.last_updated.as_ref().filter(|_| said.ready), now)?;
    let mut report = unready(said.clone(), &in_words(since), now);
    report.last_updated.clone_from(&said.last_updated);
    report.endpoints = nothing_attached(report.endpoints);
    // It is wrong since the agent fell silent.
    if let Some(error) = report.errors.last_mut() {
        error.since.clone_from(&said.last_updated);
    }
    Some(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapir_kubernetes::resources::{Active, ErrorCondition, MAX_ERRORS};

    const MINUTE: i64 = 60;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn said(second: Option<i64>) -> (NodeEntry, NodeReport) {
        let last_updated = second.map(|second| Time(at(second)));
        let counts = Counts { selected: 3, attached: 3 };
        let active = Some(Active { success: true, last_updated: last_updated.clone() });
        let entry = NodeEntry { node: "n1".into(), active, endpoints: Some(counts), ..NodeEntry::default() };
        let report =
            NodeReport { node: "n1".into(), ready: true, endpoints: counts, last_updated, ..NodeReport::default() };
        (entry, report)
    }

    #[test]
    fn an_agent_that_was_killed_is_no_success_for_long() {
        let (well, ready) = said(Some(0));
        let (entry_then, report_then) = (entry(&well, at(11 * MINUTE)), report(&ready, at(11 * MINUTE)));
        assert_eq!((entry_then, report_then), (None, None), "two refreshes may be late");
        let entry_now = entry(&well, at(11 * MINUTE + 1)).unwrap();
        assert!(!entry_now.success());
        assert_eq!(entry_now.endpoints, Some(Counts { selected: 3, attached: 0 }));
        assert_eq!(entry_now.active.as_ref().unwrap().last_updated, Some(Time(at(0))));
        let why = "the agent of this node has not reported since 1970-01-01T00:00:00Z";
        assert_eq!(entry_now.error_conditions.last().unwrap().message, why);
        let report_now = report(&ready, at(11 * MINUTE + 1)).unwrap();
        assert!(!report_now.ready);
        assert_eq!((report_now.endpoints.attached, report_now.errors.last().unwrap().message.as_str()), (0, why));
        // Once.
        assert_eq!(entry(&entry_now, at(60 * MINUTE)), None);
        assert_eq!(report(&report_now, at(60 * MINUTE)), None);
    }

    #[test]
    fn clocks_that_go_wrong_are_not_judged() {
        for second in [None, Some(3600), Some(i64::from(u32::MAX))] {
            let (well, ready) = said(second);
            assert_eq!((entry(&well, at(1800)), report(&ready, at(1800))), (None, None), "{second:?}");
        }
    }

    #[test]
    fn errors_stay_as_many_as_the_schema_has_room_for() {
        let (mut well, _) = said(Some(0));
        well.error_conditions = vec![ErrorCondition::default(); MAX_ERRORS];
        let entry = entry(&well, at(3600)).unwrap();
        assert_eq!(entry.error_conditions.len(), MAX_ERRORS);
        assert!(entry.error_conditions.last().unwrap().message.contains("not reported"));
    }
}
