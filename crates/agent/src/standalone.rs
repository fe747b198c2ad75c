//! A host without Kubernetes: resources and endpoints from YAML files.
//!
//! *How it fits*: a source of [`View`]s, as the API server is one. The same `DeepPacketInspection` that people apply in a cluster
//! is read here; an [`EndpointFile`] stands for a pod and names its interface.
//!
//! *Invariants*: a file that cannot be read, or a document that means nothing here, is told with its place and takes no other
//! along.
//!
//! *Limits*: files `*.yaml` and `*.yml` of one directory, [`MAX_FILE`] bytes each, [`MAX_FILES`] of them; looked at every
//! [`LOOK`].

use crate::view::{Asked, LabelMap, View};
use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tapir_kubernetes::resources::{DeepPacketInspection, StoredDeepPacketInspection, from_stored};
use tokio::sync::watch;

/// Bytes of a file.
const MAX_FILE: u64 = 4 << 20;
/// Files of the directory.
const MAX_FILES: usize = 1000;
/// How often the files are looked at.
pub const LOOK: Duration = Duration::from_secs(1);
/// Group and version of [`EndpointFile`].
const OURS: &str = "tapir.dev/v1alpha1";

/// An endpoint of a host without Kubernetes, `kind: Endpoint` of `tapir.dev/v1alpha1`: an interface, and whose it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EndpointFile {
    /// Name, namespace and labels, as a pod has them.
    metadata: FileMeta,
    /// The rest.
    spec: EndpointSpec,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMeta {
    name: String,
    #[serde(default = "default_namespace")]
    namespace: String,
    #[serde(default)]
    labels: LabelMap,
}

fn default_namespace() -> String {
    "default".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointSpec {
    /// The interface that leads to it.
    interface: String,
    /// Its addresses.
    addresses: Vec<IpAddr>,
    /// What it belongs to.
    owner: Option<Owner>,
    /// A service in front of it.
    #[serde(default)]
    service: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Owner {
    kind: String,
    name: String,
}

/// What was read, and what could not be.
#[derive(Debug, Default)]
pub struct Reading {
    /// What the files say.
    pub view: View,
    /// What is wrong, with its place.
    pub findings: Vec<String>,
}

/// Reads all files of a directory.
pub fn read(directory: &Path) -> Result<Reading, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", directory.display());
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
            files.push(path);
        }
    }
    files.sort();
    let mut read = Reading::default();
    for file in files.iter().skip(MAX_FILES) {
        read.findings.push(format!("{}: left out, only {MAX_FILES} files are read", file.display()));
    }
    for file in files.iter().take(MAX_FILES) {
        if let Err(why) = read_file(file, &mut read) {
            read.findings.push(format!("{}: {why}", file.display()));
        }
    }
    Ok(read)
}

fn read_file(file: &Path, read: &mut Reading) -> Result<(), String> {
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(|error| error.to_string())?;
    opened.take(MAX_FILE + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_FILE {
        return Err(format!("more than {MAX_FILE} bytes"));
    }
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).map_err(|error| error.to_string())?;
    for (number, document) in (1..).zip(documents) {
        if document.is_null() {
            continue;
        }
        // One kind of document of many items, as kubectl prints lists.
        let items = match document.get("items").and_then(Value::as_array) {
            Some(items) => items.clone(),
            None => vec![document],
        };
        for item in items {
            if let Err(why) = take(item, &mut read.view) {
                read.findings.push(format!("{}: document {number}: {why}", file.display()));
            }
        }
    }
    Ok(())
}

/// Takes in an object.
fn take(object: Value, view: &mut View) -> Result<(), String> {
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, kind) = (text("apiVersion"), text("kind"));
    match (version.as_str(), kind.as_str()) {
        ("projectcalico.org/v3", "DeepPacketInspection") => inspection(parse(object)?, view),
        ("crd.projectcalico.org/v1", "DeepPacketInspection") => {
            let stored: StoredDeepPacketInspection = parse(object)?;
            inspection(from_stored(stored).map_err(|error| error.to_string())?, view)
        }
        (OURS, "Endpoint") => {
            let mut object = object;
            if let Some(fields) = object.as_object_mut() {
                fields.remove("apiVersion");
                fields.remove("kind");
            }
            endpoint(parse(object)?, view)
        }
        ("v1", "Namespace") => {
            let meta = object.get("metadata");
            let name = meta.and_then(|meta| meta.get("name")).and_then(Value::as_str).unwrap_or_default();
            let labels = meta.and_then(|meta| meta.get("labels")).cloned().unwrap_or_else(|| json!({}));
            view.namespaces.insert(name.to_owned(), parse(labels)?);
            Ok(())
        }
        // People drop the YAML of their cluster here; what the operator would act on changes nothing on one host.
        ("operator.tigera.io/v1", "IntrusionDetection") => Ok(()),
        ("", "") => Err("neither apiVersion nor kind: not an object of Kubernetes".to_owned()),
        _ => Err(format!(
            "{version} {kind} means nothing here; DeepPacketInspection (projectcalico.org/v3), Endpoint ({OURS}) and Namespace do"
        )),
    }
}

fn parse<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn inspection(resource: DeepPacketInspection, view: &mut View) -> Result<(), String> {
    let name = resource.metadata.name.unwrap_or_default();
    if name.is_empty() {
        return Err("a DeepPacketInspection needs metadata.name".to_owned());
    }
    let namespace = resource.metadata.namespace.unwrap_or_else(default_namespace);
    let asked =
        Asked { selector: resource.spec.selector(&namespace), text: resource.spec.selector.unwrap_or_default() };
    match view.inspections.insert((namespace.clone(), name.clone()), asked) {
        None => Ok(()),
        Some(_) => Err(format!("DeepPacketInspection {namespace}/{name} is there twice; this one holds")),
    }
}

fn endpoint(file: EndpointFile, view: &mut View) -> Result<(), String> {
    let EndpointFile { metadata, spec } = file;
    let uid = format!("{}/{}", metadata.namespace, metadata.name);
    if metadata.name.is_empty() || spec.interface.is_empty() {
        return Err("an Endpoint needs metadata.name and spec.interface".to_owned());
    }
    let Some(first) = spec.addresses.first() else {
        return Err(format!("Endpoint {uid} needs an address in spec.addresses: events name it by that"));
    };
    let owners = spec.owner.iter().map(
        |owner| json!({"apiVersion": "apps/v1", "kind": owner.kind, "name": owner.name, "uid": "", "controller": true}),
    );
    let all: Vec<Value> = spec.addresses.iter().map(|address| json!({"ip": address})).collect();
    let pod: Pod = parse(json!({
        "metadata": {
            "name": metadata.name, "namespace": metadata.namespace, "uid": uid, "labels": metadata.labels,
            "ownerReferences": owners.collect::<Vec<_>>(),
        },
        "spec": {"containers": [], "nodeName": "this"},
        "status": {"phase": "Running", "podIP": first, "podIPs": all},
    }))?;
    if !spec.service.is_empty() {
        view.services.extend(spec.addresses.iter().map(|address| (*address, spec.service.clone())));
    }
    if view.given.insert(uid.clone(), spec.interface).is_some() {
        return Err(format!("Endpoint {uid} is there twice; the first one holds"));
    }
    view.pods.push(Arc::new(pod));
    Ok(())
}

/// Reads the directory whenever its files change, for ever; `say` hears what is wrong in them.
pub async fn follow(directory: PathBuf, views: watch::Sender<Arc<View>>, say: impl Fn(&str)) {
    let mut seen: BTreeMap<PathBuf, (u64, Option<std::time::SystemTime>)> = stamps(&directory);
    loop {
        tokio::time::sleep(LOOK).await;
        let now = stamps(&directory);
        if now == seen {
            continue;
        }
        seen = now;
        match read(&directory) {
            Ok(read) => {
                read.findings.iter().for_each(|finding| say(finding));
                views.send_replace(Arc::new(read.view));
            }
            Err(why) => say(&why),
        }
    }
}

fn stamps(directory: &Path) -> BTreeMap<PathBuf, (u64, Option<std::time::SystemTime>)> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten().take(MAX_FILES);
    entries
        .filter_map(|entry| Some((entry.path(), entry.path().metadata().ok()?)))
        .map(|(path, found)| (path, (found.len(), found.modified().ok())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::wanted;

    const ENDPOINT: &str = "apiVersion: tapir.dev/v1alpha1\nkind: Endpoint\nmetadata:\n  name: frontend-1\n  namespace: shop\n  \
        labels: {app: frontend}\nspec:\n  interface: cali1\n  addresses: [10.0.0.9, \"fd00::9\"]\n  owner: {kind: Deployment, \
        name: frontend}\n  service: frontend\n";
    const INSPECTION: &str = "apiVersion: projectcalico.org/v3\nkind: DeepPacketInspection\nmetadata:\n  name: sample\n  \
        namespace: shop\nspec:\n  selector: app == \"frontend\"\n";

    fn of(files: &[(&str, &str)]) -> Reading {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        read(dir.path()).unwrap()
    }

    #[test]
    fn the_clusters_own_yaml_selects_endpoints_of_a_file() {
        let both = format!("{ENDPOINT}---\n{INSPECTION}---\n");
        let read = of(&[("all.yaml", &both), ("notes.txt", "not yaml: [")]);
        assert_eq!(read.findings, [""; 0]);
        let (wanted, unfit) = wanted(&read.view);
        assert!(unfit.is_empty());
        let one = &wanted[0];
        assert_eq!(one.given.as_deref(), Some("cali1"));
        assert_eq!(one.workload.display(), "shop/frontend");
        assert_eq!((one.workload.service.as_str(), one.endpoint.addresses.len()), ("frontend", 2));
        assert_eq!(one.inspections[0].to_string(), "shop/sample");
    }

    #[test]
    fn what_means_nothing_is_told_with_its_place_and_the_rest_holds() {
        let read = of(&[
            ("a.yaml", &format!("kind: Deployment\napiVersion: apps/v1\n---\n{INSPECTION}")),
            ("b.yml", "a: [1\n"),
            ("c.yaml", "just text\n"),
            ("d.yaml", &ENDPOINT.replace("addresses: [10.0.0.9, \"fd00::9\"]", "addresses: []")),
            ("e.yaml", &ENDPOINT.replace("service:", "servise:")),
            (
                "f.yaml",
                "apiVersion: operator.tigera.io/v1\nkind: IntrusionDetection\nmetadata: {name: tigera-secure}\n",
            ),
        ]);
        assert_eq!(read.view.inspections.len(), 1);
        let place = |at: usize| read.findings[at].rsplit('/').next().unwrap().to_owned();
        assert!(
            read.findings[0].contains("a.yaml: document 1: apps/v1 Deployment means nothing here"),
            "{:?}",
            read.findings
        );
        assert!(place(1).starts_with("b.yml: "), "{:?}", read.findings);
        assert!(read.findings[2].contains("c.yaml: document 1: neither apiVersion nor kind"), "{:?}", read.findings);
        assert!(read.findings[3].contains("needs an address"), "{:?}", read.findings);
        assert!(read.findings[4].contains("servise"), "{:?}", read.findings);
        assert_eq!(read.findings.len(), 5);
        assert!(super::read(Path::new("/nowhere")).unwrap_err().contains("/nowhere"));
    }
}
