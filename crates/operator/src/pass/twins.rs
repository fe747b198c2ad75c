//! What [`crate::twin`] plans, carried out.
//!
//! *Invariants*: before a form is deleted because its twin was, the API server is asked once more, by name; an answer that does not name the
//! resource, as of a server that just starts, deletes nothing.

use super::{Pass, value};
use crate::told::Part;
use crate::twin::{Form, Step, TWIN, metadata_of, plan};
use crate::world::Key;
use crate::write::{self, FIELD_MANAGER, in_words};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::DynamicObject;
use kube::{Api, Error};
use serde_json::{Value, json};

const DEFINITIONS: [&str; 2] =
    ["deeppacketinspections.projectcalico.org", "deeppacketinspections.crd.projectcalico.org"];

impl Pass<'_> {
    /// Only where both definitions are ours: where Calico's API server is, one form is kept as the other by it.
    pub(super) fn keeps_twins(&self) -> bool {
        let world = self.hub.world();
        DEFINITIONS.iter().all(|name| world.definition(name).is_some_and(|known| known.ours && !known.leaving))
    }

    pub(super) async fn twins(&mut self) {
        if !self.keeps_twins() {
            return;
        }
        let steps = {
            let world = self.hub.world();
            plan(world.served.all(), world.stored.all())
        };
        for step in steps {
            if let Err(error) = self.carry_out(&step).await {
                match &error {
                    // Somebody was faster: the next pass sees what he wrote.
                    Error::Api(status) if matches!(status.code, 404 | 409) => {}
                    error => {
                        self.teller.failed(Part::Inspection, "Twin", in_words(error));
                    }
                }
            }
        }
    }

    fn forms(&self, form: Form, key: &Key) -> Api<DynamicObject> {
        let version = match form {
            Form::Served => "projectcalico.org/v3",
            Form::Stored => "crd.projectcalico.org/v1",
        };
        let resource = crate::object::resource(version, "DeepPacketInspection", "deeppacketinspections");
        write::api(self.client, &resource, &key.0)
    }

    async fn carry_out(&mut self, step: &Step) -> Result<(), Error> {
        let merge = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        match step {
            Step::Create(form, key, link) => {
                let Some(object) = self.twin_of(*form, key, link) else { return Ok(()) };
                let object = serde_json::from_value(object).map_err(Error::SerdeError)?;
                let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
                self.forms(*form, key).create(&params, &object).await?;
            }
            Step::Delete(form, key, gone) => {
                if !self.is_gone(form.other(), key, gone).await? {
                    return Ok(());
                }
                let uid = {
                    let world = self.hub.world();
                    match form {
                        Form::Served => world.served.all().get(key).and_then(|one| one.metadata.uid.clone()),
                        Form::Stored => world.stored.all().get(key).and_then(|one| one.metadata.uid.clone()),
                    }
                };
                let preconditions = Preconditions { uid, resource_version: None };
                self.forms(*form, key).delete(&key.1, &DeleteParams::background().preconditions(preconditions)).await?;
                let what = format!("DeepPacketInspection {}/{}, since its other form was deleted", key.0, key.1);
                self.teller.did(Part::Inspection, "Deleted", &what, None).await;
            }
            Step::Select(form, key, selector, link) => {
                let patch = json!({ "metadata": { "annotations": { TWIN: link } }, "spec": { "selector": selector } });
                self.forms(*form, key).patch(&key.1, &merge, &Patch::Merge(&patch)).await?;
            }
            Step::Link(form, key, link) => {
                let patch = json!({ "metadata": { "annotations": { TWIN: link } } });
                self.forms(*form, key).patch(&key.1, &merge, &Patch::Merge(&patch)).await?;
            }
            Step::Status(key, status) => {
                let nodes = status.as_ref().map(|status| &status.nodes);
                let patch = json!({ "status": { "nodes": nodes } });
                self.forms(Form::Stored, key).patch_status(&key.1, &merge, &Patch::Merge(&patch)).await?;
            }
        }
        Ok(())
    }

    /// The object to be, in one form, of what is there in the other.
    fn twin_of(&self, form: Form, key: &Key, link: &str) -> Option<Value> {
        let world = self.hub.world();
        let (version, meta, spec) = match form {
            Form::Served => {
                let one = world.stored.all().get(key)?;
                ("projectcalico.org/v3", metadata_of(&one.metadata, link), value(&one.spec).ok()?)
            }
            Form::Stored => {
                let one = world.served.all().get(key)?;
                ("crd.projectcalico.org/v1", metadata_of(&one.metadata, link), value(&one.spec).ok()?)
            }
        };
        let metadata = value(&meta).ok()?;
        Some(json!({ "apiVersion": version, "kind": "DeepPacketInspection", "metadata": metadata, "spec": spec }))
    }

    /// Whether an object is not there, or is another than it was.
    async fn is_gone(&self, form: Form, key: &Key, uid: &str) -> Result<bool, Error> {
        match self.forms(form, key).get(&key.1).await {
            Ok(found) => Ok(found.metadata.uid.as_deref() != Some(uid)),
            Err(Error::Api(status)) if status.code == 404 => {
                Ok(status.details.as_ref().is_some_and(|details| details.name == key.1))
            }
            Err(error) => Err(error),
        }
    }
}
