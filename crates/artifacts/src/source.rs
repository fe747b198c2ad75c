//! Where rules are, and what they must be: `https://HOST/PATH#sha256=HEX`, `oci://REGISTRY/REPOSITORY@sha256:HEX`.
//!
//! *How it fits*: people write it behind `--rules-from`; `Inspection` resources say the same in two fields.
//!
//! *Grammar*: a URL of `https` or `http`, `#`, `sha256` with `=` or `:`, 64 hexadecimal digits. Or `oci://` (`oci+http://` for a
//! registry without TLS), a registry (host, or host and port), a repository of the distribution specification, perhaps `:` and a tag for the
//! reader's eye, `@sha256:` and the digits. The digest is asked for: without it whoever holds the server, or the way to it, chooses what
//! is not detected any more.
//!
//! *Invariants*: what is displayed parses to the same source, without the tag. A [`Source`] carries no password.
//!
//! *Limits*: [`MAX_BYTES`].

use crate::Digest;
use tapir_outbound::Url;

/// Bytes of a source.
pub const MAX_BYTES: usize = 4096;
/// Bytes of a repository's name.
const MAX_REPOSITORY: usize = 255;

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A file of a web server: its URL, without a fragment.
    Web(String),
    /// An artifact of a registry.
    Registry {
        /// Host, and port if it is not the usual one.
        host: String,
        /// `team/rules`.
        repository: String,
        /// Without TLS.
        plain: bool,
    },
}

/// Where it is, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// Where.
    pub place: Place,
    /// What: of a registry, the digest of the manifest.
    pub digest: Digest,
}

/// What is wrong with a source, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {}: {message}", position + 1)]
pub struct SourceError {
    /// The character, from 0.
    pub position: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Place {
    /// What it is called in logs, metrics and statuses: without the query of a URL, in which some servers want a key; a short digest of it
    /// stands there instead, so that places which differ in it alone have different names.
    pub fn label(&self) -> String {
        match self {
            Self::Web(url) => match url.split_once('?') {
                Some((bare, query)) => {
                    let short: String = Digest::of(query.as_bytes()).hex().chars().take(8).collect();
                    format!("{bare}?…{short}")
                }
                None => url.clone(),
            },
            registry @ Self::Registry { .. } => registry.to_string(),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Web(url) => f.write_str(url),
            Self::Registry { host, repository, plain } => {
                write!(f, "oci{}://{host}/{repository}", if *plain { "+http" } else { "" })
            }
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let between = if matches!(self.place, Place::Web(_)) { '#' } else { '@' };
        write!(f, "{}{between}{}", self.place, self.digest)
    }
}

impl std::str::FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        if text.len() > MAX_BYTES {
            return Err(wrong(text, MAX_BYTES, format!("longer than {MAX_BYTES} bytes")));
        }
        if let Some((at, odd)) = text.char_indices().find(|(_, one)| one.is_whitespace() || one.is_control()) {
            return Err(wrong(text, at, format!("{odd:?} is not part of an address; write it as %{:02X}", odd as u32)));
        }
        if text.starts_with("https://") || text.starts_with("http://") {
            return of_web(text);
        }
        for (scheme, plain) in [("oci://", false), ("oci+http://", true)] {
            if let Some(rest) = text.strip_prefix(scheme) {
                return of_registry(text, rest, plain);
            }
        }
        let message = "a source begins with https://, http:// or oci:// (files are given with --rules)";
        Err(wrong(text, 0, message.to_owned()))
    }
}

impl Source {
    /// Of a URL and `sha256:HEX`, as a resource has them.
    pub fn web(url: &str, digest: &str) -> Result<Self, SourceError> {
        if let Some(at) = url.find('#') {
            return Err(wrong(url, at, "the digest has a field of its own".to_owned()));
        }
        format!("{url}#{digest}").parse()
    }

    /// Of `REGISTRY/REPOSITORY@sha256:HEX`, as a resource has it.
    pub fn artifact(reference: &str) -> Result<Self, SourceError> {
        if reference.starts_with("oci://") || reference.starts_with("oci+http://") {
            return reference.parse();
        }
        let found = format!("oci://{reference}").parse();
        // Positions are those of what was written.
        found.map_err(|error: SourceError| SourceError { position: error.position.saturating_sub(6), ..error })
    }
}

/// An error at a byte.
fn wrong(text: &str, at: usize, message: String) -> SourceError {
    SourceError { position: text.char_indices().take_while(|(byte, _)| *byte < at).count(), message }
}

/// The digits at the end; `at`: where they begin.
fn digits(text: &str, at: usize) -> Result<Digest, SourceError> {
    let digits = text.get(at..).unwrap_or_default();
    if let Some((odd, _)) = digits.char_indices().find(|(_, one)| !one.is_ascii_hexdigit()) {
        return Err(wrong(text, at + odd, "a digest has hexadecimal digits, 0 to 9 and a to f".to_owned()));
    }
    Digest::from_hex(digits).ok_or_else(|| {
        let message = format!("a SHA-256 has {} digits; these are {}", Digest::DIGITS, digits.len());
        wrong(text, at + digits.len().min(Digest::DIGITS), message)
    })
}

fn of_web(text: &str) -> Result<Source, SourceError> {
    let scheme = text.find("://").map_or(0, |at| at + 3);
    let Some(hash) = text.find('#') else {
        let message = format!(
            "the digest is missing, and what a server sends is not taken on trust: look at the file, then add #sha256=HEX as \
             `curl -fsSL {text} | sha256sum` prints it"
        );
        return Err(wrong(text, text.len(), message));
    };
    let url = text.get(..hash).unwrap_or_default();
    let fragment = text.get(hash + 1..).unwrap_or_default();
    let named = ["sha256=", "sha256:"].iter().find(|name| fragment.starts_with(**name));
    let Some(name) = named else {
        return Err(wrong(text, hash + 1, "behind the # stands sha256= with the digest".to_owned()));
    };
    let digest = digits(text, hash + 1 + name.len())?;
    let parsed = Url::parse(url).map_err(|error| wrong(text, scheme, format!("no address: {error}")))?;
    let authority = url.get(scheme..).unwrap_or_default().split(['/', '?']).next().unwrap_or_default();
    if let Some(at) = authority.find('@') {
        let message = "passwords are no part of an address, which is written into logs; give them apart";
        return Err(wrong(text, scheme + at, message.to_owned()));
    }
    if parsed.host_str().is_none_or(str::is_empty) {
        return Err(wrong(text, scheme, "the host is missing".to_owned()));
    }
    Ok(Source { place: Place::Web(url.to_owned()), digest })
}

fn of_registry(text: &str, rest: &str, plain: bool) -> Result<Source, SourceError> {
    let begin = text.len() - rest.len();
    let (reference, pin) = match rest.find('@') {
        Some(at) => rest.split_at(at),
        None => {
            let message = format!(
                "the digest is missing, and tags move: look at the artifact, then write @sha256:HEX behind it as \
                 `oras resolve {rest}` or `crane digest {rest}` prints it"
            );
            return Err(wrong(text, text.len(), message));
        }
    };
    let at = begin + reference.len();
    if !pin.starts_with("@sha256:") {
        return Err(wrong(text, at + 1, "behind the @ stands sha256: with the digest".to_owned()));
    }
    let digest = digits(text, at + "@sha256:".len())?;
    let Some((host, name)) = reference.split_once('/').filter(|(host, name)| !host.is_empty() && !name.is_empty())
    else {
        let message = "a registry and a repository in it, such as registry.example/team/rules, stand before the digest";
        return Err(wrong(text, begin, message.to_owned()));
    };
    // A registry is a URL's host and port, nothing else of one.
    let is_host = Url::parse(&format!("https://{host}/")).is_ok_and(|url| {
        url.username().is_empty() && url.password().is_none() && url.path() == "/" && url.query().is_none()
    });
    if !is_host || host.contains(['?', '#', '\\']) {
        return Err(wrong(text, begin, format!("{host:?} is no host of a registry")));
    }
    let from = begin + host.len() + 1;
    let (repository, tag) = name.split_once(':').unwrap_or((name, "tag"));
    if tag.is_empty() || !tag.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '.' | '_' | '-')) {
        return Err(wrong(text, from + repository.len() + 1, "no tag that a registry could have".to_owned()));
    }
    let mut place = from;
    for part in repository.split('/') {
        let fits = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || matches!(one, '.' | '_' | '-');
        if let Some((odd, _)) = part.char_indices().find(|(_, one)| !fits(*one)) {
            let message = "a repository has small letters, digits, and . _ - between them, in parts with / between";
            return Err(wrong(text, place + odd, message.to_owned()));
        }
        let is_edge = |one: Option<char>| one.is_some_and(|one| one.is_ascii_alphanumeric());
        if !is_edge(part.chars().next()) || !is_edge(part.chars().last()) {
            let message = "each part of a repository begins and ends with a letter or a digit";
            return Err(wrong(text, place, message.to_owned()));
        }
        place += part.len() + 1;
    }
    if repository.len() > MAX_REPOSITORY {
        return Err(wrong(text, from, format!("a repository's name has {MAX_REPOSITORY} bytes at most")));
    }
    let place = Place::Registry { host: host.to_owned(), repository: repository.to_owned(), plain };
    Ok(Source { place, digest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex() -> String {
        Digest::of(b"rules").hex()
    }

    fn parse(text: &str) -> Result<Source, SourceError> {
        text.parse()
    }

    #[test]
    fn addresses_with_digests_are_read() {
        let hex = hex();
        let digest = Digest::of(b"rules");
        for between in ["#sha256=", "#sha256:"] {
            let read = parse(&format!("https://rules.example/a/r.tar.gz?v=2{between}{hex}")).unwrap();
            assert_eq!(read, Source { place: Place::Web("https://rules.example/a/r.tar.gz?v=2".into()), digest });
        }
        let registry = |host: &str, repository: &str, plain| Source {
            place: Place::Registry { host: host.into(), repository: repository.into(), plain },
            digest,
        };
        let read = |text: &str| parse(&text.replace("HEX", &hex)).unwrap();
        assert_eq!(read("oci://registry.example/rules@sha256:HEX"), registry("registry.example", "rules", false));
        assert_eq!(read("oci://127.0.0.1:5000/a/b_c/d-1@sha256:HEX"), registry("127.0.0.1:5000", "a/b_c/d-1", false));
        assert_eq!(read("oci+http://[::1]:5000/x:v1.2@sha256:HEX"), registry("[::1]:5000", "x", true));
        assert_eq!(
            Source::artifact(&format!("ghcr.io/team/rules@sha256:{hex}")).unwrap(),
            registry("ghcr.io", "team/rules", false)
        );
        assert_eq!(
            Source::web("http://a.example/x", &digest.to_string()).unwrap().to_string(),
            format!("http://a.example/x#sha256:{hex}")
        );
    }

    #[test]
    fn keys_in_queries_are_not_shown() {
        let label = |text: &str| Place::Web(text.into()).label();
        let shown = label("https://rules.example/r.tar.gz?oinkcode=secret");
        assert!(shown.starts_with("https://rules.example/r.tar.gz?…") && !shown.contains("secret"), "{shown}");
        assert_ne!(shown, label("https://rules.example/r.tar.gz?oinkcode=other"));
        assert_eq!(label("https://rules.example/r.tar.gz"), "https://rules.example/r.tar.gz");
        let place = parse(&format!("oci://a.example/b@sha256:{}", hex())).unwrap().place;
        assert_eq!(place.label(), "oci://a.example/b");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let hex = hex();
        for (text, position, part) in [
            ("rules.tar.gz", 0, "https://"),
            ("ftp://a.example/x#sha256=HEX", 0, "https://"),
            ("https://a.example/x y#sha256=HEX", 19, "%20"),
            ("https://a.example/r.tar.gz", 26, "curl -fsSL https://a.example/r.tar.gz | sha256sum"),
            ("https://a.example/x#md5=HEX", 20, "sha256="),
            ("https://a.example/x#sha256=12g4", 29, "hexadecimal"),
            ("https://a.example/x#sha256=1234", 31, "these are 4"),
            ("https://a.example/x#sha256=HEXab", 91, "these are 66"),
            ("https://user:secret@a.example/x#sha256=HEX", 19, "passwords"),
            ("https:///x#sha256=", 18, "these are 0"),
            ("https://:1/x#sha256=HEX", 8, "no address"),
            ("oci://registry.example/rules:latest", 35, "oras resolve registry.example/rules:latest"),
            ("oci://registry.example/rules@sha512:HEX", 29, "sha256:"),
            ("oci://rules@sha256:HEX", 6, "registry.example/team/rules"),
            ("oci://registry.example/Rules@sha256:HEX", 23, "small letters"),
            ("oci://registry.example/a/-b@sha256:HEX", 25, "begins and ends"),
            ("oci://registry.example/a//b@sha256:HEX", 25, "begins and ends"),
            ("oci://registry.example/a/../b@sha256:HEX", 25, "begins and ends"),
            ("oci://registry.example/a:@sha256:HEX", 25, "no tag"),
            ("oci://a?b/rules@sha256:HEX", 6, "no host"),
        ] {
            let text = text.replace("HEX", &hex);
            let error = parse(&text).unwrap_err();
            assert!(error.message.contains(part), "{text}: {error}");
            assert_eq!(error.position, position, "{text}: {error}");
            assert!(error.to_string().starts_with(&format!("at character {}: ", position + 1)));
        }
        let error = Source::artifact("registry.example/Rules@sha256:0").unwrap_err();
        assert!(error.message.contains("these are 1"), "{error}");
        assert_eq!(Source::web("https://a.example/x#y", "sha256:0").unwrap_err().position, 19);
        assert!(parse(&format!("https://a.example/{}#sha256={hex}", "é".repeat(4096))).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_within_itself(text in "(https?|oci|oci\\+http)://\\PC{0,40}[#@]sha256[:=][0-9a-f]{60,66}|\\PC{0,80}") {
            match parse(&text) {
                Ok(source) => prop_assert_eq!(parse(&source.to_string()), Ok(source)),
                Err(error) => prop_assert!(error.position <= text.chars().count()),
            }
        }
    }
}
