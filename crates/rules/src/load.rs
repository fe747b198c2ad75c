//! Loading: files, includes, directives, duplicates, and the tables that rules refer to.
//!
//! Statements are taken in file order; variables, classes and filters of one file count for the
//! ones after it. Of rules with the same gid and sid one stays, in the place of the first: the one
//! with the higher `rev`; with equal ones the later (Snort) or the earlier (Suricata). An enabled
//! rule always beats a disabled one.

mod directive;
mod duplicates;

use crate::lex::{Reader, Reading, Statement};
use crate::rule::{self, Built, Enable, PrioritySource, Stub};
use crate::variables::Variables;
use crate::{
    ClassTable, Config, Diagnostic, Dialect, FilterLine, ReferenceTable, Rule, Severity, SourceMap, Span, dialect,
};
use dialect::FileDialect;
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How many rules of which kind were met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rules read without an error, duplicates among them.
    pub parsed: usize,
    /// Of the rules that stay: enabled.
    pub enabled: usize,
    /// Of the rules that stay: disabled (behind `#`, or by a state stub).
    pub disabled: usize,
    /// Rules refused for an error.
    pub skipped: usize,
    /// Rules dropped or replaced because another one has the same gid and sid.
    pub duplicates: usize,
}

/// Everything that was loaded.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Rules in file order, one per gid and sid.
    pub rules: Vec<Rule>,
    /// `event_filter`, `rate_filter`, `suppress` lines.
    pub filters: Vec<FilterLine>,
    /// State stubs in file order. Those for rules in `rules` are applied already.
    pub stubs: Vec<Stub>,
    /// Classes.
    pub classifications: ClassTable,
    /// Reference schemes.
    pub references: ReferenceTable,
    /// The texts that spans point into.
    pub sources: SourceMap,
    /// Findings, in the order of their places.
    pub diagnostics: Vec<Diagnostic>,
    /// Counts.
    pub counts: Counts,
}

/// Something to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// A file of rules, a `snort.lua`, or the `*.rules` files of a directory in order of their names.
    Path(&'a Path),
    /// A text and what it is called. Its includes are not followed: it has no place that they could be relative to.
    Text(&'a str, &'a [u8]),
}

/// Loads all of these, in this order.
pub fn load_inputs<'a>(inputs: impl IntoIterator<Item = Input<'a>>, config: &Config) -> Loaded {
    let mut loader = Loader::new(config);
    for input in inputs {
        match input {
            Input::Path(path) => loader.path(path),
            Input::Text(name, bytes) => loader.text(name, bytes.to_vec(), None, 0),
        }
    }
    loader.finish()
}

/// Loads files, and the `*.rules` files of directories in order of their names.
pub fn load_files(paths: &[PathBuf], config: &Config) -> Loaded {
    load_inputs(paths.iter().map(|path| Input::Path(path)), config)
}

/// Loads a text.
pub fn load_str(name: &str, text: &str, config: &Config) -> Loaded {
    load_bytes(name, text.as_bytes(), config)
}

/// Loads bytes. A rule with bytes that aren't UTF-8 is refused, with the place of the first.
pub fn load_bytes(name: &str, bytes: &[u8], config: &Config) -> Loaded {
    load_inputs([Input::Text(name, bytes)], config)
}

/// Ends like a configuration of Snort 3?
fn is_lua(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "lua")
}

struct Loader<'a> {
    config: &'a Config,
    loaded: Loaded,
    variables: Variables,
    /// (gid, sid) → index in `loaded.rules`.
    index: HashMap<(u32, u32), usize>,
    /// By index in `loaded.rules`.
    priorities: Vec<PrioritySource>,
    files: usize,
    suppressed: usize,
}

impl<'a> Loader<'a> {
    fn new(config: &'a Config) -> Self {
        Self {
            config,
            loaded: Loaded::default(),
            variables: Variables::new(config),
            index: HashMap::new(),
            priorities: Vec::new(),
            files: 0,
            suppressed: 0,
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        if self.loaded.diagnostics.len() < self.config.max_diagnostics {
            self.loaded.diagnostics.push(diagnostic);
        } else {
            self.suppressed = self.suppressed.saturating_add(1);
        }
    }

    /// A file or directory named by the caller.
    fn path(&mut self, path: &Path) {
        if !path.is_dir() {
            self.file(path, None, 0);
            return;
        }
        let entries = match std::fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(path, &error.to_string(), None),
        };
        let mut files = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => files.push(entry.path()),
                Err(error) => self.unreadable(path, &error.to_string(), None),
            }
        }
        files.retain(|file| file.extension().is_some_and(|extension| extension == "rules") && file.is_file());
        files.sort();
        if files.is_empty() {
            self.unreadable(path, "the directory has no *.rules file", None);
        }
        for file in files {
            self.file(&file, None, 0);
        }
    }

    /// Loads a file; `from` is the `include` that names it.
    fn file(&mut self, path: &Path, from: Option<Span>, depth: usize) {
        if self.files >= self.config.max_files {
            let reason = format!("more than {} files", self.config.max_files);
            return self.unreadable(path, &reason, from);
        }
        self.files = self.files.saturating_add(1);
        match self.read(path) {
            Ok(bytes) if is_lua(path) => self.lua(path, &bytes, depth),
            Ok(bytes) => self.text(&path.display().to_string(), bytes, Some(path), depth),
            Err(reason) => self.unreadable(path, &reason, from),
        }
    }

    /// What a `snort.lua` says of rules. Each piece is a text of its own, so that places are told by the file's lines.
    fn lua(&mut self, path: &Path, bytes: &[u8], depth: usize) {
        let crate::lua::Translation { pieces, unread } = crate::lua::translate(&String::from_utf8_lossy(bytes));
        let name = path.display().to_string();
        for piece in pieces {
            let name = format!("{name} from line {}", piece.line);
            self.text(&name, piece.text.into_bytes(), Some(path), depth);
        }
        if unread.is_empty() {
            return;
        }
        let source = self.loaded.sources.add(name, bytes.to_vec());
        for (line, what) in unread {
            let start = self.loaded.sources.start_of(source, line);
            let span = Span { source, start, end: start };
            let message = format!("`{what}` of a snort.lua is not acted on");
            self.report(Diagnostic::new(Severity::Note, "R0413", span, message));
        }
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        let limit = self.config.max_file_bytes;
        let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        let wanted = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        file.take(wanted).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() > limit {
            return Err(format!("the file is longer than {limit} bytes"));
        }
        Ok(bytes)
    }

    fn unreadable(&mut self, path: &Path, reason: &str, from: Option<Span>) {
        let span = from.unwrap_or_else(|| {
            // A place to point at: an empty source with the file's name.
            let source = self.loaded.sources.add(path.display().to_string(), Vec::new());
            Span { source, start: 0, end: 0 }
        });
        let message = format!("can't read {}: {reason}", path.display());
        self.report(Diagnostic::new(Severity::Error, "R0401", span, message));
    }

    /// Loads a text; `path` is what its includes are relative to.
    fn text(&mut self, name: &str, bytes: Vec<u8>, path: Option<&Path>, depth: usize) {
        if bytes.len() > self.config.max_file_bytes {
            let reason = format!("the text is longer than {} bytes", self.config.max_file_bytes);
            return self.unreadable(Path::new(name), &reason, None);
        }
        let source = self.loaded.sources.add(name, bytes);
        // Shared, so that the reader may borrow it while the loader changes.
        let text = self.loaded.sources.shared(source);
        let dialect = match self.config.dialect {
            Some(dialect) => FileDialect::One(dialect),
            None => dialect::of_file(&text),
        };
        let reading = Reading { dialect, max_rule_bytes: self.config.max_rule_bytes };
        let mut reader = Reader::new(&text, source, reading);
        while let Some(statement) = reader.next() {
            match statement {
                Statement::Rule(raw) => self.rule(raw),
                Statement::Directive { word, rest, span, rest_start } => {
                    let at = directive::Place { span, rest_start, path, depth };
                    self.directive(&word, &rest, at);
                }
                Statement::Problem(diagnostic) => {
                    self.loaded.counts.skipped = self.loaded.counts.skipped.saturating_add(1);
                    self.report(diagnostic);
                }
            }
        }
    }

    fn rule(&mut self, raw: crate::lex::RawRule) {
        let (enabled, span) = (raw.enabled, raw.span);
        let mut found = Vec::new();
        let mut built = rule::build(raw, self.config.require_sid, &mut self.variables, &mut found);
        if let Some(at) = self.loaded.sources.invalid_in(span) {
            let place = Span { source: span.source, start: at, end: at.saturating_add(1) };
            let problem = Diagnostic::new(Severity::Error, "R0402", place, "byte is not UTF-8 text");
            found.push(problem.help("write bytes in hex: `|FF|`"));
            built = None;
        }
        if !enabled && built.is_none() {
            // Not every comment that looks like a rule is one.
            return;
        }
        for diagnostic in found {
            if enabled || diagnostic.severity != Severity::Error {
                self.report(diagnostic);
            }
        }
        match built {
            None => self.loaded.counts.skipped = self.loaded.counts.skipped.saturating_add(1),
            Some(Built::Stub(stub)) if enabled => self.stub(stub),
            Some(Built::Stub(_)) => {}
            Some(Built::Rule(mut rule, priority)) => {
                rule.line = self.loaded.sources.line(span.source, span.start);
                self.loaded.counts.parsed = self.loaded.counts.parsed.saturating_add(1);
                self.keep(*rule, priority);
            }
        }
    }

    fn stub(&mut self, stub: Stub) {
        match self.index.get(&(stub.gid, stub.sid)).and_then(|&index| self.loaded.rules.get_mut(index)) {
            Some(rule) => {
                rule.action = stub.action;
                match stub.enable {
                    Enable::Yes => rule.enabled = true,
                    Enable::No => rule.enabled = false,
                    Enable::Inherit => {}
                }
            }
            // Built-in events have no rule here; the engine looks for their stubs.
            None if rule::is_builtin(stub.gid) => {}
            None => {
                let message = format!("state stub for unknown rule {}:{}", stub.gid, stub.sid);
                let mut problem = Diagnostic::new(Severity::Warning, "R0313", stub.span, message)
                    .help("a stub must stand behind the rule that it is about");
                problem.rule = Some((stub.gid, stub.sid));
                self.report(problem);
            }
        }
        self.loaded.stubs.push(stub);
    }

    fn finish(mut self) -> Loaded {
        let mut found = Vec::new();
        for (rule, priority) in self.loaded.rules.iter_mut().zip(&self.priorities) {
            let class = rule.info.classtype.as_deref().and_then(|name| self.loaded.classifications.class(name));
            rule.info.priority = priority.effective(rule.dialect, class.map(|class| class.priority));
            rule::check_tables(rule, *priority, &self.loaded.classifications, &self.loaded.references, &mut found);
        }
        for diagnostic in found {
            self.report(diagnostic);
        }
        let enabled = self.loaded.rules.iter().filter(|rule| rule.enabled).count();
        self.loaded.counts.enabled = enabled;
        self.loaded.counts.disabled = self.loaded.rules.len().saturating_sub(enabled);
        self.loaded.diagnostics.sort_by_key(|diagnostic| diagnostic.span);
        if self.suppressed > 0 {
            let message = format!("{} more findings are not shown", self.suppressed);
            let span = self.loaded.diagnostics.last().map_or_else(Span::default, |last| last.span);
            self.loaded.diagnostics.push(Diagnostic::new(Severity::Warning, "R0403", span, message));
        }
        self.loaded
    }
}

/// Loads arbitrary bytes in every dialect and checks that printing is stable; and reads them as Lua.
#[doc(hidden)]
pub fn fuzz_rules(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines = text.split('\n').count();
    let lua = crate::lua::translate(&text);
    assert!(
        lua.pieces.iter().all(|piece| (1..=lines).contains(&(piece.line as usize))),
        "pieces have lines of the text"
    );
    assert!(lua.unread.iter().all(|(line, _)| (1..=lines).contains(&(*line as usize))), "what is told, too");
    for dialect in [None, Some(Dialect::Snort2), Some(Dialect::Snort3), Some(Dialect::Suricata)] {
        let config = Config { dialect, include_depth: 0, ..Config::default() };
        let loaded = load_bytes("fuzz", data, &config);
        let stays = loaded.counts.enabled.saturating_add(loaded.counts.disabled);
        assert_eq!(stays, loaded.rules.len(), "every rule is enabled or disabled");
        for diagnostic in loaded.diagnostics.iter().take(20) {
            let _ = crate::render(diagnostic, &loaded.sources, false);
        }
        for rule in loaded.rules.iter().take(20) {
            let printed = crate::format_rule(rule, &loaded.classifications);
            let config = Config { dialect: Some(rule.dialect), ..config.clone() };
            let again = load_str("printed", &printed, &config);
            // Variables of the text are unknown to its rule alone.
            if again.rules.is_empty() && printed.contains('$') {
                continue;
            }
            let reprinted = again.rules.first().map(|rule| crate::format_rule(rule, &loaded.classifications));
            assert_eq!(reprinted.as_deref(), Some(printed.as_str()), "printing is a fixed point");
        }
    }
}

#[cfg(test)]
mod tests;
