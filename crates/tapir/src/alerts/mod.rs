//! `tapir alerts`: the manager's alerts from the command line.
//!
//! *How it fits*: every subcommand is a few calls of the manager's HTTP API (docs/api.md); nothing is decided here that the
//! manager does not decide for the page, too. `client` speaks HTTP, `model` holds what is read of answers, `output` and `table` print.
//! What is `pub(crate)` serves `kubectl tapir`, too.
//!
//! *Invariants*: 1. text of others reaches the terminal through [`readable`] only; 2. nothing that changes something is sent twice;
//! 3. lists and streams are printed as they arrive, never collected.

mod bytes;
pub(crate) mod client;
mod decide;
pub(crate) mod failure;
mod follow;
mod list;
pub(crate) mod model;
pub(crate) mod output;
mod quiet;
pub(crate) mod readable;
mod show;
mod sse;
pub(crate) mod table;
mod terms;
mod trust;
mod yaml;

use crate::args::alerts::{AlertsArgs, AlertsCommand, ListArgs};
use crate::message::Messages;
use client::Client;
use failure::Failure;
use output::Output;

/// What a subcommand works with.
struct Session<'s> {
    client: Client,
    output: Output,
    messages: &'s Messages,
}

/// Runs the command; the value is the exit code.
pub fn run(args: &AlertsArgs, messages: &Messages) -> u8 {
    match command(args, messages) {
        Ok(()) => 0,
        Err(failure) => match failure.code() {
            Some(code) => {
                messages.error(&failure.text());
                code
            }
            // Whoever read the output has enough.
            None => 0,
        },
    }
}

fn command(args: &AlertsArgs, messages: &Messages) -> Result<(), Failure> {
    if args.command.is_some() && args.list != ListArgs::default() {
        return Err(Failure::Usage("options of a subcommand stand behind it: tapir alerts list --query …".to_owned()));
    }
    let client = Client::new(&args.common)?;
    if client.is_in_the_clear() {
        messages.warning(&format!("the token goes to {} in the clear; use https://", client.server));
    }
    let output = Output::new(args.common.output, args.common.no_headers);
    let session = &mut Session { client, output, messages };
    match &args.command {
        None => list::run(&args.list, session),
        Some(AlertsCommand::List(args)) => list::run(args, session),
        Some(AlertsCommand::Show(args)) => show::run(args, session),
        Some(AlertsCommand::Follow(args)) => follow::run(args, session),
        Some(AlertsCommand::Dismiss(args)) => decide::dismiss(args, session),
        Some(AlertsCommand::Ack(args)) => decide::plain("acknowledge", args, session),
        Some(AlertsCommand::Escalate(args)) => decide::plain("escalate", args, session),
        Some(AlertsCommand::Reopen(args)) => decide::plain("reopen", args, session),
        Some(AlertsCommand::Assign(args)) => decide::assign(args, session),
        Some(AlertsCommand::Comment(args)) => decide::comment(args, session),
        Some(AlertsCommand::Quiet(args)) => quiet::quiet(args, session),
        Some(AlertsCommand::Unquiet(args)) => quiet::unquiet(args, session),
        Some(AlertsCommand::Undo(args)) => decide::undo(args, session),
    }
}
