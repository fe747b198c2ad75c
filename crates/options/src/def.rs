//! What an option file declares, and what its parse function works with.
//!
//! *How it fits*: each file under `options/` has one [`OptionDef`]; [`crate::compile`] calls its
//! parse function with a [`ParseCx`] and gets a [`Parsed`] or a [`Problem`].

use crate::value::{Arg, Problem, code};
use crate::{BitNames, Effect, FlowSpec, PcreLimits, RuleOption, Vars};
use std::fmt;
use tapir_protocol::{BufferKey, BufferKind, Selector, Service};
use tapir_rules::{Dialect, OptionNode, Rule, Severity, Span};

/// What an option is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Names or describes.
    General,
    /// Switches the buffer.
    Buffer,
    /// Looks at bytes of the buffer.
    Payload,
    /// Looks at headers, flow state or facts of the service.
    NonPayload,
    /// Does something after the match, or to the event.
    Effect,
}

/// How often an option may occur in a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Any number of times.
    Any,
    /// More than this many times is odd.
    Warn(usize),
    /// Once.
    Once,
}

/// A rule option: its name, documentation and parse function.
pub struct OptionDef {
    /// Name in rules.
    pub name: &'static str,
    /// What it is about.
    pub kind: Kind,
    /// One line.
    pub summary: &'static str,
    /// Its arguments.
    pub grammar: &'static str,
    /// What it means, in Markdown.
    pub docs: &'static str,
    /// How often it may occur.
    pub repeat: Repeat,
    /// Services that a rule with this option gets if it names none.
    pub services: &'static [Service],
    pub(crate) parse: fn(&mut ParseCx<'_>) -> Result<Parsed, Problem>,
}

impl fmt::Debug for OptionDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OptionDef").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What an option node turned out to be. The strings are canonical texts.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// Something to evaluate.
    Test(Box<dyn RuleOption>),
    /// `flow`.
    Flow(FlowSpec, String),
    /// Something to do.
    Effect(Effect, String),
    /// `service`.
    Services(Vec<Service>),
    /// Nothing to do.
    Nothing(String),
}

impl Parsed {
    pub(crate) fn test(option: impl RuleOption + 'static) -> Result<Self, Problem> {
        Ok(Self::Test(Box::new(option)))
    }
}

/// What the options of a rule know of those before them.
#[derive(Debug)]
pub(crate) struct RuleState {
    /// Names of variables, by index.
    pub vars: Vec<Box<str>>,
    /// The buffer in force.
    pub buffer: BufferKey,
    /// A content with an effective `fast_pattern` was seen.
    pub fast_pattern: bool,
}

impl RuleState {
    /// Whether a content in the buffer in force may be a fast pattern.
    pub(crate) fn searchable(&self) -> bool {
        self.buffer.id.kind() != BufferKind::Other
            && !self.buffer.request
            && !matches!(self.buffer.selector, Selector::Param { .. })
    }
}

/// An option node under compilation.
pub(crate) struct ParseCx<'p> {
    pub node: &'p OptionNode,
    pub rule: &'p Rule,
    pub bits: &'p mut BitNames,
    pub pcre_limits: PcreLimits,
    pub state: &'p mut RuleState,
    pub diagnostics: &'p mut Vec<tapir_rules::Diagnostic>,
}

impl<'p> ParseCx<'p> {
    /// Snort's limit; more are a warning here.
    const SNORT_VARS: usize = 2;

    /// Comma-separated arguments.
    pub(crate) fn args(&self) -> Result<Vec<Arg<'p>>, Problem> {
        crate::value::args(self.node)
    }

    /// The value as one argument; an error if there is none.
    pub(crate) fn value(&self) -> Result<Arg<'p>, Problem> {
        let arg = Arg::whole(self.node);
        if arg.text.is_empty() {
            return Err(Problem::syntax(self.node.name_span, format!("`{}` needs a value", self.node.name)));
        }
        Ok(arg)
    }

    /// An error if there is a value.
    pub(crate) fn no_value(&self) -> Result<(), Problem> {
        match &self.node.value {
            Some(_) => Err(Problem::syntax(self.node.value_span, format!("`{}` takes no value", self.node.name))),
            None => Ok(()),
        }
    }

    /// An error for a word that the option doesn't know.
    pub(crate) fn unknown(&self, arg: Arg<'_>) -> Problem {
        Problem::syntax(arg.span, format!("`{}` has no argument `{}`", self.node.name, arg.text))
    }

    /// An error for too few arguments.
    pub(crate) fn missing(&self, what: &str) -> Problem {
        Problem::syntax(self.node.value_span, format!("`{}` needs {what}", self.node.name))
    }

    pub(crate) fn snort3(&self) -> bool {
        self.rule.dialect == Dialect::Snort3
    }

    /// Reports something that doesn't stop the rule.
    pub(crate) fn report(&mut self, severity: Severity, problem: Problem) {
        let rule = (self.rule.info.gid, self.rule.info.sid);
        self.diagnostics.push(problem.diagnostic(severity, rule));
    }

    /// Warns that the rule can't match because of this option.
    pub(crate) fn warn_never(&mut self, span: Span, message: impl Into<String>) {
        self.report(Severity::Warning, Problem::new(code::NEVER_MATCHES, span, message));
    }

    /// A number within bounds, or a variable defined before.
    pub(crate) fn operand(&self, arg: Arg<'_>, min: i64, max: i64) -> Result<Operand, Problem> {
        if !arg.text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return arg.int(min, max).map(Operand::Literal);
        }
        match self.state.vars.iter().position(|name| **name == *arg.text).and_then(|at| u8::try_from(at).ok()) {
            Some(index) => Ok(Operand::Variable { index, name: arg.text.into() }),
            None => Err(Problem::new(code::VARIABLE, arg.span, format!("no variable `{}` so far", arg.text))
                .help("define it before with byte_extract or byte_math")),
        }
    }

    /// Defines a variable, or finds it again.
    pub(crate) fn define(&mut self, arg: Arg<'_>) -> Result<Variable, Problem> {
        let name = arg.text;
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || name.contains(|c: char| c.is_ascii_whitespace()) {
            return Err(Problem::new(code::VARIABLE, arg.span, format!("`{name}` is not a name for a variable"))
                .help("names start with a letter"));
        }
        let index = match self.state.vars.iter().position(|known| **known == *name) {
            Some(index) => index,
            None => {
                self.state.vars.push(name.into());
                self.state.vars.len() - 1
            }
        };
        if index >= Vars::MAX {
            let message = format!("a rule can have {} variables", Vars::MAX);
            return Err(Problem::new(code::VARIABLE, arg.span, message));
        }
        if index == Self::SNORT_VARS && self.snort3() {
            let problem = Problem::new(code::VARIABLE, arg.span, "more than two variables: Snort refuses this rule");
            self.report(Severity::Warning, problem);
        }
        let index = u8::try_from(index).unwrap_or(u8::MAX);
        Ok(Variable { index, name: name.into() })
    }
}

/// A variable of the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub index: u8,
    pub name: Box<str>,
}

/// A literal number, or the value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    Literal(i64),
    Variable { index: u8, name: Box<str> },
}

impl Operand {
    /// The number. Variables are unsigned 32-bit.
    #[inline]
    pub(crate) fn value(&self, vars: &Vars) -> i64 {
        match self {
            Self::Literal(value) => *value,
            Self::Variable { index, .. } => i64::from(vars.value(*index)),
        }
    }

    /// The number, unless it is a variable.
    pub(crate) fn literal(&self) -> Option<i64> {
        match self {
            Self::Literal(value) => Some(*value),
            Self::Variable { .. } => None,
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(value) => write!(f, "{value}"),
            Self::Variable { name, .. } => f.write_str(name),
        }
    }
}
