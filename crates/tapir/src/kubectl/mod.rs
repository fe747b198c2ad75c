//! `kubectl tapir`: what is inspected in a cluster, and how that goes, from the command line.
//!
//! *How it fits*: `inspections`, `coverage` and `status` ask the API server, with the rights of whoever asks; `drops` and `alerts` ask the
//! manager as `tapir alerts` does, whose output, tables and failures are used for all. Nothing is written anywhere.
//!
//! *Invariants*: 1. text of others reaches the terminal through cells and JSON that escape it; 2. a refusal names verb and resource; 3. what
//! could not be asked is never shown as absent.
//! *Limits*: those of [`cluster`].

mod asked;
mod cluster;
mod coverage;
mod drops;
mod inspections;
mod status;

use crate::alerts::failure::Failure;
use crate::args::alerts::CommonArgs;
use crate::args::kubectl::{KubectlArgs, KubectlCommand};
use crate::message::Messages;

/// Whether the program was called as a plugin of kubectl, by its first word.
pub fn is_plugin(called: Option<&std::ffi::OsStr>) -> bool {
    let name = called.map(std::path::Path::new).and_then(|path| path.file_stem());
    name.is_some_and(|name| name == "kubectl-tapir")
}

/// Runs the command; the value is the exit code.
pub fn run(args: &KubectlArgs, messages: &Messages) -> u8 {
    let done = match &args.command {
        KubectlCommand::Inspections(args) => inspections::run(args, messages),
        KubectlCommand::Coverage(args) => coverage::run(args, messages),
        KubectlCommand::Status(args) => status::run(args, messages),
        KubectlCommand::Drops(args) => drops::run(args, messages),
        KubectlCommand::Alerts(args) => {
            let code = crate::alerts::run(args, messages);
            if code != 0 && is_unsaid(&args.common) {
                messages.info(HOW_TO_REACH);
            }
            return code;
        }
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            let Some(code) = failure.code() else { return 0 };
            messages.error(&failure.text());
            if let (KubectlCommand::Drops(args), true) = (&args.command, !matches!(failure, Failure::Output(_)))
                && is_unsaid(args)
            {
                messages.info(HOW_TO_REACH);
            }
            code
        }
    }
}

/// What to do when nobody said where the manager is.
const HOW_TO_REACH: &str = "the manager of a cluster is reached so: keep `kubectl -n tapir-system port-forward service/tapir-manager 9443` running, \
     then give --server https://127.0.0.1:9443 --insecure-skip-tls-verify (its certificate is for names of the cluster; the way there is \
     kubectl's) and a token: TAPIR_TOKEN=$(kubectl create token ACCOUNT)";

/// Neither flag nor environment names the manager: it is where it is by default, which is no place of a cluster.
fn is_unsaid(args: &CommonArgs) -> bool {
    args.server == crate::args::alerts::DEFAULT_SERVER
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::kubectl::Plugin;
    use clap::{CommandFactory, Parser};
    use std::ffi::OsStr;

    #[test]
    fn it_is_a_plugin_by_its_name_only() {
        let called = |word: &str| is_plugin(Some(OsStr::new(word)));
        assert!(called("kubectl-tapir") && called("/home/me/.krew/bin/kubectl-tapir") && called("kubectl-tapir.exe"));
        assert!(!called("tapir") && !called("kubectl-tapir/tapir") && !called("") && !is_plugin(None));
    }

    #[test]
    fn the_command_line_is_well_formed_and_alerts_keep_their_own_flags() {
        Plugin::command().debug_assert();
        let typed = |line: &str| Plugin::try_parse_from(line.split(' ')).map(|plugin| plugin.args.command);
        assert!(matches!(typed("kubectl-tapir inspections -A -o wide"), Ok(KubectlCommand::Inspections(_))));
        assert!(matches!(typed("kubectl-tapir coverage -n shop --uncovered"), Ok(KubectlCommand::Coverage(_))));
        assert!(typed("kubectl-tapir alerts list -n shop -A").is_err());
        let Ok(KubectlCommand::Alerts(args)) = typed("kubectl-tapir alerts -n shop --status all") else { panic!() };
        assert_eq!(args.list.filter.namespace.as_deref(), Some("shop"));
        assert!(typed("kubectl-tapir coverage -n shop -A").is_err());
    }
}
