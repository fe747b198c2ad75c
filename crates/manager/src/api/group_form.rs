//! Groups as the API shows them.

use serde::Serialize;
use tapir_event::{Level, rfc3339};
use tapir_packet::Timestamp;
use tapir_store as store;
use utoipa::ToSchema;

/// Points of a sparkline.
pub(super) const SPARK: usize = 24;

/// One side of the conversations of a group.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Party {
    /// `shop/frontend`, a network, an address.
    display: String,
    /// As in scopes of suppressions.
    key: String,
    /// Of a workload.
    namespace: Option<String>,
    /// Of a workload: `Deployment`, `Pod`, …
    kind: Option<String>,
    /// Of a workload.
    name: Option<String>,
    /// Different pods.
    pods: u64,
    /// In lists that of the newest event; of single groups at most 5.
    pub addresses: Vec<String>,
    /// Of single groups among the newest events; in lists those listed.
    pub address_count: u64,
}

/// A technique of ATT&CK.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Technique {
    /// `T1190`
    id: String,
    /// If the rule names it.
    name: Option<String>,
}

/// A group in the inbox.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Group {
    /// 16 hexadecimal digits.
    pub id: String,
    /// Generator of the rule.
    pub gid: u32,
    /// Signature.
    pub sid: u32,
    /// Newest revision seen.
    rev: u32,
    /// The rule's message.
    msg: String,
    /// Class of the rule.
    classtype: Option<String>,
    /// Worst severity seen, 0–100.
    severity: u8,
    /// Its word.
    level: &'static str,
    /// The rule's action; known of single groups.
    pub action: Option<String>,
    /// Who opened the conversations.
    pub client: Party,
    /// The other side.
    pub server: Party,
    /// Server's port of the newest event.
    server_port: Option<u16>,
    /// `namespace/name` of the inspection.
    inspection: Option<String>,
    /// What is spoken; known of single groups.
    pub service: Option<String>,
    /// Techniques of the rule.
    pub mitre: Vec<Technique>,
    /// Tactics of the rule, by name.
    tactics: Vec<String>,
    /// Events.
    count: u64,
    /// Of `count`, events in the asked time range, whatever the query; `null` where no range is asked for, or where
    /// too many would have had to be counted.
    in_range: Option<u64>,
    /// Events that a suppression hides.
    suppressed: u64,
    /// Different payload shapes.
    shapes: u64,
    /// First event, RFC 3339.
    first_seen: String,
    /// Last event.
    last_seen: String,
    /// `open`, `acknowledged`, `escalated`, `dismissed`.
    status: &'static str,
    /// Whose it is.
    assignee: Option<String>,
    /// Why it was dismissed.
    reason: Option<&'static str>,
    /// The same in words.
    reason_text: Option<String>,
    /// Comments.
    comments: u64,
    /// When a dismissed group came back by itself.
    reopened_at: Option<String>,
    /// Why it came back.
    reopened_why: Option<String>,
    /// Among the 1 % with the most events.
    noisy: bool,
    /// `full` or `partial`.
    visibility: &'static str,
    /// Why partial; known of single groups, from their newest event.
    pub blind_spots: Vec<&'static str>,
    /// Events in 24 equal parts of the asked range; where none is asked for, of the last 24 hours. Of busy groups the
    /// events of an hour count as if they lay evenly in it.
    spark: Vec<u64>,
    /// Changes with every decision: for `If-Match`.
    pub version: u64,
    /// The row stands for several groups (`by=sig`, `workload`, `source`): severity, times and counts are of all of
    /// them, there is no sparkline, and the rest is of the group that was seen last. `null` in lists of groups.
    bundle: Option<Bundle>,
}

/// What a row stands for that is more than a group.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Bundle {
    /// `1:1122`, `shop/frontend`, `203.0.113.0/24`, `?`.
    key: String,
    /// A query for its groups, to be added to that of the list.
    query: String,
    /// How many groups.
    groups: u64,
    /// Different clients of them.
    clients: u64,
    /// Different servers of them.
    servers: u64,
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

impl Party {
    pub(super) fn new(party: store::Party, pods: u64, address: Option<std::net::IpAddr>) -> Self {
        let addresses: Vec<String> = address.iter().map(ToString::to_string).collect();
        Self {
            display: party.display,
            key: party.key,
            namespace: some(party.namespace),
            kind: some(party.kind),
            name: some(party.name),
            pods,
            address_count: u64::try_from(addresses.len()).unwrap_or_default(),
            addresses,
        }
    }
}

impl Technique {
    pub(super) fn new(id: String, name: Option<String>) -> Self {
        Self { id, name }
    }
}

impl Group {
    pub(super) fn new(group: store::Group, spark: Vec<u64>) -> Self {
        Self {
            id: group.id.to_string(),
            gid: group.gid,
            sid: group.sid,
            rev: group.rev,
            msg: group.msg,
            classtype: group.classtype,
            severity: group.severity,
            level: Level::of(group.severity).name(),
            action: None,
            client: Party::new(group.client, group.client_pods, group.client_ip),
            server: Party::new(group.server, group.server_pods, group.server_ip),
            server_port: group.server_port,
            inspection: group.inspection,
            service: None,
            mitre: group.techniques.into_iter().map(|id| Technique::new(id, None)).collect(),
            tactics: group.tactics,
            count: group.count,
            in_range: group.in_range,
            suppressed: group.suppressed,
            shapes: group.shapes,
            first_seen: rfc3339(group.first_seen),
            last_seen: rfc3339(group.last_seen),
            status: group.status.name(),
            assignee: group.assignee,
            reason: group.reason.map(reason),
            reason_text: group.reason_text,
            comments: group.comments,
            reopened_at: group.reopened_at.map(rfc3339),
            reopened_why: group.reopened_why,
            noisy: group.noisy,
            visibility: if group.partial { "partial" } else { "full" },
            blind_spots: Vec::new(),
            spark,
            version: group.version,
            bundle: None,
        }
    }

    /// A row for several groups.
    pub(super) fn of_bundle(bundle: store::Bundle) -> Self {
        let store::Bundle { key, query, groups, clients, servers, .. } = bundle;
        Self {
            severity: bundle.severity,
            level: bundle.level,
            count: bundle.count,
            in_range: bundle.in_range,
            suppressed: bundle.suppressed,
            first_seen: rfc3339(bundle.first_seen),
            last_seen: rfc3339(bundle.last_seen),
            bundle: Some(Bundle { key, query, groups, clients, servers }),
            ..Self::new(bundle.newest, Vec::new())
        }
    }
}

/// Rows with the last 24 hours; a store that is too busy for sparklines gives flat ones.
pub(super) async fn recent(store: &dyn store::EventStore, groups: Vec<store::Group>, now: Timestamp) -> Vec<Group> {
    const DAY: i64 = 86_400_000_000_000;
    let from = Timestamp(now.0.saturating_sub(DAY));
    match with_sparks(store, groups.clone(), from, now).await {
        Ok(rows) => rows,
        Err(_) => groups.into_iter().map(|group| Group::new(group, vec![0; SPARK])).collect(),
    }
}

/// Rows with their sparklines over a range.
pub(super) async fn with_sparks(
    store: &dyn store::EventStore,
    groups: Vec<store::Group>,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Group>, store::StoreError> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let ids = groups.iter().map(|group| group.id).collect();
    let (sparks, _) = store.sparklines(ids, from, to, SPARK).await?;
    let mut sparks = sparks.into_iter();
    Ok(groups.into_iter().map(|group| Group::new(group, sparks.next().unwrap_or_default())).collect())
}

/// The page's word of a reason.
pub(super) fn reason(reason: store::Reason) -> &'static str {
    match reason {
        store::Reason::NoRisk => "accepted",
        other => other.name(),
    }
}
