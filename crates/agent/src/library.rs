//! The rules that ConfigMaps and Secrets hold: which object, which key, which text.
//!
//! *How it fits*: a source of [views](crate::view) collects them, the [rule keeper](crate::rules) compiles them. An object is one of ours
//! if it has the label [`LABEL`]; with the value [`FOR_ALL`] its rules are among those of every node, with any other they are only where an
//! `Inspection` names the object.
//!
//! *Invariants*: an object without the label is never read, whoever names it.
//!
//! *Limits*: [`MAX_TEXTS`] texts, [`MAX_BYTES`] of them; what is beyond is told.

use crate::pinned::{Pins, Wanted};
use crate::selection::{Object, Selection};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tapir_engine::RuleText;

/// Label of objects with rules.
pub const LABEL: &str = "tapir.dev/rules";
/// Its value, where the rules are for every node.
pub const FOR_ALL: &str = "true";
/// How keys with rules end.
const ENDING: &str = ".rules";
/// Texts that are compiled.
const MAX_TEXTS: usize = 1000;
/// Bytes of them.
const MAX_BYTES: usize = 64 << 20;

/// An object with rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelf {
    /// Are they for every node?
    pub is_for_all: bool,
    /// Texts by key.
    pub texts: BTreeMap<String, Arc<[u8]>>,
}

impl Shelf {
    /// Of a ConfigMap; `None`: it has not the label.
    pub fn of_config_map(map: ConfigMap) -> Option<Self> {
        let label = map.metadata.labels?.remove(LABEL)?;
        let texts = map.data.unwrap_or_default().into_iter().map(|(key, text)| (key, text.into_bytes().into()));
        Some(Self { is_for_all: label == FOR_ALL, texts: texts.collect() })
    }

    /// Of a Secret.
    pub fn of_secret(secret: Secret) -> Option<Self> {
        let label = secret.metadata.labels?.remove(LABEL)?;
        let data = secret.data.unwrap_or_default().into_iter().map(|(key, bytes)| (key, bytes.0.into()));
        // As people write it; the API server keeps it as data.
        let written =
            secret.string_data.unwrap_or_default().into_iter().map(|(key, text)| (key, text.into_bytes().into()));
        Some(Self { is_for_all: label == FOR_ALL, texts: data.chain(written).collect() })
    }
}

impl Loan {
    /// Adds what sources outside of the cluster give; within the same limits.
    pub fn extend<'w>(&mut self, pins: &Pins, wanted: impl Iterator<Item = &'w Wanted>) {
        let mut bytes: usize = self.texts.iter().map(|text| text.bytes.len()).sum();
        let mut known = BTreeSet::new();
        for one in wanted.filter(|one| known.insert(&one.source)) {
            let Some(pin) = pins.get(one) else { continue };
            self.notes.extend(pin.notes.iter().cloned());
            // Of two digests of one place, one that fails is told.
            let known = self.outside.entry(one.source.place.label().into()).or_default();
            *known = known.take().or_else(|| pin.error.clone());
            for text in &pin.texts {
                bytes = bytes.saturating_add(text.bytes.len());
                if self.texts.len() >= MAX_TEXTS || bytes > MAX_BYTES {
                    self.notes.push(too_much(&text.name));
                    return;
                }
                self.texts.push(text.clone());
            }
        }
    }
}

fn too_much(name: &str) -> String {
    format!("{name}: left out, {MAX_TEXTS} texts and {} MiB are compiled at most", MAX_BYTES >> 20)
}

/// All objects with rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Library {
    /// By object.
    pub shelves: BTreeMap<Object, Shelf>,
}

/// Rules for a selection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loan {
    /// Texts, in the order of objects and keys.
    pub texts: Vec<RuleText>,
    /// What is missing.
    pub notes: Vec<String>,
    /// Sources outside of the cluster, by how the names of their texts begin, and why one is not what it should be.
    pub outside: BTreeMap<Arc<str>, Option<String>>,
}

impl Library {
    /// Texts that belong to a selection.
    pub fn lend(&self, selection: &Selection) -> Loan {
        let mut loan = Loan::default();
        let mut bytes = 0_usize;
        for (object, shelf) in &self.shelves {
            let is_node = shelf.is_for_all && !selection.without_node;
            let is_named = |key: &str| {
                selection
                    .sources
                    .iter()
                    .any(|(named, only)| named == object && only.as_deref().is_none_or(|only| only == key))
            };
            for (key, text) in &shelf.texts {
                let wanted_as_one = selection.sources.contains(&(object.clone(), Some(key.clone())));
                let has_ending = key.ends_with(ENDING);
                if !(wanted_as_one || has_ending && (is_node || is_named(key))) {
                    continue;
                }
                bytes = bytes.saturating_add(text.len());
                if loan.texts.len() >= MAX_TEXTS || bytes > MAX_BYTES {
                    loan.notes.push(too_much(&format!("{object}/{key}")));
                    return loan;
                }
                loan.texts.push(RuleText { name: format!("{object}/{key}").into(), bytes: Arc::clone(text) });
            }
        }
        for (object, key) in &selection.sources {
            let shelf = self.shelves.get(object);
            let is_there = shelf.is_some_and(|shelf| match key {
                Some(key) => shelf.texts.contains_key(key),
                None => shelf.texts.keys().any(|key| key.ends_with(ENDING)),
            });
            if !is_there {
                let what = match (shelf, key) {
                    (None, _) => format!("is not in Tapir's namespace, or lacks the label {LABEL}"),
                    (Some(_), Some(key)) => format!("has no key {key}"),
                    (Some(_), None) => format!("has no key that ends in {ENDING}"),
                };
                loan.notes.push(format!("{object} {what}"));
            }
        }
        loan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library() -> Library {
        let shelf = |is_for_all, keys: &[&str]| Shelf {
            is_for_all,
            texts: keys.iter().map(|key| ((*key).to_owned(), key.as_bytes().into())).collect(),
        };
        let object = |is_secret, name: &str| Object { is_secret, name: name.into() };
        Library {
            shelves: BTreeMap::from([
                (object(false, "all"), shelf(true, &["a.rules", "readme"])),
                (object(false, "some"), shelf(false, &["b.rules", "c.rules", "odd"])),
                (object(true, "paid"), shelf(false, &["d.rules"])),
            ]),
        }
    }

    fn names(selection: &Selection) -> (Vec<String>, Vec<String>) {
        let loan = library().lend(selection);
        (loan.texts.iter().map(|text| text.name.to_string()).collect(), loan.notes)
    }

    fn naming(sources: &[(bool, &str, Option<&str>)]) -> Selection {
        let source = |(is_secret, name, key): &(bool, &str, Option<&str>)| {
            (Object { is_secret: *is_secret, name: (*name).into() }, key.map(str::to_owned))
        };
        Selection { sources: sources.iter().map(source).collect(), ..Selection::default() }
    }

    #[test]
    fn a_node_has_what_is_for_all_and_an_inspection_what_it_names() {
        assert_eq!(names(&Selection::default()), (vec!["configmap/all/a.rules".into()], vec![]));
        let (texts, notes) = names(&naming(&[(false, "some", Some("odd")), (true, "paid", None)]));
        assert_eq!(texts, ["configmap/all/a.rules", "configmap/some/odd", "secret/paid/d.rules"]);
        assert!(notes.is_empty());
        let only = Selection { without_node: true, ..naming(&[(false, "some", None)]) };
        assert_eq!(names(&only).0, ["configmap/some/b.rules", "configmap/some/c.rules"]);
    }

    #[test]
    fn what_is_not_there_is_told() {
        let (_, notes) =
            names(&naming(&[(true, "all", None), (false, "some", Some("x.rules")), (false, "none", None)]));
        assert_eq!(notes.len(), 3, "{notes:?}");
        assert!(
            notes
                .iter()
                .any(|note| note == "secret/all is not in Tapir's namespace, or lacks the label tapir.dev/rules")
        );
        assert!(notes.iter().any(|note| note == "configmap/some has no key x.rules"));
    }

    #[test]
    fn too_much_is_left_out_and_told() {
        let mut library = Library::default();
        let big: Arc<[u8]> = vec![b' '; 1 << 20].into();
        let texts = (0..70).map(|number| (format!("{number:02}.rules"), Arc::clone(&big))).collect();
        library.shelves.insert(Object { is_secret: false, name: "big".into() }, Shelf { is_for_all: true, texts });
        let loan = library.lend(&Selection::default());
        assert_eq!((loan.texts.len(), loan.notes.len()), (64, 1));
    }
}
