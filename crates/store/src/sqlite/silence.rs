//! The suppressions that hide events on their way in.

use super::index::Ids;
use super::names::at;
use super::row::{PartyKey, Row};
use crate::{Mode, NewSuppression, Scope};
use rusqlite::Connection;

/// A suppression that hides.
#[derive(Clone, Debug)]
struct Silence {
    word: i64,
    scope: Scope,
    expires: Option<i64>,
}

/// All that hide, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Silences(Vec<Silence>);

impl Silences {
    /// Reads them anew.
    pub(super) fn load(db: &Connection) -> rusqlite::Result<Self> {
        let mut statement = db.prepare("SELECT word, what FROM suppression WHERE removed IS NULL ORDER BY id")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        let mut silences = Vec::new();
        for row in rows {
            let (word, what) = row?;
            if let Ok(NewSuppression { scope, mode: Mode::Hide, expires, .. }) = serde_json::from_str(&what) {
                silences.push(Silence { word, scope, expires: expires.map(|time| time.0) });
            }
        }
        Ok(Self(silences))
    }

    /// The word of the suppression that hides an event, 0 for none.
    pub(super) fn of(&self, names: &Ids, row: &Row, now: i64) -> i64 {
        if self.0.is_empty() {
            return 0;
        }
        let party = |place| at(&names.parties_named, place);
        match (at(&names.rules_named, row.rule), party(row.client), party(row.server)) {
            (Some(rule), Some(client), Some(server)) => self.hides(rule.gid, rule.sid, client, server, now),
            _ => 0,
        }
    }

    fn hides(&self, gid: u32, sid: u32, client: &PartyKey, server: &PartyKey, now: i64) -> i64 {
        let silence = self.0.iter().find(|silence| {
            silence.expires.is_none_or(|expires| now < expires) && covers(&silence.scope, gid, sid, client, server)
        });
        silence.map_or(0, |silence| silence.word)
    }
}

/// Whether a scope covers events of a group.
pub(super) fn covers(scope: &Scope, gid: u32, sid: u32, client: &PartyKey, server: &PartyKey) -> bool {
    scope.covers(gid, sid, &client.named(), &server.named())
}
