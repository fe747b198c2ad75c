//! Positions in rule text, and what is to be said about them.

/// A file of the source map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u32);

/// A range of bytes in one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Which source.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For information.
    Note,
    /// The rule loads, but something is odd.
    Warning,
    /// The rule (or line) is skipped.
    Error,
}

/// One finding in a rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// Stable code, e.g. `R0102`.
    pub code: &'static str,
    /// What happened, lower case, no full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// Text at the caret, may be empty.
    pub label: String,
    /// What to do next.
    pub help: Option<String>,
    /// A second place (the other definition).
    pub related: Option<(Span, String)>,
    /// gid and sid of the rule it concerns, as far as known.
    pub rule: Option<(u32, u32)>,
}

impl Diagnostic {
    /// A finding with neither help nor related place.
    pub fn new(severity: Severity, code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity,
            code,
            message: message.into(),
            span,
            label: String::new(),
            help: None,
            related: None,
            rule: None,
        }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the text at the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }
}
