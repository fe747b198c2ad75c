//! The writer's side of the dictionaries: names to integers, adding what is new.

use super::dictionary::{Dictionaries, MAX_ROWS, Word, numbered};
use super::names::{Names, Place, at};
use super::row::{PartyKey, Pod};
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::sync::Arc;
use tapir_event::RuleSummary;

/// Why a row could not be written.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// Its event is refused; the batch goes on.
    Refused(String),
    /// The transaction fails.
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Unwritten {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Names to ids. Complete: what is not here is not in the tables.
#[derive(Default)]
pub(super) struct Index {
    streams: HashMap<(Arc<str>, u64), i64>,
    words: [HashMap<String, i64>; 6],
    word_rows: i64,
    sigs: HashMap<[u8; 16], i64>,
    parties: HashMap<String, i64>,
    pods: HashMap<Pod, i64>,
}

impl Index {
    /// Of what the tables have.
    pub(super) fn load(db: &Connection, words: &Dictionaries) -> rusqlite::Result<Self> {
        let mut index =
            Self { word_rows: numbered(&words.words).count().try_into().unwrap_or(i64::MAX), ..Self::default() };
        index.streams = numbered(&words.streams).map(|(id, (node, boot))| ((Arc::clone(node), *boot), id)).collect();
        for (id, (kind, text)) in numbered(&words.words) {
            if let Some(words) = usize::try_from(kind - 1).ok().and_then(|kind| index.words.get_mut(kind)) {
                words.insert(text.clone(), id);
            }
        }
        index.parties = numbered(&words.parties).map(|(id, party)| (party.key.clone(), id)).collect();
        index.pods = numbered(&words.pods).map(|(id, pod)| (pod.clone(), id)).collect();
        let mut statement = db.prepare("SELECT digest, id FROM sig")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get(1)?)))?;
        index.sigs = rows.collect::<rusqlite::Result<_>>()?;
        Ok(index)
    }

    fn stream(&mut self, db: &Connection, node: &Arc<str>, boot: u64) -> Result<i64, Unwritten> {
        let key = (Arc::clone(node), boot);
        if let Some(id) = self.streams.get(&key) {
            return Ok(*id);
        }
        let id = room(self.streams.len(), "starts of nodes")?;
        db.prepare_cached("INSERT INTO stream VALUES (?, ?, ?)")?.execute(params![id, &**node, boot.cast_signed()])?;
        self.streams.insert(key, id);
        Ok(id)
    }

    /// 0 for the empty text.
    pub(super) fn word(&mut self, db: &Connection, kind: Word, text: &str) -> Result<i64, Unwritten> {
        if text.is_empty() {
            return Ok(0);
        }
        let slot = kind as usize - 1;
        let Some(words) = self.words.get_mut(slot) else { return Ok(0) };
        if let Some(id) = words.get(text) {
            return Ok(*id);
        }
        let id = room(usize::try_from(self.word_rows).unwrap_or(usize::MAX), "interfaces, services and namespaces")?;
        db.prepare_cached("INSERT INTO word VALUES (?, ?, ?)")?.execute(params![id, kind as i64, text])?;
        words.insert(text.to_owned(), id);
        self.word_rows = id;
        Ok(id)
    }

    fn sig(&mut self, db: &Connection, digest: &[u8; 16], rule: &RuleSummary) -> Result<i64, Unwritten> {
        if let Some(id) = self.sigs.get(digest) {
            return Ok(*id);
        }
        let id = room(self.sigs.len(), "rules")?;
        let text = serde_json::to_string(rule).map_err(|error| Unwritten::Refused(error.to_string()))?;
        db.prepare_cached("INSERT INTO sig VALUES (?, ?, ?)")?.execute(params![id, digest, text])?;
        self.sigs.insert(*digest, id);
        Ok(id)
    }

    fn party(&mut self, db: &Connection, party: &PartyKey) -> Result<i64, Unwritten> {
        if let Some(id) = self.parties.get(&party.key) {
            return Ok(*id);
        }
        let id = room(self.parties.len(), "workloads and addresses")?;
        let PartyKey { key, namespace, kind, name } = party;
        db.prepare_cached("INSERT INTO party VALUES (?, ?, ?, ?, ?)")?
            .execute(params![id, key, namespace, kind, name])?;
        self.parties.insert(key.clone(), id);
        Ok(id)
    }

    fn pod(&mut self, db: &Connection, pod: &Pod) -> Result<i64, Unwritten> {
        if let Some(id) = self.pods.get(pod) {
            return Ok(*id);
        }
        let id = room(self.pods.len(), "pods")?;
        db.prepare_cached("INSERT INTO pod VALUES (?, ?, ?, ?, ?)")?.execute(params![
            id,
            pod.namespace,
            pod.pod,
            pod.kind,
            pod.name
        ])?;
        self.pods.insert(pod.clone(), id);
        Ok(id)
    }
}

/// The ids of a batch's names.
#[derive(Debug, Default)]
pub(super) struct Ids {
    streams: List,
    ifaces: List,
    services: List,
    protocols: List,
    inspections: List,
    suppressions: List,
    pods: List,
    /// Words of the pods' namespaces.
    namespaces: List,
    parties: List,
    rules: List,
    pub streams_named: Vec<(Arc<str>, u64)>,
    pub parties_named: Vec<PartyKey>,
    pub rules_named: Vec<Arc<RuleSummary>>,
}

/// Ids in the order of places; or why there is none.
type List = Vec<Result<i64, String>>;

/// What a row's names are, as ids.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowIds {
    pub stream: i64,
    pub sig: i64,
    pub cpod: i64,
    pub spod: i64,
    /// Of the client's and the server's pod.
    pub namespaces: [i64; 2],
    pub iface: i64,
    pub service: i64,
    pub proto: i64,
    pub by_agent: i64,
    pub client: i64,
    pub server: i64,
    pub inspection: i64,
}

impl Index {
    /// Looks all names of a batch up, adding those that are new. A name for which there is no room is an error of the
    /// rows that have it.
    pub(super) fn resolve(&mut self, db: &Connection, names: Names) -> rusqlite::Result<Ids> {
        fn each<T>(list: &[T], mut find: impl FnMut(&T) -> Result<i64, Unwritten>) -> rusqlite::Result<List> {
            let one = |thing| match find(thing) {
                Ok(id) => Ok(Ok(id)),
                Err(Unwritten::Refused(why)) => Ok(Err(why)),
                Err(Unwritten::Sql(error)) => Err(error),
            };
            list.iter().map(one).collect()
        }
        let streams = names.streams.list();
        let pods = names.pods.list();
        let mut words = |list: super::names::Once<String>, kind: Word| {
            each(&list.list(), |text: &String| self.word(db, kind, text))
        };
        Ok(Ids {
            ifaces: words(names.ifaces, Word::Iface)?,
            services: words(names.services, Word::Service)?,
            protocols: words(names.protocols, Word::Protocol)?,
            inspections: words(names.inspections, Word::Inspection)?,
            suppressions: words(names.suppressions, Word::Suppression)?,
            namespaces: each(&pods, |pod| self.word(db, Word::Namespace, &pod.namespace))?,
            pods: each(&pods, |pod| self.pod(db, pod))?,
            streams: each(&streams, |(node, boot)| self.stream(db, node, *boot))?,
            parties: each(&names.parties, |party| self.party(db, party))?,
            rules: each(&names.rules, |(rule, digest)| self.sig(db, digest, rule))?,
            streams_named: streams,
            parties_named: names.parties,
            rules_named: names.rules.into_iter().map(|(rule, _)| rule).collect(),
        })
    }
}

impl Ids {
    /// The ids of a row's names.
    pub(super) fn of(&self, row: &super::row::Row) -> Result<RowIds, Unwritten> {
        let id = |list: &List, place: Place| match at(list, place) {
            None => Ok(0),
            Some(Ok(id)) => Ok(*id),
            Some(Err(why)) => Err(Unwritten::Refused(why.clone())),
        };
        Ok(RowIds {
            stream: id(&self.streams, row.stream)?,
            sig: id(&self.rules, row.rule)?,
            cpod: id(&self.pods, row.cpod)?,
            spod: id(&self.pods, row.spod)?,
            namespaces: [id(&self.namespaces, row.cpod)?, id(&self.namespaces, row.spod)?],
            iface: id(&self.ifaces, row.iface)?,
            service: id(&self.services, row.service)?,
            proto: id(&self.protocols, row.proto)?,
            by_agent: id(&self.suppressions, row.suppressed_by)?,
            client: id(&self.parties, row.client)?,
            server: id(&self.parties, row.server)?,
            inspection: id(&self.inspections, row.inspection)?,
        })
    }

    /// Identity of a row's event, as text.
    pub(super) fn name(&self, row: &super::row::Row) -> String {
        let (node, boot) = at(&self.streams_named, row.stream).map_or(("", 0), |(node, boot)| (&**node, *boot));
        format!("{node}-{boot}-{}", row.seq)
    }
}

/// The next id of a dictionary with so many rows.
fn room(rows: usize, what: &str) -> Result<i64, Unwritten> {
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    if rows >= MAX_ROWS {
        return Err(Unwritten::Refused(format!("the store knows {MAX_ROWS} different {what} and takes no more")));
    }
    Ok(rows + 1)
}
