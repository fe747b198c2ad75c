//! `tapir alerts quiet`: what quieting the rule of a group would have hidden, and doing it; `unquiet` ends it.

use super::Session;
use super::decide::{confirm, server_words};
use super::failure::Failure;
use super::model::{Preview, Scope, read};
use super::readable::readable;
use super::table::{Cell, Look};
use super::terms::{Name, future, group_of};
use crate::args::alerts::{Form, QuietArgs, QuietMode, UnquietArgs};
use clap::ValueEnum;
use serde_json::{Value, json};

/// `quiet`
pub fn quiet(args: &QuietArgs, session: &mut Session<'_>) -> Result<(), Failure> {
    let rate = args.rate.as_deref().map(rate).transpose()?;
    if (args.mode == QuietMode::Limit) != rate.is_some() {
        return Err(Failure::Usage("--rate COUNT/SECONDS belongs to --mode limit".to_owned()));
    }
    let group = group_of(&Name::new(&args.id)?, &session.client)?;
    let answer = session.client.ask(&["tuning", "preview"], &json!({ "group": group, "days": args.days }))?;
    let preview: Preview = read(&answer)?;
    let Some(wanted) = &args.scope else {
        let output = &mut session.output;
        if !output.answer(&answer)? {
            let text = output.table(HEADS).rows(&rows(&preview));
            output.text(&text)?;
            session.messages.info(&format!(
                "in the last {} days; --scope N --reason TEXT --expires 30d makes one of them quiet",
                args.days
            ));
        }
        return session.output.flush();
    };
    let scope = chosen(&preview, wanted)?;
    let body = suppression(args, scope, rate);
    let summary = summary(args, scope);
    if args.dry_run {
        if !session.output.answer(&body)? {
            session.output.line(format!("would quiet {summary}"))?;
        }
        return session.output.flush();
    }
    if !args.yes {
        confirm(&summary, "Quiet this?")?;
    }
    let made = session.client.post(&["tuning"], &body)?;
    let id = readable(made["id"].as_str().unwrap_or_default());
    let server = server_words(&session.client.server);
    let output = &mut session.output;
    if !output.answer(&made)? {
        let end = if output.form == Form::Name { "" } else { " made" };
        output.line(format!("suppression/{id}{end}"))?;
        if output.form != Form::Name {
            output.line(format!("quiet: {summary}"))?;
            output.line(format!("undo: tapir alerts unquiet {id} --reveal{server}"))?;
        }
    }
    output.flush()
}

/// `unquiet`
pub fn unquiet(args: &UnquietArgs, session: &mut Session<'_>) -> Result<(), Failure> {
    let id = args.id.strip_prefix("suppression/").unwrap_or(&args.id);
    let params = if args.reveal { vec![("reveal", "true".to_owned())] } else { Vec::new() };
    session.client.delete(&["tuning", id], &params)?;
    let back = if args.reveal { "; what it hid is back" } else { "; what it hid stays hidden" };
    session.output.line(format!("suppression/{} ended{back}", readable(id)))?;
    session.output.flush()
}

const HEADS: &[&str] = &["N", "SCOPE", "WOULD HIDE", "LEFT", "SHAPES", "UNOPENED", "WHAT"];

fn rows(preview: &Preview) -> Vec<Vec<Cell>> {
    let row = |(at, scope): (usize, &Scope)| {
        let unopened = if scope.unopened > 0 { Look::Yellow } else { Look::Plain };
        vec![
            Cell::new((at + 1).to_string()),
            Cell::new(&scope.id),
            Cell::new(scope.would_hide.to_string()),
            Cell::new(scope.left_visible.to_string()),
            Cell::new(scope.shapes.to_string()),
            Cell::looking(scope.unopened.to_string(), unopened),
            Cell::new(&scope.title),
        ]
    };
    preview.scopes.iter().enumerate().map(row).collect()
}

fn chosen<'p>(preview: &'p Preview, wanted: &str) -> Result<&'p Scope, Failure> {
    let by_number = wanted.parse::<usize>().ok().and_then(|number| preview.scopes.get(number.checked_sub(1)?));
    by_number.or_else(|| preview.scopes.iter().find(|scope| scope.id == wanted)).ok_or_else(|| {
        let known: Vec<String> =
            preview.scopes.iter().enumerate().map(|(at, scope)| format!("{} ({})", at + 1, scope.id)).collect();
        Failure::Usage(format!("--scope {}: it is one of {}", readable(wanted), readable(&known.join(", "))))
    })
}

fn suppression(args: &QuietArgs, scope: &Scope, rate: Option<(u32, u32)>) -> Value {
    let mode = args.mode.to_possible_value().map(|value| value.get_name().to_owned());
    let expires = args.expires.as_deref().filter(|text| *text != "never").map(future);
    json!({
        "gid": scope.gid,
        "sid": scope.sid,
        "scope": scope.scope,
        "mode": mode,
        "limit": rate.map(|(count, seconds)| json!({ "count": count, "seconds": seconds })),
        "reason": args.reason,
        "expires": expires,
        "numbers": {
            "days": args.days,
            "would_hide": scope.would_hide,
            "left": scope.left_visible,
            "shapes": scope.shapes,
            "unopened": scope.unopened,
        },
    })
}

fn summary(args: &QuietArgs, scope: &Scope) -> String {
    let until = match args.expires.as_deref() {
        None | Some("never") => "for ever".to_owned(),
        Some(text) => format!("until {}", future(text)),
    };
    readable(&format!(
        "{}, {until}: in {} days it would have hidden {} alerts of {} payload shapes, {} of them never opened, and left {}",
        scope.title, args.days, scope.would_hide, scope.shapes, scope.unopened, scope.left_visible
    ))
}

/// `1/3600`
fn rate(text: &str) -> Result<(u32, u32), Failure> {
    let parsed = text.split_once('/').and_then(|(count, seconds)| Some((count.parse().ok()?, seconds.parse().ok()?)));
    parsed.filter(|(count, seconds)| *count > 0 && *seconds > 0).ok_or_else(|| {
        Failure::Usage(format!("--rate {}: write COUNT/SECONDS, such as 1/3600, both above 0", readable(text)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preview() -> Preview {
        serde_json::from_value(json!({ "scopes": [
            { "id": "pair", "title": "this pair: a → b", "scope": { "client": "a" }, "gid": 1, "sid": 7, "would_hide": 3, "left_visible": 1, "shapes": 2, "unopened": 1 },
            { "id": "rule", "title": "this rule everywhere\u{1b}[2J", "scope": {}, "gid": 1, "sid": 7, "would_hide": 4, "shapes": 2 },
        ] }))
        .unwrap()
    }

    #[test]
    fn the_preview_is_a_table() {
        insta::assert_snapshot!(super::super::table::Table::new(HEADS, false, false).rows(&rows(&preview())), @r"
        N   SCOPE   WOULD HIDE   LEFT   SHAPES   UNOPENED   WHAT
        1   pair    3            1      2        1          this pair: a → b
        2   rule    4            0      2        0          this rule everywhere\x1b[2J
        ");
    }

    #[test]
    fn a_scope_is_chosen_by_number_or_name() {
        let preview = preview();
        assert_eq!(chosen(&preview, "2").unwrap().id, "rule");
        assert_eq!(chosen(&preview, "pair").unwrap().id, "pair");
        for odd in ["0", "3", "", "client"] {
            assert!(chosen(&preview, odd).unwrap_err().text().contains("1 (pair), 2 (rule)"), "{odd}");
        }
    }

    #[test]
    fn rates_are_counts_in_seconds() {
        assert_eq!(rate("1/3600").unwrap(), (1, 3600));
        for odd in ["", "1", "0/1", "1/0", "-1/2", "1/x"] {
            assert!(rate(odd).is_err(), "{odd}");
        }
    }
}
