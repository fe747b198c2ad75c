//! Filter lines as written → filters as detection applies them.

use tapir_detect::{EventFilter, Filters, RateFilter, Scope, Suppression};
use tapir_options::{FilterKind, Threshold, Track};
use tapir_rules::{Action, Diagnostic, FilterLine, FilterLineKind, FilterTrack, FilterType, Severity, SuppressTrack};

/// Converts lines; what cannot be applied is named in `diagnostics`.
pub(crate) fn convert(lines: &[FilterLine], diagnostics: &mut Vec<Diagnostic>) -> Filters {
    let mut filters = Filters::default();
    for line in lines {
        let scope = Scope { gid: line.gid, sid: line.sid };
        match &line.kind {
            FilterLineKind::Event { kind, track: by, count, seconds } => {
                let kind = match kind {
                    FilterType::Limit => FilterKind::Limit,
                    FilterType::Threshold => FilterKind::Threshold,
                    FilterType::Both => FilterKind::Both,
                };
                let threshold = Threshold { kind, track: track(*by), count: *count, seconds: *seconds };
                filters.events.push(EventFilter { scope, threshold });
            }
            FilterLineKind::Suppress { track: by, addresses } => {
                let networks: Vec<_> = addresses
                    .positive
                    .iter()
                    .map(|item| (*item, false))
                    .chain(addresses.negated.iter().map(|item| (*item, true)))
                    .collect();
                let addresses = by.map(|by| {
                    let by = match by {
                        SuppressTrack::BySource => Track::BySource,
                        SuppressTrack::ByDestination => Track::ByDestination,
                        SuppressTrack::ByEither => Track::ByBoth,
                    };
                    (by, networks)
                });
                filters.suppressions.push(Suppression { scope, addresses });
            }
            FilterLineKind::Rate { track: by, count, seconds, new_action, timeout, apply_to } => {
                let Some(new_action) = action(new_action) else {
                    diagnostics.push(
                        Diagnostic::new(
                            Severity::Error,
                            "F0101",
                            line.span,
                            format!("unknown action '{new_action}' in a rate_filter"),
                        )
                        .help("use alert, drop, pass, log, reject or block"),
                    );
                    continue;
                };
                let networks = apply_to.as_ref().map(|addresses| {
                    addresses
                        .positive
                        .iter()
                        .map(|item| (*item, false))
                        .chain(addresses.negated.iter().map(|item| (*item, true)))
                        .collect()
                });
                filters.rates.push(RateFilter {
                    scope,
                    track: track(*by),
                    count: *count,
                    seconds: *seconds,
                    new_action,
                    timeout: *timeout,
                    apply_to: networks,
                });
            }
        }
    }
    filters
}

fn track(by: FilterTrack) -> Track {
    match by {
        FilterTrack::BySource => Track::BySource,
        FilterTrack::ByDestination => Track::ByDestination,
        FilterTrack::ByBoth => Track::ByBoth,
        FilterTrack::ByRule => Track::ByRule,
    }
}

fn action(word: &str) -> Option<Action> {
    Some(match word {
        "alert" => Action::Alert,
        "drop" => Action::Drop,
        "pass" => Action::Pass,
        "log" => Action::Log,
        "reject" => Action::Reject,
        "block" => Action::Block,
        "sdrop" => Action::Sdrop,
        _ => return None,
    })
}
