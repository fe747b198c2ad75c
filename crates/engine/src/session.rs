//! What a conversation was about, copied out of a unit for its event. Only alerts pay for it.

use tapir_event::session::{Dns, Http, Session, Tls, text};
use tapir_flow::Direction;
use tapir_options::Unit;
use tapir_protocol::{BufferId, BufferKey, Selector, Service, SslFacts};

/// The protocol's summary, as far as the unit knows it.
pub(crate) fn collect(unit: &Unit<'_>) -> Session {
    match unit.service {
        Some(Service::Http) => Session { http: http(unit), ..Session::default() },
        Some(Service::Dns) => Session { dns: dns(unit), ..Session::default() },
        Some(Service::Ssl) => Session { tls: tls(unit), ..Session::default() },
        _ => Session::default(),
    }
}

fn http(unit: &Unit<'_>) -> Option<Http> {
    let answers = unit.flow.is_some_and(|flow| flow.direction == Direction::ToClient);
    let get = |id, request, selector| unit.view.buffer(&BufferKey { id, request, selector }, unit.arena).map(text);
    let field = |name: &str, request| {
        get(BufferId::HttpRawHeader, request, Selector::Field(name.into())).map(|value| value.trim().to_owned())
    };
    let whole = |id, request| get(id, request, Selector::Whole);
    let version = whole(BufferId::HttpVersion, false).map(|version| match version.strip_prefix("HTTP/") {
        Some(number) => number.to_owned(),
        None => version,
    });
    let http = Http {
        method: whole(BufferId::HttpMethod, answers),
        uri: whole(BufferId::HttpRawUri, answers),
        version,
        host: field("host", answers),
        user_agent: field("user-agent", answers),
        referer: field("referer", answers),
        content_type: field("content-type", false),
        status: whole(BufferId::HttpStatCode, false).and_then(|code| code.parse().ok()),
    };
    (http != Http::default()).then_some(http)
}

fn dns(unit: &Unit<'_>) -> Option<Dns> {
    let facts = unit.view.dns()?;
    let name = unit.view.buffer(&BufferKey::whole(BufferId::DnsQuery), unit.arena).map(text);
    Some(Dns { name, kind: facts.kind, id: facts.id, rcode: facts.rcode })
}

fn tls(unit: &Unit<'_>) -> Option<Tls> {
    let sni = unit.view.buffer(&BufferKey::whole(BufferId::TlsSni), unit.arena).map(text);
    // The newest version seen; TLS 1.3 looks like 1.2 in its records (RFC 8446 section 5.1).
    let version = unit.view.ssl().and_then(|facts| {
        [
            (SslFacts::TLS12, "TLS 1.2"),
            (SslFacts::TLS11, "TLS 1.1"),
            (SslFacts::TLS10, "TLS 1.0"),
            (SslFacts::SSLV3, "SSL 3.0"),
            (SslFacts::SSLV2, "SSL 2.0"),
        ]
        .into_iter()
        .find_map(|(bit, name)| (facts.version & bit != 0).then(|| name.to_owned()))
    });
    (sni.is_some() || version.is_some()).then_some(Tls { sni, version })
}
