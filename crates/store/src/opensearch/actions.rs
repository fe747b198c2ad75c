//! Decisions about groups, with their audit entries and what is needed to take them back.
//!
//! *No transaction*: what takes it back is written first, then the groups, each in the version that was read, then the
//! audit log. Should the server go away in between, some groups have been changed and others not; the call is an error.

use super::fold::TRIES;
use super::group::{Decided, Found, GroupDoc};
use super::server::{Done, Operation};
use super::store::Inner;
use crate::{
    Action, ActionOutcome, ActionRequest, Decision, Group, GroupId, MAX_ACTION_GROUPS, Status, StoreError, Target,
    UndoOutcome, UndoToken,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// How long an action can be taken back: 10 minutes, in nanoseconds.
const UNDO: i64 = 600_000_000_000;
/// Rows that come back with an answer.
const ROWS: usize = 100;
/// Groups of one request.
const STEP: usize = 500;

/// A group before an action.
#[derive(Debug, Serialize, Deserialize)]
struct Before {
    id: String,
    /// The group's version after it.
    version: u64,
    decided: Decided,
}

impl Inner {
    /// Carries an action out.
    pub(super) async fn carry_out(&self, request: &ActionRequest) -> Result<ActionOutcome, StoreError> {
        request.check()?;
        let wanted = self.targets(request).await?;
        let found = wanted.len() as u64;
        if let Some(expected) = request.expected_count
            && found.abs_diff(expected).saturating_mul(10) > expected
        {
            return Err(StoreError::CountMoved { expected, found });
        }
        if wanted.is_empty() {
            return Ok(ActionOutcome { groups: 0, events: 0, rows: Vec::new(), undo: None });
        }
        let token = self.random_word()?;
        let (mut groups, mut events, mut shown) = (0, 0, Vec::new());
        let wanted: Vec<(String, Option<u64>)> = wanted.into_iter().collect();
        // All versions are looked at before anything is written.
        let mut docs = Vec::with_capacity(wanted.len());
        for ids in wanted.chunks(STEP) {
            docs.extend(self.looked_at(ids).await?);
        }
        for (step, docs) in docs.chunks(STEP).enumerate() {
            let changed = self.act_step(request, &token, step, docs.to_vec()).await?;
            groups += changed.len() as u64;
            events += changed.iter().map(|doc| doc.figures.extent.n).sum::<u64>();
            shown.extend(changed.into_iter().take(ROWS.saturating_sub(shown.len())));
        }
        let rows = self.rows_of(shown).await?;
        Ok(ActionOutcome { groups, events, rows, undo: Some(UndoToken(token)) })
    }

    /// Identities of the groups, each once, with the version that the user saw.
    async fn targets(&self, request: &ActionRequest) -> Result<BTreeMap<String, Option<u64>>, StoreError> {
        match &request.target {
            Target::Matching(filter) => {
                // What was decided a moment ago by others counts, too.
                self.server.refresh(&self.names.groups).await?;
                let ids = self.all_groups(filter, MAX_ACTION_GROUPS).await?;
                Ok(ids.into_iter().map(|id| (id, None)).collect())
            }
            Target::Ids(ids) if ids.len() > MAX_ACTION_GROUPS => {
                Err(StoreError::TooBroad(format!("more than {MAX_ACTION_GROUPS} groups")))
            }
            Target::Ids(ids) => Ok(ids.iter().map(|(id, version)| (id.to_string(), *version)).collect()),
        }
    }

    /// Groups in the versions that were asked for.
    async fn looked_at(&self, wanted: &[(String, Option<u64>)]) -> Result<Vec<Found>, StoreError> {
        let ids: Vec<String> = wanted.iter().map(|(id, _)| id.clone()).collect();
        let mut docs = Vec::with_capacity(ids.len());
        for ((id, expected), found) in wanted.iter().zip(self.group_docs(&ids).await?) {
            let found = found.ok_or_else(|| StoreError::NotFound { what: "group", id: id.clone() })?;
            if let Some(expected) = expected.filter(|expected| *expected != found.doc.version) {
                return Err(conflict(id, expected, found.doc.version));
            }
            docs.push(found);
        }
        Ok(docs)
    }

    async fn act_step(
        &self,
        request: &ActionRequest,
        token: &str,
        step: usize,
        mut docs: Vec<Found>,
    ) -> Result<Vec<GroupDoc>, StoreError> {
        let versions: BTreeMap<String, u64> =
            docs.iter().map(|found| (found.doc.id.clone(), found.doc.version)).collect();
        let before = docs.iter().map(|found| Before {
            id: found.doc.id.clone(),
            version: found.doc.version + 1,
            decided: found.doc.decided.clone(),
        });
        let before: Vec<Before> = before.collect();
        let undo = json!({
            "kind": "undo", "id": self.clock.take(1), "at": request.now.0, "owner": token,
            "body": { "groups": before },
        });
        let since = self.clock.take(1);
        let name = format!("undo/{token}/{step}");
        refused(self.server.bulk(&[Operation::put(&self.names.state, &name, &undo)], true).await?)?;
        let (mut changed, mut audit) = (Vec::new(), Vec::new());
        for _ in 0..TRIES {
            if docs.is_empty() {
                break;
            }
            let mut after = Vec::with_capacity(docs.len());
            let mut operations = Vec::with_capacity(docs.len());
            for Found { mut doc, seen } in docs.drain(..) {
                let (detail, texts) = decide(&mut doc.decided, request, since);
                doc.version += 1;
                operations.push(Operation::replace(&self.names.groups, &doc.id, seen, &doc.document()));
                after.push((doc, detail, texts));
            }
            let mut again = Vec::new();
            for ((doc, detail, comment), done) in after.into_iter().zip(self.server.bulk(&operations, true).await?) {
                match done {
                    Done::Yes => {
                        let entry = |action: &str, detail: &Json| {
                            self.audit_entry(request.now.0, &request.who, action, Some(&doc.id), detail)
                        };
                        audit.push(entry(request.action.name(), &detail));
                        audit.extend(comment.map(|text| entry("comment", &json!({ "text": text }))));
                        changed.push(doc);
                    }
                    Done::Conflict => again.push(doc.id),
                    Done::Never(why) => return Err(StoreError::Internal(format!("a group is refused: {why}"))),
                }
            }
            // Somebody wrote them: an event came, which changes nothing here, or another decision, which does.
            for (id, found) in again.iter().zip(self.group_docs(&again).await?) {
                let found = found.ok_or_else(|| StoreError::NotFound { what: "group", id: id.clone() })?;
                let expected = versions.get(id).copied().unwrap_or_default();
                if found.doc.version != expected {
                    self.server.bulk(&audit, true).await?;
                    return Err(conflict(id, expected, found.doc.version));
                }
                docs.push(found);
            }
        }
        self.server.bulk(&audit, true).await?;
        match docs.first() {
            Some(found) => Err(self.contested(&found.doc.id)),
            None => Ok(changed),
        }
    }

    /// Takes an action back.
    pub(super) async fn take_back(&self, token: &UndoToken, by: &Decision) -> Result<UndoOutcome, StoreError> {
        let of_token = super::compile::term("owner", token.0.clone());
        let kept = self.state_docs("undo", Some(of_token), 2 * MAX_ACTION_GROUPS / STEP).await?;
        let since = by.now.0.saturating_sub(UNDO);
        let at = |doc: &Json| doc.get("at").and_then(Json::as_i64).unwrap_or(i64::MIN);
        if kept.is_empty() || kept.iter().any(|(_, doc, _)| at(doc) < since) {
            return Err(StoreError::UndoGone);
        }
        // Once: who removes it first has it.
        let removals: Vec<Operation> =
            kept.iter().map(|(name, _, seen)| Operation::delete(&self.names.state, name, *seen)).collect();
        if self.server.bulk(&removals, true).await?.contains(&Done::Conflict) {
            return Err(StoreError::UndoGone);
        }
        let (mut restored, mut skipped, mut shown, mut audit) = (0, Vec::new(), Vec::new(), Vec::new());
        for (_, doc, _) in &kept {
            let before = doc.pointer("/body/groups").cloned().unwrap_or_default();
            let before: Vec<Before> = serde_json::from_value(before)
                .map_err(|error| StoreError::Internal(format!("what takes an action back cannot be read: {error}")))?;
            let mut left: BTreeMap<String, Before> =
                before.into_iter().map(|before| (before.id.clone(), before)).collect();
            for _ in 0..TRIES {
                let ids: Vec<String> = left.keys().cloned().collect();
                let (mut operations, mut docs) = (Vec::new(), Vec::new());
                for (id, found) in ids.iter().zip(self.group_docs(&ids).await?) {
                    let Some(before) = left.get(id) else { continue };
                    match found {
                        Some(Found { mut doc, seen }) if doc.version == before.version => {
                            doc.decided = before.decided.clone();
                            doc.version += 1;
                            operations.push(Operation::replace(&self.names.groups, id, seen, &doc.document()));
                            docs.push(doc);
                        }
                        found => {
                            skipped.extend(found.map(|found| GroupId(found.doc.key().cast_unsigned())));
                            left.remove(id);
                        }
                    }
                }
                for (doc, done) in docs.into_iter().zip(self.server.bulk(&operations, true).await?) {
                    match done {
                        Done::Yes => {
                            left.remove(&doc.id);
                            restored += 1;
                            audit.push(self.audit_entry(by.now.0, &by.who, "undo", Some(&doc.id), &json!({})));
                            if shown.len() < ROWS {
                                shown.push(doc);
                            }
                        }
                        // Read again; if somebody decided meanwhile it is skipped.
                        Done::Conflict => {}
                        Done::Never(why) => return Err(StoreError::Internal(format!("a group is refused: {why}"))),
                    }
                }
                if left.is_empty() {
                    break;
                }
            }
            skipped.extend(left.keys().filter_map(|id| id.parse::<GroupId>().ok()));
        }
        self.server.bulk(&audit, true).await?;
        Ok(UndoOutcome { restored, skipped, rows: self.rows_of(shown).await? })
    }

    async fn rows_of(&self, docs: Vec<GroupDoc>) -> Result<Vec<Group>, StoreError> {
        self.shown(docs.into_iter().map(|doc| Found { doc, seen: None }).collect(), false).await
    }

    /// Forgets what can no longer be taken back.
    pub(super) async fn forget_undo(&self, now: i64) -> Result<(), StoreError> {
        let old = json!({ "range": { "at": { "lt": now.saturating_sub(UNDO) } } });
        let old = self.state_docs("undo", Some(old), 100).await?;
        let removals: Vec<Operation> =
            old.iter().map(|(name, _, _)| Operation::delete(&self.names.state, name, None)).collect();
        self.server.bulk(&removals, false).await.map(drop)
    }
}

/// Changes what was decided; the audit log's detail, and the comment along with it.
fn decide(decided: &mut Decided, request: &ActionRequest, since: i64) -> (Json, Option<String>) {
    let mut detail = json!({});
    match &request.action {
        Action::Dismiss { reason, text, covers } => {
            decided.status = Status::Dismissed;
            (decided.reason, decided.reason_text) = (Some(*reason), text.clone());
            decided.covers = Some(*covers);
            decided.since = since;
            detail = json!({ "reason": reason.name(), "text": text, "covers": covers });
        }
        Action::Acknowledge => decided.status = Status::Acknowledged,
        Action::Escalate => decided.status = Status::Escalated,
        Action::Reopen => decided.status = Status::Open,
        Action::Assign { to } => {
            decided.assignee.clone_from(to);
            detail = json!({ "to": to });
        }
        Action::Comment { text } => {
            decided.comments += 1;
            detail = json!({ "text": text });
        }
    }
    if !matches!(request.action, Action::Assign { .. } | Action::Comment { .. }) {
        // Somebody has looked at it: it is no longer "back by itself".
        (decided.reopened_at, decided.reopened_why) = (None, None);
        if decided.status != Status::Dismissed {
            (decided.reason, decided.reason_text, decided.covers) = (None, None, None);
        }
    }
    decided.comments += u64::from(request.comment.is_some());
    (detail, request.comment.clone())
}

fn conflict(id: &str, expected: u64, found: u64) -> StoreError {
    StoreError::Conflict { what: format!("group {id}"), expected, found }
}

/// Nothing of what was sent may be refused.
pub(super) fn refused(done: Vec<Done>) -> Result<(), StoreError> {
    for done in done {
        if let Done::Never(why) = done {
            return Err(StoreError::Invalid(why));
        }
    }
    Ok(())
}
