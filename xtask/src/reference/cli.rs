//! `cli.md`: every command with its arguments, from the definition that the binary parses with.

use super::args::Cli;
use super::{cell, head};
use clap::{Arg, Command, CommandFactory};
use std::fmt::Write;

pub(super) fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut text = head("Command line", &cell(&after));
    section(&command, "tapir", &mut text);
    text
}

fn section(command: &Command, path: &str, text: &mut String) {
    let subcommands: Vec<&Command> = command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
    let about = command.get_about().map(|about| sentence(&about.to_string())).unwrap_or_default();
    let _ = write!(text, "\n## {path}\n\n{about}\n");
    let is_root = path == "tapir";
    let arguments: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()) && (is_root || !arg.is_global_set()))
        .collect();
    if !arguments.is_empty() {
        text.push_str("\n| argument | meaning |\n| --- | --- |\n");
        for arg in arguments {
            let _ = writeln!(text, "| {} | {} |", form(arg), meaning(arg));
        }
    }
    for sub in subcommands {
        section(sub, &format!("{path} {}", sub.get_name()), text);
    }
}

/// `-r, --rules <FILE>…` or `<FILE>`.
fn form(arg: &Arg) -> String {
    let takes_value = arg.get_action().takes_values();
    let names = arg.get_value_names().unwrap_or_default();
    let value = names.iter().map(|name| format!("<{name}>")).collect::<Vec<_>>().join(" ");
    let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let text = match arg.get_long() {
        Some(long) if takes_value => format!("{short}--{long} {value}"),
        Some(long) => format!("{short}--{long}"),
        None => value,
    };
    format!("`{}`", cell(&text))
}

fn meaning(arg: &Arg) -> String {
    let mut text = arg.get_help().map(|help| sentence(&help.to_string())).unwrap_or_default();
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|_| arg.get_action().takes_values())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !values.is_empty() {
        let _ = write!(text, " One of {}.", values.join(", "));
    }
    let defaults: Vec<String> = arg
        .get_default_values()
        .iter()
        .filter(|_| arg.get_action().takes_values())
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    if !defaults.is_empty() {
        let _ = write!(text, " Default: {}.", defaults.join(", "));
    }
    if let Some(variable) = arg.get_env() {
        let _ = write!(text, " Also from `{}`.", variable.to_string_lossy());
    }
    cell(&text)
}

fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', '`']) { text.to_owned() } else { format!("{text}.") }
}
