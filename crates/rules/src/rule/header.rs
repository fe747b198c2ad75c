//! Protocol, addresses, ports and direction.

use super::error;
use crate::lex::{RawRule, Token};
use crate::source::offset;
use crate::variables::{Fault, Variables};
use crate::{Address, Arrow, Diagnostic, Dialect, Header, Ports, Severity, Span};

/// The words of a header, sorted out.
struct Parts<'a> {
    protocol: Option<&'a Token>,
    arrow: Arrow,
    /// Source, its ports, destination, its ports.
    lists: [Option<&'a Token>; 4],
}

/// Resolves the header of a rule; `None` if it can't be. `headless` rules may have none.
pub(super) fn resolve(
    raw: &RawRule,
    headless: bool,
    variables: &mut Variables,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Header> {
    let parts = parts(raw, headless, diagnostics)?;
    let protocol = parts.protocol.map_or("", |token| token.text.as_str());
    check_protocol(raw, parts.protocol, diagnostics);
    let mut resolver = Resolver { raw, variables, diagnostics };
    let [source, source_ports, destination, destination_ports] = parts.lists;
    let source_address = resolver.address(source);
    let destination_address = resolver.address(destination);
    let mut ports = [resolver.ports(source_ports), resolver.ports(destination_ports)];
    if PORTLESS.contains(&protocol) {
        // Ports must be well-formed, but mean nothing here.
        ports = ports.map(|ports| ports.map(|_| Ports::any()));
    }
    let [source_ports, destination_ports] = ports;
    Some(Header {
        protocol: match raw.dialect {
            Dialect::Snort3 => protocol.to_owned(),
            Dialect::Snort2 | Dialect::Suricata => protocol.to_ascii_lowercase(),
        },
        protocol_span: parts.protocol.map_or(raw.action_span, |token| span(raw, token)),
        source: source_address?,
        source_ports: source_ports?,
        arrow: parts.arrow,
        destination: destination_address?,
        destination_ports: destination_ports?,
        text: parts.lists.map(|token| token.map(text)),
    })
}

fn parts<'a>(raw: &'a RawRule, headless: bool, diagnostics: &mut Vec<Diagnostic>) -> Option<Parts<'a>> {
    let whole = match (raw.header.first(), raw.header.last()) {
        (Some(first), Some(last)) => Span { end: offset(last.end), ..span(raw, first) },
        _ => raw.action_span,
    };
    let snort3 = raw.dialect == Dialect::Snort3;
    let mut fail = |span, message: &str, help: &str| {
        diagnostics.push(error("R0201", span, message).help(help));
        None
    };
    let (protocol, rest) = match raw.header.split_first() {
        None => {
            if !headless {
                return fail(whole, "rule has no header", "write `protocol source ports -> destination ports`");
            }
            return Some(Parts { protocol: None, arrow: Arrow::To, lists: [None; 4] });
        }
        Some((protocol, rest)) => (protocol, rest),
    };
    if rest.is_empty() && snort3 {
        return Some(Parts { protocol: Some(protocol), arrow: Arrow::To, lists: [None; 4] });
    }
    let Some(at) = rest.iter().position(|token| ARROWS.contains(&token.text.as_str())) else {
        return fail(whole, "no direction between the addresses", "write `->` or `<>` between source and destination");
    };
    let (left, right) = rest.split_at(at);
    let (arrow, right) = right.split_first()?;
    let direction = match arrow.text.as_str() {
        "->" => Arrow::To,
        "<>" => Arrow::Both,
        "<-" => return fail(span(raw, arrow), "there is no direction `<-`", "swap the sides and write `->`"),
        _ => return fail(span(raw, arrow), "transactional rules (`=>`) are not supported", "write two rules"),
    };
    let side = |tokens: &'a [Token]| match tokens {
        [address] if snort3 => Some([Some(address), None]),
        [address, ports] => Some([Some(address), Some(ports)]),
        _ => None,
    };
    let (Some([source, source_ports]), Some([destination, destination_ports])) = (side(left), side(right)) else {
        let help = "each side of the direction has addresses and ports: `any any -> $HOME_NET 80`";
        return fail(whole, "header has too few or too many words", help);
    };
    let lists = [source, source_ports, destination, destination_ports];
    Some(Parts { protocol: Some(protocol), arrow: direction, lists })
}

fn check_protocol(raw: &RawRule, protocol: Option<&Token>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(token) = protocol else { return };
    let word = token.text.as_str();
    let lower = word.to_ascii_lowercase();
    let transport = matches!(lower.as_str(), "tcp" | "udp" | "icmp" | "ip");
    if !word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte)) {
        let message = format!("`{word}` is no name of a protocol or service");
        diagnostics.push(error("R0210", span(raw, token), message).help("names have letters, digits, `_` and `-`"));
    } else if raw.dialect == Dialect::Snort2 && !transport {
        let message = format!("Snort 2.9 has no protocol `{word}`");
        let help = "protocols are tcp, udp, icmp and ip; services are named by `metadata:service …`";
        diagnostics.push(error("R0210", span(raw, token), message).help(help));
    } else if raw.dialect == Dialect::Snort3 && transport && lower != word {
        let message = format!("`{word}` is taken as the name of a service and never matches");
        let diagnostic = Diagnostic::new(Severity::Warning, "R0211", span(raw, token), message);
        diagnostics.push(diagnostic.help(format!("did you mean `{lower}`?")));
    }
}

struct Resolver<'a> {
    raw: &'a RawRule,
    variables: &'a mut Variables,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Resolver<'_> {
    fn address(&mut self, token: Option<&Token>) -> Option<Address> {
        let Some(token) = token else { return Some(Address::default()) };
        self.check_blanks(token);
        let result = self.variables.address(&token.text, self.raw.dialect);
        result.map_err(|fault| self.fault(token, fault)).ok()
    }

    fn ports(&mut self, token: Option<&Token>) -> Option<Ports> {
        let Some(token) = token else { return Some(Ports::any()) };
        self.check_blanks(token);
        let result = self.variables.ports(&token.text, self.raw.dialect);
        result.map_err(|fault| self.fault(token, fault)).ok()
    }

    fn check_blanks(&mut self, token: &Token) {
        if token.blank_in_negated_list && self.raw.dialect == Dialect::Snort3 {
            let diagnostic = error("R0212", span(self.raw, token), "blank inside of a negated list");
            self.diagnostics.push(diagnostic.help("remove the blanks after the commas"));
        }
    }

    fn fault(&mut self, token: &Token, fault: Fault) {
        let start = token.start.saturating_add(fault.offset);
        let end = start.saturating_add(fault.len.max(1));
        let place = Span { source: self.raw.span.source, start: offset(start), end: offset(end) };
        let mut diagnostic = error(fault.code, place, fault.message);
        diagnostic.help = fault.help;
        self.diagnostics.push(diagnostic);
    }
}

fn span(raw: &RawRule, token: &Token) -> Span {
    Span { source: raw.span.source, start: offset(token.start), end: offset(token.end) }
}

/// The list as printed: without blanks. Between ports a blank separates like a comma.
fn text(token: &Token) -> String {
    token.text.split_whitespace().fold(String::with_capacity(token.text.len()), |mut text, part| {
        let joined = text.is_empty() || text.ends_with([',', '[', '!']) || part.starts_with([',', ']']);
        if !joined {
            text.push(',');
        }
        text.push_str(part);
        text
    })
}

const ARROWS: &[&str] = &["->", "<>", "<-", "=>"];

/// Protocols whose rules ignore ports.
const PORTLESS: &[&str] = &["ip", "icmp", "icmpv4", "icmpv6", "ipv4", "ip4", "ipv6", "ip6"];
