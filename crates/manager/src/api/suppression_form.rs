//! Suppressions as the API shows and takes them.

use super::resources::Origin;
use crate::problem::{Answer, Problem};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use tapir_event::rfc3339;
use tapir_store::{Mode, Scope, Shown, Side, Suppression};
use utoipa::ToSchema;

/// Whom a suppression is about, beside its rule. All that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ScopeForm {
    /// Key of the client's party: `namespace/kind/owner`, a network, an address; `namespace/*`: all of a namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    /// As `client`.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    /// Namespace of either side.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
}

/// How it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ModeWord {
    /// Hide alerts, keep counting.
    Hide,
    /// At most so many in so many seconds for a pair.
    Limit,
    /// Do not evaluate the rule for this scope.
    Stop,
}

/// At most so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitForm {
    /// Events.
    count: u32,
    /// Seconds.
    seconds: u32,
}

/// The numbers that were shown when somebody decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Numbers {
    /// Days looked at.
    days: u32,
    /// Events that it would have hidden.
    would_hide: u64,
    /// Events of the rule that it would have left.
    left: u64,
    /// Payload shapes among the hidden.
    shapes: u64,
    /// Of those, shapes that nobody had opened.
    unopened: u64,
}

/// On how many nodes it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Active {
    /// Nodes whose last heartbeat names it.
    pub nodes: usize,
    /// Nodes that are heard of.
    pub of: usize,
}

/// A suppression.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct SuppressionRow {
    /// Identity; it is in `suppressed_by` of events.
    id: String,
    /// Generator of the rule.
    gid: Option<u32>,
    /// Signature.
    sid: Option<u32>,
    /// Message of the rule, if the manager has the rule or an event of it.
    pub msg: Option<String>,
    /// About whom.
    scope: ScopeForm,
    /// How.
    mode: ModeWord,
    /// Of mode `limit`.
    limit: Option<LimitForm>,
    /// Why.
    reason: String,
    /// Who.
    author: String,
    /// When.
    created: String,
    /// Until when; `null`: for ever.
    expires: Option<String>,
    /// What its author saw.
    numbers: Option<Numbers>,
    /// Events that it has hidden.
    silenced: u64,
    /// The last of them.
    silenced_last: Option<String>,
    /// Events that nodes have dropped for it (limit, stop), since their starts; beside `silenced`.
    pub dropped: u64,
    /// On how many nodes it holds.
    pub active: Active,
    /// The resource of the cluster that asks for it; it is changed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<Origin>,
    /// For `If-Match`.
    pub version: u64,
    /// The same as YAML.
    yaml: String,
}

impl SuppressionRow {
    pub(super) fn new(suppression: Suppression) -> Self {
        let yaml = yaml(&suppression);
        let Suppression { id, what, author, created, version, silenced, last_silenced, .. } = suppression;
        let (mode, limit) = match what.mode {
            Mode::Hide => (ModeWord::Hide, None),
            Mode::Limit { count, seconds } => (ModeWord::Limit, Some(LimitForm { count, seconds })),
            Mode::Stop => (ModeWord::Stop, None),
        };
        Self {
            id,
            gid: what.scope.gid,
            sid: what.scope.sid,
            msg: None,
            scope: ScopeForm::new(&what.scope),
            mode,
            limit,
            reason: what.reason,
            author,
            created: rfc3339(created),
            expires: what.expires.map(rfc3339),
            numbers: what.shown.map(|shown| Numbers {
                days: shown.days,
                would_hide: shown.would_hide,
                left: shown.left_visible,
                shapes: shown.shapes_hidden,
                unopened: shown.shapes_unopened,
            }),
            silenced,
            silenced_last: last_silenced.map(rfc3339),
            dropped: 0,
            active: Active::default(),
            resource: None,
            version,
            yaml,
        }
    }

    /// Generator and signature, if it is about one rule.
    pub(super) fn rule(&self) -> Option<(u32, u32)> {
        Some((self.gid.unwrap_or(1), self.sid?))
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl ScopeForm {
    pub(super) fn new(scope: &Scope) -> Self {
        let Scope { client, server, namespace, .. } = scope.clone();
        Self { client: client.text(), server: server.text(), namespace }
    }

    pub(super) fn scope(self, gid: Option<u32>, sid: Option<u32>) -> Answer<Scope> {
        let texts = [&self.client, &self.server, &self.namespace];
        if texts.into_iter().flatten().any(|text| text.is_empty() || text.len() > 1_024) {
            return Err(Problem::bad_request(
                "members of `scope` have 1 to 1,024 bytes; leave out what does not matter",
            ));
        }
        let side = |text: Option<String>| Side::from_text(text.as_deref());
        let scope = Scope { gid, sid, client: side(self.client), server: side(self.server), namespace: self.namespace };
        if scope.is_everything() {
            return Err(Problem::bad_request("this would hide everything: name a rule, a party or a namespace"));
        }
        Ok(scope)
    }
}

impl From<Numbers> for Shown {
    fn from(numbers: Numbers) -> Self {
        Self {
            days: numbers.days,
            would_hide: numbers.would_hide,
            left_visible: numbers.left,
            shapes_hidden: numbers.shapes,
            shapes_unopened: numbers.unopened,
        }
    }
}

/// From words and limit to the store's mode.
pub(super) fn mode(word: ModeWord, limit: Option<LimitForm>) -> Answer<Mode> {
    match (word, limit) {
        (ModeWord::Hide, None) => Ok(Mode::Hide),
        (ModeWord::Stop, None) => Ok(Mode::Stop),
        (ModeWord::Limit, Some(LimitForm { count, seconds })) if count > 0 && seconds > 0 => {
            Ok(Mode::Limit { count, seconds })
        }
        (ModeWord::Limit, _) => Err(Problem::bad_request("mode `limit` needs `limit`: {count, seconds}, both above 0")),
        (_, Some(_)) => Err(Problem::bad_request("`limit` belongs to mode `limit`")),
    }
}

/// What was asked for as YAML. Texts are quoted as JSON, which YAML reads.
fn yaml(suppression: &Suppression) -> String {
    let what = &suppression.what;
    let quote = |text: &str| serde_json::Value::from(text).to_string();
    let mut text = format!("id: {}\n", quote(&suppression.id));
    // Writing to a string cannot fail.
    for (name, number) in [("gid", what.scope.gid), ("sid", what.scope.sid)] {
        if let Some(number) = number {
            let _ = writeln!(text, "{name}: {number}");
        }
    }
    let scope = ScopeForm::new(&what.scope);
    let members = [("client", &scope.client), ("server", &scope.server), ("namespace", &scope.namespace)];
    if members.iter().any(|(_, value)| value.is_some()) {
        text.push_str("scope:\n");
    }
    for (name, value) in members {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name}: {}", quote(value));
        }
    }
    match what.mode {
        Mode::Hide => text.push_str("mode: hide\n"),
        Mode::Limit { count, seconds } => {
            let _ = writeln!(text, "mode: limit\nlimit: {{count: {count}, seconds: {seconds}}}");
        }
        Mode::Stop => text.push_str("mode: stop\n"),
    }
    let _ = writeln!(text, "reason: {}", quote(&what.reason));
    let _ = writeln!(text, "author: {}", quote(&suppression.author));
    if let Some(expires) = what.expires {
        let _ = writeln!(text, "expires: {}", quote(&rfc3339(expires)));
    }
    text
}
