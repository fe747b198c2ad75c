//! What a suppression would have hidden, counted over the events.

use super::ask::visible;
use super::compile::{all, not, terms};
use super::event::{DAY, group_shape};
use super::server::{doc_count, hits};
use super::store::Inner;
use super::tuning::{rule, scope};
use crate::{DayCount, Preview, Scope, StoreError};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Most scopes of one call.
const SCOPES: usize = 20;
/// Groups with opened shapes that are looked at.
const OPENED: usize = 2_000;
/// Numbers of different groups and shapes are exact up to here, and estimates above.
const EXACT: u64 = 40_000;

impl Inner {
    /// The numbers of each scope for the days from `days` ago on, events with times ahead of the clock included.
    pub(super) async fn previews(&self, scopes: Vec<Scope>, days: u32, now: i64) -> Result<Vec<Preview>, StoreError> {
        if scopes.is_empty() || scopes.len() > SCOPES || !(1..=366).contains(&days) {
            return Err(StoreError::Invalid("a preview has 1 to 20 scopes and 1 to 366 days".to_owned()));
        }
        if scopes.iter().any(Scope::is_everything) {
            return Err(StoreError::Invalid("a scope must name a rule, a workload or a namespace".to_owned()));
        }
        let today = now.div_euclid(DAY);
        let start = today - i64::from(days) + 1;
        let mut previews = Vec::with_capacity(scopes.len());
        for scope in scopes {
            previews.push(self.preview(scope, start, today).await?);
        }
        Ok(previews)
    }

    async fn preview(&self, wanted: Scope, start: i64, today: i64) -> Result<Preview, StoreError> {
        let inside = scope(&wanted);
        let opened = self.opened_shapes(&inside).await?;
        let mut conditions = rule(&wanted);
        conditions.extend([visible(), json!({ "range": { "day": { "gte": start } } })]);
        let by_day = json!({ "terms": { "field": "day", "size": 10_000 } });
        let different = |field: &str| json!({ "cardinality": { "field": field, "precision_threshold": EXACT } });
        let body = json!({ "size": 0, "track_total_hits": false, "query": all(conditions), "aggs": {
            "inside": { "filter": inside, "aggs": {
                "days": by_day, "groups": different("k.group"), "shapes": different("shape"),
                "opened": {
                    "filter": terms("group_shape", &opened), "aggs": { "shapes": different("shape") },
                },
            } },
            "left": { "filter": not(inside), "aggs": { "days": by_day } },
        } });
        let answer = self.server.search(&self.names.events, body).await?;
        let number =
            |path: &str| answer.pointer(&format!("/aggregations/{path}")).and_then(Json::as_u64).unwrap_or_default();
        let mut days: BTreeMap<i64, (u64, u64)> = (start..=today).map(|day| (day, (0, 0))).collect();
        for (part, hidden) in [("inside", true), ("left", false)] {
            let found = answer.pointer(&format!("/aggregations/{part}/days/buckets")).and_then(Json::as_array);
            for bucket in found.into_iter().flatten() {
                let Some(day) = bucket.get("key").and_then(Json::as_i64) else { continue };
                let entry = days.entry(day).or_default();
                *(if hidden { &mut entry.0 } else { &mut entry.1 }) += doc_count(bucket);
            }
        }
        let shapes_hidden = number("inside/shapes/value");
        Ok(Preview {
            scope: wanted,
            would_hide: number("inside/doc_count"),
            left_visible: number("left/doc_count"),
            groups: number("inside/groups/value"),
            shapes_hidden,
            shapes_unopened: shapes_hidden.saturating_sub(number("inside/opened/shapes/value")),
            days: days.into_iter().map(|(day, (hidden, visible))| DayCount { day, hidden, visible }).collect(),
        })
    }

    /// Shapes that somebody opened in groups of a scope, each with its group.
    async fn opened_shapes(&self, inside: &Json) -> Result<Vec<String>, StoreError> {
        let body = json!({
            "size": OPENED, "track_total_hits": false, "_source": ["opened"],
            "query": all(vec![inside.clone(), json!({ "exists": { "field": "opened" } })]),
        });
        let answer = self.server.search(&self.names.groups, body).await?;
        let mut opened = Vec::new();
        for hit in hits(&answer) {
            let group = hit.get("_id").and_then(Json::as_str).unwrap_or_default();
            let shapes = hit.pointer("/_source/opened").and_then(Json::as_array);
            let shapes = shapes.into_iter().flatten().filter_map(Json::as_str);
            opened.extend(shapes.map(|shape| group_shape(group, shape)));
        }
        opened.truncate(super::MAX_SET);
        Ok(opened)
    }
}
