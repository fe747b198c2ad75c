//! Why an event was raised: its rule's options in plain words, with what the engine recorded of each.
//!
//! The rule's text travels in the event, so that the answer is about the rule as it was then. Options of which no
//! place was recorded (tests without bytes, buffers, or evidence that was switched off) are `not_recorded`: they
//! held, else there were no event.

use super::events::{event_id, parsed};
use crate::problem::{Answer, Path, Problem};
use crate::sight::Sight;
use axum::Json;
use serde::Serialize;
use tapir_event::{Evidence, SecurityEvent};
use tapir_options::{BitNames, CompileContext, CompiledRule, compile, declare, fold};
use tapir_rules::{Config, load_str};
use tapir_store::EventStore;
use utoipa::ToSchema;

/// An option of the rule.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OptionOutcome {
    /// Place among the rule's options.
    index: usize,
    /// Canonical text.
    text: String,
    /// In words.
    words: String,
    /// `matched` or `not_recorded`.
    outcome: &'static str,
    /// The buffer in which it matched, or which it looks into.
    buffer: Option<String>,
    /// First byte of the match in the buffer.
    offset: Option<u32>,
    /// Length of the match.
    length: Option<u32>,
}

/// A technique with its page.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TechniqueLink {
    /// `T1190`, `TA0001`.
    id: String,
    /// If the rule or ATT&CK names it.
    name: Option<String>,
    /// Its page.
    url: String,
}

/// Why an event was raised.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WhyFired {
    /// Options in order; empty if the rule's text is not known.
    options: Vec<OptionOutcome>,
    /// Which packets the rule looks at, in words.
    traffic: Option<String>,
    /// Canonical text of the rule.
    rule_text: String,
    /// Pages about it; `http` and `https` only.
    references: Vec<String>,
    /// ATT&CK.
    mitre: Vec<TechniqueLink>,
    /// Class in words.
    class: Option<String>,
    /// 1 is the most severe; 0: none given.
    priority: u32,
}

/// Why an event was raised.
#[utoipa::path(get, path = "/events/{id}/why", tag = "events", params(("id" = String, Path)),
    responses((status = 200, body = WhyFired), (status = 404, body = Problem)))]
pub(super) async fn why(sight: Sight, Path(id): Path<String>) -> Answer<Json<WhyFired>> {
    let stored = sight.event(event_id(&id)?).await?;
    Ok(Json(explain(&parsed(&stored.document)?)))
}

fn explain(event: &SecurityEvent) -> WhyFired {
    let rule = &event.rule;
    let compiled = compiled(&rule.text);
    let link = |attack: tapir_event::Attack<'_>, kind: &str| TechniqueLink {
        url: format!("https://attack.mitre.org/{kind}/{}/", attack.id.replace('.', "/")),
        id: attack.id.to_owned(),
        name: attack.name,
    };
    let tactics = rule.tactics().into_iter().map(|attack| link(attack, "tactics"));
    let techniques = rule.techniques().into_iter().map(|attack| link(attack, "techniques"));
    WhyFired {
        options: match &compiled {
            Some(compiled) => outcomes(compiled, event.evidence.as_ref()),
            None => event.evidence.iter().flat_map(|evidence| &evidence.hits).map(recorded).collect(),
        },
        traffic: compiled.as_ref().map(traffic),
        rule_text: rule.text.clone(),
        references: rule.reference_urls().filter(|url| is_web(url)).collect(),
        mitre: techniques.chain(tactics).collect(),
        class: rule.class.clone(),
        priority: rule.priority,
    }
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

/// Longest text of a rule that is looked at.
const MAX_TEXT: usize = 64 << 10;

/// A rule from its text; `None` if this version does not understand it.
pub(super) fn compiled(text: &str) -> Option<CompiledRule> {
    if text.is_empty() || text.len() > MAX_TEXT {
        return None;
    }
    let mut loaded = load_str("event", text, &config_for(text));
    let mut rule = loaded.rules.pop()?;
    let mut bits = BitNames::default();
    declare(&rule, &mut bits);
    let mut cx = CompileContext::new(&mut bits);
    fold(&mut rule, &mut cx.diagnostics).then(|| compile(&rule, "event".to_owned(), &mut cx)).flatten()
}

/// Every variable that the text names is known: what it meant on the node does not matter for words.
fn config_for(text: &str) -> Config {
    let mut config = Config::default();
    let header = text.split('(').next().unwrap_or_default();
    for name in header.split('$').skip(1) {
        let name: String = name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let ports = name.ends_with("PORTS") || name.ends_with("PORT") || config.port_vars.contains_key(&name);
        let vars = if ports { &mut config.port_vars } else { &mut config.address_vars };
        vars.entry(name).or_insert_with(|| "any".to_owned());
    }
    config
}

fn recorded(hit: &tapir_event::EvidenceHit) -> OptionOutcome {
    OptionOutcome {
        index: hit.option.into(),
        text: hit.text.clone(),
        words: hit.text.clone(),
        outcome: "matched",
        buffer: Some(hit.buffer.to_string()),
        offset: Some(hit.offset),
        length: Some(hit.len),
    }
}

fn outcomes(rule: &CompiledRule, evidence: Option<&Evidence>) -> Vec<OptionOutcome> {
    let mut buffer = None;
    let mut found = Vec::new();
    for (index, option) in rule.options.iter().enumerate() {
        if let Some(key) = option.sets_buffer() {
            buffer = Some(key.id.name().to_owned());
            continue;
        }
        let hits = evidence.map(|evidence| evidence.hits.as_slice()).unwrap_or_default();
        let text = option.canonical();
        // The text guards against a rule that this version takes apart in another way.
        let hit = hits.iter().rfind(|hit| usize::from(hit.option) == index && hit.text == text);
        found.push(OptionOutcome {
            index,
            words: option.explain(),
            outcome: if hit.is_some() { "matched" } else { "not_recorded" },
            buffer: hit.map(|hit| hit.buffer.to_string()).or_else(|| buffer.clone()),
            offset: hit.map(|hit| hit.offset),
            length: hit.map(|hit| hit.len),
            text,
        });
    }
    found
}

/// The header in words.
pub(super) fn traffic(rule: &CompiledRule) -> String {
    let header = &rule.header;
    let word = |at: usize| header.text.get(at).and_then(|text| text.as_deref()).unwrap_or("any");
    let arrow = if header.arrow == tapir_rules::Arrow::Both { "to and from" } else { "to" };
    let mut text =
        format!("{} traffic from {} port {} {arrow} {} port {}", header.protocol, word(0), word(1), word(2), word(3));
    match rule.flow.established {
        Some(true) => text.push_str("; established connections"),
        Some(false) => text.push_str("; connections not established"),
        None => {}
    }
    text
}

/// Each option in words, with its buffer.
pub(super) fn words(rule: &CompiledRule) -> Vec<String> {
    let with_buffer = |outcome: OptionOutcome| match outcome.buffer {
        Some(buffer) => format!("{buffer}: {}", outcome.words),
        None => outcome.words,
    };
    std::iter::once(traffic(rule)).chain(outcomes(rule, None).into_iter().map(with_buffer)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tapir_event::{EvidenceHit, RuleSummary};

    fn event(text: &str, hits: Vec<EvidenceHit>) -> SecurityEvent {
        let rule = RuleSummary { text: text.to_owned(), priority: 1, ..RuleSummary::default() };
        let evidence = Some(Evidence { hits, ..Evidence::default() });
        SecurityEvent { rule: Arc::new(rule), evidence, ..SecurityEvent::default() }
    }

    #[test]
    fn options_come_in_words_with_what_was_recorded() {
        let text = "alert tcp $EXTERNAL_NET any -> $MY_NET $MY_PORTS ( msg:\"m\"; http_uri; content:\"passwd\",nocase; \
            http_method; content:\"GET\"; sid:1; )";
        let first = compiled(text).unwrap().options[1].canonical();
        let hit = EvidenceHit { option: 1, text: first, buffer: "http_uri".into(), offset: 5, len: 6 };
        let why = explain(&event(text, vec![hit]));
        let rows: Vec<_> =
            why.options.iter().map(|row| (row.index, row.outcome, row.buffer.as_deref(), row.offset)).collect();
        assert_eq!(rows, [(1, "matched", Some("http_uri"), Some(5)), (3, "not_recorded", Some("http_method"), None)]);
        assert!(why.options[0].words.contains("passwd"), "{:?}", why.options[0]);
        assert!(why.traffic.unwrap().contains("$MY_NET"));
    }

    #[test]
    fn a_rule_that_is_not_understood_still_shows_its_matches() {
        let hit = EvidenceHit { option: 4, text: "future:1".into(), ..EvidenceHit::default() };
        for text in ["", "nonsense", "alert tcp any any -> any any ( future_option:1; sid:1; )"] {
            let why = explain(&event(text, vec![hit.clone()]));
            assert_eq!(why.options.iter().map(|row| row.index).collect::<Vec<_>>(), [4], "{text}");
        }
    }
}
