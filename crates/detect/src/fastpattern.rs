//! The choice of each rule's fast pattern, and in which sections of a message it is searched.
//!
//! *Spec*: `snort/03-detection.md` §3.2, `snort/05-http.md` §5.3.
//! `differs:` profile `tapir` never picks a pattern that cannot occur in what is searched (a request
//! buffer in a to-client rule, a header field whose value is normalised): such a rule would be dead.

use tapir_flow::Direction;
use tapir_options::{CompiledRule, FastPattern};
use tapir_protocol::{BufferId, BufferKey, BufferKind, Selector};

/// The chosen pattern.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    /// Index of the content among the rule's options.
    pub(crate) option: usize,
    /// Searched bytes.
    pub(crate) bytes: Vec<u8>,
    /// Where.
    pub(crate) buffer: BufferId,
    /// Absolute window, if literal: start and end bound for the first byte.
    pub(crate) anchor: Option<usize>,
    /// Length of the whole content, for event order.
    pub(crate) length: usize,
}

/// Sections of an HTTP message, as bits.
pub(crate) mod sections {
    /// Start line and header block.
    pub(crate) const HEADER: u8 = 1;
    /// Body pieces.
    pub(crate) const BODY: u8 = 2;
    /// Trailers.
    pub(crate) const TRAILER: u8 = 4;
}

/// Picks the fast pattern. `exact` copies Snort 3 including choices that make a rule dead.
pub(crate) fn choose(rule: &CompiledRule, exact: bool) -> Option<Chosen> {
    let mut best: Option<(FastPattern, BufferId, usize)> = None;
    let mut key = BufferKey::whole(BufferId::PktData);
    for (index, option) in rule.options.iter().enumerate() {
        if let Some(next) = option.sets_buffer() {
            key = next.clone();
        }
        let Some(pattern) = option.fast_pattern() else { continue };
        if !eligible(&pattern, &key) || (!exact && unsearchable(rule, &pattern, &key)) {
            continue;
        }
        if best.as_ref().is_none_or(|(kept, ..)| better(&pattern, kept)) {
            best = Some((pattern, key.id, index));
        }
    }
    let (pattern, buffer, option) = best?;
    if pattern.negated {
        // A negated pattern only proves failure; the rule is evaluated whenever its group is.
        return None;
    }
    let bytes = if pattern.explicit {
        pattern.bytes.get(pattern.slice.clone()).unwrap_or(&pattern.bytes).to_vec()
    } else {
        pattern.bytes.clone()
    };
    let whole = bytes.len() == pattern.bytes.len();
    let anchor = match pattern.window {
        Some((offset, Some(depth))) if whole && usize::try_from(depth).is_ok_and(|d| d == bytes.len()) => {
            usize::try_from(offset).ok()
        }
        _ => None,
    };
    Some(Chosen { option, anchor, length: pattern.bytes.len(), bytes, buffer })
}

fn eligible(pattern: &FastPattern, key: &BufferKey) -> bool {
    let buffer_ok = match key.id.kind() {
        BufferKind::Raw | BufferKind::Fast => !key.request,
        BufferKind::Other => false,
    };
    let positive_ok = !pattern.negated || (!pattern.positioned && pattern.nocase);
    buffer_ok && positive_ok && !pattern.bytes.is_empty() && !matches!(key.selector, Selector::Param { .. })
}

/// Patterns that the documented meaning says match, but that are not found where Snort searches.
fn unsearchable(rule: &CompiledRule, pattern: &FastPattern, key: &BufferKey) -> bool {
    if pattern.negated {
        return false;
    }
    let request_only = matches!(
        key.id,
        BufferId::HttpUri
            | BufferId::HttpRawUri
            | BufferId::HttpDecodedUri
            | BufferId::HttpMethod
            | BufferId::HttpClientBody
    );
    let part_of_whole = match &key.selector {
        Selector::Whole => true,
        Selector::Uri(tapir_protocol::UriPart::Path | tapir_protocol::UriPart::Query) => true,
        Selector::Uri(_) | Selector::Field(_) | Selector::Param { .. } | Selector::Element(_) => false,
    };
    !part_of_whole || (request_only && rule.flow.direction == Some(Direction::ToClient))
}

/// Explicit beats none (the first explicit stays), positive beats negated, longer beats shorter, the first of equals stays.
fn better(new: &FastPattern, kept: &FastPattern) -> bool {
    if new.explicit != kept.explicit {
        return new.explicit;
    }
    if new.explicit {
        return false;
    }
    if new.negated != kept.negated {
        return !new.negated;
    }
    new.bytes.len() > kept.bytes.len()
}

/// Sections of HTTP messages in which the rule's fast pattern is searched; 0: no HTTP buffer and no
/// payload test, so all of them.
pub(crate) fn rule_sections(rule: &CompiledRule) -> u8 {
    let mut found = 0;
    let mut current = BufferId::PktData;
    for option in &rule.options {
        if let Some(key) = option.sets_buffer() {
            current = key.id;
            found |= buffer_section(key.id);
        } else if current == BufferId::PktData && option.fast_pattern().is_some() {
            found |= sections::BODY;
        }
    }
    // Header options together with body or trailer options wait for the later section.
    if found & sections::TRAILER != 0 {
        sections::TRAILER
    } else if found & sections::BODY != 0 {
        sections::BODY
    } else {
        found
    }
}

fn buffer_section(id: BufferId) -> u8 {
    match id {
        BufferId::HttpUri
        | BufferId::HttpRawUri
        | BufferId::HttpDecodedUri
        | BufferId::HttpMethod
        | BufferId::HttpVersion
        | BufferId::HttpRawRequest
        | BufferId::HttpRawStatus
        | BufferId::HttpStatCode
        | BufferId::HttpStatMsg
        | BufferId::HttpHeader
        | BufferId::HttpRawHeader
        | BufferId::HttpCookie
        | BufferId::HttpRawCookie
        | BufferId::HttpTrueIp
        | BufferId::HttpParam => sections::HEADER,
        BufferId::HttpTrailer | BufferId::HttpRawTrailer => sections::TRAILER,
        _ => sections::BODY,
    }
}
