//! One worker's detection: candidates, evaluation, effects, event selection for one unit.
//!
//! *How it fits*: the engine makes a [`Unit`] and calls [`Detector::inspect`]; detections come back
//! as rule indexes, already filtered and in the order of events. *Spec*: `snort/03-detection.md`.

use crate::cost::{Clock, Costs};
use crate::evaluate;
use crate::filters::{FilterState, Subject};
use crate::flow_state::FlowState;
use crate::groups::{BODY_LIKE, Carrier, Group, bit, in_section};
use crate::queue::{self, Match};
use crate::ruleset::{DetectRule, RuleSet, UnitBits};
use crate::search::Seen;
use crate::stops::Stops;
use tapir_options::{BitView, Hit, StreamWord, Unit, UnitKind};
use tapir_packet::{Packet, protocol};
use tapir_protocol::{BufferId, Section};
use tapir_rules::Action;
use tapir_telemetry::{Counter, Counters};

/// A rule that fired on a unit and whose event is to be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detection {
    /// Index into [`RuleSet::rules`].
    pub rule: u32,
}

/// An event of a decoder or inspector, to be filtered as the events of rules are.
#[derive(Clone, Copy, Debug)]
pub struct BuiltinEvent {
    /// Generator.
    pub gid: u32,
    /// Signature of the generator.
    pub sid: u32,
    /// Action of the rule that names it.
    pub action: Action,
    /// Addresses.
    pub net: tapir_options::Net,
    /// Endpoint whose filters count.
    pub endpoint: u32,
    /// Flow, 0 for none.
    pub flow: u64,
    /// When.
    pub time: tapir_packet::Timestamp,
}

/// What the engine knows of a unit beside the unit.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnitContext {
    /// Content rules are off: retransmission, fragment of an incomplete datagram.
    pub content_off: bool,
    /// A further unit of a flush that was already inspected (second MIME part).
    pub continues_flush: bool,
    /// Only `ip` rules: an outer layer of a tunnel.
    pub outer_layer: bool,
    /// The unit is what stands around the cut between two pieces of a file: see [`FlowState::border`].
    pub border: bool,
    /// Endpoint whose filters count.
    pub endpoint: u32,
}

/// Scratch and filter state of one worker.
pub struct Detector {
    candidates: Vec<u32>,
    seen: Seen,
    matches: Vec<Match>,
    filters: FilterState,
    stops: Stops,
    costs: Costs,
    seed: u64,
}

impl Detector {
    /// Without counts yet. `seed` keys the hash of what is counted; results do not depend on it.
    pub fn new(seed: u64) -> Self {
        let filters = FilterState::new(seed);
        Self {
            candidates: Vec::new(),
            seen: Seen::default(),
            matches: Vec::new(),
            filters,
            stops: Stops::default(),
            costs: Costs::new(0, || 0),
            seed,
        }
    }

    /// The rule set was swapped: counts are kept by rule and line of the set, and start anew.
    pub fn forget_rules(&mut self) {
        self.filters = FilterState::new(self.seed);
        self.costs.forget();
    }

    /// From now on one in so many units is timed; 0: none. What was timed before is forgotten.
    pub fn set_cost_sample(&mut self, every: u32, clock: Clock) {
        self.costs = Costs::new(every, clock);
    }

    /// What rules cost, by their indexes in the present set.
    pub fn costs(&self) -> &Costs {
        &self.costs
    }

    /// Which rules of the present set are left out from now on.
    pub fn set_stops(&mut self, stops: Stops) {
        self.stops = stops;
    }

    /// Evaluates the rules on one unit and appends what is to be raised to `out`.
    pub fn inspect<'a>(
        &mut self,
        set: &RuleSet,
        unit: &mut Unit<'a>,
        mut flow: Option<&mut FlowState>,
        context: UnitContext,
        counters: &mut Counters,
        out: &mut Vec<Detection>,
    ) {
        counters.bump(Counter::UnitsInspected);
        let sample = self.costs.is_sample();
        self.candidates.clear();
        self.matches.clear();
        self.collect(set, unit, flow.as_deref_mut(), context, counters);
        let whole = unit.kind == UnitKind::Stream && !context.border && !context.content_off;
        if whole && let Some(flow) = flow.as_deref_mut() {
            self.go_on(set, unit, flow, context, sample, counters);
        }
        if self.candidates.is_empty() && self.matches.is_empty() {
            return;
        }
        self.candidates.sort_unstable();
        self.candidates.dedup();
        let candidates = std::mem::take(&mut self.candidates);
        for &index in &candidates {
            let Some(rule) = set.rule(index) else { continue };
            if !applies(rule, unit) {
                continue;
            }
            if self.stops.hold(index, unit) {
                counters.bump(Counter::RulesStopped);
                continue;
            }
            counters.bump(Counter::RulesEvaluated);
            let begin = sample.then(|| self.costs.now());
            let found = evaluate::matches_or_later(&rule.rule, unit, counters, None);
            if let Some(begin) = begin {
                self.costs.note(index, begin, found.is_ok());
            }
            if let Err(later) = found {
                if let (true, Some(beyond), Some(flow)) = (whole, later, flow.as_deref_mut()) {
                    flow.continue_later(unit, index, beyond, counters);
                }
                continue;
            }
            self.matched(index, rule, unit, flow.as_deref_mut(), context, counters);
        }
        self.candidates = candidates;
        if !self.matches.is_empty() {
            self.raise(set, unit, flow, context, counters, out);
        }
    }

    /// Goes on with the rules that ran past the end of the piece before.
    fn go_on<'a>(
        &mut self,
        set: &RuleSet,
        unit: &mut Unit<'a>,
        flow: &mut FlowState,
        context: UnitContext,
        sample: bool,
        counters: &mut Counters,
    ) {
        let waiting = flow.take_continuations(unit);
        for (index, beyond) in waiting {
            let Some(rule) = set.rule(index) else { continue };
            let arena = unit.arena;
            let piece = match beyond.buffer {
                BufferId::PktData => Some(unit.payload),
                // Lent by the unit's view or arena, both of which outlive it.
                buffer => unit.view.searchable(buffer, arena),
            };
            let Some(piece) = piece.filter(|piece| !piece.is_empty()) else {
                flow.continue_later(unit, index, beyond, counters);
                continue;
            };
            if beyond.buffer == BufferId::FileData && unit.view.file_position() == 0 {
                continue;
            }
            let begin = sample.then(|| self.costs.now());
            let found = evaluate::resume(&rule.rule, unit, piece, &beyond, counters);
            if let Some(begin) = begin {
                self.costs.note(index, begin, found.is_ok());
            }
            match found {
                Ok(()) => self.matched(index, rule, unit, Some(&mut *flow), context, counters),
                Err(Some(later)) => flow.continue_later(unit, index, later, counters),
                Err(None) => {}
            }
        }
    }

    /// Evaluates a rule again to learn where its options matched, for evidence.
    pub fn evidence(&mut self, rule: &DetectRule, unit: &Unit<'_>, counters: &mut Counters) -> Vec<Hit> {
        let mut hits = Vec::new();
        if evaluate::matches(&rule.rule, unit, counters, Some(&mut hits)) { hits } else { Vec::new() }
    }

    /// The action with which a builtin event is raised, `None` if it is not: by a `pass` rule, a `suppress` or
    /// `event_filter` line. A `rate_filter` line may change the action.
    pub fn filter_builtin(&mut self, set: &RuleSet, event: &BuiltinEvent, counters: &mut Counters) -> Option<Action> {
        let BuiltinEvent { gid, sid, net, endpoint, flow, time, .. } = *event;
        let subject = Subject { gid, sid, net, endpoint, flow, time };
        let action = self.filters.rate(&set.filters, &subject, counters).unwrap_or(event.action);
        if matches!(action, Action::Pass | Action::Log | Action::Sdrop) {
            return None;
        }
        self.filters.event(&set.filters, None, &subject, counters).then_some(action)
    }

    fn matched<'a>(
        &mut self,
        index: u32,
        rule: &DetectRule,
        unit: &mut Unit<'a>,
        flow: Option<&mut FlowState>,
        context: UnitContext,
        counters: &mut Counters,
    ) {
        if let Some(filter) = &rule.detection_filter {
            let subject = subject(rule, unit, flow.as_deref(), context);
            if !self.filters.detection(index, filter, &subject, counters) {
                return;
            }
        }
        counters.bump(Counter::RulesMatched);
        if let (false, Some(flow)) = (rule.bits.is_empty(), flow) {
            for op in &rule.bits {
                flow.apply(op, counters);
            }
            publish_bits(unit, flow);
        }
        let silent = rule.noalert || matches!(rule.rule.action, Action::FileId | Action::Sdrop);
        if !silent {
            self.matches.push(Match {
                rule: index,
                action: rule.rule.action,
                length: rule.pattern.as_ref().map_or(0, |chosen| chosen.length),
                gid: rule.rule.info.gid,
                sid: rule.rule.info.sid,
            });
        }
    }

    fn raise(
        &mut self,
        set: &RuleSet,
        unit: &Unit<'_>,
        mut flow: Option<&mut FlowState>,
        context: UnitContext,
        counters: &mut Counters,
        out: &mut Vec<Detection>,
    ) {
        let profile = &set.profile;
        if profile.exact_snort3 && self.matches.len() > profile.matches_per_action {
            self.matches.sort_by_key(|found| set.rule(found.rule).map_or(usize::MAX, |rule| first_seen(rule, unit)));
        }
        let direction = unit.flow.map(|flow| flow.direction);
        queue::select(&mut self.matches, profile, counters);
        for found in &self.matches {
            let Some(rule) = set.rule(found.rule) else { continue };
            if let (Some(flow), Some(direction)) = (flow.as_deref_mut(), direction) {
                match unit.kind {
                    UnitKind::Stream if !flow.is_new(direction, found.rule) => {
                        counters.bump(Counter::EventsRepeated);
                        continue;
                    }
                    UnitKind::Raw if unit.net.protocol == protocol::TCP => flow.note_raw(direction, found.rule),
                    _ => {}
                }
            }
            let subject = subject(rule, unit, flow.as_deref(), context);
            let rated = self.filters.rate(&set.filters, &subject, counters);
            if matches!(rated, Some(Action::Pass | Action::Log | Action::Sdrop)) {
                counters.bump(Counter::EventsFiltered);
                continue;
            }
            let threshold = rule.threshold.as_ref().map(|threshold| (found.rule, threshold));
            if self.filters.event(&set.filters, threshold, &subject, counters) && found.action != Action::Log {
                out.push(Detection { rule: found.rule });
            }
        }
    }

    /// Finds the rules to evaluate: those whose pattern occurs, and those without a pattern.
    fn collect(
        &mut self,
        set: &RuleSet,
        unit: &mut Unit<'_>,
        mut flow: Option<&mut FlowState>,
        context: UnitContext,
        counters: &mut Counters,
    ) {
        let carrier = match unit.net.protocol {
            _ if context.outer_layer => Carrier::Ip,
            protocol::TCP => Carrier::Tcp,
            protocol::UDP => Carrier::Udp,
            protocol::ICMP | protocol::ICMPV6 => Carrier::Icmp,
            _ => Carrier::Ip,
        };
        let direction = unit.flow.map(|flow| flow.direction);
        if let (Some(flow), Some(direction)) = (flow.as_deref_mut(), direction) {
            publish_bits(unit, flow);
            if unit.kind == UnitKind::Stream {
                flow.begin_stream(direction, context.continues_flush, context.border);
            }
            if unit.section == Section::Header {
                flow.clear_pending(direction);
            }
        }
        let flow_facts = unit.flow.map(|flow| (flow.direction, flow.established));
        let bits = UnitBits::of(flow_facts, unit.kind == UnitKind::Stream, context.content_off, context.border);
        let flags = unit.packet.and_then(Packet::tcp).map(|tcp| tcp.flags);
        let ports = unit.net.source_port.zip(unit.net.destination_port);
        let mut groups: [Option<&Group>; 3] = [None; 3];
        let mut count = 0;
        set.groups.select(carrier, unit.service, direction, ports, &mut |group| {
            if let Some(slot) = groups.get_mut(count) {
                *slot = Some(group);
                count += 1;
            }
        });
        let wanted = groups.iter().flatten().fold(0, |mask, group| mask | group.wanted());
        let mut same = if context.content_off { 0 } else { same_as_payload(unit, wanted) };
        if blind_to_raw(set, unit) {
            same &= !bit(BufferId::RawData);
        }
        for group in groups.iter().flatten() {
            let admitted = group.always.iter().filter(|always| always.admits(bits, flags));
            self.candidates.extend(admitted.map(|always| always.rule));
            if !context.content_off {
                self.search(set, group, unit, flow.as_deref_mut(), (same, bits), counters);
            }
        }
        if matches!(unit.section, Section::Body | Section::Trailer)
            && let (Some(flow), Some(direction)) = (flow, direction)
        {
            for &rule in flow.pending(direction) {
                if set.quick(rule).is_some_and(|quick| in_section(quick.sections, unit.section) && quick.admits(bits)) {
                    self.candidates.push(rule);
                }
            }
        }
    }

    fn search(
        &mut self,
        set: &RuleSet,
        group: &Group,
        unit: &Unit<'_>,
        mut flow: Option<&mut FlowState>,
        (same, bits): (u64, UnitBits),
        counters: &mut Counters,
    ) {
        let candidates = &mut self.candidates;
        let direction = unit.flow.map(|flow| flow.direction);
        let mut waiting = false;
        let first_waiting = candidates.len();
        let mut found = |rule: u32| {
            let Some(quick) = set.quick(rule).filter(|quick| quick.admits(bits)) else { return };
            if in_section(quick.sections, unit.section) {
                candidates.push(rule);
            } else if unit.section == Section::Header {
                // Its section is still to come: marked by the top bit, taken out below.
                candidates.push(rule | WAITING);
                waiting = true;
            }
        };
        let mut fallbacks = 0;
        let mut scan = |patterns: &crate::groups::PatternGroup, bytes: &[u8], buffers: u64| {
            counters.add(Counter::BytesSearched, bytes.len() as u64);
            fallbacks += u64::from(!patterns.scan(bytes, buffers, &mut self.seen, &mut found));
        };
        scan(&group.payload, unit.payload, bit(BufferId::PktData) | same);
        for (buffer, patterns) in &group.buffers {
            if same & bit(*buffer) != 0 {
                continue;
            }
            let bytes = match buffer {
                BufferId::RawData if blind_to_raw(set, unit) => None,
                BufferId::RawData => Some(unit.raw),
                _ => unit.view.searchable(*buffer, unit.arena),
            };
            if let Some(bytes) = bytes {
                scan(patterns, bytes, bit(*buffer));
            }
        }
        counters.add(Counter::SearchCapped, fallbacks);
        if waiting {
            let tail: Vec<u32> = self.candidates.drain(first_waiting..).collect();
            for rule in tail {
                if rule & WAITING == 0 {
                    self.candidates.push(rule);
                } else if let (Some(flow), Some(direction)) = (flow.as_deref_mut(), direction) {
                    flow.add_pending(direction, rule & !WAITING, counters);
                }
            }
        }
    }
}

/// Snort never finds `raw_data` contents in sections of HTTP messages.
fn blind_to_raw(set: &RuleSet, unit: &Unit<'_>) -> bool {
    set.profile.exact_snort3 && unit.section != Section::Plain
}

/// Marks a candidate whose section has not come yet.
const WAITING: u32 = 1 << 31;

/// Body-like buffers, of those wanted, that are the very bytes of the payload.
fn same_as_payload(unit: &Unit<'_>, wanted: u64) -> u64 {
    let mut mask = 0;
    if wanted & BODY_LIKE == 0 {
        return mask;
    }
    for buffer in
        [BufferId::FileData, BufferId::HttpClientBody, BufferId::RawData, BufferId::DceStubData, BufferId::SipBody]
    {
        if wanted & bit(buffer) == 0 {
            continue;
        }
        let bytes = match buffer {
            BufferId::RawData => Some(unit.raw),
            _ => unit.view.searchable(buffer, unit.arena),
        };
        if bytes.is_some_and(|bytes| std::ptr::eq(bytes, unit.payload)) {
            mask |= bit(buffer);
        }
    }
    mask & BODY_LIKE
}

fn publish_bits(unit: &mut Unit<'_>, flow: &FlowState) {
    if let Some(view) = unit.flow {
        let flowbits: &[u32] = if flow.bits().is_empty() {
            &[]
        } else {
            // Without room the unit sees no bits; the arena's limit is far above MAX_BITS.
            unit.arena.try_alloc_slice_copy(flow.bits()).map_or(&[], |bits| &*bits)
        };
        unit.flow = Some(BitView { flowbits, ..view });
    }
}

fn subject(rule: &DetectRule, unit: &Unit<'_>, flow: Option<&FlowState>, context: UnitContext) -> Subject {
    Subject {
        gid: rule.rule.info.gid,
        sid: rule.rule.info.sid,
        net: unit.net,
        endpoint: context.endpoint,
        flow: flow.map_or(0, FlowState::number),
        time: unit.time,
    }
}

/// `flow`'s word about fragments and the header, before any option. The other words of `flow` were
/// tested when the candidate was found.
#[inline]
fn applies(rule: &DetectRule, unit: &Unit<'_>) -> bool {
    let defragmented = unit.kind == UnitKind::Defragmented;
    let frag = match rule.rule.flow.frag {
        StreamWord::Any => true,
        StreamWord::No => !defragmented,
        StreamWord::Only => defragmented,
    };
    frag && rule.header.matches(&unit.net, unit.service, &rule.rule.services)
}

/// End of the first occurrence of the rule's fast pattern: Snort keeps the rules found first.
fn first_seen(rule: &DetectRule, unit: &Unit<'_>) -> usize {
    let Some(chosen) = &rule.pattern else { return usize::MAX };
    let bytes = match chosen.buffer {
        BufferId::PktData => unit.payload,
        BufferId::RawData => unit.raw,
        buffer => unit.view.searchable(buffer, unit.arena).unwrap_or(&[]),
    };
    bytes
        .windows(chosen.bytes.len().max(1))
        .position(|window| window.eq_ignore_ascii_case(&chosen.bytes))
        .map_or(usize::MAX - 1, |at| at + chosen.bytes.len())
}
