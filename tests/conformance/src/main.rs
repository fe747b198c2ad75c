//! `cargo run -p tapir-conformance -- [--shared DIR] [--suite NAME]… [--verbose]`
//!
//! Runs each suite of the corpus, compares alert for alert, prints passed and failed per suite, and
//! fails on any regression: a failure that is not in `tests/conformance/known/SUITE.txt`, or a
//! listed failure that passes. Without the corpus it says so and ends with 0.

mod compare;
mod engine;
mod known;
mod suites;

use std::path::PathBuf;
use std::process::ExitCode;

/// What the runner was asked to do.
pub(crate) struct Options {
    shared: PathBuf,
    suites: Vec<String>,
    verbose: bool,
    update: bool,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        shared: std::env::var_os("TAPIR_SHARED").map_or_else(default_shared, PathBuf::from),
        suites: Vec::new(),
        verbose: false,
        update: false,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--shared" => options.shared = args.next().ok_or("--shared needs a directory")?.into(),
            "--suite" => options.suites.push(args.next().ok_or("--suite needs a name")?),
            "--verbose" => options.verbose = true,
            "--update-known" => options.update = true,
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(options)
}

fn default_shared() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared")
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    if !options.shared.join("conformance").is_dir() {
        println!("conformance: SKIPPED, no corpus at {} (set TAPIR_SHARED or give --shared)", options.shared.display());
        return ExitCode::SUCCESS;
    }
    let mut good = true;
    println!("| suite | passed | failed | share | known failures | |");
    println!("| --- | ---: | ---: | ---: | ---: | --- |");
    for suite in suites::ALL {
        if !options.suites.is_empty() && !options.suites.iter().any(|name| name == suite.name) {
            continue;
        }
        let outcomes = (suite.run)(&options);
        good &= known::judge(suite.name, &outcomes, &options);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
