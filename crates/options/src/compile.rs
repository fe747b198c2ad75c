//! From a rule's nodes to a [`CompiledRule`].
//!
//! *How it fits*: called once per rule with the folded rule; what is wrong goes to
//! [`CompileContext::diagnostics`], all of it, and an error skips the rule.
//!
//! *Limits*: options per rule 1,000 (error), variables [`crate::Vars::MAX`] (error).

use crate::def::{ParseCx, Parsed, Repeat, RuleState};
use crate::value::{Problem, code};
use crate::{BitNames, CompiledRule, Effect, FlowSpec, PcreLimits, StreamWord, options, services, text};
use tapir_protocol::{BufferId, BufferKey, Service};
use tapir_rules::{Diagnostic, OptionNode, Rule, Severity};

/// What compiling needs beside the rule.
#[derive(Debug)]
pub struct CompileContext<'c> {
    /// Names of flowbits.
    pub bits: &'c mut BitNames,
    /// What was found, in order of rules and options.
    pub diagnostics: Vec<Diagnostic>,
    /// Bounds of regular expressions.
    pub pcre_limits: PcreLimits,
}

impl<'c> CompileContext<'c> {
    /// With default limits.
    pub fn new(bits: &'c mut BitNames) -> Self {
        Self { bits, diagnostics: Vec::new(), pcre_limits: PcreLimits::default() }
    }
}

/// Most options that a rule may have.
const MAX_OPTIONS: usize = 1_000;

/// Compiles a folded rule; `place` is its `file:line`. `None`: the rule is skipped, the reasons are
/// in the context's diagnostics.
pub fn compile(rule: &Rule, place: String, cx: &mut CompileContext<'_>) -> Option<CompiledRule> {
    let first = cx.diagnostics.len();
    let mut build = Build::new();
    if rule.options.len() > MAX_OPTIONS {
        let message = format!("{} options; a rule can have {MAX_OPTIONS}", rule.options.len());
        build.fail(rule, cx, Problem::new(code::RANGE, rule.span, message));
    } else {
        for (index, node) in rule.options.iter().enumerate() {
            build.node(rule, index, node, cx);
        }
        build.check(rule, cx);
    }
    let (services, service_header) = match services::of(rule, &build, &mut cx.diagnostics) {
        Ok(found) => found,
        Err(problem) => {
            build.fail(rule, cx, problem);
            (Vec::new(), false)
        }
    };
    let failed = cx.diagnostics.iter().skip(first).any(|diagnostic| diagnostic.severity == Severity::Error);
    if failed {
        return None;
    }
    let text = text::rule(rule, &build.texts, &services, service_header);
    Some(CompiledRule {
        info: rule.info.clone(),
        action: rule.action,
        header: rule.header.clone(),
        services,
        service_header,
        flow: build.flow,
        checks_flowbits: build.checks_flowbits,
        options: build.options,
        effects: build.effects,
        text,
        place,
    })
}

/// A rule while its options are read.
pub(crate) struct Build {
    options: Vec<Box<dyn crate::RuleOption>>,
    effects: Vec<Effect>,
    flow: FlowSpec,
    state: RuleState,
    checks_flowbits: bool,
    /// Canonical texts of all options but `service`.
    texts: Vec<String>,
    /// Services by the `service` option.
    pub(crate) named: Vec<Service>,
    /// Services implied by options and buffers, with what implies them.
    pub(crate) implied: Vec<(Service, String)>,
    /// Buffers that the rule looks into.
    buffers: Vec<BufferId>,
}

impl Build {
    fn new() -> Self {
        Self {
            options: Vec::new(),
            effects: Vec::new(),
            flow: FlowSpec::default(),
            state: RuleState { vars: Vec::new(), buffer: BufferKey::whole(BufferId::PktData), fast_pattern: false },
            checks_flowbits: false,
            texts: Vec::new(),
            named: Vec::new(),
            implied: Vec::new(),
            buffers: Vec::new(),
        }
    }

    fn fail(&self, rule: &Rule, cx: &mut CompileContext<'_>, problem: Problem) {
        cx.diagnostics.push(problem.diagnostic(Severity::Error, (rule.info.gid, rule.info.sid)));
    }

    fn node(&mut self, rule: &Rule, index: usize, node: &OptionNode, cx: &mut CompileContext<'_>) {
        let Some(def) = options::definition(&node.name) else {
            return self.fail(rule, cx, options::unknown(node));
        };
        let earlier = rule.options.iter().take(index).filter(|other| other.name == node.name).count();
        if let Err(problem) = self.repeated(rule, node, def.repeat, earlier, cx) {
            return self.fail(rule, cx, problem);
        }
        let mut parse_cx = ParseCx {
            node,
            rule,
            bits: cx.bits,
            pcre_limits: cx.pcre_limits,
            state: &mut self.state,
            diagnostics: &mut cx.diagnostics,
        };
        match (def.parse)(&mut parse_cx) {
            Ok(parsed) => {
                self.implied.extend(def.services.iter().map(|&service| (service, node.name.clone())));
                if let Err(problem) = self.add(node, parsed) {
                    self.fail(rule, cx, problem);
                }
            }
            Err(problem) => self.fail(rule, cx, problem),
        }
    }

    fn repeated(
        &self,
        rule: &Rule,
        node: &OptionNode,
        repeat: Repeat,
        earlier: usize,
        cx: &mut CompileContext<'_>,
    ) -> Result<(), Problem> {
        match repeat {
            Repeat::Once if earlier > 0 => {
                let message = format!("`{}` is given twice", node.name);
                Err(Problem::new(code::REPEATED, node.name_span, message))
            }
            Repeat::Warn(most) if earlier == most => {
                let message = format!("`{}` is given more than {}", node.name, times(most));
                let problem = Problem::new(code::REPEATED, node.name_span, message);
                cx.diagnostics.push(problem.diagnostic(Severity::Warning, (rule.info.gid, rule.info.sid)));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn add(&mut self, node: &OptionNode, parsed: Parsed) -> Result<(), Problem> {
        match parsed {
            Parsed::Test(option) => {
                if let Some(key) = option.sets_buffer() {
                    self.buffers.push(key.id);
                    self.implied.extend(key.id.services().iter().map(|&service| (service, node.name.clone())));
                    self.state.buffer = key.clone();
                }
                self.checks_flowbits |= node.name == "flowbits";
                self.texts.push(option.canonical());
                self.options.push(option);
            }
            Parsed::Flow(flow, text) => {
                self.flow = merge(self.flow, flow)
                    .ok_or_else(|| Problem::conflict(node.name_span, "contradicts the earlier `flow`"))?;
                self.texts.push(text);
            }
            Parsed::Effect(effect, text) => {
                self.effects.push(effect);
                self.texts.push(text);
            }
            Parsed::Services(services) => self.named.extend(services),
            Parsed::Nothing(text) => self.texts.push(text),
        }
        Ok(())
    }

    /// What concerns the rule as a whole.
    fn check(&self, rule: &Rule, cx: &mut CompileContext<'_>) {
        let has = |list: &[BufferId]| self.buffers.iter().any(|id| list.contains(id));
        if has(&[BufferId::HttpClientBody, BufferId::HttpRawBody])
            && has(&[BufferId::HttpTrailer, BufferId::HttpRawTrailer])
        {
            let message = "a message's body and its trailers are never inspected together";
            self.fail(rule, cx, Problem::conflict(rule.span, message));
        }
        if self.options.is_empty() && self.effects.is_empty() && self.flow == FlowSpec::default() {
            let problem =
                Problem::new(code::NO_OPTION, rule.span, "no option restricts this rule: it matches by its header");
            cx.diagnostics.push(problem.diagnostic(Severity::Warning, (rule.info.gid, rule.info.sid)));
        }
    }
}

/// Both `flow` options hold; `None` if they can't.
fn merge(a: FlowSpec, b: FlowSpec) -> Option<FlowSpec> {
    fn both<T: PartialEq>(a: Option<T>, b: Option<T>) -> Option<Option<T>> {
        match (a, b) {
            (Some(a), Some(b)) if a != b => None,
            (a, b) => Some(a.or(b)),
        }
    }
    fn word(a: StreamWord, b: StreamWord) -> Option<StreamWord> {
        match (a, b) {
            (a, StreamWord::Any) => Some(a),
            (StreamWord::Any, b) => Some(b),
            (a, b) => (a == b).then_some(a),
        }
    }
    Some(FlowSpec {
        direction: both(a.direction, b.direction)?,
        established: both(a.established, b.established)?,
        stateless: a.stateless || b.stateless,
        stream: word(a.stream, b.stream)?,
        frag: word(a.frag, b.frag)?,
    })
}

fn times(n: usize) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}
