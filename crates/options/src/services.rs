//! Which services a rule belongs to.
//!
//! *Spec*: Snort 3 manual, `service`: a rule belongs to the services that its option and its header
//! name; a rule that names none but uses a service's buffers or options belongs to that service.

use crate::compile::Build;
use crate::value::{Problem, code};
use tapir_protocol::{BufferId, Service};
use tapir_rules::{Diagnostic, Rule, Severity};

/// Services of a rule, sorted, and whether its header is a service's word.
pub(crate) fn of(
    rule: &Rule,
    build: &Build,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<(Vec<Service>, bool), Problem> {
    let mut services = build.named.clone();
    let word = rule.header.protocol.as_str();
    let service_header = !matches!(word, "tcp" | "udp" | "icmp" | "ip");
    match Service::from_name(word) {
        _ if !service_header => {}
        // A rule without a header speaks of a builtin event.
        _ if word.is_empty() => return Ok((services, false)),
        Some(Service::File) => services.extend_from_slice(BufferId::FileData.services()),
        Some(service) => services.push(service),
        None => {
            let problem = unknown(word, rule.header.protocol_span);
            return Err(problem.help("the protocols are tcp, udp, icmp and ip; anything else is taken as a service"));
        }
    }
    if services.is_empty() && !build.implied.is_empty() {
        services.extend(build.implied.iter().map(|(service, _)| *service));
        warn(rule, build, diagnostics);
    }
    extend(&mut services);
    services.sort_unstable();
    services.dedup();
    Ok((services, service_header))
}

/// HTTP/2 and HTTP/3 carry HTTP messages, SMB carries DCE/RPC.
fn extend(services: &mut Vec<Service>) {
    if services.contains(&Service::Http) {
        services.extend([Service::Http2, Service::Http3]);
    }
    if services.contains(&Service::NetbiosSsn) {
        services.push(Service::Dcerpc);
    }
}

fn warn(rule: &Rule, build: &Build, diagnostics: &mut Vec<Diagnostic>) {
    let mut names: Vec<&str> = build.implied.iter().map(|(service, _)| service.name()).collect();
    names.dedup();
    let option = build.implied.first().map_or("", |(_, option)| option.as_str());
    let span = rule.options.iter().find(|node| node.name == option).map_or(rule.span, |node| node.name_span);
    let message = format!("`{option}` needs a service: the rule is taken as one for {}", names.join(", "));
    let problem = Problem::new(code::SERVICE, span, message).help("name the services with `service`");
    diagnostics.push(problem.diagnostic(Severity::Warning, (rule.info.gid, rule.info.sid)));
}

/// A service that no inspector and no rule of this engine knows.
pub(crate) fn unknown(name: &str, span: tapir_rules::Span) -> Problem {
    Problem::new(code::SERVICE, span, format!("unknown service `{name}`"))
}
