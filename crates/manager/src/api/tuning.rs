//! Suppressions ("quiet this"), and what one would hide before it is made.

use super::actions::if_match;
use super::resources::{Origin, own_suppression};
use super::suppression_form::{Active, LimitForm, ModeWord, Numbers, ScopeForm, SuppressionRow, mode};
use crate::app::{App, State, now};
use crate::auth::Caller;
use crate::problem::{Answer, Body, Params, Path, Problem};
use crate::sight::Sight;
use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Deserializer, Serialize};
use std::time::Instant;
use tapir_event::rfc3339;
use tapir_packet::Timestamp;
use tapir_store::{
    EventStore, Filter, Group, GroupId, GroupSort, MAX_PAGE, NewSuppression, PageRequest, Scope, Side, Suppression,
    SuppressionChange,
};
use utoipa::{IntoParams, ToSchema};

/// All suppressions.
#[derive(Serialize, ToSchema)]
pub(super) struct Suppressions {
    /// Newest first.
    items: Vec<SuppressionRow>,
}

fn row(app: &App, suppression: Suppression) -> SuppressionRow {
    let resource = Origin::of_suppression(app, &suppression.author);
    let mut row = SuppressionRow::new(suppression);
    row.resource = resource;
    let (nodes, of, dropped) = app.fleet.applying(row.id());
    row.active = Active { nodes, of };
    row.dropped = dropped;
    row.msg = row.rule().and_then(|(gid, sid)| app.rules.message(gid, sid));
    row
}

/// Rows with the messages of their rules: of the rules that the manager has, else of groups.
async fn rows(app: &App, sight: &Sight, all: Vec<Suppression>) -> Answer<Vec<SuppressionRow>> {
    let mut rows: Vec<_> = all.into_iter().map(|one| row(app, one)).collect();
    if rows.iter().any(|row| row.msg.is_none() && row.rule().is_some()) {
        let page = PageRequest { limit: MAX_PAGE, ..PageRequest::default() };
        let whole = Filter { suppressed: true, excepted: true, ..Filter::all(now()) };
        let groups = sight.groups(whole, GroupSort::LastSeen, page).await?.items;
        for row in rows.iter_mut().filter(|row| row.msg.is_none()) {
            let same = groups.iter().find(|group| row.rule() == Some((group.gid, group.sid)));
            row.msg = same.map(|group| group.msg.clone());
        }
    }
    Ok(rows)
}

/// Suppressions of a rule.
pub(super) async fn of_rule(app: &App, sight: &Sight, gid: u32, sid: u32) -> Answer<Vec<SuppressionRow>> {
    let all = sight.suppressions().await?;
    Ok(all.into_iter().map(|one| row(app, one)).filter(|row| row.rule() == Some((gid, sid))).collect())
}

/// All suppressions.
#[utoipa::path(get, path = "/tuning", tag = "tuning", responses((status = 200, body = Suppressions)))]
pub(super) async fn list(state: State, sight: Sight) -> Answer<Json<Suppressions>> {
    let all = sight.suppressions().await?;
    Ok(Json(Suppressions { items: rows(&state, &sight, all).await? }))
}

/// A suppression to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRow {
    /// Generator of the rule.
    gid: Option<u32>,
    /// Signature.
    sid: Option<u32>,
    /// About whom.
    #[serde(default)]
    scope: ScopeForm,
    /// How.
    mode: ModeWord,
    /// Of mode `limit`.
    limit: Option<LimitForm>,
    /// Why; needed.
    reason: String,
    /// Until when (`now+30d`, RFC 3339); absent or `null`: for ever.
    expires: Option<String>,
    /// What its author saw.
    numbers: Option<Numbers>,
}

/// Adds a suppression.
#[utoipa::path(post, path = "/tuning", tag = "tuning", request_body = NewRow,
    responses((status = 201, body = SuppressionRow), (status = 400, body = Problem)))]
pub(super) async fn add(
    state: State,
    sight: Sight,
    caller: Caller,
    Body(body): Body<NewRow>,
) -> Answer<impl IntoResponse> {
    let by = caller.tune()?;
    let new = NewSuppression {
        scope: body.scope.scope(body.gid, body.sid)?,
        mode: mode(body.mode, body.limit)?,
        reason: reason(&body.reason)?,
        expires: body.expires.map(|text| expiry(&text, by.now)).transpose()?,
        shown: body.numbers.map(Into::into),
    };
    let made = sight.suppress(new, by).await?;
    told(&state).await;
    let row = row(&state, made);
    let headers =
        [(header::LOCATION, format!("/api/v1/tuning/{}", row.id())), (header::ETAG, format!("\"{}\"", row.version))];
    Ok((StatusCode::CREATED, headers, Json(row)))
}

/// Pages and nodes are told.
async fn told(app: &App) {
    app.live.changed();
    app.orders.changed(app).await;
}

fn reason(text: &str) -> Answer<String> {
    match text.trim() {
        "" => Err(Problem::bad_request("`reason` is needed: others will ask why this is quiet")),
        text if text.len() > 4_096 => Err(Problem::bad_request("`reason` is longer than 4,096 bytes")),
        text => Ok(text.to_owned()),
    }
}

fn expiry(text: &str, now: Timestamp) -> Answer<Timestamp> {
    let at = super::filter::moment(text, now, "expires")?;
    if at <= now { Err(Problem::bad_request("`expires` lies in the past")) } else { Ok(at) }
}

/// One suppression.
#[utoipa::path(get, path = "/tuning/{id}", tag = "tuning", params(("id" = String, Path)),
    responses((status = 200, body = SuppressionRow), (status = 404, body = Problem)))]
pub(super) async fn one(state: State, sight: Sight, Path(id): Path<String>) -> Answer<impl IntoResponse> {
    let all = sight.suppressions().await?;
    let found = all.into_iter().find(|one| one.id == id).ok_or_else(|| Problem::not_found("suppression", &id))?;
    let row = row(&state, found);
    Ok(([(header::ETAG, format!("\"{}\"", row.version))], Json(row)))
}

/// A change of a suppression; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// How.
    mode: Option<ModeWord>,
    /// Of mode `limit`.
    limit: Option<LimitForm>,
    /// Why.
    reason: Option<String>,
    /// Until when; `null`: for ever.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    expires: Option<Option<String>>,
    /// As `If-Match`.
    version: Option<u64>,
}

/// Tells `null` from absence.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Changes a suppression.
#[utoipa::path(patch, path = "/tuning/{id}", tag = "tuning", params(("id" = String, Path)), request_body = Change,
    responses((status = 200, body = SuppressionRow), (status = 404, body = Problem),
        (status = 409, description = "it is a resource of the cluster", body = Problem),
        (status = 412, description = "somebody else was first", body = Problem)))]
pub(super) async fn change(
    state: State,
    sight: Sight,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<Change>,
) -> Answer<impl IntoResponse> {
    let by = caller.tune()?;
    let word = body.mode.or(body.limit.map(|_| ModeWord::Limit));
    let change = SuppressionChange {
        mode: word.map(|word| mode(word, body.limit)).transpose()?,
        reason: body.reason.as_deref().map(reason).transpose()?,
        expires: body.expires.map(|text| text.map(|text| expiry(&text, by.now)).transpose()).transpose()?,
        if_version: if_match(&headers)?.or(body.version),
    };
    own_suppression(&state, &sight, &id, "edit").await?;
    let changed = sight.change_suppression(id, change, by).await?;
    told(&state).await;
    let row = row(&state, changed);
    Ok(([(header::ETAG, format!("\"{}\"", row.version))], Json(row)))
}

/// How a suppression ends.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RemoveParams {
    /// Events that it hides come back.
    reveal: bool,
}

/// Removes a suppression.
#[utoipa::path(delete, path = "/tuning/{id}", tag = "tuning", params(("id" = String, Path), RemoveParams),
    responses((status = 204), (status = 404, body = Problem),
        (status = 409, description = "it is a resource of the cluster", body = Problem)))]
pub(super) async fn remove(
    state: State,
    sight: Sight,
    caller: Caller,
    Path(id): Path<String>,
    Params(params): Params<RemoveParams>,
) -> Answer<StatusCode> {
    let by = caller.tune()?;
    own_suppression(&state, &sight, &id, "delete").await?;
    sight.remove_suppression(id, params.reveal, by).await?;
    told(&state).await;
    Ok(StatusCode::NO_CONTENT)
}

/// For which group.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PreviewRequest {
    /// Group.
    group: String,
    /// Days to look back, 1 to 366; 30 by default.
    days: Option<u32>,
}

/// A day of a preview.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PreviewDay {
    /// Begin of the day of UTC, RFC 3339.
    day: String,
    /// Events that it would have hidden.
    hidden: u64,
    /// Events of the rule that it would have left.
    shown: u64,
}

/// What a scope would have hidden.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PreviewRow {
    /// `pair`, `client`, `namespace`, `rule`.
    id: &'static str,
    /// For people.
    title: String,
    /// To be sent in `POST tuning`.
    scope: ScopeForm,
    /// Generator, to be sent with it.
    gid: Option<u32>,
    /// Signature, to be sent with it.
    sid: Option<u32>,
    /// Events that it would have hidden.
    would_hide: u64,
    /// Events of the rule that it would have left.
    left_visible: u64,
    /// Payload shapes among the hidden.
    shapes: u64,
    /// Of those, shapes that nobody has opened.
    unopened: u64,
    /// Day by day.
    days: Vec<PreviewDay>,
}

/// What scopes would have hidden.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PreviewAnswer {
    /// Narrowest first.
    scopes: Vec<PreviewRow>,
    /// Milliseconds that it took.
    took_ms: u64,
}

/// What suppressions of a group's rule would have hidden, from the narrowest scope to the widest.
#[utoipa::path(post, path = "/tuning/preview", tag = "tuning", request_body = PreviewRequest,
    responses((status = 200, body = PreviewAnswer), (status = 404, body = Problem)))]
pub(super) async fn preview(sight: Sight, Body(body): Body<PreviewRequest>) -> Answer<Json<PreviewAnswer>> {
    let started = Instant::now();
    let days = body.days.unwrap_or(30);
    if !(1..=366).contains(&days) {
        return Err(Problem::bad_request("`days` must be between 1 and 366"));
    }
    let id: GroupId = body.group.parse()?;
    let group = sight.group(id).await?.group;
    let (heads, scopes): (Vec<_>, Vec<_>) =
        scopes(&group).into_iter().filter(|(.., scope)| sight.previews(scope)).map(split).unzip();
    let found = sight.preview(scopes, days, now()).await?;
    let rows = heads.into_iter().zip(found).map(|((id, title), found)| PreviewRow {
        id,
        title,
        scope: ScopeForm::new(&found.scope),
        gid: found.scope.gid,
        sid: found.scope.sid,
        would_hide: found.would_hide,
        left_visible: found.left_visible,
        shapes: found.shapes_hidden,
        unopened: found.shapes_unopened,
        days: found.days.iter().map(preview_day).collect(),
    });
    let scopes = rows.collect();
    Ok(Json(PreviewAnswer { scopes, took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX) }))
}

fn split<A, B, C>((a, b, c): (A, B, C)) -> ((A, B), C) {
    ((a, b), c)
}

fn preview_day(day: &tapir_store::DayCount) -> PreviewDay {
    const SECONDS: i64 = 86_400;
    let at = Timestamp::from_secs_nanos(day.day.saturating_mul(SECONDS), 0);
    PreviewDay { day: rfc3339(at), hidden: day.hidden, shown: day.visible }
}

fn scopes(group: &Group) -> Vec<(&'static str, String, Scope)> {
    let rule = Scope { gid: Some(group.gid), sid: Some(group.sid), ..Scope::default() };
    let party = |key: &str| Side::Party(key.to_owned());
    let mut scopes = vec![
        (
            "pair",
            format!("this pair: {} → {}", group.client.display, group.server.display),
            Scope { client: party(&group.client.key), server: party(&group.server.key), ..rule.clone() },
        ),
        (
            "client",
            format!("from {} to anything", group.client.display),
            Scope { client: party(&group.client.key), ..rule.clone() },
        ),
    ];
    // The server's is what the rule protects; else the client's, of what is seen leaving the cluster.
    let namespaces = [&group.server.namespace, &group.client.namespace];
    if let Some(namespace) = namespaces.into_iter().find(|namespace| !namespace.is_empty()) {
        let scope = Scope { namespace: Some(namespace.clone()), ..rule.clone() };
        scopes.push(("namespace", format!("this rule in namespace {namespace}"), scope));
    }
    scopes.push(("rule", "this rule everywhere".to_owned(), rule));
    scopes
}
