//! Lines that are no rules: variables, includes, classes, references, filters, and the rest of a
//! Snort 2.9 configuration, which is noticed and not acted on.

use super::Loader;
use crate::config::is_variable_name;
use crate::variables::Fault;
use crate::{Class, Diagnostic, Dialect, Severity, Span, filters};
use std::path::Path;

/// Where a directive stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The line.
    pub span: Span,
    /// Where its arguments start.
    pub rest_start: u32,
    /// The file, if the text is one.
    pub path: Option<&'a Path>,
    /// Includes around it.
    pub depth: usize,
}

impl Place<'_> {
    /// The arguments.
    fn rest(&self) -> Span {
        Span { start: self.rest_start.min(self.span.end), ..self.span }
    }
}

impl Loader<'_> {
    pub(super) fn directive(&mut self, word: &str, rest: &str, at: Place<'_>) {
        match word {
            "include" => self.include(rest, at),
            "var" | "ipvar" | "portvar" => self.variable(word, rest, at),
            "config" => self.config_line(rest, at),
            _ if filters::is_filter(word) => match filters::parse(word, rest, at.span, &mut self.variables) {
                Ok(line) => self.loaded.filters.push(line),
                Err(reason) => self.fail("R0412", at.span, format!("`{word}`: {reason}")),
            },
            _ => self.notice(word, at),
        }
    }

    fn fail(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::new(Severity::Error, code, span, message));
    }

    fn notice(&mut self, what: &str, at: Place<'_>) {
        let message = format!("`{what}` lines configure Snort 2.9 and are not acted on");
        self.report(Diagnostic::new(Severity::Note, "R0411", at.span, message));
    }

    fn include(&mut self, rest: &str, at: Place<'_>) {
        let name = rest.split_whitespace().next().unwrap_or("").trim_matches(['"', '\'']);
        if name.is_empty() {
            return self.fail("R0404", at.span, "`include` needs the name of a file");
        }
        if at.depth >= self.config.include_depth {
            let message = format!("includes nest more than {} deep", self.config.include_depth);
            return self.fail("R0404", at.span, message);
        }
        // What comes from elsewhere must not read our files: findings show lines of them.
        let Some(path) = at.path else {
            return self.fail("R0404", at.rest(), "`include` is for files; this text is none");
        };
        match self.variables.expand_path(name) {
            Err(unknown) => self.fail("R0404", at.rest(), format!("undefined variable `${unknown}`")),
            Ok(name) => {
                let base = path.parent().unwrap_or_else(|| Path::new(""));
                let path = base.join(name);
                self.file(&path, Some(at.rest()), at.depth.saturating_add(1));
            }
        }
    }

    fn variable(&mut self, word: &str, rest: &str, at: Place<'_>) {
        let (name, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        // A `#` begins a comment; no list has one.
        let text = text.split('#').next().unwrap_or("").trim();
        if !is_variable_name(name) || text.is_empty() {
            return self.fail("R0410", at.span, format!("`{word}` needs a name and a value"));
        }
        if self.config.pinned.contains(name) {
            let message = format!("`{name}` is set from outside, this definition is ignored");
            return self.report(Diagnostic::new(Severity::Note, "R0413", at.span, message));
        }
        let reference = format!("${name}");
        let checked = match word {
            "ipvar" => {
                self.variables.define_address(name, text);
                self.variables.address(&reference, Dialect::Snort2).map(|_| ())
            }
            "portvar" => {
                self.variables.define_ports(name, text);
                self.variables.ports(&reference, Dialect::Snort2).map(|_| ())
            }
            // What it is for shows when it is used.
            _ => {
                self.variables.define_plain(name, text);
                Ok(())
            }
        };
        if let Err(Fault { message, help, code, .. }) = checked {
            let mut diagnostic = Diagnostic::new(Severity::Error, code, at.rest(), message);
            diagnostic.help = help;
            self.report(diagnostic);
        }
    }

    fn config_line(&mut self, rest: &str, at: Place<'_>) {
        let (key, value) = rest.split_once(':').unwrap_or((rest, ""));
        let defined = match key.trim() {
            "classification" => self.class(value),
            "reference" => self.reference(value),
            _ => return self.notice("config", at),
        };
        match defined {
            Err(reason) => self.fail("R0414", at.rest(), reason),
            Ok(true) => {}
            Ok(false) => {
                let message = "defined before; the first definition counts";
                self.report(Diagnostic::new(Severity::Note, "R0415", at.span, message));
            }
        }
    }

    /// `name,text,priority`
    fn class(&mut self, value: &str) -> Result<bool, String> {
        let form = || "a classification is `name,text,priority`".to_owned();
        let (name, rest) = value.split_once(',').ok_or_else(form)?;
        let (text, priority) = rest.rsplit_once(',').ok_or_else(form)?;
        let priority: u32 = priority.trim().parse().map_err(|_| format!("`{}` is no priority", priority.trim()))?;
        let (name, text) = (name.trim().to_owned(), text.trim().to_owned());
        if name.is_empty() || priority == 0 {
            return Err(form());
        }
        Ok(self.loaded.classifications.define(Class { name, text, priority }))
    }

    /// `scheme prefix`
    fn reference(&mut self, value: &str) -> Result<bool, String> {
        let mut words = value.split_whitespace();
        match (words.next(), words.next()) {
            (Some(scheme), Some(prefix)) => Ok(self.loaded.references.define(scheme, prefix)),
            _ => Err("a reference scheme is `name prefix`".to_owned()),
        }
    }
}
