//! The catalogue of fields: names, aliases, types, enumerations, and which of them the incumbent knows.
//!
//! *How it fits*: the parser looks names up here, completion and the API list it, and a test holds
//! `docs/query-language.md` to it. Whoever adds a field adds a line to the table below.
//! *Limits*: a path below `record` has at most 128 bytes of letters, digits, `_`, `-`, `.`.

use crate::Dialect;
use std::fmt;

/// What a field holds, which decides how its values are read and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Prose: `:` looks for a part of it.
    Text,
    /// A word: `:` compares the whole.
    Keyword,
    /// A name of Kubernetes: a keyword in lower case.
    Name,
    /// An IP address; values may be prefixes.
    Address,
    /// 0 to 65535.
    Port,
    /// A whole number, at most 2⁶³ − 1.
    Number,
    /// A moment, in nanoseconds since 1970.
    Time,
    /// Yes or no; a field that is absent is `false`.
    Bool,
    /// 0 to 100, or the word for a band.
    Severity,
    /// The state of a group.
    State,
}

impl Kind {
    /// The word in documents and in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Keyword => "keyword",
            Self::Name => "name",
            Self::Address => "address",
            Self::Port => "port",
            Self::Number => "number",
            Self::Time => "time",
            Self::Bool => "bool",
            Self::Severity => "severity",
            Self::State => "state",
        }
    }

    /// Whether its values have an order worth asking for.
    pub fn is_ordered(self) -> bool {
        matches!(self, Self::Port | Self::Number | Self::Time | Self::Severity)
    }
}

/// The values that a field can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Whatever its kind allows.
    Any,
    /// These are usual: completion offers them.
    Known(&'static [&'static str]),
    /// These and no others.
    Only(&'static [&'static str]),
}

impl Values {
    /// The words, if some are known.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::Any => &[],
            Self::Known(words) | Self::Only(words) => words,
        }
    }
}

/// All about a field.
#[derive(Debug)]
pub struct FieldInfo {
    /// Its name.
    pub name: &'static str,
    /// Other names for it in Tapir's dialect.
    pub aliases: &'static [&'static str],
    /// What it holds.
    pub kind: Kind,
    /// Which values.
    pub values: Values,
    /// The incumbent's key for it, if it has one.
    pub incumbent: Option<&'static str>,
    /// One line for people.
    pub help: &'static str,
}

/// A pattern: the fields that are properties of the rule alone, so that all events of a revision have the same. A pattern
/// and not a function, so that a match over all fields stays complete.
#[macro_export]
macro_rules! rule_field {
    () => {
        $crate::Field::Sid
            | $crate::Field::Gid
            | $crate::Field::Rev
            | $crate::Field::Msg
            | $crate::Field::Classtype
            | $crate::Field::Priority
            | $crate::Field::Action
            | $crate::Field::Severity
            | $crate::Field::Mitre
            | $crate::Field::Tactic
            | $crate::Field::Reference
            | $crate::Field::Cve
    };
}

macro_rules! fields {
    ($($field:ident $name:literal $aliases:tt $kind:ident $values:expr, $incumbent:expr, $help:literal;)*) => {
        /// A field of an event or its group.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {
            $(#[doc = $help] $field,)*
        }

        impl Field {
            /// All, in the order of the documentation.
            pub fn all() -> &'static [Self] {
                &[$(Self::$field),*]
            }

            /// What the catalogue says of it.
            pub fn info(self) -> &'static FieldInfo {
                match self {
                    $(Self::$field => {
                        static INFO: FieldInfo = FieldInfo {
                            name: $name,
                            aliases: &$aliases,
                            kind: Kind::$kind,
                            values: $values,
                            incumbent: $incumbent,
                            help: $help,
                        };
                        &INFO
                    })*
                }
            }
        }
    };
}

use Values::{Any, Known, Only};

// field, name, aliases, kind and values, the incumbent's key, help.
fields! {
    Id "id" ["_id"] Keyword Any, None, "identity of the event, the same in every sink";
    Group "group" ["grp"] Keyword Any, None, "identity of its group in the inbox";
    Type "type" [] Keyword Only(TYPES), Some("type"), "what raised it; Tapir writes `deep_packet_inspection`";
    Sid "sid" ["signature_id"] Number Any, None, "signature number of the rule";
    Gid "gid" ["generator_id"] Number Any, None, "generator number of the rule";
    Rev "rev" ["revision"] Number Any, None, "revision of the rule";
    Msg "msg" ["message", "name"] Text Any, Some("name"), "message of the rule";
    Description "description" [] Text Any, Some("description"), "text of the event in the incumbent's documents";
    Classtype "classtype" ["classification", "class"] Keyword Any, None, "class of the rule, such as `trojan-activity`";
    Priority "priority" [] Number Any, None, "priority of the rule; 1 is the most severe";
    Action "action" [] Keyword Known(ACTIONS), None, "action word of the rule";
    Severity "severity" ["sev"] Severity Known(LEVELS), Some("severity"), "0 to 100, or `info`, `low`, `medium`, `high`, `critical`";
    Mitre "mitre" ["technique", "mitre_ids"] Keyword Any, None, "MITRE ATT&CK technique, such as `T1071.001`";
    Tactic "tactic" ["mitre_tactic"] Keyword Any, Some("mitre_tactic"), "MITRE ATT&CK tactic, such as `Initial Access`";
    AttackVector "attack_vector" ["vector"] Keyword Known(VECTORS), Some("attack_vector"), "`Network`, `Process` or `File`";
    Reference "reference" ["references", "ref"] Keyword Any, None, "reference of the rule: its id, `scheme,id` and URL";
    Cve "cve" [] Keyword Any, None, "CVE number among the references, with or without `CVE-`";
    Time "time" ["timestamp"] Time Any, Some("time"), "when the packet was seen";
    FirstSeen "first_seen" ["first"] Time Any, None, "first event of the group";
    LastSeen "last_seen" ["last"] Time Any, None, "last event of the group";
    Count "count" [] Number Any, None, "events of the group";
    Ip "ip" ["address"] Address Any, None, "address of either side";
    ClientIp "client_ip" [] Address Any, None, "address of who opened the flow";
    ServerIp "server_ip" [] Address Any, None, "address of the other side";
    SourceIp "source_ip" ["src_ip"] Address Any, Some("source_ip"), "address of who sent the packet";
    DestIp "dest_ip" ["dst_ip"] Address Any, Some("dest_ip"), "address of who was to get it";
    Port "port" [] Port Any, None, "port of either side";
    ClientPort "client_port" [] Port Any, None, "port of who opened the flow";
    ServerPort "server_port" [] Port Any, None, "port of the other side";
    SourcePort "source_port" ["src_port"] Port Any, Some("source_port"), "port of who sent the packet";
    DestPort "dest_port" ["dst_port"] Port Any, Some("dest_port"), "port of who was to get it";
    Namespace "namespace" ["ns"] Name Any, None, "namespace of either side";
    ClientNamespace "client_namespace" ["client_ns"] Name Any, None, "namespace of who opened the flow";
    ServerNamespace "server_namespace" ["server_ns"] Name Any, None, "namespace of the other side";
    SourceNamespace "source_namespace" ["src_ns"] Name Any, Some("source_namespace"), "namespace of who sent the packet";
    DestNamespace "dest_namespace" ["dst_ns"] Name Any, Some("dest_namespace"), "namespace of who was to get it";
    Workload "workload" [] Name Any, None, "workload of either side, as `name` or `namespace/name`";
    Client "client" [] Name Any, None, "workload that opened the flow, as `name` or `namespace/name`";
    Server "server" [] Name Any, None, "workload on the other side, as `name` or `namespace/name`";
    Pod "pod" [] Name Any, None, "pod of either side";
    ClientPod "client_pod" [] Name Any, None, "pod that opened the flow";
    ServerPod "server_pod" [] Name Any, None, "pod on the other side";
    SourceName "source_name" ["src_name"] Name Any, Some("source_name"), "pod that sent the packet";
    SourceNameAggr "source_name_aggr" [] Name Any, Some("source_name_aggr"), "its workload, such as `frontend-77b88cc7cb-*`";
    DestName "dest_name" ["dst_name"] Name Any, Some("dest_name"), "pod that was to get the packet";
    DestNameAggr "dest_name_aggr" [] Name Any, Some("dest_name_aggr"), "its workload, such as `frontend-77b88cc7cb-*`";
    Node "node" ["host"] Keyword Any, Some("host"), "node that saw it";
    Iface "iface" ["interface"] Keyword Any, None, "interface that it was seen on";
    Inspection "inspection" ["dpi"] Name Any, None, "`namespace/name` of the DeepPacketInspection";
    Origin "origin" ["alert"] Keyword Any, Some("origin"), "`dpi.namespace/name` of the DeepPacketInspection";
    Cluster "cluster" [] Keyword Any, None, "cluster that it is from";
    Direction "direction" ["dir"] Keyword Only(DIRECTIONS), None, "of the data, and of the flow as seen from the inspected pod";
    Protocol "protocol" ["proto"] Keyword Known(PROTOCOLS), None, "transport protocol";
    Service "service" ["app", "app_proto"] Keyword Known(SERVICES), None, "what the flow speaks";
    CommunityId "community_id" [] Keyword Any, None, "Community ID of the flow";
    FlowId "flow_id" ["flow"] Number Any, None, "number of the flow within its node";
    Visibility "visibility" [] Keyword Only(VISIBILITIES), None, "how much of the payload could be seen, and why not all";
    Shape "shape" [] Keyword Any, None, "payload shape: equal for payloads that differ in numbers only";
    Uri "uri" ["url"] Text Any, None, "HTTP request target";
    HttpHost "http_host" ["hostname"] Keyword Any, None, "HTTP host";
    UserAgent "user_agent" [] Text Any, None, "HTTP user agent";
    Method "method" ["http_method"] Keyword Known(METHODS), None, "HTTP method";
    StatusCode "status_code" ["http_status"] Number Any, None, "HTTP status";
    DnsName "dns_name" ["dns"] Keyword Any, None, "name asked for in DNS";
    Sni "sni" ["tls_sni"] Keyword Any, None, "server name in TLS";
    Excerpt "excerpt" ["payload"] Text Any, None, "text of the bytes that matched";
    Status "status" ["state"] State Only(STATUSES), None, "state of the group";
    Dismissed "dismissed" [] Bool Only(BOOLS), Some("dismissed"), "whether somebody dismissed it";
    Reason "reason" [] Text Any, None, "why it was dismissed";
    Assignee "assignee" ["owner"] Keyword Any, None, "who takes care of the group";
    SuppressedBy "suppressed_by" ["suppression"] Keyword Any, None, "identity of the suppression that hides it";
    Record "record" [] Keyword Any, None, "a member of the incumbent's record: `record.PATH`";
}

const TYPES: &[&str] = &[
    "alert",
    "anomaly_detection_job",
    "deep_packet_inspection",
    "global_alert",
    "gtf_suspicious_dns_query",
    "gtf_suspicious_flow",
    "honeypod",
    "runtime_security",
    "suspicious_dns_query",
    "suspicious_flow",
    "waf",
];
const ACTIONS: &[&str] = &["alert", "block", "drop", "log", "pass", "react", "reject", "rewrite"];
const LEVELS: &[&str] = &["info", "low", "medium", "high", "critical"];
const VECTORS: &[&str] = &["Network", "Process", "File"];
const DIRECTIONS: &[&str] = &["to_server", "to_client", "inbound", "outbound", "east-west"];
const PROTOCOLS: &[&str] = &["tcp", "udp", "icmp", "icmpv6", "sctp"];
const SERVICES: &[&str] = &["http", "dns", "tls", "smtp", "ssh", "smb", "ftp", "imap", "pop3", "sip"];
const VISIBILITIES: &[&str] = &["full", "partial", "gap", "truncated", "midstream", "encrypted"];
const METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT"];
const STATUSES: &[&str] = &["open", "acknowledged", "escalated", "dismissed"];
const BOOLS: &[&str] = &["true", "false"];
/// Before a name of ours in the incumbent's documents.
const PREFIX: &str = "tapir.";
const RECORD: &str = "record.";
const MAX_PATH: usize = 128;

impl Field {
    /// The two fields of which it is either: `ip` is `client_ip` or `server_ip`. Nothing for other fields.
    pub fn sides(self) -> Option<[Self; 2]> {
        Some(match self {
            Self::Ip => [Self::ClientIp, Self::ServerIp],
            Self::Port => [Self::ClientPort, Self::ServerPort],
            Self::Namespace => [Self::ClientNamespace, Self::ServerNamespace],
            Self::Workload => [Self::Client, Self::Server],
            Self::Pod => [Self::ClientPod, Self::ServerPod],
            _ => return None,
        })
    }

    /// Whether people and time decide about it: a property of the group at the manager, and not of the event.
    pub fn is_of_group(self) -> bool {
        matches!(
            self,
            Self::FirstSeen
                | Self::LastSeen
                | Self::Count
                | Self::Status
                | Self::Dismissed
                | Self::Reason
                | Self::Assignee
        )
    }

    /// All names by which a dialect knows it.
    pub fn names(self, dialect: Dialect) -> impl Iterator<Item = &'static str> {
        let info = self.info();
        let (own, theirs) = match dialect {
            Dialect::Tapir => (std::iter::once(info.name).chain(info.aliases.iter().copied()).collect(), None),
            Dialect::Incumbent => (Vec::new(), info.incumbent),
        };
        own.into_iter().chain(theirs)
    }
}

/// A field, and of [`Field::Record`] which member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The field.
    pub field: Field,
    /// Members of the record below each other, joined by dots; empty for other fields.
    pub path: String,
}

impl From<Field> for Key {
    fn from(field: Field) -> Self {
        Self { field, path: String::new() }
    }
}

impl fmt::Display for Key {
    /// The canonical name in Tapir's dialect.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(self.field.info().name),
            path => write!(f, "{RECORD}{path}"),
        }
    }
}

impl Key {
    /// The key of this name. Names are told apart by case in the incumbent's dialect only.
    pub fn parse(name: &str, dialect: Dialect) -> Option<Self> {
        if dialect == Dialect::Incumbent {
            return Field::all().iter().find(|field| field.info().incumbent == Some(name)).map(|&field| field.into());
        }
        if let Some(path) = strip(name, RECORD) {
            return is_path(path).then(|| Self { field: Field::Record, path: path.to_owned() });
        }
        let bare = strip(name, PREFIX);
        Field::all()
            .iter()
            .filter(|field| **field != Field::Record)
            .find(|field| field.names(dialect).any(|known| known.eq_ignore_ascii_case(bare.unwrap_or(name))))
            .map(|&field| field.into())
    }
}

fn strip<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    name.split_at_checked(prefix.len()).filter(|(head, _)| head.eq_ignore_ascii_case(prefix)).map(|(_, rest)| rest)
}

fn is_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    matches!(path.len(), 1..=MAX_PATH) && path.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_name_stands_for_two_fields() {
        let mut seen = BTreeSet::new();
        for field in Field::all() {
            for name in field.names(Dialect::Tapir) {
                assert!(seen.insert(name), "{name} twice");
                assert!(!name.contains('.') && name.is_ascii() && name == name.to_lowercase(), "{name}");
                assert!(!matches!(name, "is" | "has" | "and" | "or" | "not"), "{name} is a word of the grammar");
            }
            if let Some(key) = field.info().incumbent {
                assert!(field.names(Dialect::Tapir).any(|name| name == key), "{key} is understood in both dialects");
            }
        }
    }

    #[test]
    fn the_incumbent_knows_its_keys_and_no_others() {
        let keys: BTreeSet<_> = Field::all().iter().filter_map(|field| field.info().incumbent).collect();
        let expected = "attack_vector description dest_ip dest_name dest_name_aggr dest_namespace dest_port dismissed \
            host mitre_tactic name origin severity source_ip source_name source_name_aggr source_namespace \
            source_port time type";
        assert_eq!(keys.into_iter().collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn keys_are_found_by_every_name() {
        let find = |name| Key::parse(name, Dialect::Tapir).map(|key| key.to_string());
        assert_eq!(find("NS").as_deref(), Some("namespace"));
        assert_eq!(find("tapir.sid").as_deref(), Some("sid"));
        assert_eq!(find("record.snort_Signature-id.x").as_deref(), Some("record.snort_Signature-id.x"));
        for unknown in ["record", "record.", "record.a b", "tapir.record.a", "tapir.", "tapir.tapir.sid", "", "é"] {
            assert_eq!(find(unknown), None, "{unknown}");
        }
        assert_eq!(Key::parse("sid", Dialect::Incumbent), None);
        assert_eq!(Key::parse("Type", Dialect::Incumbent), None);
    }
}
