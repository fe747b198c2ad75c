//! What one call may cost, and the functions by which SQL asks Rust.
//!
//! A call has a deadline (SQLite's progress handler), ends when nobody waits for it any more, and a budget of rows that it may look at (`tick`). Conditions
//! that SQL cannot express are answered by the evaluator of the query language (`leaf`, `state`), membership in sets
//! by hash sets (`member`). All state is of the connection; one call uses it at a time.

use super::body;
use super::dictionary::MAX_ROWS;
use crate::{EventFacts, GroupState, Partial, Reason, Status, Why};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tapir_event::SecurityEvent;
use tapir_query::Expr;

/// SQLite's virtual machine runs that many steps between looks at the clock.
const STEPS: i32 = 2_000;

/// Limits of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub time: Duration,
    pub rows: u64,
}

/// What the functions share with the call.
#[derive(Default)]
pub(super) struct State {
    deadline: Option<Instant>,
    /// Somebody waits for what is read as long as this lives.
    awaited: Option<Weak<()>>,
    budget: u64,
    examined: u64,
    /// Sort values and id of the row that was looked at last.
    last: [i64; 3],
    why: Option<Why>,
    /// The deadline of the call, also when it was lifted.
    until: Option<Instant>,
    sets: Vec<Set>,
    leaves: Vec<Expr>,
    now: i64,
    cluster: String,
    bodies: body::Opener,
    /// The document that was read last.
    document: Option<(i64, SecurityEvent)>,
}

/// Ids of a dictionary, a bit each: they begin at 1, have no gaps and an end, and millions of rows ask for theirs.
struct Set(Vec<u64>);

impl Set {
    fn of(ids: &HashSet<i64>) -> Self {
        let mut bits = Vec::new();
        for (word, bit) in ids.iter().filter_map(|id| Self::at(*id)) {
            if bits.len() <= word {
                bits.resize(word + 1, 0);
            }
            if let Some(word) = bits.get_mut(word) {
                *word |= bit;
            }
        }
        Self(bits)
    }

    fn at(id: i64) -> Option<(usize, u64)> {
        (0..=MAX_ROWS).contains(&id).then_some((usize::try_from(id >> 6).ok()?, 1 << (id & 63)))
    }

    fn contains(&self, id: i64) -> bool {
        Self::at(id).is_some_and(|(word, bit)| self.0.get(word).is_some_and(|word| word & bit != 0))
    }
}

/// Handle on the state of a connection.
#[derive(Clone, Default)]
pub(super) struct Guard(Arc<Mutex<State>>);

impl Guard {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the functions and the handler to a connection.
    pub(super) fn install(db: &mut Connection, cluster: &str) -> rusqlite::Result<Self> {
        let guard = Self::default();
        guard.state().cluster = cluster.to_owned();
        let shared = guard.clone();
        db.progress_handler(STEPS, Some(move || shared.state().late()))?;
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
        let shared = guard.clone();
        db.create_scalar_function("tick", 3, flags, move |context| {
            let at = [context.get(0)?, context.get(1)?, context.get(2)?];
            shared.state().tick(at)
        })?;
        let shared = guard.clone();
        db.create_scalar_function("member", 2, flags, move |context| {
            let (set, id): (i64, i64) = (context.get(0)?, context.get(1)?);
            Ok(place(set).is_some_and(|set| shared.state().sets.get(set).is_some_and(|set| set.contains(id))))
        })?;
        let shared = guard.clone();
        db.create_scalar_function("leaf", 3, flags, move |context| {
            let (leaf, id): (i64, i64) = (context.get(0)?, context.get(1)?);
            let body = context.get_raw(2).as_blob().map_err(|error| other(error.to_string()))?;
            shared.state().leaf(leaf, id, body)
        })?;
        let shared = guard.clone();
        db.create_scalar_function("state", 5, flags, move |context| {
            let group = GroupState {
                status: Status::of_code(context.get(1)?),
                reason: context.get::<Option<i64>>(2)?.and_then(Reason::of_number),
                reason_text: context.get(3)?,
                assignee: context.get(4)?,
                ..GroupState::default()
            };
            let leaf: i64 = context.get(0)?;
            Ok(shared.state().group(leaf, &group))
        })?;
        Ok(guard)
    }

    /// Begins a call.
    pub(super) fn begin(&self, limits: Limits, now: i64) {
        let mut state = self.state();
        state.until = Some(Instant::now() + limits.time);
        state.deadline = state.until;
        state.budget = limits.rows;
        state.examined = 0;
        state.last = [0; 3];
        state.why = None;
        state.now = now;
        state.sets.clear();
        state.leaves.clear();
    }

    /// Says who waits for what is read from now on; `None`: it is read in any case.
    pub(super) fn awaited(&self, awaited: Option<Weak<()>>) {
        self.state().awaited = awaited;
    }

    /// Ends it: no limits until the next one.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.deadline = None;
        state.until = None;
        state.budget = u64::MAX;
        state.document = None;
    }

    /// Number of a set that SQL may ask with `member`.
    pub(super) fn add_set(&self, set: &HashSet<i64>) -> i64 {
        let mut state = self.state();
        state.sets.push(Set::of(set));
        i64::try_from(state.sets.len() - 1).unwrap_or(i64::MAX)
    }

    /// Number of a condition for `leaf` and `state`.
    pub(super) fn add_leaf(&self, leaf: Expr) -> i64 {
        let mut state = self.state();
        state.leaves.push(leaf);
        i64::try_from(state.leaves.len() - 1).unwrap_or(i64::MAX)
    }

    /// Rows that were looked at, and what ended the search, if it was ended.
    pub(super) fn partial(&self) -> Option<Partial> {
        let state = self.state();
        state.why.map(|why| Partial { examined: state.examined, why })
    }

    /// What ended the search, with the limits lifted: what was found is to be told.
    pub(super) fn stopped(&self) -> Option<Partial> {
        let partial = self.partial()?;
        let mut state = self.state();
        state.deadline = None;
        state.budget = u64::MAX;
        Some(partial)
    }

    /// Runs what no answer can do without and what has bounds of its own, however late it is.
    pub(super) fn unhurried<T>(&self, work: impl FnOnce() -> T) -> T {
        let deadline = self.state().deadline.take();
        let done = work();
        self.state().deadline = deadline;
        done
    }

    /// Whether there is time for what an answer can do without; if so that has the rest of the time, even where
    /// [`Self::stopped`] has lifted the limits.
    pub(super) fn has_time(&self) -> bool {
        let mut state = self.state();
        state.deadline = state.until;
        let late = state.until.is_some_and(|until| Instant::now() >= until);
        if late {
            state.deadline = None;
        }
        !late
    }

    /// Runs a search that may look at so many rows at most; `None` if that was not enough.
    pub(super) fn attempt<T>(&self, rows: u64, search: impl FnOnce() -> T) -> Option<T> {
        let whole = {
            let mut state = self.state();
            let whole = state.budget;
            state.budget = whole.min(state.examined.saturating_add(rows));
            whole
        };
        let found = search();
        let mut state = self.state();
        let short = state.budget < whole && state.why == Some(Why::RowBudget);
        state.budget = whole;
        if short {
            state.why = None;
        }
        (!short).then_some(found)
    }

    /// Where the search stood.
    pub(super) fn last(&self) -> [i64; 3] {
        self.state().last
    }

    /// Rows that may still be looked at.
    pub(super) fn left(&self) -> u64 {
        let state = self.state();
        state.budget.saturating_sub(state.examined)
    }

    /// The document behind a stored body.
    pub(super) fn open(&self, body: &[u8]) -> Result<Vec<u8>, String> {
        self.state().bodies.open(body)
    }

    /// Tells the dictionary with which bodies are compressed.
    pub(super) fn add_dictionary(&self, number: u8, bytes: Vec<u8>) {
        self.state().bodies.add(number, bytes);
    }
}

impl State {
    fn late(&mut self) -> bool {
        let left = self.awaited.as_ref().is_some_and(|awaited| awaited.strong_count() == 0);
        let late = left || self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if late {
            self.why = Some(Why::Time);
        }
        late
    }

    fn tick(&mut self, at: [i64; 3]) -> rusqlite::Result<bool> {
        if self.examined >= self.budget {
            self.why = Some(Why::RowBudget);
            return Err(other("row budget".to_owned()));
        }
        self.examined += 1;
        self.last = at;
        Ok(true)
    }

    fn leaf(&mut self, leaf: i64, id: i64, body: &[u8]) -> rusqlite::Result<bool> {
        if self.document.as_ref().is_none_or(|(known, _)| *known != id) {
            let text = self.bodies.open(body).map_err(other)?;
            let event = serde_json::from_slice(&text).map_err(|error| other(error.to_string()))?;
            self.document = Some((id, event));
        }
        let Some((_, event)) = &self.document else { return Ok(false) };
        let group = GroupState::default();
        let facts = EventFacts { event, group: &group, suppressed_by: None, cluster: &self.cluster };
        Ok(place(leaf).and_then(|leaf| self.leaves.get(leaf)).is_some_and(|leaf| leaf.holds(&facts, self.now)))
    }

    fn group(&self, leaf: i64, group: &GroupState) -> bool {
        let event = SecurityEvent::default();
        let facts = EventFacts { event: &event, group, suppressed_by: None, cluster: &self.cluster };
        place(leaf).and_then(|leaf| self.leaves.get(leaf)).is_some_and(|leaf| leaf.holds(&facts, self.now))
    }
}

/// A number from SQL as a place in a list.
fn place(number: i64) -> Option<usize> {
    usize::try_from(number).ok()
}

fn other(error: String) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_waits_for_any_more_ends() {
        let mut db = Connection::open_in_memory().unwrap();
        let guard = Guard::install(&mut db, "").unwrap();
        let count = |to: u32| {
            let sql = format!(
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT {to}) SELECT count(*) FROM n"
            );
            db.query_row(&sql, [], |row| row.get::<_, u32>(0))
        };
        let waits = Arc::new(());
        guard.awaited(Some(Arc::downgrade(&waits)));
        guard.begin(Limits { time: Duration::from_secs(3600), rows: u64::MAX }, 0);
        assert_eq!(count(10_000).unwrap(), 10_000);
        drop(waits);
        // Minutes, if it went on.
        assert_eq!(
            count(1_000_000_000).unwrap_err().sqlite_error_code(),
            Some(rusqlite::ErrorCode::OperationInterrupted)
        );
        guard.end();
        guard.awaited(None);
        assert_eq!(count(10_000).unwrap(), 10_000);
    }

    #[test]
    fn a_set_has_its_ids_and_no_others() {
        let ids: HashSet<i64> = [0, 1, 63, 64, 700, MAX_ROWS].into();
        let set = Set::of(&ids);
        for id in (-2..1_000).chain([MAX_ROWS - 1, MAX_ROWS, MAX_ROWS + 1, i64::MIN, i64::MAX]) {
            assert_eq!(set.contains(id), ids.contains(&id), "{id}");
        }
        assert!(!Set::of(&HashSet::new()).contains(0));
    }
}
