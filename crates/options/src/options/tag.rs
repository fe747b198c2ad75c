//! `tag`: logs packets that follow an event.
//!
//! *Spec*: Snort 3 manual, `tag`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use crate::{Effect, Tag, TagKind};

pub(super) static DEF: OptionDef = OptionDef {
    name: "tag",
    kind: Kind::Effect,
    summary: "logs packets after the event",
    grammar: "session|host_src|host_dst[,packets N][,seconds N][,bytes N]",
    docs: "After the event further packets of the flow or the host are logged, up to the limits given.",
    repeat: Repeat::Once,
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let args = cx.args()?;
    let Some((first, rest)) = args.split_first() else { return Err(cx.missing("session, host_src or host_dst")) };
    let kind = match first.text {
        "session" => TagKind::Session,
        "host_src" => TagKind::HostSource,
        "host_dst" => TagKind::HostDestination,
        _ => return Err(cx.unknown(*first)),
    };
    let mut tag = Tag { kind, packets: None, seconds: None, bytes: None };
    let mut text = format!("tag:{}", first.text);
    for &arg in rest {
        let (slot, value) = match arg.pair() {
            ("packets", Some(value)) => (&mut tag.packets, value),
            ("seconds", Some(value)) => (&mut tag.seconds, value),
            ("bytes", Some(value)) => (&mut tag.bytes, value),
            _ => return Err(cx.unknown(arg)),
        };
        *slot = Some(value.u32(1, u32::MAX)?);
        text.push_str(&format!(",{}", arg.text));
    }
    Ok(Parsed::Effect(Effect::Tag(tag), text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{compile, problems};

    #[test]
    fn a_tag_is_an_effect() {
        let tag = Tag { kind: TagKind::Session, packets: Some(5), seconds: None, bytes: None };
        assert_eq!(compile("tag:session,packets 5;").unwrap().effects, [Effect::Tag(tag)]);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("tag:host")[0].contains("no argument"));
        assert!(problems("tag:session,packets 0")[0].contains("outside 1"));
    }
}
