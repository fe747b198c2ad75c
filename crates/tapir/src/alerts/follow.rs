//! `tapir alerts follow` and `list --watch`: the live stream, for as long as it takes.
//!
//! A stream that breaks is opened again behind the last event that was seen, so that nothing is missed; the pause
//! before it doubles up to half a minute. When the manager says `reset` (another store, or one from a backup) the list is read anew.
//! *Limits*: counts of [`MAX_KNOWN`] groups are remembered, to tell new alerts from decisions about old ones; then all are forgotten.
//! A decision about a group of which nothing was printed yet is printed like an alert of it.

use super::Session;
use super::failure::Failure;
use super::model::{Rows, read};
use super::output::Groups;
use super::sse::{Message, Parser};
use super::terms::Terms;
use crate::args::alerts::{FollowArgs, ListArgs};
use serde_json::Value;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tapir_outbound::Pauses;

const MAX_KNOWN: usize = 50_000;
const LONGEST: Duration = Duration::from_secs(30);
/// After failures.
const PAUSES: Pauses = Pauses { first: Duration::from_secs(1), longest: LONGEST, most_asked: LONGEST };

/// New alerts as they come.
pub fn run(args: &FollowArgs, session: &mut Session<'_>) -> Result<(), Failure> {
    let terms = Terms::new(&args.filter, &session.client)?;
    let list = ListArgs { suppressed: args.suppressed, ..ListArgs::default() };
    let mut feed = Feed::new(session, &terms, &list, Some(HashMap::new()));
    feed.left = args.limit.filter(|limit| *limit > 0);
    feed.run(session)
}

/// The list, then every change.
pub fn watch(args: &ListArgs, terms: &Terms, session: &mut Session<'_>) -> Result<(), Failure> {
    Feed::new(session, terms, args, None).run(session)
}

struct Feed<'f> {
    terms: &'f Terms,
    list: &'f ListArgs,
    groups: Groups,
    /// Of `follow`: events of groups when they were last printed.
    known: Option<HashMap<String, u64>>,
    /// Rows still to print.
    left: Option<u64>,
    last_id: Option<String>,
    failed: u32,
    /// When the stream was last heard of.
    heard: Instant,
}

/// Why a stream was left.
enum Left {
    /// Enough was printed.
    Done,
    /// It broke.
    Broken(Failure),
}

impl<'f> Feed<'f> {
    fn new(session: &Session<'_>, terms: &'f Terms, list: &'f ListArgs, known: Option<HashMap<String, u64>>) -> Self {
        let groups = Groups::new(&session.output, true);
        Self { terms, list, groups, known, left: None, last_id: None, failed: 0, heard: Instant::now() }
    }

    fn run(&mut self, session: &mut Session<'_>) -> Result<(), Failure> {
        let mut first = true;
        let mut told = false;
        loop {
            let mut params = self.terms.params();
            if self.list.suppressed {
                params.push(("suppressed", "true".to_owned()));
            }
            let broken = match session.client.stream(&params, self.last_id.as_deref()) {
                Ok(response) => {
                    if std::mem::take(&mut told) {
                        session.messages.info("connected again");
                    }
                    // The stream is open, so that no change falls between it and the list.
                    if std::mem::take(&mut first) && self.known.is_none() {
                        super::list::print(self.list, self.terms, session, &mut self.groups)?;
                    }
                    match self.read(response, session)? {
                        Left::Done => return Ok(()),
                        Left::Broken(failure) => failure,
                    }
                }
                Err(failure) if failure.is_busy() || (failure.is_passing() && !first) => failure,
                Err(failure) => return Err(failure),
            };
            if !std::mem::replace(&mut told, true) {
                session.messages.warning(&format!("{}; trying again", broken.text()));
            }
            let asked = match &broken {
                Failure::Refused(problem) => problem.retry_after.map(Duration::from_secs),
                _ => None,
            };
            let pause = PAUSES.after(self.failed, asked);
            self.failed = self.failed.saturating_add(1);
            std::thread::sleep(pause);
        }
    }

    fn read(&mut self, mut response: reqwest::Response, session: &mut Session<'_>) -> Result<Left, Failure> {
        let mut parser = Parser::default();
        let mut messages = Vec::new();
        let ended = || Failure::Unreachable("the manager ended the live stream".to_owned());
        loop {
            let chunk = match session.client.wait(response.chunk()) {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(Left::Broken(ended())),
                Err(error) => return Ok(Left::Broken(session.client.unreachable(&error))),
            };
            if parser.push(&chunk, &mut messages).is_err() {
                return Ok(Left::Broken(Failure::Unreachable("a message of the live stream has no end".to_owned())));
            }
            self.failed = 0;
            for message in messages.drain(..) {
                if self.message(&message, session)? {
                    return Ok(Left::Done);
                }
            }
            self.heard = Instant::now();
            // Not before its messages were printed.
            if parser.last_id.is_some() {
                self.last_id.clone_from(&parser.last_id);
            }
        }
    }

    /// Whether that was enough.
    fn message(&mut self, message: &Message, session: &mut Session<'_>) -> Result<bool, Failure> {
        match message.event.as_str() {
            "group" => {
                let value: Value = serde_json::from_str(&message.data)
                    .map_err(|_| Failure::Unreachable("the live stream holds no JSON".to_owned()))?;
                let rows = read::<Rows>(&value)?.rows;
                self.print(rows, session)
            }
            "reset" => {
                self.last_id = None;
                if let Some(known) = &mut self.known {
                    known.clear();
                }
                session.messages.warning("the manager's store is another one now; the list is read again");
                self.missed(session)
            }
            // Counts and health are for the page.
            _ => Ok(false),
        }
    }

    fn print(&mut self, mut rows: Vec<Value>, session: &mut Session<'_>) -> Result<bool, Failure> {
        if let Some(known) = &mut self.known {
            rows.retain(|row| is_news(known, row));
        }
        if let Some(left) = &mut self.left {
            rows.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= u64::try_from(rows.len()).unwrap_or_default();
        }
        self.groups.rows(&mut session.output, &rows)?;
        Ok(self.left == Some(0))
    }

    /// What may have been missed: of a watch the whole list, else what came since the stream was last heard of.
    fn missed(&mut self, session: &mut Session<'_>) -> Result<bool, Failure> {
        if self.known.is_none() {
            super::list::print(self.list, self.terms, session, &mut self.groups)?;
            return Ok(false);
        }
        let seconds = self.heard.elapsed().as_secs() + 60;
        let mut params = Terms { from: Some(format!("now-{seconds}s")), ..self.terms.clone() }.params();
        params.push(("limit", "500".to_owned()));
        let page: super::model::Page = read(&session.client.get(&["groups"], &params)?)?;
        self.print(page.items, session)
    }
}

/// A group with events that were not printed yet; else somebody decided something about it.
fn is_news(known: &mut HashMap<String, u64>, row: &Value) -> bool {
    let (Some(id), Some(count)) = (row["id"].as_str(), row["count"].as_u64()) else { return true };
    if known.len() >= MAX_KNOWN {
        known.clear();
    }
    known.insert(id.to_owned(), count).is_none_or(|before| count > before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let full: Vec<_> = (0..7).map(|failed| PAUSES.between(failed, 1.0).as_secs()).collect();
        assert_eq!(full, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(PAUSES.between(u32::MAX, 0.0), Duration::from_secs(15));
    }

    #[test]
    fn decisions_are_no_news_but_events_are() {
        let mut known = HashMap::new();
        let row = |count: u64| json!({ "id": "a", "count": count });
        let news: Vec<bool> = [5, 5, 6, 6, 4, 5].into_iter().map(|count| is_news(&mut known, &row(count))).collect();
        assert_eq!(news, [true, false, true, false, false, true]);
        assert!(is_news(&mut known, &json!({})));
    }
}
