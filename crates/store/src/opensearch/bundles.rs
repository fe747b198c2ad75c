//! Lists by rule, workload and source: the groups that a filter shows, put together here, since the server's own sums
//! round moments. And how many events of groups lie in a range.

use super::compile::{all, terms};
use super::event::Side;
use super::server::{buckets, doc_count, hits, sort_value};
use super::store::Inner;
use crate::bundle::{BundleKey, Bundles, MOST_GROUPS, Member, SideOf, workload_sides};
use crate::cursor::{List, Position};
use crate::{BundleBy, BundlePage, Filter, GroupId, GroupSort, PageRequest, Partial, StoreError, Total, Why};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap};
use tapir_packet::Timestamp;

/// Groups of one request.
const GROUPS: usize = 2_000;
/// Groups of which one page counts the events in its range.
const COUNTED: usize = 10_000;

/// What is read of a group.
#[derive(Debug, Deserialize)]
struct Slim {
    id: String,
    gid: u32,
    sid: u32,
    client: Side,
    server: Side,
    figures: SlimFigures,
}

#[derive(Debug, Deserialize)]
struct SlimFigures {
    sev: u8,
    first: i64,
    last: i64,
    n: u64,
    hidden: u64,
}

/// Members of a group's document that [`Slim`] reads.
const MEMBERS: [&str; 10] = [
    "doc.id",
    "doc.gid",
    "doc.sid",
    "doc.client",
    "doc.server",
    "doc.figures.sev",
    "doc.figures.first",
    "doc.figures.last",
    "doc.figures.n",
    "doc.figures.hidden",
];

impl Inner {
    /// A page of bundles.
    pub(super) async fn bundle_page(
        &self,
        filter: &Filter,
        by: BundleBy,
        sort: GroupSort,
        page: &PageRequest,
    ) -> Result<BundlePage, StoreError> {
        let asked = self.ask(filter).await?;
        let about = format!("{}|{sort:?}|{by:?}", asked.about);
        let after = page.cursor.as_ref().map(|cursor| self.signer.read(List::Bundles, &about, cursor)).transpose()?;
        let condition = self.groups_of(&asked, None).await?;
        let (bundles, partial) = self.put_together(&condition, by, sort, asked.visible_only).await?;
        let hidden = !asked.visible_only;
        let mut found = bundles.sorted(sort, hidden);
        let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
        let total = page.total.then_some(Total { count, exact: partial.is_none() });
        if let Some(after) = after {
            let key = |at: &Position| (at.value, at.second, at.id);
            found.retain(|(at, _)| key(at) < key(&after));
        }
        let limit = page.rows();
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more && partial.is_none()).map(|(at, _)| *at);
        let newest: Vec<String> = found.iter().map(|(_, bundle)| bundle.newest.to_string()).collect();
        let docs = self.group_docs(&newest).await?.into_iter().flatten().collect();
        // A group between two workloads may be the newest of both.
        let newest: HashMap<GroupId, _> =
            self.shown(docs, hidden).await?.into_iter().map(|group| (group.id, group)).collect();
        let whole = |first: i64, last: i64| first > asked.from && last <= asked.to;
        let members: Vec<String> = found
            .iter()
            .filter(|(_, bundle)| !whole(bundle.first, bundle.last))
            .flat_map(|(_, bundle)| bundle.members.iter().map(ToString::to_string))
            .collect();
        let counts = match asked.ranged && partial.is_none() && members.len() <= COUNTED {
            true => Some(self.range_counts(&members, asked.from, asked.to).await?),
            false => None,
        };
        let mut items = Vec::with_capacity(found.len());
        for (_, bundle) in found {
            // A group that went away since is not shown.
            let Some(newest) = newest.get(&bundle.newest).cloned() else { continue };
            let in_range = match &counts {
                _ if !asked.ranged => None,
                _ if whole(bundle.first, bundle.last) => Some(bundle.n),
                Some(counts) => Some(bundle.members.iter().filter_map(|id| counts.get(&id.to_string())).sum::<u64>()),
                None => None,
            };
            items.push(bundle.shown(newest, hidden, in_range));
        }
        let next = next.map(|at| self.signer.sign(List::Bundles, &about, at));
        Ok(BundlePage { items, next, total, partial, as_of: Timestamp(filter.now.0) })
    }

    /// Puts the groups of a condition together.
    async fn put_together(
        &self,
        condition: &Json,
        by: BundleBy,
        sort: GroupSort,
        visible_only: bool,
    ) -> Result<(Bundles<GroupId>, Option<Partial>), StoreError> {
        let order = super::groups::order(sort, visible_only);
        let mut bundles = Bundles::default();
        let mut parties: HashMap<String, u64> = HashMap::new();
        let mut number = |key: &str| {
            let next = u64::try_from(parties.len()).unwrap_or(u64::MAX);
            *parties.entry(key.to_owned()).or_insert(next)
        };
        let mut looked = 0;
        let mut after: Option<Position> = None;
        loop {
            let mut body = json!({
                "size": GROUPS, "query": condition, "sort": order.map(|field| json!({ field: "desc" })),
                "_source": MEMBERS, "track_total_hits": false,
            });
            if let (Some(at), Some(body)) = (after, body.as_object_mut()) {
                body.insert("search_after".to_owned(), json!([at.value, at.second, at.id]));
            }
            let answer = self.server.search(&self.names.groups, body).await?;
            let hits = hits(&answer);
            for hit in hits {
                let doc = hit.pointer("/_source/doc").cloned().unwrap_or_default();
                let group: Slim = serde_json::from_value(doc)
                    .map_err(|error| StoreError::Internal(format!("a group cannot be read: {error}")))?;
                let [client, server] = [&group.client, &group.server].map(Side::party);
                let member = Member {
                    id: group.id.parse::<GroupId>()?,
                    severity: group.figures.sev,
                    first: group.figures.first,
                    last: group.figures.last,
                    n: group.figures.n,
                    hidden: group.figures.hidden,
                    client: number(&client.key),
                    server: number(&server.key),
                };
                let [one, other] = [&client, &server]
                    .map(|party| SideOf { display: &party.display, workload: !party.kind.is_empty() });
                let keys = match by {
                    BundleBy::Signature => [Some(BundleKey::rule(group.gid, group.sid)), None],
                    BundleBy::Source => [Some(BundleKey::source(one)), None],
                    BundleBy::Workload => {
                        let (is_client, is_server) = workload_sides(one, other);
                        [(is_client, one), (is_server, other)].map(|(is, side)| is.then(|| BundleKey::workload(side)))
                    }
                };
                for key in keys.into_iter().flatten() {
                    let place = bundles.place(key, &member);
                    bundles.add(place, &member);
                }
            }
            looked += hits.len();
            let Some(last) = hits.last().filter(|_| hits.len() == GROUPS) else { return Ok((bundles, None)) };
            if looked >= MOST_GROUPS {
                let examined = u64::try_from(looked).unwrap_or(u64::MAX);
                return Ok((bundles, Some(Partial { examined, why: Why::RowBudget })));
            }
            after = Some(Position { value: sort_value(last, 0), second: sort_value(last, 1), id: sort_value(last, 2) });
        }
    }

    /// Visible events of groups in a range; groups without any are left out.
    pub(super) async fn range_counts(
        &self,
        ids: &[String],
        from: i64,
        to: i64,
    ) -> Result<BTreeMap<String, u64>, StoreError> {
        let mut counts = BTreeMap::new();
        for ids in ids.chunks(COUNTED) {
            let query = all(vec![terms("k.group", ids), super::ask::range("t", from, to), super::ask::visible()]);
            let body = json!({
                "size": 0, "track_total_hits": false, "query": query,
                "aggs": { "groups": { "terms": { "field": "k.group", "size": ids.len(), "include": ids } } },
            });
            let answer = self.server.search(&self.names.events, body).await?;
            for bucket in buckets(&answer, "groups") {
                if let Some(id) = bucket.get("key").and_then(Json::as_str) {
                    counts.insert(id.to_owned(), doc_count(bucket));
                }
            }
        }
        Ok(counts)
    }
}
