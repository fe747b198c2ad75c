//! A connection with what a call needs: limits, dictionaries, the key of cursors.

use super::asked::Asked;
use super::compile::{Bounds, Compiler};
use super::dictionary::{Dictionaries, Shared};
use super::guard::{Guard, Limits};
use super::sql::Sql;
use super::{SqliteConfig, open};
use crate::cursor::Signer;
use crate::{Filter, StoreError};
use rusqlite::{Connection, OptionalExtension};
use std::cell::Cell;
use std::sync::Arc;
use tapir_query::{Dialect, Expr, Field, Node, Query, State, parse};

/// A connection.
pub(super) struct Link {
    pub db: Connection,
    pub guard: Guard,
    pub words: Dictionaries,
    shared: Shared,
    pub signer: Signer,
    pub config: Arc<SqliteConfig>,
    /// It is the writer's.
    writes: bool,
    bodies: u8,
    /// State of the file and what [`Self::noisy`] answered then. Only readers learn of changes by that number.
    noisy: Cell<Option<(i64, Option<i64>)>>,
}

impl Link {
    /// Takes a connection that was opened and migrated.
    pub(super) fn new(
        mut db: Connection,
        config: Arc<SqliteConfig>,
        shared: Shared,
        writes: bool,
    ) -> Result<Self, StoreError> {
        let setup = |db: &mut Connection| {
            let guard = Guard::install(db, &config.cluster)?;
            let key = db.query_row("SELECT value FROM meta WHERE name = 'cursor_key'", [], |row| row.get(0))?;
            Ok((guard, Signer::new(key)))
        };
        let (guard, signer) = setup(&mut db).map_err(|error| open::translate(&config.path, &error))?;
        let mut link = Self {
            db,
            guard,
            words: Dictionaries::default(),
            shared,
            signer,
            config,
            writes,
            bodies: 1,
            noisy: Cell::new(None),
        };
        link.guard.end();
        link.refresh()?;
        Ok(link)
    }

    /// Brings the dictionaries up to date.
    pub(super) fn refresh(&mut self) -> Result<(), StoreError> {
        self.shared.take(&mut self.words);
        let known = self.words.rows();
        self.words.refresh(&self.db).map_err(|error| open::translate(&self.config.path, &error))?;
        // The writer may have read what it has not committed.
        if self.words.rows() > known && !self.writes {
            self.shared.give(&self.words);
        }
        while let Some(bytes) = dictionary(&self.db, self.bodies + 1).map_err(|error| self.failed(&error))? {
            self.bodies += 1;
            self.guard.add_dictionary(self.bodies, bytes);
        }
        Ok(())
    }

    /// Runs a call that reads, in one snapshot and within the limits.
    pub(super) fn read<T>(
        &mut self,
        now: i64,
        call: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.guard.begin(Limits { time: self.config.time_limit, rows: self.config.row_budget }, now);
        self.db.execute_batch("BEGIN").map_err(|error| self.failed(&error))?;
        let result = self.refresh().and_then(|()| call(self));
        self.guard.end();
        let ended = self.db.execute_batch(if result.is_ok() { "COMMIT" } else { "ROLLBACK" });
        let value = result?;
        ended.map_err(|error| self.failed(&error))?;
        Ok(value)
    }

    /// An error of SQLite in our words.
    pub(super) fn failed(&self, error: &rusqlite::Error) -> StoreError {
        match self.guard.partial() {
            Some(_) => StoreError::Timeout { limit: self.config.time_limit },
            None => open::translate(&self.config.path, error),
        }
    }

    /// What a filter asks, as SQL.
    pub(super) fn ask(&self, filter: &Filter) -> Result<Asked, StoreError> {
        let now = filter.now.0;
        let exceptions = if filter.excepted { Vec::new() } else { self.exceptions(now)? };
        let hidden = filter.suppressed || asks_hidden(&filter.query);
        let noisy = if asks_noisy(&filter.query) { self.noisy()? } else { None };
        let compiler = Compiler {
            words: &self.words,
            guard: &self.guard,
            cluster: &self.config.cluster,
            now,
            noisy,
            visible_only: !hidden,
            documents: Cell::new(false),
        };
        let mut event = Vec::new();
        let mut group = Vec::new();
        if !hidden {
            event.push(Sql::new("e.sup = 0", []));
        }
        let alive = if hidden { "g.n + g.hidden > 0" } else { "g.n > 0" };
        let status = match filter.status.as_slice() {
            [] => Sql::constant(true),
            some => Sql::any(some.iter().map(|status| Sql::new("g.status = ?", [status.code().into()]))),
        };
        event.push(status.clone());
        group.push(Bounds { upper: status.clone(), lower: status, exact: true });
        if let Some(root) = filter.query.root() {
            event.push(compiler.event(root));
            group.push(compiler.group(root));
        }
        for exception in exceptions.iter().filter_map(Query::root) {
            event.push(compiler.event(exception).not());
            group.push(compiler.group(exception).not());
        }
        let plain = exceptions.is_empty() && filter.status.is_empty() && !hidden;
        let namespace = filter.query.root().filter(|_| plain).and_then(|root| compiler.namespaces(root));
        let namespace = namespace.filter(|found| found.len() == 1).and_then(|found| found.first().copied());
        let mut group = Bounds::all(group);
        group.upper = Sql::all([Sql::new(alive, []), group.upper]);
        Ok(Asked {
            event: Sql::all(event),
            group,
            from: filter.from.map_or(i64::MIN, |time| time.0),
            to: filter.to.map_or(i64::MAX, |time| time.0),
            ranged: filter.from.is_some() || filter.to.is_some(),
            visible_only: !hidden,
            documents: compiler.documents.get(),
            everything: filter.query.is_all() && exceptions.is_empty() && filter.status.is_empty(),
            namespace,
            about: format!("{}|{:?}|{hidden}|{}", filter.query, filter.status, filter.excepted),
        })
    }

    /// Queries of the exceptions that hold at a moment.
    fn exceptions(&self, now: i64) -> Result<Vec<Query>, StoreError> {
        let read = || {
            let mut statement = self.db.prepare_cached(
                "SELECT selector, theirs FROM exception WHERE start <= ?1 AND (finish IS NULL OR finish > ?1)",
            )?;
            let rows = statement.query_map([now], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<(String, bool)>>>()
        };
        let rows = read().map_err(|error| self.failed(&error))?;
        // They were read before they were stored; one that a newer version can't read any more hides nothing.
        let query = |(text, theirs): (String, bool)| {
            parse(&text, if theirs { Dialect::Incumbent } else { Dialect::Tapir }).ok()
        };
        Ok(rows.into_iter().filter_map(query).collect())
    }

    /// Events that a group needs to be among the 1 % with the most; none is in a store of less than 100 groups.
    pub(super) fn noisy(&self) -> Result<Option<i64>, StoreError> {
        let read = || {
            let state: i64 = self.db.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
            if let Some((_, noisy)) = self.noisy.get().filter(|(known, _)| *known == state && !self.writes) {
                return Ok(noisy);
            }
            let noisy = self.count_noisy()?;
            self.noisy.set(Some((state, noisy)));
            Ok(noisy)
        };
        read().map_err(|error| self.failed(&error))
    }

    fn count_noisy(&self) -> rusqlite::Result<Option<i64>> {
        let groups: i64 = self.db.query_row("SELECT count(*) FROM grp WHERE n > 0", [], |row| row.get(0))?;
        let rank = groups / 100;
        if rank == 0 {
            return Ok(None);
        }
        let mut nth = self.db.prepare_cached("SELECT n FROM grp WHERE n > 0 ORDER BY n DESC LIMIT 1 OFFSET ?")?;
        nth.query_row([rank - 1], |row| row.get(0)).optional()
    }
}

/// A dictionary of bodies.
pub(super) fn dictionary(db: &Connection, number: u8) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut find = db.prepare_cached("SELECT value FROM meta WHERE name = ?")?;
    find.query_row([format!("dictionary/{number}")], |row| row.get(0)).optional()
}

fn any(query: &Query, test: impl Fn(&Expr) -> bool) -> bool {
    let mut found = false;
    query.walk(&mut |expr| found |= test(expr));
    found
}

fn asks_hidden(query: &Query) -> bool {
    query.fields().contains(&Field::SuppressedBy) || any(query, |expr| expr.node == Node::Is(State::Suppressed))
}

fn asks_noisy(query: &Query) -> bool {
    any(query, |expr| expr.node == Node::Is(State::Noisy))
}
