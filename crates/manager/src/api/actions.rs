//! Decisions about groups: by their ids or by a query, and taking them back.

use super::filter::{Asked, Unsaid};
use super::group_form::{Group, recent};
use crate::app::{State, now};
use crate::auth::Caller;
use crate::problem::{Answer, Body, Path, Problem};
use crate::sight::Sight;
use axum::Json;
use axum::http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tapir_event::rfc3339;
use tapir_packet::Timestamp;
use tapir_store::{Action, ActionRequest, Covers, EventStore, GroupId, MAX_ACTION_GROUPS, Reason, Target, UndoToken};
use utoipa::ToSchema;

/// Longest remark, reason in words, and name of an assignee, in bytes.
const MAX_TEXT: usize = 4_096;
const MAX_NAME: usize = 253;
/// Body of an action: [`MAX_ACTION_GROUPS`] ids with a version each have some 390 KiB.
pub(super) const MAX_BODY: usize = 512 << 10;
/// How long an action can be taken back.
const UNDO: i64 = 600_000_000_000;

/// What to do with a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verb {
    /// Done with it; needs a reason.
    Dismiss,
    /// Seen.
    Acknowledge,
    /// Handed on.
    Escalate,
    /// Open again.
    Reopen,
    /// Whose it is: `assignee`; without one nobody's.
    Assign,
    /// A remark: `comment`.
    Comment,
}

/// A reason by name or by its key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum ReasonWord {
    /// 1 to 5.
    Number(i64),
    /// `false_positive`, `expected`, `accepted`, `duplicate`, `other`.
    Name(String),
}

/// An action on groups: `ids` or `query`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ActRequest {
    /// Groups.
    ids: Option<Vec<String>>,
    /// Versions that the user saw, by group; a group with another one now makes it a 412.
    #[serde(default)]
    versions: BTreeMap<String, u64>,
    /// Or all groups that this query finds…
    query: Option<String>,
    /// … in this range
    from: Option<String>,
    /// …
    to: Option<String>,
    /// … in these states.
    status: Option<String>,
    /// What.
    action: Verb,
    /// Of a dismissal.
    reason: Option<ReasonWord>,
    /// A remark; the words of reason `other`.
    comment: Option<String>,
    /// Of `assign`.
    assignee: Option<String>,
    /// Of a dismissal: later events of the same shapes are covered until then. Without it for ever.
    until: Option<String>,
    /// Groups that the user saw; 409 if the number has moved by more than 10 %.
    expected_count: Option<u64>,
}

/// What an action did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Acted {
    /// Groups that were changed.
    changed: u64,
    /// Events in them.
    events: u64,
    /// The changed groups, at most 100.
    groups: Vec<Group>,
    /// Takes it back, once.
    undo: Option<String>,
    /// Until when.
    undo_until: Option<String>,
}

/// Decides about groups.
#[utoipa::path(post, path = "/groups/actions", tag = "groups", request_body = ActRequest,
    responses((status = 200, body = Acted), (status = 409, description = "the count moved", body = Problem),
        (status = 412, description = "somebody else was first", body = Problem)))]
pub(super) async fn act(
    state: State,
    sight: Sight,
    caller: Caller,
    headers: HeaderMap,
    Body(body): Body<ActRequest>,
) -> Answer<Json<Acted>> {
    let decision = caller.act()?;
    for (name, text, most) in [("comment", &body.comment, MAX_TEXT), ("assignee", &body.assignee, MAX_NAME)] {
        if text.as_ref().is_some_and(|text| text.len() > most) {
            return Err(Problem::bad_request(format!("`{name}` is longer than {most} bytes")));
        }
    }
    let target = target(&body, &headers)?;
    let (action, comment) = action(&body, decision.now)?;
    let request = ActionRequest {
        target,
        action,
        comment,
        expected_count: body.expected_count,
        who: decision.who,
        now: decision.now,
    };
    let done = sight.act(request).await?;
    if done.groups > 0 {
        state.live.changed();
    }
    let until = Timestamp(decision.now.0.saturating_add(UNDO));
    Ok(Json(Acted {
        changed: done.groups,
        events: done.events,
        groups: recent(&sight, done.rows, decision.now).await,
        undo_until: done.undo.as_ref().map(|_| rfc3339(until)),
        undo: done.undo.map(|token| token.0),
    }))
}

fn target(body: &ActRequest, headers: &HeaderMap) -> Answer<Target> {
    match (&body.ids, &body.query) {
        (Some(ids), None) => {
            if ids.is_empty() || ids.len() > MAX_ACTION_GROUPS {
                return Err(Problem::bad_request(format!("`ids` takes 1 to {MAX_ACTION_GROUPS} groups")));
            }
            let single = if ids.len() == 1 { if_match(headers)? } else { None };
            let one = |id: &String| {
                let version = body.versions.get(id).copied().or(single);
                Ok::<_, Problem>((id.parse::<GroupId>()?, version))
            };
            Ok(Target::Ids(ids.iter().map(one).collect::<Answer<_>>()?))
        }
        (None, Some(query)) => {
            let asked = Asked {
                q: Some(query),
                from: body.from.as_deref(),
                to: body.to.as_deref(),
                status: body.status.as_deref(),
                ..Asked::default()
            };
            Ok(Target::Matching(Box::new(asked.filter(Unsaid::Open)?)))
        }
        _ => Err(Problem::bad_request("give either `ids` or `query`")),
    }
}

/// The version in `If-Match`, if one is given: `"3"`.
pub(super) fn if_match(headers: &HeaderMap) -> Answer<Option<u64>> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text.trim_start_matches("W/").trim_matches('"').parse();
    version.map(Some).map_err(|_| Problem::bad_request("`If-Match` is the ETag of the object: \"3\""))
}

/// The action, and the comment along with it.
fn action(body: &ActRequest, now: Timestamp) -> Answer<(Action, Option<String>)> {
    let comment = body.comment.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    if body.action != Verb::Dismiss && (body.reason.is_some() || body.until.is_some()) {
        return Err(Problem::bad_request("`reason` and `until` belong to `dismiss`"));
    }
    Ok(match body.action {
        Verb::Dismiss => {
            let reason = body.reason.as_ref().and_then(reason).ok_or_else(|| {
                let words = "false_positive, expected, accepted, duplicate, other (or 1 to 5)";
                Problem::bad_request(format!("`reason` is one of {words}"))
            })?;
            if reason == Reason::Other && comment.is_none() {
                return Err(Problem::bad_request("reason `other` needs a `comment`"));
            }
            let covers = match &body.until {
                Some(until) => {
                    let at = super::filter::moment(until, now, "until")?;
                    if at <= now {
                        return Err(Problem::bad_request("`until` lies in the past"));
                    }
                    Covers::KnownShapesUntil(at)
                }
                None => Covers::KnownShapes,
            };
            let text = if reason == Reason::Other { comment.clone() } else { None };
            let remark = if text.is_none() { comment } else { None };
            (Action::Dismiss { reason, text, covers }, remark)
        }
        Verb::Acknowledge => (Action::Acknowledge, comment),
        Verb::Escalate => (Action::Escalate, comment),
        Verb::Reopen => (Action::Reopen, comment),
        Verb::Assign => {
            let to = body.assignee.as_deref().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
            (Action::Assign { to }, comment)
        }
        Verb::Comment => match comment {
            Some(text) => (Action::Comment { text }, None),
            None => return Err(Problem::bad_request("`comment` is empty")),
        },
    })
}

fn reason(word: &ReasonWord) -> Option<Reason> {
    match word {
        ReasonWord::Number(number) => Reason::of_number(*number),
        ReasonWord::Name(name) if name == "accepted" => Some(Reason::NoRisk),
        ReasonWord::Name(name) => Reason::ALL.into_iter().find(|reason| reason.name() == name),
    }
}

/// What an undo did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Undone {
    /// Groups that are as they were.
    changed: u64,
    /// The same groups, at most 100.
    groups: Vec<Group>,
    /// Groups that were changed since, and left alone.
    skipped: Vec<String>,
}

/// Takes an action back, within ten minutes and once.
#[utoipa::path(post, path = "/undo/{token}", tag = "groups", params(("token" = String, Path)),
    responses((status = 200, body = Undone), (status = 410, description = "too late, or done already", body = Problem)))]
pub(super) async fn undo(
    state: State,
    sight: Sight,
    caller: Caller,
    Path(token): Path<String>,
) -> Answer<Json<Undone>> {
    let mut decision = caller.act()?;
    decision.now = now();
    let done = sight.undo(UndoToken(token), decision).await?;
    state.live.changed();
    Ok(Json(Undone {
        changed: done.restored,
        groups: recent(&sight, done.rows, now()).await,
        skipped: done.skipped.iter().map(ToString::to_string).collect(),
    }))
}
