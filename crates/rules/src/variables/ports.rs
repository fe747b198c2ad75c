//! Port lists: `any`, ports, ranges, variables, lists, negation; resolved to sorted ranges.
//!
//! Blanks separate like commas, as in the port variables of a Snort 3 configuration.

use super::{Fault, MAX_NESTING, Piece, Variables, inside, too_deep};
use crate::{Dialect, PortItem, Ports};

impl Variables {
    pub(super) fn port_set(&mut self, piece: Piece<'_>, dialect: Dialect, depth: usize) -> Result<Ports, Fault> {
        if depth > MAX_NESTING {
            return Err(too_deep(piece));
        }
        let (negated, element) = piece.negation();
        let ports = if let Some(list) = element.list() {
            self.port_list(list, dialect, depth)?
        } else if element.text.contains([' ', '\t', ',']) && !negated {
            self.port_list(element, dialect, depth)?
        } else if let Some(name) = element.text.strip_prefix('$') {
            self.port_variable(element, name, dialect, depth)?
        } else if element.text == "any" {
            Ports::any()
        } else {
            Ports(vec![parse_range(element)?])
        };
        if !negated {
            return Ok(ports);
        }
        non_empty(subtract(&Ports::any(), &ports), piece.trim())
    }

    fn port_list(&mut self, list: Piece<'_>, dialect: Dialect, depth: usize) -> Result<Ports, Fault> {
        let mut positive: Option<Vec<PortItem>> = None;
        let mut negated = Vec::new();
        let elements = list.elements();
        if let Some(empty) = elements.iter().find(|element| element.text.is_empty()) {
            return Err(Fault::new(*empty, "R0205", "empty element in a port list"));
        }
        for element in elements.into_iter().flat_map(Piece::words) {
            let is_negated = element.negation().0;
            let inner = if is_negated { element.negation().1 } else { element };
            let ports = self.port_set(inner, dialect, depth.saturating_add(1))?;
            if is_negated {
                negated.extend(ports.0);
            } else {
                positive.get_or_insert_default().extend(ports.0);
            }
        }
        let positive = positive.map_or_else(Ports::any, normalise);
        non_empty(subtract(&positive, &normalise(negated)), list)
    }

    fn port_variable(&mut self, piece: Piece<'_>, name: &str, dialect: Dialect, depth: usize) -> Result<Ports, Fault> {
        if let Some(known) = self.ports.get(name) {
            return known.clone().map_err(|fault| inside(piece, name, &fault));
        }
        let text = self.port_texts.get(name).or_else(|| self.plain_texts.get(name));
        let Some(text) = text.cloned() else { return Err(self.undefined(piece, name, true)) };
        let result = self.port_set(Piece { text: &text, offset: 0 }, dialect, depth.saturating_add(1));
        if !matches!(&result, Err(fault) if fault.code == "R0209") {
            self.ports.insert(name.to_owned(), result.clone());
        }
        result.map_err(|fault| inside(piece, name, &fault))
    }
}

fn parse_range(piece: Piece<'_>) -> Result<PortItem, Fault> {
    let bad = |text: &str| Fault::new(piece, "R0207", format!("`{text}` is no port (0 to 65535)"));
    let port = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| digits).ok_or_else(|| bad(text))
    };
    let Some((first, last)) = piece.text.split_once(':') else {
        let single = port(piece.text)?;
        return Ok(PortItem { first: single, last: single });
    };
    if first.is_empty() && last.is_empty() {
        return Err(bad(piece.text));
    }
    let first = if first.is_empty() { 0 } else { port(first)? };
    let last = if last.is_empty() { u16::MAX } else { port(last)? };
    if first > last {
        let fault = Fault::new(piece, "R0208", format!("port range {first}:{last} runs backwards"));
        return Err(fault.help(format!("write `{last}:{first}`")));
    }
    Ok(PortItem { first, last })
}

fn non_empty(ports: Ports, piece: Piece<'_>) -> Result<Ports, Fault> {
    if ports.0.is_empty() {
        return Err(Fault::new(piece, "R0205", format!("`{}` leaves no port", piece.text)));
    }
    Ok(ports)
}

/// Sorted, disjoint, non-adjacent.
fn normalise(mut items: Vec<PortItem>) -> Ports {
    items.sort_unstable();
    let mut merged: Vec<PortItem> = Vec::with_capacity(items.len());
    for item in items {
        match merged.last_mut() {
            Some(last) if item.first <= last.last.saturating_add(1) => last.last = last.last.max(item.last),
            _ => merged.push(item),
        }
    }
    Ports(merged)
}

/// `from` without `what`, both normalised.
fn subtract(from: &Ports, what: &Ports) -> Ports {
    let mut rest = Vec::new();
    let mut holes = what.0.iter().peekable();
    for range in &from.0 {
        let mut first = u32::from(range.first);
        let last = u32::from(range.last);
        while let Some(hole) = holes.peek() {
            let (hole_first, hole_last) = (u32::from(hole.first), u32::from(hole.last));
            if hole_first > last {
                break;
            }
            if hole_first > first {
                rest.push((first, hole_first.saturating_sub(1)));
            }
            first = first.max(hole_last.saturating_add(1));
            if hole_last > last {
                break;
            }
            holes.next();
        }
        if first <= last {
            rest.push((first, last));
        }
    }
    let item = |(first, last): (u32, u32)| {
        Some(PortItem { first: u16::try_from(first).ok()?, last: u16::try_from(last).ok()? })
    };
    Ports(rest.into_iter().filter_map(item).collect())
}
