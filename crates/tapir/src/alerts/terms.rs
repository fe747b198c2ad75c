//! Which alerts are meant: from what was typed to the API's parameters.

use super::client::{Client, Param};
use super::failure::Failure;
use super::model::{EventRow, Page, read};
use crate::args::alerts::FilterArgs;
use serde_json::json;

/// A time as typed: `24h` is `now-24h` before now; the rest goes to the manager as it is.
pub fn past(text: &str) -> String {
    if is_span(text) { format!("now-{text}") } else { text.to_owned() }
}

/// The same after now.
pub fn future(text: &str) -> String {
    if is_span(text) { format!("now+{text}") } else { text.to_owned() }
}

fn is_span(text: &str) -> bool {
    let digits = text.strip_suffix(['s', 'm', 'h', 'd', 'w']).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Query, range and states of one list.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// With the namespace in it.
    pub query: String,
    /// If it was given.
    pub from: Option<String>,
    /// If it was given.
    pub to: Option<String>,
    /// If it was given.
    pub status: Option<String>,
}

impl Terms {
    /// A query beside a namespace is checked on its own: put together they might mean something else.
    pub fn new(args: &FilterArgs, client: &Client) -> Result<Self, Failure> {
        let query = args.query.as_deref().unwrap_or_default().trim();
        let query = match &args.namespace {
            None => query.to_owned(),
            Some(namespace) => {
                if !query.is_empty() {
                    client.ask(&["query", "check"], &json!({ "q": query }))?;
                }
                with_namespace(query, namespace)
            }
        };
        Ok(Self {
            query,
            from: args.from.as_deref().map(past),
            to: args.to.as_deref().map(past),
            status: args.status.clone(),
        })
    }

    /// As parameters.
    pub fn params(&self) -> Vec<Param> {
        let mut params = Vec::new();
        if !self.query.is_empty() {
            params.push(("q", self.query.clone()));
        }
        for (name, value) in [("from", &self.from), ("to", &self.to), ("status", &self.status)] {
            if let Some(value) = value {
                params.push((name, value.clone()));
            }
        }
        params
    }

    /// In words, for what is asked before something is changed.
    pub fn words(&self) -> String {
        let query = if self.query.is_empty() { "everything".to_owned() } else { format!("`{}`", self.query) };
        let from = self.from.as_deref().unwrap_or("now-24h");
        let to = self.to.as_deref().unwrap_or("now");
        let status = self.status.as_deref().map(|status| format!(", status {status}")).unwrap_or_default();
        super::readable::readable(&format!("{query}, {from} to {to}{status}"))
    }
}

fn with_namespace(query: &str, namespace: &str) -> String {
    let quoted = format!("ns=\"{}\"", namespace.replace('\\', "\\\\").replace('"', "\\\""));
    if query.is_empty() { quoted } else { format!("{quoted} ({query})") }
}

/// `group/ID`, `event/ID` and plain identities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// Of a group.
    Group(String),
    /// Of an event.
    Event(String),
}

impl Name {
    /// Groups have 16 hexadecimal digits.
    pub fn new(text: &str) -> Result<Self, Failure> {
        let (kind, id) = text.split_once('/').map_or((None, text), |(kind, id)| (Some(kind), id));
        let is_group = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_event = id.parse::<tapir_event::EventId>().is_ok();
        match kind {
            Some("group" | "groups" | "alert") | None if is_group => Ok(Self::Group(id.to_ascii_lowercase())),
            Some("event" | "events") | None if is_event => Ok(Self::Event(id.to_owned())),
            _ => Err(Failure::Usage(format!(
                "`{}` names neither a group (16 hexadecimal digits) nor an event (NODE-BOOT-SEQ); `tapir alerts list` shows them",
                super::readable::readable(text)
            ))),
        }
    }
}

/// The group that is meant; of an event its group.
pub fn group_of(name: &Name, client: &Client) -> Result<String, Failure> {
    let id = match name {
        Name::Group(id) => return Ok(id.clone()),
        Name::Event(id) => id,
    };
    let params = vec![
        ("q", format!("id=\"{}\"", id.replace('\\', "\\\\").replace('"', "\\\""))),
        ("from", "1970-01-01T00:00:00Z".to_owned()),
        ("status", "all".to_owned()),
        ("suppressed", "true".to_owned()),
        ("limit", "1".to_owned()),
    ];
    let page: Page = read(&client.get(&["events"], &params)?)?;
    match page.items.first() {
        Some(row) => Ok(read::<EventRow>(row)?.group),
        None => Err(Failure::Other(format!("no such event: {}", super::readable::readable(id)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_before_or_after_now() {
        assert_eq!((past("24h"), future("30d")), ("now-24h".to_owned(), "now+30d".to_owned()));
        for other in ["now-1h", "2026-11-24T03:12:07Z", "h", "1y", "-1h", ""] {
            assert_eq!(past(other), other);
        }
    }

    #[test]
    fn a_namespace_holds_for_the_whole_query() {
        assert_eq!(with_namespace("a OR b", "shop"), "ns=\"shop\" (a OR b)");
        assert_eq!(with_namespace("", "a\"b"), "ns=\"a\\\"b\"");
    }

    #[test]
    fn names_tell_groups_from_events() {
        let group = Name::Group("56f9121ea4b8622e".into());
        for text in ["56f9121ea4b8622e", "group/56f9121ea4b8622e", "56F9121EA4B8622E"] {
            assert_eq!(Name::new(text).ok(), Some(group.clone()), "{text}");
        }
        assert_eq!(Name::new("event/worker-3-12-845").ok(), Some(Name::Event("worker-3-12-845".into())));
        for odd in ["", "x", "event/56f9121ea4b8622e", "group/worker-3-12-845", "pod/x", "worker-3"] {
            assert_eq!(Name::new(odd).unwrap_err().code(), Some(2), "{odd}");
        }
    }
}
