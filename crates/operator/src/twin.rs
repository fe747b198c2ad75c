//! The two forms of a `DeepPacketInspection`, kept alike where no API server of Calico's does it.
//!
//! *How it fits*: people write `projectcalico.org/v3` and ask for `crd.projectcalico.org`, as the incumbent's tutorials do, or the other way
//! round. [`plan`] says what is to be written so that both have the same; nothing here asks a cluster.
//! *Invariants*: 1. each form carries in [`TWIN`] its own uid, the other's, and what the selector was when they were last alike; an annotation with another's uid,
//! as in a file that was exported and applied again, means nothing; 2. where both were changed the served form wins; 3. a form goes only
//! when its twin, of which it knows the uid, was taken away.
//! *Limits*: selector and status are kept alike; labels and annotations are those of the moment when the twin was made.

use crate::world::Key;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kube::core::ObjectMeta;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tapir_kubernetes::resources::{DeepPacketInspection, DeepPacketInspectionStatus, StoredDeepPacketInspection};

/// The annotation.
pub const TWIN: &str = "tapir.dev/twin";

/// Which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// projectcalico.org/v3.
    Served,
    /// crd.projectcalico.org/v1.
    Stored,
}

impl Form {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Served => Self::Stored,
            Self::Stored => Self::Served,
        }
    }
}

/// Something to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Make the twin, in this form, of what is there in the other; with this annotation.
    Create(Form, Key, String),
    /// Take it away: its twin, of this uid, was.
    Delete(Form, Key, String),
    /// Set selector and annotation.
    Select(Form, Key, Option<String>, String),
    /// Set the annotation.
    Link(Form, Key, String),
    /// Set the status of the stored form.
    Status(Key, Option<DeepPacketInspectionStatus>),
}

/// What is to be written.
pub fn plan(
    served: &BTreeMap<Key, Arc<DeepPacketInspection>>,
    stored: &BTreeMap<Key, Arc<StoredDeepPacketInspection>>,
) -> Vec<Step> {
    let keys: BTreeSet<&Key> = served.keys().chain(stored.keys()).collect();
    let mut steps = Vec::new();
    for key in keys {
        match (served.get(key), stored.get(key)) {
            (Some(one), None) => steps.extend(alone(Form::Served, key, &one.metadata, one.spec.selector.as_deref())),
            (None, Some(one)) => steps.extend(alone(Form::Stored, key, &one.metadata, one.spec.selector.as_deref())),
            (Some(served), Some(stored)) => both(key, served, stored, &mut steps),
            (None, None) => {}
        }
    }
    steps
}

/// One form without the other.
fn alone(form: Form, key: &Key, meta: &ObjectMeta, selector: Option<&str>) -> Option<Step> {
    if meta.deletion_timestamp.is_some() {
        return None;
    }
    let uid = meta.uid.as_deref().unwrap_or_default();
    match Link::of(meta) {
        Some(link) if link.own == uid && !link.other.is_empty() => Some(Step::Delete(form, key.clone(), link.other)),
        // We made it, and what it was made of went before it was known.
        Some(link) if link.own.is_empty() => Some(Step::Delete(form, key.clone(), link.other)),
        _ => {
            let link = Link { own: String::new(), other: uid.to_owned(), alike: fingerprint(selector) };
            Some(Step::Create(form.other(), key.clone(), link.text()))
        }
    }
}

fn both(key: &Key, served: &DeepPacketInspection, stored: &StoredDeepPacketInspection, steps: &mut Vec<Step>) {
    if served.metadata.deletion_timestamp.is_some() || stored.metadata.deletion_timestamp.is_some() {
        return;
    }
    let uid = |meta: &ObjectMeta| meta.uid.clone().unwrap_or_default();
    let (served_uid, stored_uid) = (uid(&served.metadata), uid(&stored.metadata));
    let (one, other) = (served.spec.selector.as_deref(), stored.spec.selector.as_deref());
    let links = [Link::of(&served.metadata), Link::of(&stored.metadata)];
    let link = |own: &str, other: &str, selector| {
        Link { own: own.to_owned(), other: other.to_owned(), alike: fingerprint(selector) }.text()
    };
    if one != other {
        // Whoever of the two knows that both were what the served one is now, knows that the stored one was edited.
        let uids = [&served_uid, &stored_uid];
        let mut known = links.iter().flatten().zip(uids).filter(|(link, uid)| link.own == **uid);
        if known.any(|(link, _)| link.alike == fingerprint(one)) {
            let link = link(&served_uid, &stored_uid, other);
            steps.push(Step::Select(Form::Served, key.clone(), other.map(str::to_owned), link));
        } else {
            let link = link(&stored_uid, &served_uid, one);
            steps.push(Step::Select(Form::Stored, key.clone(), one.map(str::to_owned), link));
        }
        return;
    }
    let alike = fingerprint(one);
    let pairs = [(Form::Served, &served_uid, &stored_uid), (Form::Stored, &stored_uid, &served_uid)];
    for ((form, own, other), link) in pairs.into_iter().zip(&links) {
        let wanted = Link { own: own.clone(), other: other.clone(), alike: alike.clone() };
        if link.as_ref() != Some(&wanted) {
            steps.push(Step::Link(form, key.clone(), wanted.text()));
        }
    }
    if served.status != stored.status {
        steps.push(Step::Status(key.clone(), served.status.clone()));
    }
}

/// What the annotation says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    /// Uid of the object that carries it; empty until it is known.
    own: String,
    /// Uid of its twin.
    other: String,
    /// The selector when both were last alike, hashed.
    alike: String,
}

impl Link {
    fn of(meta: &ObjectMeta) -> Option<Self> {
        let mut parts = meta.annotations.as_ref()?.get(TWIN)?.split('/').map(str::to_owned);
        Some(Self { own: parts.next()?, other: parts.next()?, alike: parts.next()? })
    }

    fn text(&self) -> String {
        format!("{}/{}/{}", self.own, self.other, self.alike)
    }
}

fn fingerprint(selector: Option<&str>) -> String {
    let hash = Sha256::digest(selector.unwrap_or_default());
    URL_SAFE_NO_PAD.encode(hash.get(..9).unwrap_or_default())
}

/// Metadata of a twin to be made: the name and what people gave, without what the API server gives.
pub fn metadata_of(meta: &ObjectMeta, link: &str) -> ObjectMeta {
    let mut annotations = meta.annotations.clone().unwrap_or_default();
    // What kubectl applied was the other form.
    annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    annotations.insert(TWIN.to_owned(), link.to_owned());
    ObjectMeta {
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        labels: meta.labels.clone(),
        annotations: Some(annotations),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests;
