//! `service`: the services that a rule belongs to.
//!
//! *How it fits*: [`crate::CompiledRule::services`]; on a flow of a known service the rule is tested
//! only if it lists that service.
//!
//! *Spec*: Snort 3 manual, `service`.

use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::services::unknown;
use crate::value::Problem;
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "service",
    kind: Kind::General,
    summary: "names the services of the rule",
    grammar: "NAME[,…]",
    docs: "On flows of these services the ports of the header don't matter; on flows of other known services the \
           rule is not tested. `http` includes http2 and http3, `netbios-ssn` includes dcerpc.",
    repeat: Repeat::Any,
    services: &[],
    parse,
};

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    let mut services = Vec::new();
    for arg in cx.args()? {
        match Service::from_name(arg.text) {
            Some(service) => services.push(service),
            None => return Err(unknown(arg.text, arg.span).help("`tapir services` lists the names")),
        }
    }
    match services.is_empty() {
        true => Err(cx.missing("a service")),
        false => Ok(Parsed::Services(services)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{compile, parse_rule, problems};
    use crate::{BitNames, CompileContext};

    fn with_header(protocol: &str, body: &str) -> Option<crate::CompiledRule> {
        let mut rule = parse_rule(body);
        rule.header.protocol = protocol.to_owned();
        let mut bits = BitNames::default();
        crate::compile(&rule, String::new(), &mut CompileContext::new(&mut bits))
    }

    #[test]
    fn services_are_extended() {
        let services = compile("service:http,netbios-ssn;").unwrap().services;
        assert_eq!(services, [Service::Http, Service::Http2, Service::Http3, Service::Dcerpc, Service::NetbiosSsn]);
        assert!(compile("content:\"a\";").unwrap().services.is_empty());
    }

    #[test]
    fn a_header_can_be_a_service() {
        let rule = with_header("ssl", "content:\"a\";").unwrap();
        assert!(rule.service_header && rule.services == [Service::Ssl]);
        let rule = with_header("file", "content:\"a\";").unwrap();
        assert!(
            rule.service_header && rule.services.contains(&Service::Smtp) && rule.services.contains(&Service::File)
        );
        assert!(!with_header("tcp", "content:\"a\";").unwrap().service_header);
        assert!(with_header("UDP", "content:\"a\";").is_none());
    }

    #[test]
    fn buffers_and_options_imply_services() {
        assert!(problems("http_uri; content:\"a\"")[0].contains("needs a service"));
        assert!(compile("http_uri; content:\"a\";").unwrap().services.contains(&Service::Http2));
        assert_eq!(compile("sip_method:invite;").unwrap().services, [Service::Sip]);
        assert!(problems("service:http; http_uri; content:\"a\"").is_empty());
        assert_eq!(compile("service:ssl; http_uri; content:\"a\";").unwrap().services, [Service::Ssl]);
    }

    #[test]
    fn unknown_services_are_errors() {
        assert_eq!(problems("service:nonsense")[0], "unknown service `nonsense`");
    }
}
