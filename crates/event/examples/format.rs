//! Events of format `tapir` on standard input, one a line, in another format on standard output.
//!
//! For looking at a format, and for holding it against a schema, without the rest of Tapir.
//!
//! usage: `cargo run -p tapir-event --example format -- FORMAT < events.ndjson`; a line that is no event ends it with exit code 1.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use std::io::{BufRead as _, BufWriter, Write as _};
use std::process::ExitCode;
use tapir_event::{Format, SecurityEvent, Style};

fn run(format: Format) -> Result<(), Box<dyn std::error::Error>> {
    let style = Style { page: Some("https://tapir.example".to_owned()), ..Style::default() };
    let mut out = BufWriter::new(std::io::stdout().lock());
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let event: SecurityEvent =
            serde_json::from_str(&line?).map_err(|error| format!("line {}: {error}", number + 1))?;
        writeln!(out, "{}", format.line(&event, &style))?;
    }
    Ok(out.flush()?)
}

fn main() -> ExitCode {
    let Some(format) = std::env::args().nth(1).as_deref().and_then(Format::from_name) else {
        let names: Vec<&str> = Format::ALL.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: format {} < events.ndjson", names.join("|"));
        return ExitCode::from(2);
    };
    match run(format) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
