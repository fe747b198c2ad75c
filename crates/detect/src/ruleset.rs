//! A compiled rule set: immutable, shared by all workers.
//!
//! *Invariants*: rules stand in evaluation order (setters of flowbits before checkers, then gid and
//! sid), so the same rules give the same order whatever file they came from; building is pure.

use crate::fastpattern::{self, Chosen};
use crate::filters::Filters;
use crate::groups::{Entry, Groups};
use crate::header::HeaderTest;
use crate::profile::Profile;
use rapidhash::{RapidHashMap, v3::rapidhash_v3};
use tapir_flow::Direction;
use tapir_options::{BitOp, CompiledRule, DetectionFilter, Effect, StreamWord, Threshold};
use tapir_protocol::BufferId;
use tapir_rules::Action;

/// Identity of a rule set: hash of its canonical rule texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleSetId(pub u64);

impl std::fmt::Display for RuleSetId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A rule with what detection derived from it.
pub struct DetectRule {
    /// The compiled rule.
    pub rule: CompiledRule,
    pub(crate) header: HeaderTest,
    pub(crate) pattern: Option<Chosen>,
    pub(crate) sections: u8,
    pub(crate) has_content: bool,
    /// It may match in a part of a buffer: see [`floats`].
    pub(crate) floats: bool,
    pub(crate) detection_filter: Option<DetectionFilter>,
    pub(crate) threshold: Option<Threshold>,
    pub(crate) noalert: bool,
    pub(crate) bits: Vec<BitOp>,
}

impl DetectRule {
    /// What it finds changes more than its own event: others depend on its flowbits, its count or its passing.
    pub fn has_effects(&self) -> bool {
        !self.bits.is_empty() || self.detection_filter.is_some() || self.rule.action == Action::Pass
    }

    fn new(rule: CompiledRule, profile: &Profile) -> Self {
        let pattern = fastpattern::choose(&rule, profile.exact_snort3);
        let effect = |wanted: fn(&Effect) -> bool| rule.effects.iter().find(|effect| wanted(effect));
        Self {
            header: HeaderTest::new(&rule.header),
            sections: fastpattern::rule_sections(&rule),
            floats: pattern.as_ref().is_some_and(|chosen| chosen.anchor.is_none()) && floats(&rule),
            has_content: rule.options.iter().any(|option| option.fast_pattern().is_some()),
            detection_filter: rule.effects.iter().find_map(|effect| match effect {
                Effect::DetectionFilter(filter) => Some(*filter),
                _ => None,
            }),
            threshold: rule.effects.iter().find_map(|effect| match effect {
                Effect::Threshold(threshold) => Some(*threshold),
                _ => None,
            }),
            noalert: effect(|effect| matches!(effect, Effect::NoAlert)).is_some(),
            bits: rule
                .effects
                .iter()
                .filter_map(|effect| match effect {
                    Effect::Bits(op) => Some(op.clone()),
                    _ => None,
                })
                .collect(),
            pattern,
            rule,
        }
    }

    /// It names a builtin event (gid of a decoder or inspector, nothing to test): raised by those,
    /// never evaluated.
    pub fn is_builtin(&self) -> bool {
        self.rule.info.gid >= 100 && self.rule.options.is_empty()
    }

    /// The bytes of its fast pattern and the buffer that is searched for them.
    pub fn fast_pattern(&self) -> Option<(&[u8], BufferId)> {
        self.pattern.as_ref().map(|chosen| (chosen.bytes.as_slice(), chosen.buffer))
    }

    /// Index of the option whose content is the fast pattern.
    pub fn fast_pattern_option(&self) -> Option<usize> {
        self.pattern.as_ref().map(|chosen| chosen.option)
    }

    /// The pattern stands at a fixed offset and is compared, not searched.
    pub fn is_anchored(&self) -> bool {
        self.pattern.as_ref().is_some_and(|chosen| chosen.anchor.is_some())
    }
}

/// Whether a match in a part of a message's body is a match. What the rule tests of whole buffers (header
/// fields, the URI) may be anything.
fn floats(rule: &CompiledRule) -> bool {
    let mut in_body = true;
    rule.options.iter().all(|option| {
        if let Some(key) = option.sets_buffer() {
            in_body = matches!(
                key.id,
                BufferId::PktData
                    | BufferId::RawData
                    | BufferId::FileData
                    | BufferId::HttpClientBody
                    | BufferId::HttpRawBody
            );
        }
        !in_body || option.floats()
    })
}

/// The few facts of a rule that reject most candidates, packed so that hundreds fit a cache line's
/// neighbourhood: looking at [`DetectRule`] itself would miss the cache for every hit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quick {
    pub(crate) sections: u8,
    /// Bit per property of a unit that excludes the rule, see [`UnitBits`].
    excluded: u8,
}

/// Properties of a unit that rules exclude.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnitBits(u8);

impl UnitBits {
    const TO_SERVER: u8 = 1;
    const TO_CLIENT: u8 = 2;
    const ESTABLISHED: u8 = 4;
    const NOT_ESTABLISHED: u8 = 8;
    const STREAM: u8 = 16;
    const NOT_STREAM: u8 = 32;
    const CONTENT_OFF: u8 = 64;
    const BORDER: u8 = 128;

    /// Of a unit.
    pub(crate) fn of(flow: Option<(Direction, bool)>, stream: bool, content_off: bool, border: bool) -> Self {
        let flow = match flow {
            Some((Direction::ToServer, true)) => Self::TO_SERVER | Self::ESTABLISHED,
            Some((Direction::ToServer, false)) => Self::TO_SERVER | Self::NOT_ESTABLISHED,
            Some((Direction::ToClient, true)) => Self::TO_CLIENT | Self::ESTABLISHED,
            Some((Direction::ToClient, false)) => Self::TO_CLIENT | Self::NOT_ESTABLISHED,
            // Without a flow the direction does not exclude, but nothing is established.
            None => Self::NOT_ESTABLISHED,
        };
        let stream = if stream { Self::STREAM } else { Self::NOT_STREAM };
        let content = if content_off { Self::CONTENT_OFF } else { 0 };
        Self(flow | stream | content | if border { Self::BORDER } else { 0 })
    }
}

impl Quick {
    fn new(rule: &DetectRule) -> Self {
        let flow = &rule.rule.flow;
        let direction = match flow.direction {
            Some(Direction::ToServer) => UnitBits::TO_CLIENT,
            Some(Direction::ToClient) => UnitBits::TO_SERVER,
            None => 0,
        };
        let established = match flow.established {
            Some(true) => UnitBits::NOT_ESTABLISHED,
            Some(false) => UnitBits::ESTABLISHED,
            None => 0,
        };
        let stream = match flow.stream {
            StreamWord::No => UnitBits::STREAM,
            StreamWord::Only => UnitBits::NOT_STREAM,
            StreamWord::Any => 0,
        };
        let content = if rule.has_content { UnitBits::CONTENT_OFF } else { 0 };
        let border = if rule.floats { 0 } else { UnitBits::BORDER };
        Self { sections: rule.sections, excluded: direction | established | stream | content | border }
    }

    /// Nothing about the unit excludes the rule.
    #[inline]
    pub(crate) fn admits(self, unit: UnitBits) -> bool {
        self.excluded & unit.0 == 0
    }
}

/// A rule set ready for workers.
pub struct RuleSet {
    /// Rules in evaluation order.
    pub rules: Vec<DetectRule>,
    /// Filters.
    pub filters: Filters,
    /// Profile it was built for.
    pub profile: Profile,
    /// Identity.
    pub id: RuleSetId,
    pub(crate) groups: Groups,
    quick: Vec<Quick>,
}

/// Sizes of a rule set, for people.
#[derive(Clone, Copy, Debug)]
pub struct RuleSetStats {
    /// Rules.
    pub rules: usize,
    /// Rules evaluated for every unit of their group.
    pub without_pattern: usize,
    /// Compiled pattern sets.
    pub pattern_sets: usize,
    /// Memory of the pattern sets in bytes.
    pub pattern_bytes: usize,
}

impl RuleSet {
    /// Builds a set from compiled rules.
    pub fn build(rules: Vec<CompiledRule>, filters: Filters, profile: Profile) -> Self {
        let mut rules: Vec<DetectRule> = rules.into_iter().map(|rule| DetectRule::new(rule, &profile)).collect();
        let ranks = ranks(&rules);
        let mut order: Vec<(u32, u32, u32, usize)> = rules
            .iter()
            .zip(ranks)
            .enumerate()
            .map(|(index, (rule, rank))| (rank, rule.rule.info.gid, rule.rule.info.sid, index))
            .collect();
        order.sort_unstable();
        let mut slots: Vec<Option<DetectRule>> = rules.drain(..).map(Some).collect();
        rules.extend(order.into_iter().filter_map(|(.., index)| slots.get_mut(index).and_then(Option::take)));
        let entries: Vec<Entry<'_>> = rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| !rule.is_builtin())
            .map(|(index, rule)| Entry {
                index: u32::try_from(index).unwrap_or(u32::MAX),
                rule: &rule.rule,
                header: &rule.header,
                pattern: rule.pattern.as_ref(),
                quick: Quick::new(rule),
            })
            .collect();
        let groups = Groups::build(&entries);
        let mut hash = 0;
        for rule in &rules {
            hash = rapidhash_v3(format!("{hash:x} {}", rule.rule.text).as_bytes());
        }
        let quick = rules.iter().map(Quick::new).collect();
        Self { groups, filters, profile, id: RuleSetId(hash), rules, quick }
    }

    /// A rule by its index in this set.
    #[inline]
    pub fn rule(&self, index: u32) -> Option<&DetectRule> {
        self.rules.get(index as usize)
    }

    #[inline]
    pub(crate) fn quick(&self, index: u32) -> Option<Quick> {
        self.quick.get(index as usize).copied()
    }

    /// Sizes.
    pub fn stats(&self) -> RuleSetStats {
        let (pattern_sets, pattern_bytes) = self.groups.size();
        RuleSetStats {
            rules: self.rules.len(),
            without_pattern: self.rules.iter().filter(|rule| rule.pattern.is_none()).count(),
            pattern_sets,
            pattern_bytes,
        }
    }
}

/// How long the longest chain of flowbit setters before each rule is; cycles are cut.
fn ranks(rules: &[DetectRule]) -> Vec<u32> {
    const MAX_CHAIN: u32 = 16;
    let mut setters: RapidHashMap<u32, Vec<usize>> = RapidHashMap::default();
    for (index, rule) in rules.iter().enumerate() {
        for op in &rule.bits {
            let (BitOp::Set(bits) | BitOp::Toggle(bits) | BitOp::SetExclusive { set: bits, .. }) = op else { continue };
            for &bit in bits {
                setters.entry(bit).or_default().push(index);
            }
        }
    }
    let mut ranks: Vec<u32> = rules.iter().map(|rule| u32::from(rule.rule.checks_flowbits)).collect();
    for _ in 0..MAX_CHAIN {
        let mut changed = false;
        for (index, rule) in rules.iter().enumerate() {
            if !rule.rule.checks_flowbits {
                continue;
            }
            let behind = rule
                .rule
                .options
                .iter()
                .flat_map(|option| option.tested_flowbits())
                .filter_map(|bit| setters.get(bit))
                .flatten()
                .filter(|&&setter| setter != index)
                .filter_map(|&setter| ranks.get(setter))
                .max()
                .map_or(1, |&rank| rank.saturating_add(1));
            if let Some(rank) = ranks.get_mut(index)
                && *rank < behind
                && behind <= MAX_CHAIN
            {
                *rank = behind;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    ranks
}
