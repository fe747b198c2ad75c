//! `ip_proto`: the protocol above IP.
//!
//! *Spec*: Snort 3 manual, `ip_proto`; numbers by IANA.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::field::ip;
use crate::int_match::IntMatch;
use crate::value::{Arg, Problem};
use crate::{Cursor, Eval, RuleOption};

pub(super) static DEF: OptionDef = OptionDef {
    name: "ip_proto",
    kind: Kind::NonPayload,
    summary: "compares the IP protocol",
    grammar: "[!|<|>]NAME|NUMBER",
    docs: "Compares the protocol behind the IP headers of the layer under inspection, by number or name.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

const NAMES: &[(&str, u64)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("ggp", 3),
    ("ipencap", 4),
    ("ipip", 4),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("udp", 17),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("icmp6", 58),
    ("icmpv6", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("eigrp", 88),
    ("ospf", 89),
    ("ipcomp", 108),
    ("pim", 103),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("udplite", 136),
    ("mpls-in-ip", 137),
];

#[derive(Debug)]
struct IpProto(IntMatch);

impl RuleOption for IpProto {
    fn canonical(&self) -> String {
        format!("ip_proto:{}", self.0)
    }

    fn eval<'a>(&self, ev: &mut Eval<'a, '_>, _cursor: &mut Cursor<'a>) -> bool {
        let protocol = match ev.unit.packet {
            Some(_) => ip(ev.unit).map(|ip| ip.protocol),
            None => Some(ev.unit.net.protocol),
        };
        protocol.is_some_and(|protocol| self.0.test(u64::from(protocol)))
    }

    fn admits_protocol(&self, protocol: u8) -> bool {
        self.0.test(u64::from(protocol))
    }

    fn explain(&self) -> String {
        format!("the IP protocol {}", self.0.words())
    }
}

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let arg = cx.value()?;
    let sign = arg.text.find(|c: char| !matches!(c, '!' | '<' | '>' | '=' | ' ')).unwrap_or(arg.text.len());
    let (sign, name) = arg.text.split_at_checked(sign).unwrap_or(("", arg.text));
    let range = match NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((_, number)) => {
            let text = format!("{}{number}", sign.trim_ascii());
            IntMatch::parse(Arg { text: &text, span: arg.span }, 255)?
        }
        None => IntMatch::parse(arg, 255)?,
    };
    Parsed::test(IpProto(range))
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile_one, icmp_packet, matches, problems, with_packet};

    #[test]
    fn names_and_numbers_are_one() {
        let packet = icmp_packet();
        let test = |text| with_packet(&packet, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("ip_proto:1") && test("ip_proto:icmp") && test("ip_proto:<2") && !test("ip_proto:!icmp"));
        assert_eq!(compile_one("ip_proto:! IGMP").canonical(), "ip_proto:!2");
    }

    #[test]
    fn data_without_headers_has_its_flows_protocol() {
        assert!(matches("ip_proto:17;", b"") && !matches("ip_proto:6;", b""));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("ip_proto:nonsense")[0].contains("not a number"));
        assert!(problems("ip_proto:256")[0].contains("more than 255"));
    }
}
