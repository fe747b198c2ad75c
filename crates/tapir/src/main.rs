//! `tapir`: the command line. Parses arguments and calls in; the work is in the libraries.

mod agent;
mod alerts;
mod args;
mod confinement;
mod delivery;
mod explain;
mod flow_memory;
mod heap;
mod identity;
mod kubectl;
mod load;
mod manager;
mod message;
mod node_agent;
mod operator;
mod output;
mod outside;
mod pcap_out;
mod resources;
mod retention;
mod rules;
mod scan;
mod serve;
mod settings;
mod sinks;
mod stats;
mod watch;

use args::kubectl::Plugin;
use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use message::Messages;
use std::process::ExitCode;

fn main() -> ExitCode {
    if kubectl::is_plugin(std::env::args_os().next().as_deref()) {
        let plugin = Plugin::parse();
        return ExitCode::from(kubectl::run(&plugin.args, &Messages::new(plugin.log_format, plugin.quiet)));
    }
    let cli = Cli::parse();
    let messages = Messages::new(cli.log_format, cli.quiet);
    let result = match &cli.command {
        Command::Scan(args) => scan::run(args, &messages),
        Command::Watch(args) => watch::run(args, &messages),
        Command::Agent(args) => node_agent::run(args, &messages),
        Command::Manager(args) => manager::run(args, &messages),
        Command::Operator(args) => operator::run(args, &messages),
        Command::Install(args) => operator::install(args, &messages),
        Command::PrepareNode(args) => operator::prepare(args),
        Command::Alerts(args) => Ok(alerts::run(args, &messages)),
        Command::Kubectl(args) => Ok(kubectl::run(args, &messages)),
        Command::Rules(command) => rules::run(command, &messages),
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "tapir", &mut std::io::stdout());
            Ok(0)
        }
        Command::Man { directory } => man(directory),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            messages.error(&error);
            ExitCode::from(1)
        }
    }
}

fn man(directory: &std::path::Path) -> Result<u8, String> {
    std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    clap_mangen::generate_to(Cli::command(), directory)
        .map_err(|error| format!("cannot write man pages to {}: {error}", directory.display()))?;
    Ok(0)
}
