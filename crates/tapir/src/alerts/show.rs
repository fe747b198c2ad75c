//! `tapir alerts show`: a group or an event in full.

use super::Session;
use super::bytes::View;
use super::failure::Failure;
use super::model::{EventRow, Group, History, Page, Socket, Technique, Why, read};
use super::output::Output;
use super::readable::readable;
use super::table::{Cell, Look, age, counted, moment, painted, with_port};
use super::terms::Name;
use crate::args::alerts::{Form, ShowArgs};
use crate::identity::wall_clock;
use serde_json::Value;
use tapir_event::{Endpoint, Evidence, EvidenceBuffer, FlowDirection, SecurityEvent, Workload, rfc3339};

/// Events of a group that are listed, and decisions about it.
const EVENTS: usize = 5;
const HISTORY: usize = 10;
/// Buffers that are shown.
const BUFFERS: usize = 16;

/// Shows it.
pub fn run(args: &ShowArgs, session: &mut Session<'_>) -> Result<(), Failure> {
    match Name::new(&args.id)? {
        Name::Group(id) => group(&id, args, session),
        Name::Event(id) => event(&id, args, session),
    }
}

fn group(id: &str, args: &ShowArgs, session: &mut Session<'_>) -> Result<(), Failure> {
    let value = session.client.get(&["groups", id], &[])?;
    if raw(&value, "group", id, session)? {
        return Ok(());
    }
    let detail: Group = read(&value)?;
    about(&detail, &mut session.output)?;
    let params = vec![("limit", EVENTS.to_string()), ("suppressed", "true".to_owned())];
    let page: Page = read(&session.client.get(&["groups", id, "events"], &params)?)?;
    let rows = page.items.iter().map(read).collect::<Result<Vec<EventRow>, _>>()?;
    let output = &mut session.output;
    output.heading(&format!(
        "Newest {} of {}",
        rows.len(),
        counted(detail.count.saturating_add(detail.suppressed), "event")
    ))?;
    let socket = |socket: &Socket| with_port(socket.ip.as_deref().unwrap_or("?"), socket.port);
    let cells = rows.iter().map(|row| {
        vec![
            Cell::new(moment(&row.time)),
            Cell::new(socket(&row.source)),
            Cell::new(socket(&row.destination)),
            Cell::new(&row.id),
        ]
    });
    let table = output.table(&["TIME", "FROM", "TO", "EVENT"]).rows(&cells.collect::<Vec<_>>());
    output.text(&table)?;
    history(&detail.history, output)?;
    match rows.first() {
        Some(newest) => {
            output.heading("Newest event")?;
            document(&newest.id, args, session)
        }
        None => Ok(()),
    }
}

fn event(id: &str, args: &ShowArgs, session: &mut Session<'_>) -> Result<(), Failure> {
    if matches!(session.output.form, Form::Table | Form::Wide) {
        return document(id, args, session);
    }
    let value = session.client.get(&["events", id], &[])?;
    raw(&value, "event", id, session).map(|_| ())
}

/// In a form for programs; whether it was one.
fn raw(value: &Value, kind: &str, id: &str, session: &mut Session<'_>) -> Result<bool, Failure> {
    if session.output.form == Form::Name {
        session.output.line(format!("{kind}/{}", readable(id)))?;
        return Ok(true);
    }
    session.output.answer(value)
}

fn about(group: &Group, output: &mut Output) -> Result<(), Failure> {
    let now = wall_clock();
    let ago =
        |time: &str| if time.is_empty() { String::new() } else { format!("{} ({} ago)", moment(time), age(time, now)) };
    output.field("Group", &group.id)?;
    output.field("Message", &group.msg)?;
    output.field("Rule", format!("{}:{}:{}", group.gid, group.sid, group.rev))?;
    output.field("Severity", format!("{} ({})", group.level, group.severity))?;
    let reason = match (&group.reason, &group.reason_text) {
        (Some(reason), Some(text)) => format!(", {reason}: {text}"),
        (Some(reason), None) => format!(", {reason}"),
        _ => String::new(),
    };
    output.field("Status", format!("{}{reason}", group.status))?;
    output.field("Assignee", group.assignee.as_deref().unwrap_or_default())?;
    if let (Some(at), Some(why)) = (&group.reopened_at, &group.reopened_why) {
        output.field("Came back", format!("{}: {why}", moment(at)))?;
    }
    let hidden = if group.suppressed > 0 { format!(", {} hidden", group.suppressed) } else { String::new() };
    output.field("Events", format!("{} of {}{hidden}", group.count, counted(group.shapes, "payload shape")))?;
    output.field("First seen", ago(&group.first_seen))?;
    output.field("Last seen", ago(&group.last_seen))?;
    let party = |party: &super::model::Party| {
        let more = party.address_count.saturating_sub(u64::try_from(party.addresses.len()).unwrap_or_default());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let pods = if party.pods > 0 { format!("; {}", counted(party.pods, "pod")) } else { String::new() };
        let addresses = party.addresses.join(", ");
        if addresses.is_empty() || addresses == party.display {
            format!("{}{pods}", party.display)
        } else {
            format!("{} ({addresses}{more}{pods})", party.display)
        }
    };
    output.field("Client", party(&group.client))?;
    output.field("Server", party(&group.server))?;
    output.field("Server port", group.server_port.map(|port| port.to_string()).unwrap_or_default())?;
    output.field("Service", group.service.as_deref().unwrap_or_default())?;
    output.field("Inspection", group.inspection.as_deref().unwrap_or_default())?;
    output.field("Class", group.classtype.as_deref().unwrap_or_default())?;
    output.field("ATT&CK", techniques(&group.mitre))?;
    output.field("Tactics", group.tactics.join(", "))?;
    if group.visibility == "partial" {
        output.field("Visibility", format!("partial: {}", group.blind_spots.join(", ")))?;
    }
    Ok(())
}

fn techniques(all: &[Technique]) -> String {
    let one = |technique: &Technique| match &technique.name {
        Some(name) => format!("{} {name}", technique.id),
        None => technique.id.clone(),
    };
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn history(entries: &[History], output: &mut Output) -> Result<(), Failure> {
    if entries.is_empty() {
        return Ok(());
    }
    output.heading("Decisions")?;
    for entry in entries.iter().take(HISTORY) {
        let detail = if entry.detail.is_empty() { String::new() } else { format!(": {}", entry.detail) };
        output.line(readable(&format!("  {}  {} {}{detail}", moment(&entry.at), entry.by, entry.what)))?;
    }
    match entries.len().saturating_sub(HISTORY) {
        0 => Ok(()),
        more => output.line(format!("  … {more} older ones")),
    }
}

/// An event: its conversation, why it was raised, its bytes.
fn document(id: &str, args: &ShowArgs, session: &mut Session<'_>) -> Result<(), Failure> {
    let value = session.client.get(&["events", id], &[])?;
    let event: SecurityEvent = read(&value)?;
    let fired: Why = read(&session.client.get(&["events", id, "why"], &[])?)?;
    let output = &mut session.output;
    conversation(&event, output)?;
    why(&fired, output)?;
    bytes(event.evidence.as_ref(), usize::from(args.bytes), output)?;
    output.flush()
}

fn conversation(event: &SecurityEvent, output: &mut Output) -> Result<(), Failure> {
    output.field("Event", event.id.to_string())?;
    output.field("Message", event.rule.msg.as_deref().unwrap_or_default())?;
    output.field("Rule", format!("{}:{}:{}", event.rule.gid, event.rule.sid, event.rule.rev))?;
    output.field("Time", moment(&rfc3339(event.time)))?;
    let place = if event.interface.is_empty() { String::new() } else { format!(", {}", event.interface) };
    output.field("Seen on", format!("{}{place}, packet {}", event.id.node, event.packet_number))?;
    let end = |end: Option<Endpoint>, workload: Option<&Workload>| {
        let socket = end.map_or_else(|| "?".to_owned(), |end| with_port(&end.address.to_string(), end.port));
        match workload {
            Some(workload) => format!("{}/{} ({socket})", workload.namespace, workload.pod),
            None => socket,
        }
    };
    let (from, to) = event.source_and_destination();
    output.field("From", end(event.source, from))?;
    output.field("To", end(event.destination, to))?;
    let direction = match event.direction {
        Some(FlowDirection::ToServer) => ", to the server",
        Some(FlowDirection::ToClient) => ", to the client",
        None => "",
    };
    let service = event.service.as_deref().map(|service| format!(", {service}")).unwrap_or_default();
    output.field("Protocol", format!("{}{service}{direction}", event.protocol))?;
    if let Some(inspection) = &event.inspection {
        output.field("Inspection", format!("{}/{}", inspection.namespace, inspection.name))?;
    }
    if let Some(flow) = &event.flow {
        let [there, back] = flow.packets;
        let [bytes_there, bytes_back] = flow.bytes;
        output.field(
            "Flow",
            format!(
                "since {}; {} ({bytes_there} bytes) from the client, {back} ({bytes_back}) from the server",
                moment(&rfc3339(flow.start)),
                counted(there, "packet")
            ),
        )?;
    }
    let blind = event.blind_spots();
    if !blind.is_empty() {
        output.field("Visibility", format!("partial: {}", blind.join(", ")))?;
    }
    output.field("Hidden by", event.suppressed_by.as_deref().unwrap_or_default())?;
    about_session(event, output)
}

fn about_session(event: &SecurityEvent, output: &mut Output) -> Result<(), Failure> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    if let Some(http) = &event.session.http {
        let status = http.status.map(|status| format!(" → {status}")).unwrap_or_default();
        let request = format!("{} {} {}", text(&http.method), text(&http.uri), text(&http.version));
        output.field("HTTP", format!("{}{status}", request.trim()))?;
        output.field("Host", text(&http.host))?;
        output.field("User agent", text(&http.user_agent))?;
        output.field("Referer", text(&http.referer))?;
        output.field("Content", text(&http.content_type))?;
    }
    if let Some(dns) = &event.session.dns {
        let kind = dns.kind.map(|kind| format!(", type {kind}")).unwrap_or_default();
        let code = dns.rcode.map(|code| format!(", answer code {code}")).unwrap_or_default();
        output.field("DNS", format!("{}{kind}{code}", text(&dns.name)))?;
    }
    if let Some(tls) = &event.session.tls {
        output.field("TLS", format!("{} {}", text(&tls.sni), text(&tls.version)).trim())?;
    }
    Ok(())
}

fn why(why: &Why, output: &mut Output) -> Result<(), Failure> {
    output.heading("Why the rule fired")?;
    if let Some(traffic) = &why.traffic {
        output.line(format!("  It looks at {}.", readable(traffic)))?;
    }
    for option in &why.options {
        let buffer = option.buffer.as_deref().map(|buffer| format!("{buffer}: ")).unwrap_or_default();
        let words = readable(&format!("{buffer}{}", option.words));
        let line = match (option.outcome.as_str(), option.offset, option.length) {
            ("matched", Some(offset), Some(length)) => {
                let place = painted(&format!("at byte {offset}, {length} bytes"), Look::Dim, output.colors);
                format!("  * {words}  {place}")
            }
            ("matched", ..) => format!("  * {words}"),
            _ => format!("  - {words}"),
        };
        output.line(line)?;
    }
    if why.options.iter().any(|option| option.outcome != "matched") {
        output.line("  (* matched there; - held, without a place)")?;
    }
    output.line("")?;
    output.field("Rule text", &why.rule_text)?;
    output.field("Class", why.class.as_deref().unwrap_or_default())?;
    output.field("ATT&CK", techniques(&why.mitre))?;
    for reference in &why.references {
        output.field("Reference", reference)?;
    }
    Ok(())
}

fn bytes(evidence: Option<&Evidence>, most: usize, output: &mut Output) -> Result<(), Failure> {
    let Some(evidence) = evidence else {
        output.heading("Bytes")?;
        return output.line("  None were kept: evidence was switched off where it was seen.");
    };
    for buffer in evidence.buffers.iter().take(BUFFERS) {
        output.heading(&heading(buffer))?;
        for line in view(buffer, evidence).lines(most, output.colors) {
            output.line(line)?;
        }
    }
    let more = evidence.buffers.len().saturating_sub(BUFFERS);
    if more > 0 {
        output.line(format!("\n{more} more buffers; -o json has them"))?;
    }
    if evidence.buffers.is_empty() && !evidence.payload.is_empty() {
        output.heading(&format!("Payload, {} bytes", evidence.payload_len))?;
        let view = View { bytes: &evidence.payload, offset: 0, marked: Vec::new() };
        for line in view.lines(most, output.colors) {
            output.line(line)?;
        }
    }
    Ok(())
}

fn heading(buffer: &EvidenceBuffer) -> String {
    let kept = if buffer.bytes.len() < usize::try_from(buffer.original_len).unwrap_or(usize::MAX) {
        format!(", {} kept", buffer.bytes.len())
    } else {
        String::new()
    };
    readable(&format!("{}, {} bytes{kept}", buffer.name, buffer.original_len))
}

fn view<'e>(buffer: &'e EvidenceBuffer, evidence: &Evidence) -> View<'e> {
    let hits = evidence.hits.iter().filter(|hit| hit.buffer == buffer.name);
    let place = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
    let marked = hits.map(|hit| place(hit.offset)..place(hit.offset.saturating_add(hit.len))).collect();
    View { bytes: &buffer.bytes, offset: place(buffer.offset), marked }
}
