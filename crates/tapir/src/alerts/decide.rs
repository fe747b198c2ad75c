//! Decisions about groups: dismiss, ack, escalate, reopen, assign, comment; and taking them back.
//!
//! Groups that were named are changed at once: every decision can be undone. Groups that a query finds are counted and shown first,
//! and somebody must say yes; the count goes along, so that the manager refuses when the list has moved since.

use super::Session;
use super::failure::Failure;
use super::model::{Acted, Group, Page, read};
use super::readable::readable;
use super::table::{counted, group_heads, group_row, moment};
use super::terms::{Name, Terms, future, group_of};
use crate::args::alerts::{AssignArgs, DismissArgs, Form, ReasonArg, TargetArgs, UndoArgs};
use crate::identity::wall_clock;
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::io::{IsTerminal, Write};

/// Groups shown before the question.
const SHOWN: usize = 5;

/// What is done, in the words of the API and of people.
struct Verb {
    api: &'static str,
    /// `Dismiss`
    order: &'static str,
    /// `dismissed`
    done: &'static str,
}

const DISMISS: Verb = Verb { api: "dismiss", order: "Dismiss", done: "dismissed" };
const ASSIGN: Verb = Verb { api: "assign", order: "Assign", done: "assigned" };
const COMMENT: Verb = Verb { api: "comment", order: "Comment on", done: "commented" };

/// `dismiss`
pub fn dismiss(args: &DismissArgs, session: &mut Session<'_>) -> Result<(), Failure> {
    if args.reason == ReasonArg::Other && args.target.message.is_none() {
        return Err(Failure::Usage("--reason other: say it with --message".to_owned()));
    }
    let mut more = Map::new();
    let reason = args.reason.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    more.insert("reason".to_owned(), reason.into());
    if let Some(until) = &args.until {
        more.insert("until".to_owned(), future(until).into());
    }
    decide(&DISMISS, &args.target, more, session)
}

/// `ack`, `escalate`, `reopen`
pub fn plain(api: &'static str, target: &TargetArgs, session: &mut Session<'_>) -> Result<(), Failure> {
    let verb = match api {
        "acknowledge" => Verb { api, order: "Acknowledge", done: "acknowledged" },
        "escalate" => Verb { api, order: "Escalate", done: "escalated" },
        _ => Verb { api, order: "Reopen", done: "reopened" },
    };
    decide(&verb, target, Map::new(), session)
}

/// `comment`
pub fn comment(target: &TargetArgs, session: &mut Session<'_>) -> Result<(), Failure> {
    if target.message.as_deref().is_none_or(|text| text.trim().is_empty()) {
        return Err(Failure::Usage("nothing to say: give the remark with --message TEXT".to_owned()));
    }
    decide(&COMMENT, target, Map::new(), session)
}

/// `assign`
pub fn assign(args: &AssignArgs, session: &mut Session<'_>) -> Result<(), Failure> {
    let mut more = Map::new();
    match args.assignee.as_deref() {
        Some("@me") => {
            let me = session.client.get(&["me"], &[])?;
            more.insert("assignee".to_owned(), me["user"].clone());
        }
        Some(name) => {
            more.insert("assignee".to_owned(), name.into());
        }
        // Without one: nobody's.
        None => {}
    }
    decide(&ASSIGN, &args.target, more, session)
}

fn decide(
    verb: &Verb,
    target: &TargetArgs,
    more: Map<String, Value>,
    session: &mut Session<'_>,
) -> Result<(), Failure> {
    let mut body = more;
    body.insert("action".to_owned(), verb.api.into());
    if let Some(text) = &target.message {
        body.insert("comment".to_owned(), text.as_str().into());
    }
    let go = if target.ids.is_empty() {
        by_query(verb, target, &mut body, session)?
    } else {
        by_name(verb, target, &mut body, session)?
    };
    if !go {
        return Ok(());
    }
    let answer = session.client.post(&["groups", "actions"], &Value::Object(body))?;
    tell(verb, &answer, session)
}

/// Whether to go on.
fn by_name(
    verb: &Verb,
    target: &TargetArgs,
    body: &mut Map<String, Value>,
    session: &mut Session<'_>,
) -> Result<bool, Failure> {
    let names = target.ids.iter().map(|id| Name::new(id)).collect::<Result<Vec<_>, _>>()?;
    let mut ids: Vec<String> = Vec::new();
    for name in &names {
        let id = group_of(name, &session.client)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if target.dry_run {
        for id in &ids {
            // A group that is not there is told now.
            session.client.get(&["groups", id], &[])?;
            session.output.line(format!("group/{id} would be {}", verb.done))?;
        }
        return Ok(false);
    }
    body.insert("ids".to_owned(), ids.into());
    Ok(true)
}

fn by_query(
    verb: &Verb,
    target: &TargetArgs,
    body: &mut Map<String, Value>,
    session: &mut Session<'_>,
) -> Result<bool, Failure> {
    let terms = Terms::new(&target.filter, &session.client)?;
    let mut params = terms.params();
    params.push(("limit", SHOWN.to_string()));
    let page: Page = read(&session.client.get(&["groups"], &params)?)?;
    let total = page.total.clone().unwrap_or_default();
    if total.count == 0 {
        session.messages.info(&format!("no groups to change: {}", terms.words()));
        return Ok(false);
    }
    let least = if total.exact { "" } else { "at least " };
    let found = format!("{least}{}", counted(total.count, "group"));
    let question = format!("{} {found}?", verb.order);
    let shown = preview(&page, total.count, session)?;
    if target.dry_run {
        session.output.text(&shown)?;
        session.output.line(format!("{found} would be {} ({})", verb.done, terms.words()))?;
        return Ok(false);
    }
    if !target.yes {
        confirm(&format!("{shown}{found}: {}", terms.words()), &question)?;
    }
    body.insert("query".to_owned(), terms.query.into());
    body.insert("expected_count".to_owned(), total.count.into());
    for (name, value) in [("from", terms.from), ("to", terms.to), ("status", terms.status)] {
        if let Some(value) = value {
            body.insert(name.to_owned(), value.into());
        }
    }
    Ok(true)
}

/// The first groups, for the question.
fn preview(page: &Page, count: u64, session: &Session<'_>) -> Result<String, Failure> {
    let now = wall_clock();
    let rows = page.items.iter().map(|item| Ok(group_row(&read::<Group>(item)?, false, now)));
    let rows = rows.collect::<Result<Vec<_>, Failure>>()?;
    let more = count.saturating_sub(u64::try_from(rows.len()).unwrap_or_default());
    let mut text = session.output.table(&group_heads(false)).rows(&rows);
    if more > 0 {
        text.push_str(&format!("… {more} more\n"));
    }
    Ok(text)
}

/// Asks on standard error; an error if nobody is there, or says no.
pub fn confirm(shown: &str, question: &str) -> Result<(), Failure> {
    let mut stderr = std::io::stderr().lock();
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(format!(
            "{shown}\n{question} Nobody is there to answer; --yes goes on without asking, --dry-run changes nothing"
        )));
    }
    // If it cannot be asked, the answer is no.
    let asked = write!(stderr, "{shown}\n{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    let read = asked.and_then(|()| std::io::stdin().read_line(&mut answer));
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes" | "Yes") {
        return Ok(());
    }
    Err(Failure::Other("nothing was changed".to_owned()))
}

fn tell(verb: &Verb, answer: &Value, session: &mut Session<'_>) -> Result<(), Failure> {
    let done: Acted = read(answer)?;
    let output = &mut session.output;
    if output.answer(answer)? {
        return output.flush();
    }
    for group in &done.groups {
        let end = if output.form == Form::Name { String::new() } else { format!(" {}", verb.done) };
        output.line(format!("group/{}{end}", readable(&group.id)))?;
    }
    let more = done.changed.saturating_sub(u64::try_from(done.groups.len()).unwrap_or_default());
    if more > 0 {
        session.messages.info(&format!("and {more} more"));
    }
    if output.form != Form::Name {
        output.line(format!(
            "{} with {} {}",
            counted(done.changed, "group"),
            counted(done.events, "event"),
            verb.done
        ))?;
        if let Some(undo) = &done.undo {
            let until = done.undo_until.as_deref().map(|until| format!("   (until {})", readable(&moment(until))));
            let server = server_words(&session.client.server);
            output.line(format!("undo: tapir alerts undo {}{server}{}", readable(undo), until.unwrap_or_default()))?;
        }
    }
    output.flush()
}

/// The server, if it must be named again.
pub fn server_words(server: &str) -> String {
    let known = std::env::var("TAPIR_SERVER").unwrap_or_else(|_| "http://127.0.0.1:9443".to_owned());
    let plain = server.chars().all(|c| c.is_ascii_alphanumeric() || ":/.-_[]".contains(c));
    if server == known || !plain { String::new() } else { format!(" --server {server}") }
}

/// `undo`
pub fn undo(args: &UndoArgs, session: &mut Session<'_>) -> Result<(), Failure> {
    let answer = session.client.post(&["undo", &args.token], &json!({}))?;
    let done: Acted = read(&answer)?;
    let output = &mut session.output;
    if output.answer(&answer)? {
        return output.flush();
    }
    for group in &done.groups {
        let end = if output.form == Form::Name { String::new() } else { format!(" {}", group.status) };
        output.line(readable(&format!("group/{}{end}", group.id)))?;
    }
    if output.form != Form::Name {
        output.line(format!("{} as before", counted(done.changed, "group")))?;
    }
    if !done.skipped.is_empty() {
        let skipped = readable(&done.skipped.join(", "));
        session.messages.warning(&format!("left alone, because they were changed since: {skipped}"));
    }
    output.flush()
}
