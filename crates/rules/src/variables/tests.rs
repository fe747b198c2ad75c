//! Tests of variables and lists.

use super::*;
use crate::AddressItem;
use proptest::prelude::*;

fn variables(definitions: &[(&str, &str)]) -> Variables {
    let mut variables = Variables::new(&Config::default());
    for (name, text) in definitions {
        if name.ends_with("PORTS") {
            variables.define_ports(name, text);
        } else {
            variables.define_address(name, text);
        }
    }
    variables
}

fn show(address: &Address) -> String {
    let items = |items: &[AddressItem], sign| {
        items.iter().map(|item| format!("{sign}{}/{}", item.network, item.prefix)).collect::<Vec<_>>()
    };
    let mut all = items(&address.positive, "");
    all.extend(items(&address.negated, "!"));
    all.join(" ")
}

#[track_caller]
fn address(text: &str, expected: &str) {
    let result = variables(&[("N", "10.0.0.0/8"), ("X", "!$N")]).address(text, Dialect::Suricata);
    let shown = match result {
        Ok(address) => show(&address),
        Err(fault) => format!("{} {}", fault.code, fault.offset),
    };
    assert_eq!(shown, expected, "{text}");
}

#[track_caller]
fn ports(text: &str, expected: &str) {
    let shown = match variables(&[("A_PORTS", "80 8080")]).ports(text, Dialect::Snort3) {
        Ok(Ports(items)) => {
            items.iter().map(|item| format!("{}:{}", item.first, item.last)).collect::<Vec<_>>().join(" ")
        }
        Err(fault) => format!("{} {}", fault.code, fault.offset),
    };
    assert_eq!(shown, expected, "{text}");
}

#[test]
fn addresses_become_networks() {
    address("any", "");
    address("10.1.2.3", "10.1.2.3/32");
    address("10.1.2.3/8", "10.0.0.0/8");
    address("10.1.2.3/255.255.0.0", "10.1.0.0/16");
    address("2001:db8::1/32", "2001:db8::/32");
    address("::ffff:10.1.2.3", "10.1.2.3/32");
    address("::ffff:10.1.2.3/104", "10.0.0.0/8");
    address("10.0.0.1-10.0.0.4", "10.0.0.1/32 10.0.0.2/31 10.0.0.4/32");
    address("0.0.0.0-255.255.255.255", "0.0.0.0/0");
    address("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0");
}

#[test]
fn negations_are_sorted_out() {
    address("!10.0.0.1", "!10.0.0.1/32");
    address("[10.0.0.0/8,!10.1.0.0/16]", "10.0.0.0/8 !10.1.0.0/16");
    address("![10.0.0.1, !10.0.0.2]", "10.0.0.2/32 !10.0.0.1/32");
    address("!$X", "10.0.0.0/8");
    address("[any,!10.0.0.1]", "!10.0.0.1/32");
    address("!!10.0.0.1", "10.0.0.1/32");
}

#[test]
fn contained_networks_are_merged() {
    address("[10.0.0.0/8,10.1.0.0/16,10.0.0.1,10.0.0.0/8]", "10.0.0.0/8");
}

#[test]
fn wrong_addresses_are_refused_where_they_stand() {
    address("!any", "R0203 0");
    address("[10.0.0.1,!$HOME_NET]", "R0203 10");
    address("[]", "R0205 1");
    address("[10.0.0.1,,10.0.0.2]", "R0205 10");
    address("[10.1.0.0/16,!10.0.0.0/8]", "R0204 0");
    address("[10.0.0.1,!10.0.0.1]", "R0204 0");
    address("$NOPE", "R0206 0");
    address("10.0.0.300", "R0202 0");
    address("10.0.0.0/33", "R0202 0");
    address("10.0.0.0/255.0.255.0", "R0202 0");
    address("[10.0.0.1", "R0202 0");
    address("80", "R0202 0");
}

#[test]
fn address_and_port_variables_are_different_names() {
    let fault = variables(&[]).address("$HTTP_PORTS", Dialect::Snort3).unwrap_err();
    assert_eq!(fault.help.as_deref(), Some("`$HTTP_PORTS` holds ports, addresses are expected here"));
    let fault = variables(&[]).address("$HOME_NETS", Dialect::Snort3).unwrap_err();
    assert_eq!(fault.help.as_deref(), Some("did you mean `$HOME_NET`?"));
}

#[test]
fn variables_that_use_themselves_end() {
    let fault = variables(&[("A", "$B"), ("B", "[$A,10.0.0.1]")]).address("$A", Dialect::Snort3).unwrap_err();
    assert_eq!(fault.code, "R0209");
}

#[test]
fn variables_that_double_each_other_stay_small() {
    let mut variables = variables(&[("V0", "10.0.0.1")]);
    for level in 1..15 {
        let before = level - 1;
        variables.define_address(&format!("V{level}"), &format!("[$V{before},$V{before}]"));
    }
    assert_eq!(variables.address("$V14", Dialect::Snort3).map(|address| show(&address)), Ok("10.0.0.1/32".into()));
}

#[test]
fn deep_brackets_are_refused() {
    let text = format!("{}10.0.0.1{}", "[".repeat(40), "]".repeat(40));
    assert_eq!(variables(&[]).address(&text, Dialect::Snort3).map_err(|fault| fault.code), Err("R0209"));
    let text = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    assert_eq!(variables(&[]).ports(&text, Dialect::Snort3).map_err(|fault| fault.code), Err("R0209"));
}

#[test]
fn ports_become_sorted_ranges() {
    ports("any", "0:65535");
    ports(":80", "0:80");
    ports("1024:", "1024:65535");
    ports("!80", "0:79 81:65535");
    ports("[80:90,!85]", "80:84 86:90");
    ports("[443,80,81:82,8080]", "80:82 443:443 8080:8080");
    ports("![80, 90:95]", "0:79 81:89 96:65535");
    ports("[!80,!90]", "0:79 81:89 91:65535");
    ports("$A_PORTS", "80:80 8080:8080");
    ports("[$A_PORTS,443]", "80:80 443:443 8080:8080");
    ports("!$A_PORTS", "0:79 81:8079 8081:65535");
}

#[test]
fn wrong_ports_are_refused() {
    ports("90:80", "R0208 0");
    ports("!any", "R0205 0");
    ports("!:65535", "R0205 0");
    ports("[80,!80]", "R0205 1");
    ports("65536", "R0207 0");
    ports("http", "R0207 0");
    ports(":", "R0207 0");
    ports("$NOPE", "R0206 0");
    ports("[80,,81]", "R0205 4");
}

#[test]
fn paths_take_variables() {
    let mut variables = variables(&[]);
    variables.define_plain("RULE_PATH", "../rules");
    assert_eq!(variables.expand_path("$RULE_PATH/a.rules"), Ok("../rules/a.rules".to_owned()));
    assert_eq!(variables.expand_path("$(RULE_PATH)x"), Ok("../rulesx".to_owned()));
    assert_eq!(variables.expand_path("$NOPE/a"), Err("NOPE".to_owned()));
}

proptest! {
    #[test]
    fn a_port_list_contains_what_its_elements_say(
        elements in proptest::collection::vec((any::<bool>(), any::<u16>(), 0_u16..2000), 1..12)
    ) {
        let last = |first: u16, len: u16| first.saturating_add(len);
        let text = elements.iter().map(|&(negated, first, len)| {
            format!("{}{first}:{}", if negated { "!" } else { "" }, last(first, len))
        }).collect::<Vec<_>>().join(",");
        let expected = |port: u16| {
            let inside = |wanted| elements.iter()
                .any(|&(negated, first, len)| negated == wanted && first <= port && port <= last(first, len));
            let positives = elements.iter().any(|element| !element.0);
            (inside(false) || !positives) && !inside(true)
        };
        let result = variables(&[]).ports(&format!("[{text}]"), Dialect::Snort3);
        match result {
            Ok(ports) => {
                for port in 0..=u16::MAX {
                    prop_assert_eq!(ports.contains(port), expected(port));
                }
                prop_assert!(ports.0.windows(2).all(|pair| u32::from(pair[0].last) + 1 < u32::from(pair[1].first)));
            }
            Err(_) => prop_assert!((0..=u16::MAX).all(|port| !expected(port))),
        }
    }

    #[test]
    fn a_range_is_covered_exactly(first in any::<u32>(), len in 0_u32..5000, probe in 0_u32..6000) {
        let (low, high) = (first, first.saturating_add(len));
        let text = format!("{}-{}", std::net::Ipv4Addr::from(low), std::net::Ipv4Addr::from(high));
        let address = variables(&[]).address(&text, Dialect::Suricata).unwrap();
        let probe = low.saturating_sub(500).saturating_add(probe);
        let covered = address.positive.iter().any(|item| {
            let std::net::IpAddr::V4(network) = item.network else { return false };
            let mask = u32::MAX.checked_shl(32 - u32::from(item.prefix)).unwrap_or(0);
            probe & mask == u32::from(network)
        });
        prop_assert_eq!(covered, low <= probe && probe <= high);
    }
}
