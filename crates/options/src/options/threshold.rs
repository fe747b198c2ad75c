//! `threshold`: limits the events of a rule (Snort 2.9 and Suricata).
//!
//! *How it fits*: [`Effect::Threshold`]; `detect` counts. In Snort 3 it is `event_filter` in the
//! configuration.
//!
//! *Spec*: Snort 2.9 manual, `threshold`.

use super::detection_filter::{track, track_name};
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::{Problem, code};
use crate::{Effect, FilterKind, Threshold};

pub(super) static DEF: OptionDef = OptionDef {
    name: "threshold",
    kind: Kind::Effect,
    summary: "limits the events of a rule",
    grammar: "type limit|threshold|both,track by_src|by_dst|by_both|by_rule|by_flow,count N,seconds N",
    docs: "`limit` logs the first `count` events of each interval, `threshold` every `count`-th, `both` one per \
           interval once `count` were seen. An option of Snort 2.9 and Suricata.",
    repeat: Repeat::Once,
    services: &[],
    parse,
};

const KINDS: [(&str, FilterKind); 3] =
    [("limit", FilterKind::Limit), ("threshold", FilterKind::Threshold), ("both", FilterKind::Both)];

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    if cx.snort3() {
        return Err(Problem::new(code::UNKNOWN_OPTION, cx.node.name_span, "Snort 3 has no option `threshold`")
            .help("use an `event_filter`, or mark the file as Snort 2.9 rules"));
    }
    let (mut kind, mut by, mut count, mut seconds) = (None, None, None, None);
    for arg in cx.args()? {
        match arg.pair() {
            ("type", Some(value)) => match KINDS.iter().find(|(name, _)| *name == value.text) {
                Some((_, known)) => kind = Some(*known),
                None => return Err(cx.unknown(arg)),
            },
            ("track", Some(value)) => by = Some(track(cx, value)?),
            ("count", Some(value)) => count = Some(value.int(-1, i64::from(u32::MAX))?),
            ("seconds", Some(value)) => seconds = Some(value.u32(0, u32::MAX)?),
            _ => return Err(cx.unknown(arg)),
        }
    }
    let (Some(kind), Some(track), Some(count), Some(seconds)) = (kind, by, count, seconds) else {
        return Err(cx.missing("`type`, `track`, `count` and `seconds`"));
    };
    let name = KINDS.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| *name);
    let text = format!("threshold:type {name},track {},count {count},seconds {seconds}", track_name(track));
    let threshold = Threshold { kind, track, count: u32::try_from(count).ok(), seconds };
    Ok(Parsed::Effect(Effect::Threshold(threshold), text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{parse_rule, problems};
    use crate::{BitNames, CompileContext, Track};

    #[test]
    fn a_threshold_is_an_effect() {
        let mut rule = parse_rule("threshold: type limit, track by_both, count -1, seconds 60;");
        rule.dialect = tapir_rules::Dialect::Suricata;
        let mut bits = BitNames::default();
        let rule = crate::compile(&rule, String::new(), &mut CompileContext::new(&mut bits)).unwrap();
        let threshold = Threshold { kind: FilterKind::Limit, track: Track::ByBoth, count: None, seconds: 60 };
        assert_eq!(rule.effects, [Effect::Threshold(threshold)]);
    }

    #[test]
    fn snort_3_does_not_have_it() {
        assert!(problems("threshold:type limit,track by_src,count 1,seconds 60")[0].contains("no option"));
    }
}
