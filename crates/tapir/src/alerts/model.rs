//! Answers of the manager's API as far as they are shown. What is absent is empty, so that an older or newer manager is read, too.

use super::failure::Failure;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads an answer.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Failure> {
    T::deserialize(value).map_err(|error| {
        Failure::Unreachable(format!(
            "the manager's answer is not understood ({error}); are its and this version far apart?"
        ))
    })
}

macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident { $($(#[$help:meta])* $field:ident: $kind:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Default, Deserialize)]
            #[serde(default)]
            pub struct $name { $($(#[$help])* pub $field: $kind,)* }
        )*
    };
}

forms! {
    /// One side of the conversations of a group.
    Party {
        /// Workload, network or address.
        display: String,
        /// Of a workload.
        pods: u64,
        /// Some of its addresses.
        addresses: Vec<String>,
        /// How many there are.
        address_count: u64,
    }

    /// A technique of ATT&CK.
    Technique {
        /// `T1190`
        id: String,
        /// If it is known.
        name: Option<String>,
    }

    /// A group.
    Group {
        /// 16 hexadecimal digits.
        id: String,
        /// Generator.
        gid: u32,
        /// Signature.
        sid: u32,
        /// Revision.
        rev: u32,
        /// Message of the rule.
        msg: String,
        /// Class of the rule.
        classtype: Option<String>,
        /// 0–100.
        severity: u8,
        /// Its word.
        level: String,
        /// Who opened the conversations.
        client: Party,
        /// The other side.
        server: Party,
        /// Its port.
        server_port: Option<u16>,
        /// `namespace/name`.
        inspection: Option<String>,
        /// What is spoken.
        service: Option<String>,
        /// Of the rule.
        mitre: Vec<Technique>,
        /// Of the rule.
        tactics: Vec<String>,
        /// Events.
        count: u64,
        /// Events that are hidden.
        suppressed: u64,
        /// Payload shapes.
        shapes: u64,
        /// RFC 3339.
        first_seen: String,
        /// RFC 3339.
        last_seen: String,
        /// State.
        status: String,
        /// Whose.
        assignee: Option<String>,
        /// Of a dismissal.
        reason: Option<String>,
        /// In words.
        reason_text: Option<String>,
        /// RFC 3339.
        reopened_at: Option<String>,
        /// Why it came back.
        reopened_why: Option<String>,
        /// `full` or `partial`.
        visibility: String,
        /// Why partial.
        blind_spots: Vec<String>,
        /// What people did with it; of single groups.
        history: Vec<History>,
    }

    /// What somebody did.
    History {
        /// RFC 3339.
        at: String,
        /// Who.
        by: String,
        /// What.
        what: String,
        /// The rest.
        detail: String,
    }

    /// How many.
    Total {
        /// So many.
        count: u64,
        /// Not only at least.
        exact: bool,
    }

    /// A page of a list.
    Page {
        /// Rows.
        items: Vec<Value>,
        /// Cursor.
        next: Option<String>,
        /// Of the whole list.
        total: Option<Total>,
        /// Not everything was looked at.
        partial: bool,
    }

    /// An address with its port.
    Socket {
        /// Address.
        ip: Option<String>,
        /// Port.
        port: Option<u16>,
    }

    /// An event in a list.
    EventRow {
        /// Identity.
        id: String,
        /// RFC 3339.
        time: String,
        /// Its group.
        group: String,
        /// Sender.
        source: Socket,
        /// Receiver.
        destination: Socket,
    }

    /// An option of a rule.
    Outcome {
        /// In words.
        words: String,
        /// `matched` or `not_recorded`.
        outcome: String,
        /// Where.
        buffer: Option<String>,
        /// First byte.
        offset: Option<u32>,
        /// Bytes.
        length: Option<u32>,
    }

    /// Why a rule fired.
    Why {
        /// In order.
        options: Vec<Outcome>,
        /// In words.
        traffic: Option<String>,
        /// Canonical.
        rule_text: String,
        /// Pages.
        references: Vec<String>,
        /// Techniques and tactics.
        mitre: Vec<Technique>,
        /// In words.
        class: Option<String>,
    }

    /// What a decision did.
    Acted {
        /// Groups.
        changed: u64,
        /// Events in them.
        events: u64,
        /// The groups, at most 100.
        groups: Vec<Group>,
        /// Takes it back.
        undo: Option<String>,
        /// RFC 3339.
        undo_until: Option<String>,
        /// Of an undo: groups that were changed since.
        skipped: Vec<String>,
    }

    /// What a scope would have hidden.
    Scope {
        /// `pair`, `client`, `namespace`, `rule`.
        id: String,
        /// For people.
        title: String,
        /// To be sent on.
        scope: Value,
        /// To be sent on.
        gid: Option<u32>,
        /// To be sent on.
        sid: Option<u32>,
        /// Events.
        would_hide: u64,
        /// Events.
        left_visible: u64,
        /// Shapes.
        shapes: u64,
        /// Shapes.
        unopened: u64,
    }

    /// What scopes would have hidden.
    Preview {
        /// Narrowest first.
        scopes: Vec<Scope>,
    }

    /// Changed groups of the live stream.
    Rows {
        /// New or changed.
        rows: Vec<Value>,
    }
}
