//! "Quiet this": which events somebody wants silenced, and how. The same words hold in the store, in the manager's API
//! and in the engine of every node.
//!
//! A party is named as in the key of a group ([`crate::GroupKey`]): `namespace/kind/owner` for a workload, else the
//! network of a public address, else the address.

use crate::workload::party;
use crate::{SecurityEvent, Workload};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use tapir_packet::Timestamp;

/// A side of the conversations that a suppression is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Whoever.
    #[default]
    Any,
    /// Workloads of a namespace.
    Namespace(String),
    /// One party: `namespace/kind/owner`, a network or an address.
    Party(String),
}

impl Side {
    /// From the text of the API: `namespace/*` is a whole namespace, no text is whoever.
    pub fn from_text(text: Option<&str>) -> Self {
        match text {
            None => Self::Any,
            Some(key) => match key.strip_suffix("/*") {
                Some(namespace) => Self::Namespace(namespace.to_owned()),
                None => Self::Party(key.to_owned()),
            },
        }
    }

    /// The text of the API.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Any => None,
            Self::Namespace(namespace) => Some(format!("{namespace}/*")),
            Self::Party(key) => Some(key.clone()),
        }
    }

    fn covers(&self, party: &Named<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Namespace(namespace) => namespace == party.namespace,
            Self::Party(key) => key == party.key,
        }
    }
}

/// Which events a suppression is about. All that is given must hold; it must name something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Scope {
    /// Generator of the rule.
    pub gid: Option<u32>,
    /// Signature.
    pub sid: Option<u32>,
    /// Client.
    pub client: Side,
    /// Server.
    pub server: Side,
    /// Namespace of either side.
    pub namespace: Option<String>,
}

/// A party by name: its key, and its namespace, empty outside of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// As in the key of a group.
    pub key: &'a str,
    /// Namespace of a workload.
    pub namespace: &'a str,
}

impl Scope {
    /// It names nothing, and so everything.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it is about events of a rule between two parties.
    pub fn covers(&self, gid: u32, sid: u32, client: &Named<'_>, server: &Named<'_>) -> bool {
        let namespace = |only: &String| only == client.namespace || only == server.namespace;
        self.is_about_rule(gid, sid)
            && self.client.covers(client)
            && self.server.covers(server)
            && self.namespace.as_ref().is_none_or(namespace)
    }

    /// Whether it is about events of a rule, between whomever.
    pub fn is_about_rule(&self, gid: u32, sid: u32) -> bool {
        self.gid.is_none_or(|only| only == gid) && self.sid.is_none_or(|only| only == sid)
    }
}

/// The parties of an event, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parties {
    client: (String, String),
    server: (String, String),
}

impl Parties {
    /// Client and server are the flow's roles; source and destination without a flow.
    pub fn of(event: &SecurityEvent) -> Self {
        let (client, server) = event.parties();
        let of = |workload: Option<&Workload>, address: Option<IpAddr>| {
            let namespace = workload.map(|workload| workload.namespace.clone()).unwrap_or_default();
            (party(workload, address), namespace)
        };
        Self {
            client: of(event.client.as_ref(), client.map(|end| end.address)),
            server: of(event.server.as_ref(), server.map(|end| end.address)),
        }
    }

    /// Who opened the conversation.
    pub fn client(&self) -> Named<'_> {
        Named { key: &self.client.0, namespace: &self.client.1 }
    }

    /// The other side.
    pub fn server(&self) -> Named<'_> {
        Named { key: &self.server.0, namespace: &self.server.1 }
    }
}

/// How a suppression works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Keep and count events in the manager's store, but hide them there, and send them nowhere else.
    Hide,
    /// At most so many in so many seconds for a pair on a node; the engine drops and counts the others.
    Limit {
        /// Events.
        count: u32,
        /// Seconds.
        seconds: u32,
    },
    /// The engine does not evaluate the rule.
    Stop,
}

/// A suppression as a node applies it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Standing {
    /// Identity; it is in `suppressed_by` of events.
    pub id: String,
    /// About what.
    pub scope: Scope,
    /// How.
    pub mode: Mode,
    /// Until when, nanoseconds since 1970; `None`: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
}

impl Standing {
    /// It holds at this time.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now.0 < expires)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hide => f.write_str("hide"),
            Self::Limit { count, seconds } => write!(f, "at most {count} in {seconds} s"),
            Self::Stop => f.write_str("stop"),
        }
    }
}

/// What a list of suppressions is called, so that a node and the manager know whether they mean the same one: 16
/// hexadecimal digits over all that counts, in any order.
pub fn digest(standing: &[Standing]) -> String {
    use sha2::{Digest, Sha256};
    let mut texts: Vec<String> = standing.iter().map(|one| serde_json::to_string(one).unwrap_or_default()).collect();
    texts.sort_unstable();
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update(text);
        hasher.update([0]);
    }
    format!("{:016x}", crate::shape::first_u64(&hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn scope(gid: u32, sid: u32) -> Scope {
        Scope { gid: Some(gid), sid: Some(sid), ..Scope::default() }
    }

    #[test]
    fn a_scope_covers_what_all_its_members_name() {
        let event = testing::event();
        let parties = Parties::of(&event);
        let (gid, sid) = (event.rule.gid, event.rule.sid);
        let covers = |scope: &Scope| scope.covers(gid, sid, &parties.client(), &parties.server());
        let rule = scope(gid, sid);
        let (client, server) = (parties.client().key.to_owned(), parties.server().key.to_owned());
        for (is, scope) in [
            (true, rule.clone()),
            (false, scope(gid, sid + 1)),
            (true, Scope { client: Side::Party(client.clone()), ..rule.clone() }),
            (true, Scope { client: Side::Party(client), server: Side::Party(server.clone()), ..rule.clone() }),
            (false, Scope { client: Side::Party(server), ..rule.clone() }),
            (true, Scope { server: Side::Namespace("shop".into()), ..rule.clone() }),
            (false, Scope { client: Side::Namespace("shop".into()), ..rule.clone() }),
            (true, Scope { namespace: Some("shop".into()), ..Scope::default() }),
            (false, Scope { namespace: Some("cart".into()), ..rule }),
        ] {
            assert_eq!(covers(&scope), is, "{scope:?}");
        }
    }

    #[test]
    fn sides_survive_as_text() {
        for side in [Side::Any, Side::Namespace("shop".into()), Side::Party("shop/Deployment/cart".into())] {
            assert_eq!(Side::from_text(side.text().as_deref()), side);
        }
    }

    #[test]
    fn a_digest_does_not_depend_on_the_order_but_on_all_else() {
        let one = Standing { id: "s-1".into(), scope: scope(1, 2), mode: Mode::Hide, expires: None };
        let two = Standing { id: "s-2".into(), ..one.clone() };
        let later = Standing { expires: Some(1), ..one.clone() };
        assert_eq!(digest(&[one.clone(), two.clone()]), digest(&[two.clone(), one.clone()]));
        assert_ne!(digest(&[one.clone(), two]), digest(std::slice::from_ref(&one)));
        assert_ne!(digest(std::slice::from_ref(&one)), digest(&[later]));
    }
}
