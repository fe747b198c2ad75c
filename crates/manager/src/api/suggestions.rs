//! What people have dismissed so often that they may want it quiet: plain counts of their decisions, never a judgement of ours,
//! and nothing is done by itself.
//!
//! Whoever sees some namespaces only has suggestions from the decisions that he sees.
//! *Limits*: the newest [`ENTRIES`] entries of the audit log, [`DAYS`] days, [`ROWS`] suggestions.

use super::group_form::{Group, recent};
use crate::app::now;
use crate::problem::Answer;
use crate::sight::Sight;
use axum::Json;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tapir_packet::Timestamp;
use tapir_store::{AuditEntry, AuditWhat, EventStore, GroupId, MAX_PAGE, PageRequest, StoreError, Suppression};
use utoipa::ToSchema;

const ENTRIES: usize = 10_000;
const DAYS: u32 = 30;
const ROWS: usize = 20;
/// Dismissals from which on it is worth a word.
const OFTEN: u64 = 3;
const DAY: i64 = 86_400_000_000_000;

/// A group that was dismissed again and again.
#[derive(Serialize, ToSchema)]
pub(super) struct Suggestion {
    /// The group: its preview shows what quieting it would hide.
    group: Group,
    /// Dismissals that nobody took back.
    times: u64,
    /// Different people who dismissed it.
    people: usize,
    /// Dismissals by reason.
    reasons: BTreeMap<String, u64>,
}

/// All of them.
#[derive(Serialize, ToSchema)]
pub(super) struct Suggestions {
    /// Most often dismissed first.
    items: Vec<Suggestion>,
    /// Days looked at.
    days: u32,
    /// The audit log has more entries of these days than were looked at.
    partial: bool,
}

/// Decisions about one group.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    people: BTreeSet<String>,
    reasons: BTreeMap<String, u64>,
    /// Undos that are newer than the dismissals still to come.
    undone: u64,
}

/// Groups that were dismissed at least three times in 30 days as a false positive, expected or no risk, and that nothing
/// quiets yet.
#[utoipa::path(get, path = "/tuning/suggestions", tag = "tuning", responses((status = 200, body = Suggestions)))]
pub(super) async fn suggestions(sight: Sight) -> Answer<Json<Suggestions>> {
    let since = Timestamp(now().0.saturating_sub(i64::from(DAYS) * DAY));
    let mut tallies: BTreeMap<GroupId, Tally> = BTreeMap::new();
    let (mut looked, mut cursor, mut partial) = (0, None, false);
    'pages: loop {
        let page = PageRequest { limit: MAX_PAGE, cursor, ..PageRequest::default() };
        let found = sight.audit(AuditWhat::default(), page).await?;
        for entry in &found.items {
            if entry.at < since {
                break 'pages;
            }
            note(&mut tallies, entry);
        }
        looked += found.items.len();
        cursor = found.next;
        partial = cursor.is_some() && looked >= ENTRIES;
        if cursor.is_none() || partial {
            break;
        }
    }
    let mut often: Vec<(u64, GroupId, Tally)> = tallies
        .into_iter()
        .map(|(id, tally)| (tally.reasons.values().sum(), id, tally))
        .filter(|(times, ..)| *times >= OFTEN)
        .collect();
    often.sort_by_key(|(times, id, _)| (std::cmp::Reverse(*times), *id));
    let standing = sight.suppressions().await?;
    let (mut groups, mut tallies) = (Vec::new(), Vec::new());
    for (times, id, tally) in often {
        if groups.len() == ROWS {
            break;
        }
        let group = match sight.group(id).await {
            Ok(detail) => detail.group,
            // Retention has taken it.
            Err(StoreError::NotFound { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        if !standing.iter().any(|one| quiets(one, &group)) {
            groups.push(group);
            tallies.push((times, tally));
        }
    }
    let rows = recent(&sight, groups, now()).await;
    let suggestion = |(group, (times, tally)): (Group, (u64, Tally))| Suggestion {
        group,
        times,
        people: tally.people.len(),
        reasons: tally.reasons,
    };
    let items = rows.into_iter().zip(tallies).map(suggestion).collect();
    Ok(Json(Suggestions { items, days: DAYS, partial }))
}

/// Counts an entry; they come newest first.
fn note(tallies: &mut BTreeMap<GroupId, Tally>, entry: &AuditEntry) {
    let Some(group) = entry.group else { return };
    if entry.action == "undo" {
        tallies.entry(group).or_default().undone += 1;
        return;
    }
    if !matches!(entry.action.as_str(), "dismiss" | "acknowledge" | "escalate" | "reopen" | "assign") {
        return;
    }
    let tally = tallies.entry(group).or_default();
    if tally.undone > 0 {
        tally.undone -= 1;
        return;
    }
    let reason = entry.detail.get("reason").and_then(|reason| reason.as_str()).unwrap_or_default();
    if entry.action == "dismiss" && matches!(reason, "false_positive" | "expected" | "no_risk") {
        tally.people.insert(entry.who.clone());
        *tally.reasons.entry(reason.to_owned()).or_default() += 1;
    }
}

fn quiets(suppression: &Suppression, group: &tapir_store::Group) -> bool {
    let (client, server) = (group.client.named(), group.server.named());
    suppression.standing().holds(now()) && suppression.what.scope.covers(group.gid, group.sid, &client, &server)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tally(newest_first: &[(&str, &str, &str)]) -> Tally {
        let mut tallies = BTreeMap::new();
        for (id, (action, who, reason)) in (1..).zip(newest_first) {
            let entry = AuditEntry {
                id,
                at: Timestamp(0),
                who: (*who).to_owned(),
                action: (*action).to_owned(),
                group: Some(GroupId(7)),
                detail: json!({ "reason": reason }),
            };
            note(&mut tallies, &entry);
        }
        tallies.remove(&GroupId(7)).unwrap_or_default()
    }

    #[test]
    fn dismissals_that_stood_are_counted_by_reason_and_people() {
        let tally = tally(&[
            ("undo", "ann", ""),
            ("dismiss", "ann", "expected"),
            ("comment", "bob", ""),
            ("dismiss", "bob", "expected"),
            ("dismiss", "ann", "false_positive"),
            ("dismiss", "ann", "duplicate"),
            ("undo", "ann", ""),
            ("acknowledge", "ann", ""),
            ("dismiss", "ann", "expected"),
        ]);
        assert_eq!(tally.people, ["ann", "bob"].map(str::to_owned).into());
        assert_eq!(tally.reasons, [("expected".to_owned(), 2), ("false_positive".to_owned(), 1)].into());
    }
}
