//! Messages to people on standard error: plain or JSON, coloured only on terminals, `NO_COLOR`
//! honoured.

use crate::args::LogFormat;
use std::io::{IsTerminal, Write};

/// How bad a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For information; silent with `--quiet`.
    Info,
    /// Something is odd; silent with `--quiet`.
    Warning,
    /// Something failed.
    Error,
}

/// Where messages go and how they look.
#[derive(Clone, Copy, Debug)]
pub struct Messages {
    format: LogFormat,
    quiet: bool,
    color: bool,
}

impl Messages {
    /// From the global flags.
    pub fn new(format: LogFormat, quiet: bool) -> Self {
        let color = std::io::stderr().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && format == LogFormat::Text;
        Self { format, quiet, color }
    }

    /// Whether diagnostics may be coloured.
    pub fn color(&self) -> bool {
        self.color
    }

    /// Whether only errors are shown.
    pub fn quiet(&self) -> bool {
        self.quiet
    }

    /// Writes one message. Standard error gone is nothing to fail for.
    pub fn say(&self, level: Level, text: &str) {
        if self.quiet && level != Level::Error {
            return;
        }
        let mut stderr = std::io::stderr().lock();
        let _ = match self.format {
            LogFormat::Json => {
                let name = match level {
                    Level::Info => "info",
                    Level::Warning => "warning",
                    Level::Error => "error",
                };
                writeln!(stderr, "{}", serde_json::json!({ "level": name, "message": text }))
            }
            LogFormat::Text => {
                let (prefix, on, off) = match (level, self.color) {
                    (Level::Info, _) => ("", "", ""),
                    (Level::Warning, true) => ("warning: ", "\x1b[33m", "\x1b[0m"),
                    (Level::Warning, false) => ("warning: ", "", ""),
                    (Level::Error, true) => ("error: ", "\x1b[31m", "\x1b[0m"),
                    (Level::Error, false) => ("error: ", "", ""),
                };
                writeln!(stderr, "{on}{prefix}{off}{text}")
            }
        };
    }

    /// `say` at [`Level::Info`].
    pub fn info(&self, text: &str) {
        self.say(Level::Info, text);
    }

    /// `say` at [`Level::Warning`].
    pub fn warning(&self, text: &str) {
        self.say(Level::Warning, text);
    }

    /// `say` at [`Level::Error`].
    pub fn error(&self, text: &str) {
        self.say(Level::Error, text);
    }
}
