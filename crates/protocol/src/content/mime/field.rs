//! Header fields of a message (RFC 5322 §2.2, RFC 2045 §5): only the two that steer decoding are kept.

use super::MAX_FIELD;

/// The fields that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldName {
    /// `Content-Type`
    ContentType,
    /// `Content-Transfer-Encoding`
    TransferEncoding,
    /// Any other.
    Other,
}

/// What a Content-Type means for the structure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ContentType {
    /// A leaf.
    #[default]
    Other,
    /// `multipart/*` with this boundary.
    Multipart(Box<[u8]>),
    /// `message/rfc822`: headers follow.
    Message,
}

/// The field that is being read; folded lines are joined.
#[derive(Clone, Debug, Default)]
pub(crate) struct Field {
    name: Option<FieldName>,
    value: Vec<u8>,
    len: usize,
    truncated: bool,
}

impl Field {
    /// Starts a field whose first line has `len` bytes.
    pub(crate) fn start(&mut self, name: &[u8], value: &[u8], len: usize) {
        let name = if name.eq_ignore_ascii_case(b"content-type") {
            FieldName::ContentType
        } else if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
            FieldName::TransferEncoding
        } else {
            FieldName::Other
        };
        self.name = Some(name);
        self.len = len;
        self.append(value);
    }

    /// Adds a folded line.
    pub(crate) fn fold(&mut self, line: &[u8]) {
        self.len = self.len.saturating_add(line.len());
        self.append(line);
    }

    fn append(&mut self, text: &[u8]) {
        if matches!(self.name, Some(FieldName::ContentType | FieldName::TransferEncoding)) {
            let room = MAX_FIELD.saturating_sub(self.value.len());
            self.truncated |= text.len() > room;
            self.value.extend_from_slice(text.get(..text.len().min(room)).unwrap_or_default());
        }
    }

    /// The field's name, `None` between fields.
    pub(crate) fn name(&self) -> Option<FieldName> {
        self.name
    }

    /// The value, if the field is one of those that matter.
    pub(crate) fn value(&self) -> &[u8] {
        &self.value
    }

    /// Bytes of all its lines.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The value was longer than [`MAX_FIELD`].
    pub(crate) fn truncated(&self) -> bool {
        self.truncated
    }

    /// Forgets the field.
    pub(crate) fn clear(&mut self) {
        self.name = None;
        self.value.clear();
        self.len = 0;
        self.truncated = false;
    }

    /// Bytes of memory behind this value.
    pub(crate) fn heap(&self) -> usize {
        self.value.capacity()
    }
}

/// Name and value of a header line; `None` if it is no header line.
pub(crate) fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = line.split_at_checked(colon)?;
    let name = name.trim_ascii_end();
    let fits = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic());
    fits.then_some((name, value.get(1..).unwrap_or_default()))
}

/// Reads a Content-Type value.
pub(crate) fn content_type(value: &[u8]) -> ContentType {
    let value = value.trim_ascii();
    let media = value.split(|byte| matches!(byte, b';' | b' ' | b'\t')).next().unwrap_or(value);
    let starts = |prefix: &[u8]| media.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if starts(b"multipart/") {
        return match boundary(value) {
            Some(boundary) => ContentType::Multipart(boundary),
            None => ContentType::Other,
        };
    }
    if media.eq_ignore_ascii_case(b"message/rfc822") || media.eq_ignore_ascii_case(b"message/global") {
        return ContentType::Message;
    }
    ContentType::Other
}

/// The boundary parameter; RFC 2231 continuations (`boundary*0=`) are joined.
fn boundary(value: &[u8]) -> Option<Box<[u8]>> {
    let mut found = Vec::new();
    let mut rest = value;
    while let Some(at) = parameter_start(rest) {
        let parameter = rest.get(at..).unwrap_or_default().trim_ascii_start();
        let name_len = parameter.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(parameter.len());
        let (name, tail) = parameter.split_at_checked(name_len).unwrap_or((parameter, &[]));
        let (text, after) = match tail.strip_prefix(b"=") {
            Some(text) => token_or_quoted(text),
            None => (Vec::new(), tail),
        };
        rest = after;
        let name = name.trim_ascii();
        let is_boundary = name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"boundary"));
        let continued = name.get(8) == Some(&b'*');
        if is_boundary && (continued || (name.len() == 8 && found.is_empty())) {
            found.extend_from_slice(&text);
        }
    }
    let found = found.trim_ascii_end();
    (!found.is_empty()).then(|| found.into())
}

/// Where the next parameter starts: behind a `;` or, as lax writers do, behind a blank.
fn parameter_start(value: &[u8]) -> Option<usize> {
    value.iter().position(|byte| matches!(byte, b';' | b' ' | b'\t')).map(|at| at.saturating_add(1))
}

/// A parameter value and what follows it.
fn token_or_quoted(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let text = text.trim_ascii_start();
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| matches!(byte, b';' | b' ' | b'\t')).unwrap_or(text.len());
        let (token, rest) = text.split_at_checked(end).unwrap_or((text, &[]));
        return (token.to_vec(), rest);
    };
    let mut out = Vec::new();
    let mut bytes = quoted.iter().enumerate();
    while let Some((at, &byte)) = bytes.next() {
        match byte {
            b'"' => return (out, quoted.get(at.saturating_add(1)..).unwrap_or_default()),
            b'\\' => out.extend(bytes.next().map(|(_, &escaped)| escaped)),
            _ => out.push(byte),
        }
    }
    (out, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn multipart(value: &str) -> Option<String> {
        match content_type(value.as_bytes()) {
            ContentType::Multipart(boundary) => Some(String::from_utf8_lossy(&boundary).into_owned()),
            _ => None,
        }
    }

    #[test]
    fn boundaries_in_every_spelling() {
        assert_eq!(multipart(r#" multipart/mixed; boundary="BB""#).as_deref(), Some("BB"));
        assert_eq!(multipart("Multipart/Alternative;charset=x;\tBOUNDARY = b_1 ; x=y").as_deref(), Some("b_1"));
        assert_eq!(multipart(r#"multipart/mixed; x="; boundary=no"; boundary="a\"b ""#).as_deref(), Some("a\"b"));
        assert_eq!(multipart("multipart/mixed; boundary*0=ab; boundary*1=cd").as_deref(), Some("abcd"));
        assert_eq!(multipart("multipart/mixed boundary=bb").as_deref(), Some("bb"));
        assert_eq!(multipart("multipart/mixed"), None);
        assert_eq!(multipart("text/plain; boundary=x"), None);
    }

    #[test]
    fn header_lines() {
        assert_eq!(split(b"Subject: x"), Some((&b"Subject"[..], &b" x"[..])));
        assert_eq!(split(b"Subject : x"), Some((&b"Subject"[..], &b" x"[..])));
        assert_eq!(split(b"no header"), None);
        assert_eq!(split(b"two words: x"), None);
        assert_eq!(split(b": x"), None);
    }
}
