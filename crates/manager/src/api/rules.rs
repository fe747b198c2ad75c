//! The rules that the manager was told of: their state, text, words, hits.
//!
//! First those that agents [have in force](super::rule_sets), which is of all namespaces, and so for who sees those. Then rule files, which are
//! read once, at the start; without any, and while no agent has told its rules, those that are built in. Last, rules of which there are
//! only alerts, as these tell them.
//! What rules cost is what nodes say of their samples, in heartbeats; it is of all namespaces, and so for who sees those.
//! *Limits*: those of the loader; hits and open groups of the 1,000 most frequent sids and newest groups.

use super::events::parsed;
use super::filter::{bad_cursor, given};
use super::fleet::{FleetCosts, everywhere};
use super::groups::{DayCount, days};
use super::rule_sets::RuleSet;
use super::suppression_form::SuppressionRow;
use super::why::{compiled, words};
use crate::app::{State, now};
use crate::problem::{Answer, Params, Path, Problem};
use crate::sight::Sight;
use axum::Json;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use tapir_event::RuleSummary;
use tapir_options::{BitNames, CompileContext, compile, declare, fold};
use tapir_packet::Timestamp;
use tapir_query::{Field, Query};
use tapir_rules::{Config, Loaded, Severity, format_rule, load_files, load_str};
use tapir_store::{EventStore, Filter, Group, GroupSort, PageRequest, Status, TopRequest};
use utoipa::{IntoParams, ToSchema};

const TOP: usize = 1_000;
const MONTH: i64 = 30 * 86_400_000_000_000;

pub(super) struct Known {
    rev: u32,
    msg: Option<String>,
    classtype: Option<String>,
    priority: u32,
    state: &'static str,
    why: Option<String>,
    text: String,
    file: String,
    line: u32,
    references: Vec<String>,
    metadata: Vec<(String, String)>,
}

/// Why a rule of the manager's files is not active.
const MISSING: &str = "in the manager's files, but not in the rule set of any node that is alive";
/// Why the manager has no more of a rule.
const ELSEWHERE: &str = "alerts name it; no agent that is alive has it in force, so this is what they tell of it";

impl Known {
    /// What alerts tell of it, the newest first.
    fn of_group(group: &Group) -> Self {
        Self {
            rev: group.rev,
            msg: Some(group.msg.clone()),
            classtype: group.classtype.clone(),
            priority: 0,
            state: "seen",
            why: Some(ELSEWHERE.to_owned()),
            text: String::new(),
            file: String::new(),
            line: 0,
            references: Vec::new(),
            metadata: Vec::new(),
        }
    }

    /// What an agent tells of it that has it in force.
    pub(super) fn in_force(rule: &RuleSummary) -> Self {
        Self { state: "active", why: None, ..Self::of_event(rule) }
    }

    /// Its state, and why it is not active, with so many nodes that have it in force.
    fn standing(&self, nodes: Option<usize>) -> (&'static str, Option<&str>) {
        match (self.state, nodes) {
            ("active", Some(0)) => ("missing", Some(MISSING)),
            (state, _) => (state, self.why.as_deref()),
        }
    }

    /// What an alert tells of it.
    fn of_event(rule: &RuleSummary) -> Self {
        let (file, line) = rule.place.rsplit_once(':').unwrap_or((rule.place.as_str(), ""));
        let reference = |(scheme, id, url): &(String, String, Option<String>)| {
            url.clone().unwrap_or_else(|| format!("{scheme}:{id}"))
        };
        Self {
            rev: rule.rev,
            msg: rule.msg.clone(),
            classtype: rule.classtype.clone(),
            priority: rule.priority,
            state: "seen",
            why: Some(ELSEWHERE.to_owned()),
            text: rule.text.clone(),
            file: file.to_owned(),
            line: line.parse().unwrap_or_default(),
            references: rule.references.iter().map(reference).collect(),
            metadata: rule.metadata.clone(),
        }
    }
}

/// The rules of files, by generator and signature.
pub(crate) struct RuleList {
    rules: BTreeMap<(u32, u32), Known>,
    /// There are no files: these are the built-in ones.
    built_in: bool,
}

impl RuleList {
    /// Reads files and directories; no paths: the built-in text.
    pub(crate) fn load(paths: &[PathBuf], built_in: &str, config: &Config) -> Self {
        let loaded = match paths {
            [] => load_str("tapir-starter.rules", built_in, config),
            paths => load_files(paths, config),
        };
        let Loaded { rules, classifications, references, sources, .. } = loaded;
        let mut bits = BitNames::default();
        rules.iter().for_each(|rule| declare(rule, &mut bits));
        let mut cx = CompileContext::new(&mut bits);
        let mut known = BTreeMap::new();
        for mut rule in rules {
            let text = format_rule(&rule, &classifications);
            let file = sources.name(rule.span.source).to_owned();
            cx.diagnostics.clear();
            let works = fold(&mut rule, &mut cx.diagnostics) && compile(&rule, String::new(), &mut cx).is_some();
            let errors = cx.diagnostics.iter().filter(|found| found.severity == Severity::Error);
            let why = errors.map(|found| found.message.clone()).next();
            let state = match (works, rule.enabled) {
                (false, _) => "unsupported",
                (true, true) => "active",
                (true, false) => "disabled",
            };
            let url = |one| references.url(one).unwrap_or_else(|| format!("{}:{}", one.scheme, one.id));
            let references = rule.info.references.iter().map(url).collect();
            known.insert(
                (rule.info.gid, rule.info.sid),
                Known {
                    rev: rule.info.rev,
                    msg: rule.info.msg.clone(),
                    classtype: rule.info.classtype.clone(),
                    priority: rule.info.priority,
                    state,
                    why: if works { None } else { why },
                    text,
                    file,
                    line: rule.line,
                    references,
                    metadata: rule.info.metadata.clone(),
                },
            );
        }
        Self { rules: known, built_in: paths.is_empty() }
    }

    /// Message of a rule.
    pub(crate) fn message(&self, gid: u32, sid: u32) -> Option<String> {
        self.rules.get(&(gid, sid))?.msg.clone()
    }
}

/// The rules that a reader may know of.
struct Catalogue<'s> {
    files: &'s RuleList,
    /// Of agents, with how many nodes have each set.
    sets: Vec<(Arc<RuleSet>, usize)>,
}

impl<'s> Catalogue<'s> {
    fn of(state: &'s State, sight: &Sight) -> Self {
        let sets = match everywhere(sight) {
            Ok(()) => state.rule_sets.of(&state.fleet.rule_sets()),
            Err(_) => Vec::new(),
        };
        Self { files: &state.rules, sets }
    }

    /// A rule, and how many nodes have it in force, if agents have told.
    fn get(&self, id: (u32, u32)) -> Option<(&Known, Option<usize>)> {
        let mut nodes = None;
        let mut known = None;
        for (set, of) in &self.sets {
            if let Some(rule) = set.rules.get(&id) {
                *nodes.get_or_insert(0) += of;
                known.get_or_insert(rule);
            }
        }
        let known = known.or_else(|| self.of_files()?.get(&id))?;
        Some((known, nodes.or((!self.sets.is_empty()).then_some(0))))
    }

    fn of_files(&self) -> Option<&BTreeMap<(u32, u32), Known>> {
        (!self.files.built_in || self.sets.is_empty()).then_some(&self.files.rules)
    }

    /// All, each once.
    fn ids(&self) -> BTreeSet<(u32, u32)> {
        let of_sets = self.sets.iter().flat_map(|(set, _)| set.rules.keys());
        of_sets.chain(self.of_files().into_iter().flat_map(BTreeMap::keys)).copied().collect()
    }
}

/// A rule in the list.
#[derive(Serialize, ToSchema)]
pub(super) struct RuleRow {
    /// Generator.
    gid: u32,
    /// Signature.
    sid: u32,
    /// Revision.
    rev: u32,
    /// Message; empty if the rule has none.
    msg: String,
    /// Class.
    classtype: Option<String>,
    /// 1 is the most severe; 0: none given.
    priority: u32,
    /// `active`, `disabled`, `unsupported`; `missing`: in a file of the manager, but in the set of no node; `seen`: in neither,
    /// but in alerts.
    state: &'static str,
    /// Nodes that are alive and have it in force; `null`: agents have not told, or not the reader.
    nodes: Option<usize>,
    /// Why it is not supported, or not listed.
    why: Option<String>,
    /// Events of its sid in 30 days.
    hits: u64,
    /// What it costs the nodes; `null` if no node that is alive times rules or names this one among its dearest.
    cost: Option<Cost>,
    /// Open groups.
    groups_open: u64,
}

/// What a rule costs, by samples of the nodes that are alive, since they have their rule sets. Numbers are for all units, as far as
/// samples stand for them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct Cost {
    /// Its part of the time that evaluating rules takes, 0 to 1.
    share: f64,
    /// Microseconds of one evaluation, on average.
    average_us: f64,
    /// Evaluations.
    evaluations: u64,
    /// Those that matched.
    matches: u64,
    /// Nodes that name it among their dearest.
    nodes: usize,
}

/// Which rules.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RulesParams {
    /// Words that all occur in `gid:sid`, message, class or state.
    q: String,
    /// `id` (the default): by generator and signature. `cost`: the dearest first, behind them those of which no cost is known.
    sort: Option<String>,
    /// Of an earlier page.
    cursor: Option<String>,
    /// Rows, at most 500; 100 by default.
    limit: Option<usize>,
}

/// A page of rules.
#[derive(Serialize, ToSchema)]
pub(super) struct RulesPage {
    /// In the order that was asked for.
    items: Vec<RuleRow>,
    /// Cursor of the next page; `null` at the end.
    next: Option<String>,
    /// Rules that the words find.
    total: usize,
}

/// What the store and the nodes know of rules.
struct Hits {
    /// Of alerts of the newest groups, as far as these tell: rules that may be in no file.
    seen: BTreeMap<(u32, u32), Known>,
    events: BTreeMap<u32, u64>,
    open: BTreeMap<(u32, u32), u64>,
    costs: FleetCosts,
}

impl Hits {
    async fn of(state: &State, sight: &Sight, known: &Catalogue<'_>) -> Answer<Self> {
        let now = now();
        let filter = Filter { from: Some(Timestamp(now.0.saturating_sub(MONTH))), ..Filter::all(now) };
        let request = TopRequest { filter, field: Field::Sid, prefix: String::new(), limit: TOP };
        let open = Filter { status: vec![Status::Open], ..Filter::all(now) };
        let page = PageRequest { limit: TOP, ..PageRequest::default() };
        let newest = sight.groups(Filter::all(now), GroupSort::LastSeen, page.clone());
        let (top, groups, newest) =
            tokio::try_join!(sight.top(request), sight.groups(open, GroupSort::LastSeen, page), newest)?;
        let unknown = newest.items.iter().filter(|group| known.get((group.gid, group.sid)).is_none());
        let seen = unknown.map(|group| ((group.gid, group.sid), Known::of_group(group))).rev().collect();
        let sids = top.values.into_iter().filter_map(|found| Some((found.value.parse().ok()?, found.count)));
        let mut open = BTreeMap::new();
        for group in groups.items {
            *open.entry((group.gid, group.sid)).or_default() += 1;
        }
        let costs = if everywhere(sight).is_ok() { state.fleet.rule_costs() } else { FleetCosts::default() };
        Ok(Self { seen, events: sids.collect(), open, costs })
    }

    /// Nanoseconds that a rule took; 0 for those of which that is not known.
    fn nanos(&self, id: (u32, u32)) -> u64 {
        self.costs.rules.get(&id).map_or(0, |(cost, _)| cost.nanos)
    }

    fn cost(&self, id: (u32, u32)) -> Option<Cost> {
        let (cost, nodes) = self.costs.rules.get(&id)?;
        Some(Cost {
            share: cost.nanos as f64 / self.costs.nanos.max(cost.nanos).max(1) as f64,
            average_us: cost.nanos as f64 / 1_000.0 / cost.evaluations.max(1) as f64,
            evaluations: cost.evaluations,
            matches: cost.matches,
            nodes: *nodes,
        })
    }

    fn row(&self, id: (u32, u32), rule: &Known, nodes: Option<usize>) -> RuleRow {
        let (state, why) = rule.standing(nodes);
        RuleRow {
            gid: id.0,
            sid: id.1,
            rev: rule.rev,
            msg: rule.msg.clone().unwrap_or_default(),
            classtype: rule.classtype.clone(),
            priority: rule.priority,
            state,
            nodes,
            why: why.map(str::to_owned),
            hits: self.events.get(&id.1).copied().unwrap_or_default(),
            cost: self.cost(id),
            groups_open: self.open.get(&id).copied().unwrap_or_default(),
        }
    }
}

/// The rules that the manager was told of.
#[utoipa::path(get, path = "/rules", tag = "rules", params(RulesParams),
    responses((status = 200, body = RulesPage), (status = 400, body = Problem)))]
pub(super) async fn list(state: State, sight: Sight, Params(params): Params<RulesParams>) -> Answer<Json<RulesPage>> {
    let limit = params.limit.unwrap_or(100);
    if !(1..=500).contains(&limit) {
        return Err(Problem::bad_request("`limit` must be between 1 and 500"));
    }
    let by_cost = match params.sort.as_deref() {
        None | Some("id") => false,
        Some("cost") => true,
        Some(_) => return Err(Problem::bad_request("`sort` is id or cost")),
    };
    let known = Catalogue::of(&state, &sight);
    let hits = Hits::of(&state, &sight, &known).await?;
    let wanted: Vec<String> = params.q.split_whitespace().take(16).map(str::to_lowercase).collect();
    // A place in the order is the time, most first, and the number. Times grow from page to page: a rule may come twice, or not.
    let place = |id: (u32, u32)| (Reverse(if by_cost { hits.nanos(id) } else { 0 }), id);
    let listed = known.ids().into_iter().filter_map(|id| known.get(id).map(|(rule, nodes)| (id, rule, nodes)));
    let all = listed.chain(hits.seen.iter().map(|(id, rule)| (*id, rule, None)));
    let mut found: Vec<_> = all.filter(|(id, rule, nodes)| is_found(*id, rule, *nodes, &wanted)).collect();
    found.sort_by_key(|(id, ..)| place(*id));
    let total = found.len();
    let after = given(params.cursor.as_deref()).map(|text| behind(text).ok_or_else(bad_cursor)).transpose()?;
    let mut rows = found.into_iter().skip_while(|(id, ..)| after.is_some_and(|after| place(*id) <= after)).peekable();
    let items: Vec<_> = rows.by_ref().take(limit).map(|(id, rule, nodes)| hits.row(id, rule, nodes)).collect();
    let next = items.last().filter(|_| rows.peek().is_some()).map(|last| {
        let (Reverse(nanos), (gid, sid)) = place((last.gid, last.sid));
        format!("{nanos}-{gid}-{sid}")
    });
    Ok(Json(RulesPage { items, next, total }))
}

fn is_found(id: (u32, u32), rule: &Known, nodes: Option<usize>, wanted: &[String]) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
    let text =
        format!("{}:{} {} {} {}", id.0, id.1, or_empty(&rule.msg), or_empty(&rule.classtype), rule.standing(nodes).0);
    let text = text.to_lowercase();
    wanted.iter().all(|word| text.contains(word.as_str()))
}

/// `0-1-1122`: the place of the last row of a page.
fn behind(text: &str) -> Option<(Reverse<u64>, (u32, u32))> {
    let (nanos, id) = text.split_once('-')?;
    Some((Reverse(nanos.parse().ok()?), identity(id)?))
}

/// `1-1122`.
fn identity(text: &str) -> Option<(u32, u32)> {
    text.split_once('-').and_then(|(gid, sid)| Some((gid.parse().ok()?, sid.parse().ok()?)))
}

/// A rule with what its page shows.
#[derive(Serialize, ToSchema)]
pub(super) struct RuleDetail {
    /// Row.
    #[serde(flatten)]
    row: RuleRow,
    /// Formatted text.
    text: String,
    /// In words: traffic first, then its options; empty if it is not supported.
    words: Vec<String>,
    /// File.
    file: String,
    /// Line.
    line: u32,
    /// Pages about it.
    references: Vec<String>,
    /// Key and value.
    metadata: Vec<(String, String)>,
    /// Events of the last 30 days.
    days: Vec<DayCount>,
    /// Suppressions of it.
    tuning: Vec<SuppressionRow>,
}

/// A rule as its newest alert tells it.
async fn newest(sight: &Sight, query: Query) -> Answer<Option<Known>> {
    let filter = Filter { query, suppressed: true, ..Filter::all(now()) };
    let page = sight.events(filter, PageRequest { limit: 1, ..PageRequest::default() }).await?;
    let Some(row) = page.items.into_iter().next() else { return Ok(None) };
    let event = parsed(&sight.event(row.id).await?.document)?;
    Ok(Some(Known::of_event(&event.rule)))
}

/// One rule.
#[utoipa::path(get, path = "/rules/{rule}", tag = "rules", params(("rule" = String, Path, description = "`gid-sid`")),
    responses((status = 200, body = RuleDetail), (status = 404, body = Problem)))]
pub(super) async fn one(state: State, sight: Sight, Path(rule): Path<String>) -> Answer<Json<RuleDetail>> {
    let id = identity(&rule).ok_or_else(|| Problem::not_found("rule", &rule))?;
    let query = super::filter::query(Some(&format!("gid={} sid={}", id.0, id.1)))?;
    let seen;
    let catalogue = Catalogue::of(&state, &sight);
    let (known, nodes) = match catalogue.get(id) {
        Some(known) => known,
        None => {
            seen = newest(&sight, query.clone()).await?.ok_or_else(|| Problem::not_found("rule", &rule))?;
            (&seen, None)
        }
    };
    let days = days(&sight, query, now()).await?;
    let hits = Hits::of(&state, &sight, &catalogue).await?;
    Ok(Json(RuleDetail {
        row: hits.row(id, known, nodes),
        text: known.text.clone(),
        words: compiled(&known.text).map(|rule| words(&rule)).unwrap_or_default(),
        file: known.file.clone(),
        line: known.line,
        references: known.references.clone(),
        metadata: known.metadata.clone(),
        days,
        tuning: super::tuning::of_rule(&state, &sight, id.0, id.1).await?,
    }))
}
