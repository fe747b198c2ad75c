//! Which rules an inspection runs with: those of the node, or others.
//!
//! *How it fits*: endpoints whose inspections ask for the same have one compiled set between them ([`crate::rules`]); an endpoint that is
//! asked for with different ones has a worker for each.
//!
//! *Invariants*: what means the same is equal: lists are sorted and without repetition. The default is what the node has.

use crate::pinned::Wanted;
use std::collections::BTreeSet;
use std::fmt;
use tapir_artifacts::{Digest, Source};
use tapir_kubernetes::resources::{Inspection, InspectionSpec};

/// A ConfigMap or Secret with rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// A Secret, not a ConfigMap.
    pub is_secret: bool,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", if self.is_secret { "secret" } else { "configmap" }, self.name)
    }
}

/// Which rules. The default: the node's.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selection {
    /// Without what the node has.
    pub without_node: bool,
    /// Rules of this policy only, and those of `enable`.
    pub policy: Option<&'static str>,
    /// Rules that are on, by gid and sid.
    pub enable: BTreeSet<(u32, u32)>,
    /// Rules that are off.
    pub disable: BTreeSet<(u32, u32)>,
    /// Further sources: the object, and one key of it.
    pub sources: BTreeSet<(Object, Option<String>)>,
    /// Sources on web servers and in registries.
    pub pinned: BTreeSet<Wanted>,
    /// Variables, by name.
    pub variables: BTreeSet<(String, String)>,
}

impl Selection {
    /// What a resource asks for, and what of it is not done.
    pub fn of(spec: &InspectionSpec) -> (Self, Vec<String>) {
        use tapir_kubernetes::resources::Policy;
        let mut notes = Vec::new();
        let mut selection = Self {
            variables: spec.variables.iter().map(|one| (one.name.clone(), one.value.clone())).collect(),
            ..Self::default()
        };
        let Some(rules) = &spec.rules else { return (selection, notes) };
        selection.without_node = rules.bundled == Some(false);
        selection.policy = rules.policy.map(|policy| match policy {
            Policy::Connectivity => "connectivity",
            Policy::Balanced => "balanced",
            Policy::Security => "security",
            Policy::MaxDetect => "max-detect",
        });
        let mut identities = |field: &str, texts: &[String]| -> BTreeSet<(u32, u32)> {
            let read = |text: &String| {
                text.split_once(':').and_then(|(gid, sid)| Some((gid.parse().ok()?, sid.parse().ok()?)))
            };
            let wrong = texts.iter().filter(|text| read(text).is_none());
            notes.extend(wrong.map(|text| format!("spec.rules.{field}: {text:?} is not gid:sid")));
            texts.iter().filter_map(read).collect()
        };
        selection.enable = identities("enable", &rules.enable);
        selection.disable = identities("disable", &rules.disable);
        for source in &rules.sources {
            match (&source.config_map, &source.secret) {
                (Some(reference), _) | (None, Some(reference)) => {
                    let object = Object { is_secret: source.config_map.is_none(), name: reference.name.clone() };
                    selection.sources.insert((object, reference.key.clone()));
                }
                (None, None) => match outside(source) {
                    Ok(Some(wanted)) => drop(selection.pinned.insert(wanted)),
                    Ok(None) => {}
                    Err(why) => notes.push(format!("source {}: {why}", source.name)),
                },
            }
        }
        (selection, notes)
    }

    /// The same whatever digests its sources have: what of it changes when a feed is brought up to date stays the same choice.
    pub fn family(&self) -> Self {
        let unpinned = |one: &Wanted| {
            let source = Source { digest: Digest::of(b""), ..one.source.clone() };
            Wanted { source, ..one.clone() }
        };
        Self { pinned: self.pinned.iter().map(unpinned).collect(), ..self.clone() }
    }

    /// Is it what the node has?
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A source on a web server or in a registry, if it is one.
fn outside(source: &tapir_kubernetes::resources::Source) -> Result<Option<Wanted>, String> {
    let name = |reference: &tapir_kubernetes::resources::ObjectRef| reference.name.clone();
    if let Some(url) = &source.url
        && Digest::parse(&url.digest).is_none()
    {
        return Err("url.digest: sha256: with 64 hexadecimal digits is wanted".to_owned());
    }
    let (read, field, secret) = match (&source.url, &source.oci) {
        (Some(url), _) => (Source::web(&url.url, &url.digest), "url", url.credentials.as_ref().map(name)),
        (None, Some(oci)) => (Source::artifact(&oci.reference), "oci.reference", oci.pull_secret.as_ref().map(name)),
        (None, None) => return Ok(None),
    };
    read.map(|source| Some(Wanted { source, secret })).map_err(|error| format!("{field}: {error}"))
}

/// What of a resource is not done, beside its rules.
pub fn beyond_rules(resource: &Inspection) -> Vec<String> {
    use tapir_kubernetes::resources::Capture;
    let mut notes = Vec::new();
    if let Some(evidence) = &resource.spec.evidence
        && evidence.capture != Capture::Packets
        && (evidence.max_bytes.is_some() || evidence.max_packets.is_some())
    {
        notes.push(
            "spec.evidence.maxBytes and maxPackets: they are of packets, which capture does not ask for".to_owned(),
        );
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(value: serde_json::Value) -> (Selection, Vec<String>) {
        Selection::of(&serde_json::from_value(value).unwrap())
    }

    #[test]
    fn what_means_the_same_is_equal() {
        assert!(of(json!({"workloads": {}})).0.is_default());
        assert!(of(json!({"workloads": {}, "rules": {"bundled": true}})).0.is_default());
        let one = of(json!({"rules": {"enable": ["1:2", "1:3", "1:2"]}})).0;
        assert_eq!(one, of(json!({"rules": {"enable": ["1:3", "1:2"]}})).0);
        assert_ne!(one, of(json!({"rules": {"disable": ["1:3", "1:2"]}})).0);
    }

    #[test]
    fn sources_and_policies_are_read_and_the_rest_is_told() {
        let digest = Digest::of(b"x").to_string();
        let (selection, notes) = of(json!({
            "rules": {"policy": "max-detect", "bundled": false, "enable": ["7"], "sources": [
                {"name": "own", "configMap": {"name": "my-rules", "key": "local.rules"}},
                {"name": "paid", "secret": {"name": "paid-rules"}},
                {"name": "feed", "url": {"url": "https://rules.example/r.tar.gz", "digest": "sha256:0"}},
                {"name": "good", "url": {"url": "https://rules.example/r.tar.gz", "digest": digest, "credentials": {"name": "c"}}},
                {"name": "image", "oci": {"reference": format!("registry.example/rules@{digest}")}},
            ]},
            "variables": [{"name": "HOME_NET", "value": "10.0.0.0/8"}],
        }));
        assert_eq!((selection.policy, selection.without_node), (Some("max-detect"), true));
        let sources: Vec<String> = selection.sources.iter().map(|(object, key)| format!("{object} {key:?}")).collect();
        assert_eq!(sources, ["configmap/my-rules Some(\"local.rules\")", "secret/paid-rules None"]);
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(
            notes[0].contains("\"7\" is not gid:sid") && notes[1].contains("source feed: url.digest: sha256: with 64"),
            "{notes:?}"
        );
        let pinned: Vec<String> =
            selection.pinned.iter().map(|one| format!("{} {:?}", one.source.place, one.secret)).collect();
        assert_eq!(pinned, ["https://rules.example/r.tar.gz Some(\"c\")", "oci://registry.example/rules None"]);
        let other = Digest::of(b"y").to_string();
        let newer = of(json!({"rules": {"sources": [{"name": "i", "oci": {"reference": format!("registry.example/rules@{other}")}}]}})).0;
        let older = of(json!({"rules": {"sources": [{"name": "i", "oci": {"reference": format!("registry.example/rules@{digest}")}}]}})).0;
        assert_ne!(newer, older);
        assert_eq!(newer.family(), older.family());
        assert_ne!(newer.family(), selection.family());
    }
}
