//! A diagnostic as text: message, the line with a caret, help, the other place.

use crate::{Diagnostic, Severity, SourceMap, Span};
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use std::ops::Range;

/// A line around a span.
struct Line<'a> {
    text: &'a str,
    number: u32,
    mark: Range<usize>,
}

/// Renders a diagnostic in the manner of rustc.
pub fn render(diagnostic: &Diagnostic, sources: &SourceMap, color: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let mut elements = vec![snippet(diagnostic.span, &diagnostic.label, AnnotationKind::Primary, sources)];
    if let Some((span, text)) = &diagnostic.related {
        elements.push(Level::NOTE.message(text.as_str()).into());
        elements.push(snippet(*span, "", AnnotationKind::Context, sources));
    }
    if let Some(help) = &diagnostic.help {
        elements.push(Level::HELP.message(help.as_str()).into());
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[Group::with_title(title).elements(elements)])
}

fn snippet<'a>(span: Span, label: &'a str, kind: AnnotationKind, sources: &'a SourceMap) -> Element<'a> {
    let name = sources.name(span.source);
    let (number, column) = sources.position(span.source, span.start);
    let Some(line) = line(span, number, sources).filter(|line| !line.text.is_empty()) else {
        let origin = Origin::path(name).line(number as usize).char_column(column as usize);
        return origin.into();
    };
    let annotation = kind.span(line.mark);
    let annotation = if label.is_empty() { annotation } else { annotation.label(label) };
    Snippet::source(line.text).line_start(line.number as usize).path(name).annotation(annotation).into()
}

/// The line that a span starts in, with the part of the span in it. Endless lines aren't shown.
fn line(span: Span, number: u32, sources: &SourceMap) -> Option<Line<'_>> {
    let text = sources.text(span.source);
    let at = text.floor_char_boundary(span.start as usize);
    let (before, after) = text.split_at_checked(at)?;
    let start = before.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
    let end = after.find('\n').map_or(text.len(), |newline| at.saturating_add(newline));
    let line = text.get(start..end)?.trim_end_matches('\r');
    if line.len() > MAX_LINE {
        return None;
    }
    let place = |offset: usize| line.floor_char_boundary(offset.saturating_sub(start).min(line.len()));
    let mark = place(at)..place(text.ceil_char_boundary((span.end as usize).min(text.len())).max(at));
    Some(Line { text: line, number, mark })
}

/// Longer lines are named by their position only.
const MAX_LINE: usize = 16 << 10;
