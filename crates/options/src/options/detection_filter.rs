//! `detection_filter`: only the matches beyond a rate count.
//!
//! *How it fits*: [`Effect::DetectionFilter`]; `detect` counts.
//!
//! *Spec*: Snort 3 manual, `detection_filter`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::{Arg, Problem, code};
use crate::{DetectionFilter, Effect, Track};
use tapir_rules::Severity;

pub(super) static DEF: OptionDef = OptionDef {
    name: "detection_filter",
    kind: Kind::Effect,
    summary: "lets a rule fire only beyond a rate",
    grammar: "track by_src|by_dst,count N,seconds N",
    docs: "The rule's last test: of each address more than `count` matches within `seconds` are needed.",
    repeat: Repeat::Once,
    services: &[],
    parse,
};

/// Words of `track`; the last three are Suricata's.
const TRACKS: [(&str, Track); 5] = [
    ("by_src", Track::BySource),
    ("by_dst", Track::ByDestination),
    ("by_both", Track::ByBoth),
    ("by_rule", Track::ByRule),
    ("by_flow", Track::ByFlow),
];

/// Whose matches or events count.
pub(super) fn track(cx: &ParseCx<'_>, arg: Arg<'_>) -> Result<Track, Problem> {
    let known = if cx.snort3() { 2 } else { TRACKS.len() };
    TRACKS
        .iter()
        .take(known)
        .find(|(name, _)| *name == arg.text)
        .map(|(_, track)| *track)
        .ok_or_else(|| cx.unknown(arg))
}

/// The word of a track.
pub(super) fn track_name(track: Track) -> &'static str {
    TRACKS.iter().find(|(_, known)| *known == track).map_or("", |(name, _)| *name)
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let (mut by, mut count, mut seconds) = (None, None, None);
    for arg in cx.args()? {
        match arg.pair() {
            ("track", Some(value)) => by = Some(track(cx, value)?),
            ("count", Some(value)) => count = Some(value.u32(1, u32::MAX)?),
            ("seconds", Some(value)) => seconds = Some(value.u32(1, u32::MAX)?),
            _ => return Err(cx.unknown(arg)),
        }
    }
    let (Some(track), Some(count)) = (by, count) else { return Err(cx.missing("`track`, `count` and `seconds`")) };
    if seconds.is_none() {
        let problem =
            Problem::new(code::NEVER_MATCHES, cx.node.value_span, "without `seconds` nothing is ever counted");
        cx.report(Severity::Warning, problem);
    }
    let seconds = seconds.unwrap_or(0);
    let text = format!("detection_filter:track {},count {count},seconds {seconds}", track_name(track));
    Ok(Parsed::Effect(Effect::DetectionFilter(DetectionFilter { track, count, seconds }), text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{compile, problems};

    #[test]
    fn a_filter_is_an_effect() {
        let rule = compile("detection_filter:track by_dst,count 10,seconds 1;").unwrap();
        let filter = DetectionFilter { track: Track::ByDestination, count: 10, seconds: 1 };
        assert_eq!(rule.effects, [Effect::DetectionFilter(filter)]);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("detection_filter:track by_src,count 2")[0].contains("without `seconds`"));
        assert!(problems("detection_filter:count 2,seconds 1")[0].contains("needs `track`"));
        assert!(problems("detection_filter:track by_flow,count 2,seconds 1")[0].contains("no argument"));
        let twice = "detection_filter:track by_src,count 2,seconds 1; detection_filter:track by_src,count 2,seconds 1";
        assert!(problems(twice)[0].contains("given twice"));
    }
}
