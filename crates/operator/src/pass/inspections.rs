//! What is told on resources for all nodes together: entries and reports of nodes that are gone are taken out, those of agents that are silent
//! are no success, tables get their columns, our own resources their conditions.

use super::{Pass, silent, value};
use crate::names::Compat;
use crate::told::Part;
use crate::world::Key;
use crate::write::{self, FIELD_MANAGER, in_words};
use k8s_openapi::jiff::Timestamp;
use kube::Error;
use kube::api::{Patch, PatchParams};
use kube::core::{ApiResource, ObjectMeta};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tapir_kubernetes::resources::{DeepPacketInspectionStatus, InspectionStatus, NodeEntry, NodeReport, set_condition};
use tapir_kubernetes::status::{AlertCounts, annotations, plain_verdicts, summary, verdicts};

/// A form by version and definition.
const FORMS: [(&str, &str); 2] = [
    ("projectcalico.org/v3", "deeppacketinspections.projectcalico.org"),
    ("crd.projectcalico.org/v1", "deeppacketinspections.crd.projectcalico.org"),
];

/// A resource, as far as it is told of.
struct Seen {
    version: &'static str,
    key: Key,
    meta: ObjectMeta,
    status: Option<DeepPacketInspectionStatus>,
    selector: Option<String>,
    /// Columns of tables are ours to fill.
    ours: bool,
}

impl Pass<'_> {
    pub(super) async fn inspections(&mut self) {
        let keeps_twins = self.keeps_twins();
        let counts = self.counts().await;
        for mut seen in self.seen() {
            // The other form follows.
            let follows = keeps_twins && seen.version != FORMS[0].0;
            let done = async {
                if let Some(nodes) = self.corrected(&seen) {
                    if !follows {
                        self.correct(&seen, &nodes).await?;
                    }
                    seen.status.get_or_insert_default().nodes = nodes;
                }
                self.conditions(&seen).await?;
                self.columns(&seen, counts.as_ref()).await
            };
            if let Err(error) = done.await {
                self.unless_met(error);
            }
        }
        self.own_inspections(counts.as_ref()).await;
    }

    /// Alerts by inspection, as the manager counted them.
    async fn counts(&mut self) -> Option<AlertCounts> {
        self.options.manager.as_ref()?;
        let resource = crate::object::resource("v1", "ConfigMap", "configmaps");
        match write::api(self.client, &resource, &self.options.namespace).get_opt(AlertCounts::NAME).await {
            Ok(found) => {
                let found = found?;
                let text = found.data.pointer(&format!("/data/{}", AlertCounts::KEY))?.as_str()?;
                AlertCounts::read(text, Timestamp::now())
            }
            Err(error) => {
                self.teller.failed(Part::Inspection, "AlertCounts", in_words(&error));
                None
            }
        }
    }

    /// Somebody else's write in between is for the next pass.
    fn unless_met(&mut self, error: Error) {
        match error {
            Error::Api(status) if matches!(status.code, 404 | 409) => {}
            error => self.teller.failed(Part::Inspection, "Status", in_words(&error)),
        }
    }

    fn seen(&self) -> Vec<Seen> {
        let world = self.hub.world();
        let ours = FORMS.map(|(_, name)| world.definition(name).is_some_and(|known| known.ours));
        let [(served, _), (stored, _)] = FORMS;
        let mut all: Vec<Seen> = Vec::new();
        for (key, one) in world.served.all() {
            let (meta, status, selector) = (one.metadata.clone(), one.status.clone(), one.spec.selector.clone());
            all.push(Seen { version: served, key: key.clone(), meta, status, selector, ours: ours[0] });
        }
        for (key, one) in world.stored.all() {
            let (meta, status, selector) = (one.metadata.clone(), one.status.clone(), one.spec.selector.clone());
            all.push(Seen { version: stored, key: key.clone(), meta, status, selector, ours: ours[1] });
        }
        all
    }

    /// What nodes say that exist.
    fn of_nodes<T: Clone>(&self, said: &[T], node: impl Fn(&T) -> &str) -> Vec<T> {
        let world = self.hub.world();
        let nodes = world.nodes.all();
        let exists = |said: &&T| nodes.contains_key(&(String::new(), node(said).to_owned()));
        said.iter().filter(exists).cloned().collect()
    }

    /// Entries as they are to be, if that is another way: without nodes that no longer exist, and without the success of an agent that is silent.
    fn corrected(&self, seen: &Seen) -> Option<Vec<NodeEntry>> {
        let said = &seen.status.as_ref()?.nodes;
        let mut kept = self.of_nodes(said, |entry| &entry.node);
        let mut changed = kept.len() != said.len();
        // Side by side the incumbent's agents write into its resources, too, and only when something changes.
        if seen.ours || self.options.compat == Compat::Calico {
            for entry in &mut kept {
                if let Some(mended) = silent::entry(entry, Timestamp::now()) {
                    (*entry, changed) = (mended, true);
                }
            }
        }
        changed.then_some(kept)
    }

    async fn correct(&self, seen: &Seen, nodes: &[NodeEntry]) -> Result<(), Error> {
        // With the version that was looked at: an agent that wrote since is not undone.
        let patch =
            json!({ "metadata": { "resourceVersion": seen.meta.resource_version }, "status": { "nodes": nodes } });
        self.patch(seen, &patch, true).await
    }

    /// What all nodes together come to, where the definition has a place for it.
    async fn conditions(&self, seen: &Seen) -> Result<(), Error> {
        if !seen.ours {
            return Ok(());
        }
        let (nodes, known) =
            seen.status.as_ref().map_or((&[][..], &[][..]), |status| (&status.nodes, &status.conditions));
        let says = plain_verdicts(seen.selector.as_deref(), nodes);
        let mut conditions = known.to_vec();
        conditions.retain(|condition| says.iter().any(|verdict| verdict.kind == condition.type_));
        let mut changed = conditions.len() != known.len();
        for verdict in &says {
            changed |= set_condition(&mut conditions, verdict, seen.meta.generation, Timestamp::now());
        }
        if !changed {
            return Ok(());
        }
        self.patch(seen, &json!({ "status": { "conditions": conditions } }), true).await
    }

    async fn columns(&mut self, seen: &Seen, counts: Option<&AlertCounts>) -> Result<(), Error> {
        if !seen.ours {
            return Ok(());
        }
        let known = seen.meta.annotations.as_ref();
        let alerts = counts.map(|counts| counts.of(&seen.key.0, &seen.key.1));
        let news: BTreeMap<&str, Option<String>> = annotations(seen.status.as_ref(), alerts)
            .into_iter()
            .filter(|(name, value)| known.and_then(|known| known.get(*name)) != value.as_ref())
            .collect();
        if news.is_empty() {
            return Ok(());
        }
        self.patch(seen, &json!({ "metadata": { "annotations": news } }), false).await
    }

    async fn patch(&self, seen: &Seen, patch: &Value, is_status: bool) -> Result<(), Error> {
        let resource = crate::object::resource(seen.version, "DeepPacketInspection", "deeppacketinspections");
        let api = write::api(self.client, &resource, &seen.key.0);
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        match is_status {
            true => api.patch_status(&seen.key.1, &params, &Patch::Merge(patch)).await?,
            false => api.patch(&seen.key.1, &params, &Patch::Merge(patch)).await?,
        };
        Ok(())
    }

    /// Reports of nodes that no longer exist. Each is its agent's by server-side apply, and that agent will not take it back, so it is taken out
    /// of the list. The list is read as it stands: in other words what nodes said would become ours.
    async fn prune_own(&self, resource: &ApiResource, name: &str) -> Result<(), Error> {
        let api = write::api(self.client, resource, "");
        let found = api.get(name).await?;
        let said = found.data.pointer("/status/nodes").and_then(Value::as_array).cloned().unwrap_or_default();
        let kept = self.of_nodes(&said, |report| report.get("node").and_then(Value::as_str).unwrap_or_default());
        if kept.len() == said.len() {
            return Ok(());
        }
        let version = &found.metadata.resource_version;
        let patch = json!({ "metadata": { "resourceVersion": version }, "status": { "nodes": kept } });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        api.patch_status(name, &params, &Patch::Merge(&patch)).await.map(drop)
    }

    /// What a silent agent said is replaced under its own name, so that its next word replaces this. With the version that was looked at, as above.
    async fn take_back(&self, resource: &ApiResource, meta: &ObjectMeta, report: &NodeReport) -> Result<(), Error> {
        let name = meta.name.as_deref().unwrap_or_default();
        let object = json!({
            "apiVersion": "tapir.dev/v1alpha1", "kind": "Inspection",
            "metadata": { "name": name, "resourceVersion": meta.resource_version },
            "status": { "nodes": [report] },
        });
        let params = PatchParams::apply(&format!("tapir-agent-{}", report.node)).force();
        write::api(self.client, resource, "").patch_status(name, &params, &Patch::Apply(&object)).await.map(drop)
    }

    /// Conditions and summary of our own resources, for which reports of nodes that are gone do not count; they go, too. Those of silent agents
    /// are not ready.
    async fn own_inspections(&mut self, counts: Option<&AlertCounts>) {
        let all: Vec<_> = self.hub.world().inspections.all().values().cloned().collect();
        let resource = crate::object::resource("tapir.dev/v1alpha1", "Inspection", "inspections");
        for one in all {
            let mut status = one.status.clone().unwrap_or_default();
            let generation = one.metadata.generation;
            let name = one.metadata.name.clone().unwrap_or_default();
            let kept = self.of_nodes(&status.nodes, |report| &report.node);
            if kept.len() != status.nodes.len() {
                status.nodes = kept;
                if let Err(error) = self.prune_own(&resource, &name).await {
                    self.unless_met(error);
                    continue;
                }
            }
            let now = Timestamp::now();
            let silent = status.nodes.iter().position(|report| silent::report(report, now).is_some());
            for report in &mut status.nodes {
                if let Some(mended) = silent::report(report, now) {
                    *report = mended;
                }
            }
            // One a pass: the write makes the next pass, which knows the new version.
            if let Some(report) = silent.and_then(|at| status.nodes.get(at))
                && let Err(error) = self.take_back(&resource, &one.metadata, report).await
            {
                self.unless_met(error);
            }
            let mut conditions = status.conditions.clone();
            let mut changed = false;
            let says = verdicts(&one.spec, generation, &status.nodes);
            for verdict in &says {
                changed |= set_condition(&mut conditions, verdict, generation, Timestamp::now());
            }
            conditions.retain(|condition| says.iter().any(|verdict| verdict.kind == condition.type_));
            changed |= conditions.len() != status.conditions.len();
            let all_nodes = Some(summary(&status.nodes, counts.map(|counts| counts.of("", &name))));
            changed |= all_nodes != status.summary || status.observed_generation != generation;
            if !changed {
                continue;
            }
            // Reports of nodes are theirs.
            let told =
                InspectionStatus { observed_generation: generation, conditions, summary: all_nodes, nodes: Vec::new() };
            let Ok(told) = value(&told) else { continue };
            let object = json!({
                "apiVersion": "tapir.dev/v1alpha1", "kind": "Inspection",
                "metadata": { "name": name }, "status": told,
            });
            let params = PatchParams::apply(FIELD_MANAGER).force();
            let api = write::api(self.client, &resource, "");
            if let Err(error) = api.patch_status(&name, &params, &Patch::Apply(&object)).await {
                self.unless_met(error);
            }
        }
    }
}
