//! Queries to SQL.
//!
//! Every condition becomes one over an event `e` and its group `g` that says exactly what the evaluator says: by
//! columns where there are some, by sets of dictionary rows that the evaluator has chosen, and else by asking the
//! evaluator about the document (`leaf`). For lists of groups it becomes a pair over `g` alone: `upper` is true of
//! every group that has an event of the kind, `lower` is true only of groups all of whose events are.
//! NULL never is a result, so that NOT means what it says.

use super::dictionary::{Dictionaries, Word, numbered};
use super::guard::Guard;
use super::row::{Address, BLIND, Pod, flag};
use super::sql::Sql;
use crate::facts::{SIGNATURE_ID, SIGNATURE_REVISION};
use crate::{EventFacts, GroupState, Status};
use rusqlite::types::Value as Param;
use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;
use tapir_event::{Endpoint, EventId, FlowDirection, FlowSummary, Inspection, RuleSummary, SecurityEvent};
use tapir_packet::Timestamp;
use tapir_query::{Expr, Field, Key, Net, Node, Op, State, Value, rule_field};

/// Members of the incumbent's record that the rule decides: its number and its revision under other names.
fn is_of_rule(key: &Key) -> bool {
    matches!(key.path.as_str(), SIGNATURE_ID | SIGNATURE_REVISION)
}

/// Sets up to this size are written as parameters.
const INLINE: usize = 8;

/// A condition over groups.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    pub upper: Sql,
    pub lower: Sql,
    /// Both are the same condition.
    pub exact: bool,
}

impl Bounds {
    fn exact(sql: Sql) -> Self {
        Self { upper: sql.clone(), lower: sql, exact: true }
    }

    fn upper(upper: Sql) -> Self {
        Self { upper, lower: Sql::constant(false), exact: false }
    }

    fn unknown() -> Self {
        Self::upper(Sql::constant(true))
    }

    pub(super) fn not(self) -> Self {
        Self { upper: self.lower.not(), lower: self.upper.not(), exact: self.exact }
    }

    pub(super) fn all(members: Vec<Self>) -> Self {
        Self {
            exact: members.iter().all(|member| member.exact),
            upper: Sql::all(members.iter().map(|member| member.upper.clone())),
            lower: Sql::all(members.into_iter().map(|member| member.lower)),
        }
    }

    fn any(members: Vec<Self>) -> Self {
        // A group whose events are divided over the members is not seen by `lower`; that is what lower means.
        Self {
            exact: members.iter().all(|member| member.exact),
            upper: Sql::any(members.iter().map(|member| member.upper.clone())),
            lower: Sql::any(members.into_iter().map(|member| member.lower)),
        }
    }
}

/// Compiles for one call on one connection.
pub(super) struct Compiler<'a> {
    pub words: &'a Dictionaries,
    pub guard: &'a Guard,
    pub cluster: &'a str,
    pub now: i64,
    /// Events that make a group noisy; `None`: none is.
    pub noisy: Option<i64>,
    /// Group columns tell of all events that the list may show.
    pub visible_only: bool,
    /// Set when a document must be asked.
    pub documents: Cell<bool>,
}

impl Compiler<'_> {
    /// Over an event `e` and its group `g`.
    pub(super) fn event(&self, expr: &Expr) -> Sql {
        match &expr.node {
            Node::And(members) => Sql::all(members.iter().map(|member| self.event(member))),
            Node::Or(members) => Sql::any(members.iter().map(|member| self.event(member))),
            Node::Not(inner) => self.event(inner).not(),
            _ => match positive(expr) {
                Some(inner) => self.event(&inner).not(),
                None => self.leaf(expr),
            },
        }
    }

    /// Over a group `g`.
    pub(super) fn group(&self, expr: &Expr) -> Bounds {
        match &expr.node {
            Node::And(members) => Bounds::all(members.iter().map(|member| self.group(member)).collect()),
            Node::Or(members) => Bounds::any(members.iter().map(|member| self.group(member)).collect()),
            Node::Not(inner) => self.group(inner).not(),
            _ => match positive(expr) {
                Some(inner) => self.group(&inner).not(),
                None => self.group_leaf(expr),
            },
        }
    }

    fn leaf(&self, expr: &Expr) -> Sql {
        let key = match &expr.node {
            Node::Is(state) => return self.state(*state),
            Node::Text(_) => return self.text(expr),
            Node::Compare { key, .. } | Node::In { key, .. } | Node::Like { key, .. } | Node::Has(key) => key,
            Node::And(_) | Node::Or(_) | Node::Not(_) => return Sql::constant(false),
        };
        match key.field {
            Field::Record if is_of_rule(key) => self.within("e.sig", self.sigs(expr)),
            Field::Type | Field::Description | Field::AttackVector | Field::Cluster => self.constant(expr),
            rule_field!() => self.within("e.sig", self.sigs(expr)),
            Field::Time => self.number(expr, "e.t"),
            Field::FirstSeen => self.number(expr, "g.first"),
            Field::LastSeen => self.number(expr, "g.last"),
            Field::Count => self.number(expr, "g.n"),
            Field::FlowId => self.number(expr, "e.flow"),
            Field::ClientPort => self.number(expr, "e.cport"),
            Field::ServerPort => self.number(expr, "e.sport"),
            Field::Port => Sql::any([self.number(expr, "e.cport"), self.number(expr, "e.sport")]),
            Field::SourcePort => self.directed(expr, self.number(expr, "e.cport"), self.number(expr, "e.sport")),
            Field::DestPort => self.directed(expr, self.number(expr, "e.sport"), self.number(expr, "e.cport")),
            Field::ClientIp => self.address(expr, "e.cip"),
            Field::ServerIp => self.address(expr, "e.sip"),
            Field::Ip => Sql::any([self.address(expr, "e.cip"), self.address(expr, "e.sip")]),
            Field::SourceIp => self.directed(expr, self.address(expr, "e.cip"), self.address(expr, "e.sip")),
            Field::DestIp => self.directed(expr, self.address(expr, "e.sip"), self.address(expr, "e.cip")),
            Field::Namespace
            | Field::ClientNamespace
            | Field::ServerNamespace
            | Field::Workload
            | Field::Client
            | Field::Server
            | Field::Pod
            | Field::ClientPod
            | Field::ServerPod => self.pods(expr, None),
            Field::SourceNamespace
            | Field::DestNamespace
            | Field::SourceName
            | Field::DestName
            | Field::SourceNameAggr
            | Field::DestNameAggr => {
                let back = self.pods(expr, Some(FlowDirection::ToClient));
                let forth = self.pods(expr, None);
                Sql::new("CASE WHEN (e.flags & 3) = 2 THEN ", []).then(back).word(" ELSE ").then(forth).word(" END")
            }
            Field::Node => self.within("e.stream", self.streams(expr)),
            Field::Iface => self.within("e.iface", self.iface(expr)),
            Field::Service => self.within("e.service", self.service(expr)),
            Field::Protocol => self.within("e.proto", self.protocol(expr)),
            Field::Inspection | Field::Origin => self.within("g.inspection", self.inspection(expr)),
            Field::Direction => self.direction(expr),
            Field::Visibility => self.visibility(expr),
            Field::Id => self.id(expr),
            Field::Group => self.hash(expr, "g.hash"),
            Field::Shape => self.hash(expr, "e.shape"),
            Field::SuppressedBy => self.within("e.sup", self.suppressions(expr)),
            Field::Status | Field::Dismissed | Field::Reason | Field::Assignee => self.decided(expr),
            Field::CommunityId
            | Field::Uri
            | Field::HttpHost
            | Field::UserAgent
            | Field::Method
            | Field::StatusCode
            | Field::DnsName
            | Field::Sni
            | Field::Excerpt
            | Field::Record => self.document(expr),
        }
    }

    fn group_leaf(&self, expr: &Expr) -> Bounds {
        let key = match &expr.node {
            Node::Is(State::Suppressed) => {
                return match self.visible_only {
                    true => Bounds::exact(Sql::constant(false)),
                    false => Bounds { lower: Sql::new("g.n = 0", []), ..Bounds::upper(Sql::new("g.hidden > 0", [])) },
                };
            }
            Node::Is(State::Encrypted) => return Bounds::unknown(),
            Node::Is(state) => return Bounds::exact(self.state(*state)),
            Node::Text(_) => {
                let sigs = self.sig_bounds(expr).lower;
                let lower = Sql::any([sigs, self.parties(expr)]);
                return Bounds { upper: Sql::constant(true), lower, exact: false };
            }
            Node::Compare { key, .. } | Node::In { key, .. } | Node::Like { key, .. } | Node::Has(key) => key,
            Node::And(_) | Node::Or(_) | Node::Not(_) => return Bounds::unknown(),
        };
        match key.field {
            Field::Record if is_of_rule(key) => self.sig_bounds(expr),
            Field::Type
            | Field::Description
            | Field::AttackVector
            | Field::Cluster
            | Field::FirstSeen
            | Field::LastSeen
            | Field::Count
            | Field::Inspection
            | Field::Origin
            | Field::Status
            | Field::Dismissed
            | Field::Reason
            | Field::Assignee => Bounds::exact(self.leaf(expr)),
            Field::Group if self.hashes(expr).is_some() => Bounds::exact(self.leaf(expr)),
            rule_field!() => self.sig_bounds(expr),
            Field::Namespace
            | Field::ClientNamespace
            | Field::ServerNamespace
            | Field::Workload
            | Field::Client
            | Field::Server => Bounds::exact(self.parties(expr)),
            Field::SourceNamespace | Field::DestNamespace => {
                let (forth, back) =
                    (self.party_sides(expr, None), self.party_sides(expr, Some(FlowDirection::ToClient)));
                Bounds { upper: Sql::any([forth.clone(), back.clone()]), lower: Sql::all([forth, back]), exact: false }
            }
            Field::Pod
            | Field::ClientPod
            | Field::ServerPod
            | Field::SourceName
            | Field::DestName
            | Field::SourceNameAggr
            | Field::DestNameAggr => self.group_pods(expr),
            Field::Ip | Field::ClientIp | Field::ServerIp | Field::SourceIp | Field::DestIp => self.addresses(expr),
            Field::Time if self.visible_only => self.times(expr),
            Field::Shape => match self.hashes(expr) {
                None => Bounds::unknown(),
                Some(hashes) => Bounds::upper(Sql::any(hashes.into_iter().map(|hash| {
                    Sql::new("EXISTS (SELECT 1 FROM grp_shape s WHERE s.grp = g.id AND s.shape = ?)", [hash.into()])
                }))),
            },
            Field::SuppressedBy => match self.visible_only {
                true => Bounds::exact(Sql::constant(false)),
                false => Bounds::upper(Sql::new("g.hidden > 0", [])),
            },
            _ => Bounds::unknown(),
        }
    }

    /// Whether the evaluator says yes to the condition of this event.
    fn holds(&self, expr: &Expr, event: &SecurityEvent) -> bool {
        self.holds_of(expr, event, &GroupState::default(), None)
    }

    fn holds_of(&self, expr: &Expr, event: &SecurityEvent, group: &GroupState, by: Option<&str>) -> bool {
        expr.holds(&EventFacts { event, group, suppressed_by: by, cluster: self.cluster }, self.now)
    }

    fn constant(&self, expr: &Expr) -> Sql {
        Sql::constant(self.holds(expr, &SecurityEvent::default()))
    }

    /// Asks the document.
    fn document(&self, expr: &Expr) -> Sql {
        self.documents.set(true);
        Sql::new("leaf(?, e.id, e.body)", [self.guard.add_leaf(expr.clone()).into()])
    }

    /// Asks what people decided.
    fn decided(&self, expr: &Expr) -> Sql {
        let leaf = self.guard.add_leaf(expr.clone());
        Sql::new("state(?, g.status, g.reason, g.reason_text, g.assignee)", [leaf.into()])
    }

    fn state(&self, state: State) -> Sql {
        let status = |status: Status| Sql::new("g.status = ?", [status.code().into()]);
        match state {
            State::Open => status(Status::Open),
            State::Acknowledged => status(Status::Acknowledged),
            State::Escalated => status(Status::Escalated),
            State::Dismissed => status(Status::Dismissed),
            State::Suppressed => Sql::new("e.sup > 0", []),
            State::Encrypted => Sql::new("(e.flags & 32) <> 0", []),
            State::Noisy => match self.noisy {
                Some(least) => Sql::new("g.n >= ?", [least.into()]),
                None => Sql::constant(false),
            },
        }
    }

    /// Free words: what the rule and the names say is known without the document.
    fn text(&self, expr: &Expr) -> Sql {
        Sql::any([self.within("e.sig", self.sigs(expr)), self.pods(expr, None), self.document(expr)])
    }

    fn within(&self, column: &str, set: HashSet<i64>) -> Sql {
        match set.len() {
            0 => Sql::constant(false),
            1..=INLINE => {
                let mut ids: Vec<i64> = set.into_iter().collect();
                ids.sort_unstable();
                let marks = vec!["?"; ids.len()].join(", ");
                Sql::new(format!("{column} IN ({marks})"), ids.into_iter().map(Param::from))
            }
            _ => Sql::new(format!("member(?, {column})"), [self.guard.add_set(&set).into()]),
        }
    }

    fn sigs(&self, expr: &Expr) -> HashSet<i64> {
        let mut event = SecurityEvent::default();
        let mut set = HashSet::new();
        for (id, rule) in numbered(&self.words.sigs) {
            event.rule = Arc::clone(rule);
            if self.holds(expr, &event) {
                set.insert(id);
            }
        }
        set
    }

    fn sig_bounds(&self, expr: &Expr) -> Bounds {
        let set = self.sigs(expr);
        let one = self.within("g.sig", set.clone());
        if set.len() == self.words.sigs.len() {
            return Bounds::exact(Sql::constant(true));
        }
        let other = self.within("s.sig", set);
        let from = |condition: Sql| {
            Sql::new("EXISTS (SELECT 1 FROM grp_sig s WHERE s.grp = g.id AND ", []).then(condition).word(")")
        };
        let several = || Sql::new("g.sigs > 1", []);
        Bounds {
            upper: Sql::any([one.clone(), Sql::all([several(), from(other.clone())])]),
            lower: Sql::all([one, Sql::any([several().not(), from(other.not()).not()])]),
            exact: false,
        }
    }

    /// Pods on either side that answer, with the direction given.
    fn pods(&self, expr: &Expr, direction: Option<FlowDirection>) -> Sql {
        let [client, server] = self.pod_sets(expr, direction);
        Sql::any([self.within("e.cpod", client), self.within("e.spod", server)])
    }

    fn pod_sets(&self, expr: &Expr, direction: Option<FlowDirection>) -> [HashSet<i64>; 2] {
        let mut event = silent(direction);
        let mut sets = [HashSet::new(), HashSet::new()];
        let [clients, servers] = &mut sets;
        for (id, pod) in numbered(&self.words.pods) {
            event.client = Some(pod.workload());
            if self.holds(expr, &event) {
                clients.insert(id);
            }
            event.server = event.client.take();
            if self.holds(expr, &event) {
                servers.insert(id);
            }
            event.server = None;
        }
        sets
    }

    fn parties(&self, expr: &Expr) -> Sql {
        self.party_sides(expr, None)
    }

    fn party_sides(&self, expr: &Expr, direction: Option<FlowDirection>) -> Sql {
        let mut event = silent(direction);
        let (mut clients, mut servers) = (HashSet::new(), HashSet::new());
        for (id, party) in numbered(&self.words.parties).filter(|(_, party)| !party.kind.is_empty()) {
            let pod = Pod {
                namespace: party.namespace.clone(),
                kind: party.kind.clone(),
                name: party.name.clone(),
                ..Pod::default()
            };
            event.client = Some(pod.workload());
            if self.holds(expr, &event) {
                clients.insert(id);
            }
            event.server = event.client.take();
            if self.holds(expr, &event) {
                servers.insert(id);
            }
            event.server = None;
        }
        Sql::any([self.within("g.client", clients), self.within("g.server", servers)])
    }

    fn group_pods(&self, expr: &Expr) -> Bounds {
        let mut parts = Vec::new();
        for direction in [None, Some(FlowDirection::ToClient)] {
            for (side, set) in (0i64..).zip(self.pod_sets(expr, direction)) {
                let pods = self.within("p.pod", set);
                if pods != Sql::constant(false) {
                    let from = "EXISTS (SELECT 1 FROM grp_pod p WHERE p.grp = g.id AND p.side = ? AND ";
                    parts.push(Sql::new(from, [side.into()]).then(pods).word(")"));
                }
            }
        }
        Bounds::upper(Sql::any(parts))
    }

    /// If the query asks for events of namespaces and nothing else: which ones.
    pub(super) fn namespaces(&self, expr: &Expr) -> Option<Vec<i64>> {
        let (Node::Compare { key, op: Op::Eq, .. } | Node::In { key, negated: false, .. } | Node::Like { key, .. }) =
            &expr.node
        else {
            return None;
        };
        let mut event = silent(None);
        let mut holds = |name: &str| {
            let pod = Pod { namespace: name.to_owned(), ..Pod::default() };
            event.client = Some(pod.workload());
            self.holds(expr, &event)
        };
        let words = self.words.words_of(Word::Namespace);
        (key.field == Field::Namespace).then(|| words.filter(|(_, name)| holds(name)).map(|(id, _)| id).collect())
    }

    fn streams(&self, expr: &Expr) -> HashSet<i64> {
        let mut event = SecurityEvent::default();
        let holds = |(id, (node, _)): (i64, &(Arc<str>, u64))| {
            event.id.node = Arc::clone(node);
            self.holds(expr, &event).then_some(id)
        };
        numbered(&self.words.streams).filter_map(holds).collect()
    }

    fn word_set(&self, expr: &Expr, kind: Word, make: impl Fn(&str) -> SecurityEvent) -> HashSet<i64> {
        let none = std::iter::once((0, "")).filter(|_| self.holds(expr, &SecurityEvent::default()));
        let some = self.words.words_of(kind).filter(|(_, text)| self.holds(expr, &make(text)));
        none.chain(some).map(|(id, _)| id).collect()
    }

    fn iface(&self, expr: &Expr) -> HashSet<i64> {
        self.word_set(expr, Word::Iface, |text| SecurityEvent { interface: text.into(), ..SecurityEvent::default() })
    }

    fn service(&self, expr: &Expr) -> HashSet<i64> {
        self.word_set(expr, Word::Service, |text| SecurityEvent {
            service: Some(text.to_owned().into()),
            ..SecurityEvent::default()
        })
    }

    fn protocol(&self, expr: &Expr) -> HashSet<i64> {
        self.word_set(expr, Word::Protocol, |text| SecurityEvent {
            protocol: text.to_owned().into(),
            ..SecurityEvent::default()
        })
    }

    fn inspection(&self, expr: &Expr) -> HashSet<i64> {
        self.word_set(expr, Word::Inspection, |text| {
            let (namespace, name) = text.split_once('/').unwrap_or(("", text));
            let inspection = Inspection { namespace: namespace.to_owned(), name: name.to_owned() };
            SecurityEvent { inspection: Some(inspection), ..SecurityEvent::default() }
        })
    }

    fn suppressions(&self, expr: &Expr) -> HashSet<i64> {
        let (event, group) = (SecurityEvent::default(), GroupState::default());
        let words = self.words.words_of(Word::Suppression);
        words.filter(|(_, text)| self.holds_of(expr, &event, &group, Some(text))).map(|(id, _)| id).collect()
    }

    fn direction(&self, expr: &Expr) -> Sql {
        let mut codes = HashSet::new();
        for (bits, direction) in (0i64..).zip([None, Some(FlowDirection::ToServer), Some(FlowDirection::ToClient)]) {
            for (client, server) in [(false, false), (true, false), (false, true), (true, true)] {
                let pod = |is: bool| is.then(|| Pod::default().workload());
                let event = SecurityEvent { client: pod(client), server: pod(server), ..silent(direction) };
                if self.holds(expr, &event) {
                    codes.insert(bits + if client { 4 } else { 0 } + if server { 8 } else { 0 });
                }
            }
        }
        self.within("((e.flags & 3) + 4 * (e.cpod > 0) + 8 * (e.spod > 0))", codes)
    }

    fn visibility(&self, expr: &Expr) -> Sql {
        let codes = (0..1i64 << BLIND.len()).filter(|code| {
            let has = |name| (0..).zip(BLIND).any(|(bit, known)| known == name && code >> bit & 1 == 1);
            let end = Endpoint { address: std::net::Ipv4Addr::UNSPECIFIED.into(), port: None };
            let flow = FlowSummary {
                id: 0,
                start: Timestamp(0),
                client: end,
                server: end,
                packets: [0; 2],
                bytes: [0; 2],
                missing: [u64::from(has("gap")), 0],
                midstream: has("midstream"),
            };
            let event = SecurityEvent {
                flow: Some(flow),
                truncated: has("truncated"),
                service: has("encrypted").then(|| "ssl".into()),
                ..SecurityEvent::default()
            };
            self.holds(expr, &event)
        });
        self.within("((e.flags >> 2) & 15)", codes.collect())
    }

    /// By the flow's direction, which source and destination follow but for NAT in the capture.
    fn directed(&self, expr: &Expr, forth: Sql, back: Sql) -> Sql {
        let document = self.document(expr);
        Sql::new(format!("CASE WHEN (e.flags & {}) <> 0 THEN ", flag::IRREGULAR), [])
            .then(document)
            .word(" WHEN (e.flags & 3) = 2 THEN ")
            .then(back)
            .word(" ELSE ")
            .then(forth)
            .word(" END")
    }

    fn number(&self, expr: &Expr, column: &str) -> Sql {
        let one = |op: Op, value: &Value| {
            let (first, last) = value.bounds(self.now)?;
            let compare = |operator: &str, bound: i64| {
                Sql::new(format!("({column} IS NOT NULL AND {column} {operator} ?)"), [bound.into()])
            };
            Some(match op {
                Op::Eq => Sql::between(column, first.into(), last.into()),
                Op::Lt => compare("<", first),
                Op::Le => compare("<=", last),
                Op::Gt => compare(">", last),
                Op::Ge => compare(">=", first),
                Op::Ne => return None,
            })
        };
        let sql = match &expr.node {
            Node::Has(_) => Some(Sql::new(format!("{column} IS NOT NULL"), [])),
            Node::Compare { op, value, .. } => one(*op, value),
            Node::In { members: values, .. } | Node::Like { patterns: values, .. } => {
                values.iter().map(|value| one(Op::Eq, value)).collect::<Option<Vec<_>>>().map(Sql::any)
            }
            _ => None,
        };
        sql.unwrap_or_else(|| self.document(expr))
    }

    fn times(&self, expr: &Expr) -> Bounds {
        let one = |op: Op, value: &Value| {
            let (first, last) = value.bounds(self.now)?;
            let [low, high] = match op {
                Op::Eq => [first, last],
                Op::Lt => [i64::MIN, first.checked_sub(1)?],
                Op::Le => [i64::MIN, last],
                Op::Gt => [last.checked_add(1)?, i64::MAX],
                Op::Ge => [first, i64::MAX],
                Op::Ne => return None,
            };
            Some(Bounds {
                upper: Sql::new("(g.last >= ? AND g.first <= ?)", [low.into(), high.into()]),
                lower: Sql::new("(g.first >= ? AND g.last <= ?)", [low.into(), high.into()]),
                exact: false,
            })
        };
        let bounds = match &expr.node {
            Node::Compare { op, value, .. } => one(*op, value),
            Node::In { members: values, .. } | Node::Like { patterns: values, .. } => {
                values.iter().map(|value| one(Op::Eq, value)).collect::<Option<Vec<_>>>().map(Bounds::any)
            }
            _ => None,
        };
        bounds.unwrap_or_else(Bounds::unknown)
    }

    fn address(&self, expr: &Expr, column: &str) -> Sql {
        if let Node::Has(_) = expr.node {
            return Sql::new(format!("{column} IS NOT NULL"), []);
        }
        match nets(expr) {
            None => self.document(expr),
            Some(nets) => Sql::any(nets.into_iter().map(|net| {
                let (first, last) = (bytes(net.first()), bytes(net.last()));
                let length = Param::from(i64::try_from(first.len()).unwrap_or(0));
                let size = Sql::new(format!("({column} IS NOT NULL AND length({column}) = ?)"), [length]);
                Sql::all([size, Sql::between(column, first.into(), last.into())])
            })),
        }
    }

    /// Groups in which an address occurs on some side, or, of public ones, its network. Wide prefixes are not looked up:
    /// they would be most of the table.
    fn addresses(&self, expr: &Expr) -> Bounds {
        let Some(nets) = nets(expr) else { return Bounds::unknown() };
        let wide = |net: &Net| net.prefix() < if net.first().is_ipv4() { 12 } else { 32 };
        if nets.iter().any(wide) {
            return Bounds::unknown();
        }
        Bounds::upper(Sql::any(nets.into_iter().map(|net| {
            let network = bytes_of(Address::new(net.first()).network());
            let (first, last) = (bytes(net.first()), bytes(net.last()));
            let length = Param::from(i64::try_from(first.len()).unwrap_or(0));
            let from = "g.id IN (SELECT grp FROM grp_net WHERE (net BETWEEN ? AND ? OR net = ?) AND length(net) = ?)";
            Sql::new(from, [first.into(), last.into(), network.into(), length])
        })))
    }

    fn id(&self, expr: &Expr) -> Sql {
        let (values, exact): (&[Value], bool) = match &expr.node {
            Node::Compare { op: Op::Eq, value, .. } => (std::slice::from_ref(value), true),
            Node::In { members, .. } => (members, true),
            Node::Like { patterns, .. } => (patterns, false),
            Node::Has(_) => return Sql::constant(true),
            _ => return self.document(expr),
        };
        let mut found = Vec::new();
        for value in values {
            let Value::Text(text) = value else { return self.document(expr) };
            let Ok(id) = text.parse::<EventId>() else { continue };
            for (stream, (node, boot)) in numbered(&self.words.streams).filter(|(_, (_, boot))| *boot == id.boot) {
                let real = EventId { node: Arc::clone(node), boot: *boot, seq: id.seq }.to_string();
                if if exact { real == *text } else { real.eq_ignore_ascii_case(text) } {
                    let params = [stream.into(), id.seq.cast_signed().into()];
                    found.push(Sql::new("(e.stream = ? AND e.seq = ?)", params));
                }
            }
        }
        Sql::any(found)
    }

    /// 64 bits as 16 hexadecimal digits.
    fn hash(&self, expr: &Expr, column: &str) -> Sql {
        if let Node::Has(_) = expr.node {
            return Sql::new(format!("{column} IS NOT NULL"), []);
        }
        match self.hashes(expr) {
            None => self.document(expr),
            Some(hashes) => Sql::any(hashes.into_iter().map(|hash| Sql::between(column, hash.into(), hash.into()))),
        }
    }

    /// The hashes that are asked for; `None`: it asks otherwise.
    fn hashes(&self, expr: &Expr) -> Option<Vec<i64>> {
        let (values, exact): (&[Value], bool) = match &expr.node {
            Node::Compare { op: Op::Eq, value, .. } => (std::slice::from_ref(value), true),
            Node::In { members, .. } => (members, true),
            Node::Like { patterns, .. } => (patterns, false),
            _ => return None,
        };
        let mut hashes = Vec::new();
        for value in values {
            let Value::Text(text) = value else { return None };
            let Ok(number) = u64::from_str_radix(text, 16) else { continue };
            let real = format!("{number:016x}");
            if if exact { real == *text } else { real.eq_ignore_ascii_case(text) } {
                hashes.push(number.cast_signed());
            }
        }
        Some(hashes)
    }
}

fn bytes_of(address: Address) -> Vec<u8> {
    address.bytes().to_vec()
}

/// An address as it is stored.
fn bytes(address: std::net::IpAddr) -> Vec<u8> {
    bytes_of(Address::new(address))
}

/// The opposite of a condition that is written negated.
fn positive(expr: &Expr) -> Option<Expr> {
    let node = match &expr.node {
        Node::Compare { key, op: Op::Ne, value } => {
            Node::Compare { key: key.clone(), op: Op::Eq, value: value.clone() }
        }
        Node::In { key, negated: true, members } => {
            Node::In { key: key.clone(), negated: false, members: members.clone() }
        }
        _ => return None,
    };
    Some(Expr { node, span: expr.span })
}

/// The prefixes that are asked for; `None`: it asks otherwise.
fn nets(expr: &Expr) -> Option<Vec<Net>> {
    let values: &[Value] = match &expr.node {
        Node::Compare { op: Op::Eq, value, .. } => std::slice::from_ref(value),
        Node::In { members, .. } => members,
        Node::Like { patterns, .. } => patterns,
        _ => return None,
    };
    values.iter().map(|value| if let Value::Net(net) = value { Some(*net) } else { None }).collect()
}

/// An event that says nothing but its direction: no message to search in.
fn silent(direction: Option<FlowDirection>) -> SecurityEvent {
    let rule = Arc::new(RuleSummary { msg: Some(String::new()), ..RuleSummary::default() });
    SecurityEvent { direction, rule, ..SecurityEvent::default() }
}
