//! `tapir alerts list`: groups page by page, each printed before the next is asked for.

use super::Session;
use super::failure::Failure;
use super::model::{Page, read};
use super::output::Groups;
use super::table::counted;
use super::terms::Terms;
use crate::args::alerts::{Form, ListArgs};
use clap::ValueEnum;

/// Rows asked for at once if nothing is said.
const CHUNK: u64 = 500;

/// Prints them.
pub fn run(args: &ListArgs, session: &mut Session<'_>) -> Result<(), Failure> {
    let terms = Terms::new(&args.filter, &session.client)?;
    if args.watch {
        return super::follow::watch(args, &terms, session);
    }
    let mut groups = Groups::new(&session.output, false);
    print(args, &terms, session, &mut groups)?;
    groups.end(&mut session.output)?;
    if groups.printed() == 0 && !matches!(session.output.form, Form::Json | Form::Yaml) {
        session.messages.info(&format!(
            "no alerts: {}; --from 30d looks further back, --status all at those that were decided about",
            terms.words()
        ));
    }
    Ok(())
}

/// All pages, or as many rows as wanted.
pub fn print(args: &ListArgs, terms: &Terms, session: &mut Session<'_>, groups: &mut Groups) -> Result<(), Failure> {
    let wanted = args.limit.filter(|limit| *limit > 0).unwrap_or(u64::MAX);
    let chunk = args.chunk_size.map_or(CHUNK, u64::from);
    let mut cursor: Option<String> = None;
    let mut left = wanted;
    loop {
        let mut params = terms.params();
        if let Some(name) = args.sort.and_then(|sort| sort.to_possible_value()) {
            params.push(("sort", name.get_name().to_owned()));
        }
        if args.suppressed {
            params.push(("suppressed", "true".to_owned()));
        }
        params.push(("limit", chunk.min(left).to_string()));
        params.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let page: Page = read(&session.client.get(&["groups"], &params)?)?;
        groups.rows(&mut session.output, &page.items)?;
        left = left.saturating_sub(u64::try_from(page.items.len()).unwrap_or(u64::MAX));
        match page.next {
            Some(next) if left > 0 => cursor = Some(next),
            Some(_) => {
                if let Some(total) = page.total {
                    let least = if total.exact { "" } else { "at least " };
                    session
                        .messages
                        .info(&format!("{least}{} in all; --limit 0 shows them", counted(total.count, "group")));
                }
                return Ok(());
            }
            None => {
                if page.partial {
                    session.messages.warning(
                        "the manager did not look at everything in its time; narrow the query or the time range",
                    );
                }
                return Ok(());
            }
        }
    }
}
