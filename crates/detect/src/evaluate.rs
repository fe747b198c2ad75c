//! Evaluation of one rule on one unit: options left to right, with Snort's retry.
//!
//! An option that can be retried ([`RuleOption::can_retry`]) is tried again further on if something
//! behind it failed and the option directly behind it is relative (`snort/02-options.md` §2.3).
//! *Limits*: [`MAX_STEPS`] option evaluations per rule and unit (`rule_steps_exceeded`).

use tapir_options::{Beyond, CompiledRule, Cursor, Eval, RuleOption, Unit, Vars};
use tapir_telemetry::{Counter, Counters};

/// Option evaluations of one rule on one unit at most. Normal rules need tens.
const MAX_STEPS: u32 = 50_000;

/// Whether all options of the rule match. Hits are appended to `hits` if given.
pub(crate) fn matches<'a>(
    rule: &CompiledRule,
    unit: &Unit<'a>,
    counters: &mut Counters,
    hits: Option<&mut Vec<tapir_options::Hit>>,
) -> bool {
    matches_or_later(rule, unit, counters, hits).is_ok()
}

/// As [`matches`]; if the data ended too early, the error says where the rule would go on in the next piece.
pub(crate) fn matches_or_later<'a>(
    rule: &CompiledRule,
    unit: &Unit<'a>,
    counters: &mut Counters,
    hits: Option<&mut Vec<tapir_options::Hit>>,
) -> Result<(), Option<Beyond>> {
    let eval = Eval { unit, vars: Vars::default(), base64: None, counters, hits, option: 0, beyond: None };
    Run { eval, steps: MAX_STEPS }.start(rule, 0, Cursor::new(unit))
}

/// Goes on with a rule in the next piece of the buffer.
pub(crate) fn resume<'a>(
    rule: &CompiledRule,
    unit: &Unit<'a>,
    piece: &'a [u8],
    at: &Beyond,
    counters: &mut Counters,
) -> Result<(), Option<Beyond>> {
    let mut cursor = Cursor::new(unit);
    cursor.set(at.buffer, piece);
    match usize::try_from(at.ahead) {
        Ok(pos) if pos >= piece.len() => {
            let ahead = at.ahead.saturating_sub(i64::try_from(piece.len()).unwrap_or(i64::MAX));
            return Err(Some(Beyond { ahead, ..*at }));
        }
        Ok(pos) => cursor.pos = pos,
        Err(_) => cursor.behind = usize::try_from(at.ahead.unsigned_abs()).unwrap_or(usize::MAX),
    }
    let eval = Eval { unit, vars: at.vars, base64: None, counters, hits: None, option: 0, beyond: None };
    Run { eval, steps: MAX_STEPS }.start(rule, usize::from(at.option), cursor)
}

struct Run<'a, 's> {
    eval: Eval<'a, 's>,
    steps: u32,
}

impl<'a> Run<'a, '_> {
    /// Evaluates the rule from an option on.
    fn start(mut self, rule: &CompiledRule, index: usize, cursor: Cursor<'a>) -> Result<(), Option<Beyond>> {
        if self.from(&rule.options, index, cursor) { Ok(()) } else { Err(self.eval.beyond) }
    }

    /// Evaluates `options[index..]`. Recurses only at options that may be retried, so the depth is
    /// bounded by the number of contents in the rule.
    fn from(&mut self, options: &[Box<dyn RuleOption>], mut index: usize, mut cursor: Cursor<'a>) -> bool {
        while let Some(option) = options.get(index) {
            // A setter with several values (http_param) is tried with the next one whatever follows.
            let retry = option.can_retry()
                && (option.sets_buffer().is_some() || options.get(index + 1).is_some_and(|next| next.is_relative()));
            if retry {
                return self.retry(options, index, cursor);
            }
            if !self.step(option.as_ref(), index, &mut cursor) {
                return false;
            }
            cursor.delta = 0;
            index += 1;
        }
        true
    }

    fn retry(&mut self, options: &[Box<dyn RuleOption>], index: usize, start: Cursor<'a>) -> bool {
        let Some(option) = options.get(index) else { return true };
        let mut attempt = start;
        let vars = self.eval.vars;
        let hits_before = self.eval.hits.as_ref().map_or(0, |hits| hits.len());
        loop {
            if !self.step(option.as_ref(), index, &mut attempt) {
                return false;
            }
            let delta = attempt.delta;
            attempt.delta = 0;
            if self.from(options, index + 1, attempt) {
                return true;
            }
            if self.steps == 0 || delta == 0 {
                return false;
            }
            self.eval.vars = vars;
            if let Some(hits) = self.eval.hits.as_mut() {
                hits.truncate(hits_before);
            }
            attempt = start;
            attempt.delta = delta;
        }
    }

    #[inline]
    fn step(&mut self, option: &dyn RuleOption, index: usize, cursor: &mut Cursor<'a>) -> bool {
        let Some(left) = self.steps.checked_sub(1) else {
            return false;
        };
        self.steps = left;
        if left == 0 {
            self.eval.counters.bump(Counter::RuleStepsExceeded);
            return false;
        }
        self.eval.option = u16::try_from(index).unwrap_or(u16::MAX);
        option.eval(&mut self.eval, cursor)
    }
}
