//! `cargo run -p xtask -- tidy|reference|crds|chart`: what a person would have to remember, checked and written by machine.
//!
//! `tidy` reports every problem of the tree with its place and what to do; `reference` writes
//! `docs/reference/` from the registries that the engine itself uses, `crds` writes `deploy/crds/` from the types of the
//! custom resources, `chart` writes `deploy/chart/` from what the operator renders. All run from anywhere.

#![forbid(unsafe_code)]

mod chart;
mod crds;
mod problem;
mod reference;
mod rust_source;
mod tidy;
mod tree;

use std::process::ExitCode;
use tree::Tree;

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    match command.as_str() {
        "tidy" => run_tidy(),
        "reference" => run_reference(),
        "crds" => write(crds::files()),
        "chart" => write(chart::files()),
        _ => {
            eprintln!("usage: cargo run -p xtask -- tidy|reference|crds|chart");
            ExitCode::from(2)
        }
    }
}

fn run_tidy() -> ExitCode {
    let tree = match Tree::read(&tree::root()) {
        Ok(tree) => tree,
        Err(error) => return fail(&error),
    };
    let problems = tidy::problems(&tree);
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() {
        println!("tidy: {} files, no problem", tree.paths().count());
        return ExitCode::SUCCESS;
    }
    fail(&format!("tidy: {} problems", problems.len()))
}

fn run_reference() -> ExitCode {
    match Tree::read(&tree::root()) {
        Ok(tree) => write(reference::pages(&tree)),
        Err(error) => fail(&error),
    }
}

/// Writes generated files: path from the root, text.
fn write(files: Vec<(String, String)>) -> ExitCode {
    for (path, text) in files {
        let place = tree::root().join(&path);
        let written =
            place.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&place, text));
        match written {
            Ok(()) => println!("{path}"),
            Err(error) => return fail(&format!("{path}: {error}")),
        }
    }
    ExitCode::SUCCESS
}

fn fail(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let tree = Tree::read(&tree::root()).unwrap();
        let problems: Vec<String> = tidy::problems(&tree).iter().map(ToString::to_string).collect();
        assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    }
}
