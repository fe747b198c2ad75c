//! Definitions of resources: what is absent is installed, ours are kept current, others' are left alone and named.

use super::Pass;
use crate::object::{Object, put};
use crate::told::Part;
use crate::world::Installed;
use crate::write::{self, in_words};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tapir_kubernetes::crds::{self, Owner};

impl Pass<'_> {
    pub(super) async fn definitions(&mut self) {
        for definition in crds::all() {
            let known = self.hub.world().definition(definition.name());
            match (&known, definition.owner) {
                (Some(Installed { leaving: true, .. }), _) => {
                    let why = format!("{} is being deleted; it is installed again afterwards", definition.name());
                    self.teller.failed(Part::Inspection, "Definition", why);
                    continue;
                }
                (Some(Installed { ours: false, whose, .. }), Owner::Calico) => {
                    let note = format!("{}: found, {whose}, left as it is", definition.name());
                    self.teller.note(&note);
                    continue;
                }
                (Some(Installed { ours: false, .. }), Owner::Tapir) => {
                    let why = format!(
                        "{} is there and was not installed by Tapir: kubectl delete crd {0}, if nobody needs it",
                        definition.name()
                    );
                    self.teller.failed(Part::Inspection, "Definition", why);
                    continue;
                }
                (None | Some(Installed { ours: true, .. }), _) => {}
            }
            let mut object = Object(definition.object.clone());
            // With the version that was judged: whoever took it over since is not undone.
            if let Some(metadata) = object.0.pointer_mut("/metadata")
                && let Some(version) = known.as_ref().and_then(|known| known.version.as_deref())
            {
                put(metadata, "resourceVersion", json!(version));
            }
            let api = write::api(self.client, &object.resource(), "");
            let written = match object.dynamic() {
                Ok(to_be) if known.is_some() => {
                    let params = PatchParams::apply(write::FIELD_MANAGER).force();
                    api.patch(definition.name(), &params, &Patch::Apply(&to_be)).await.map(|_| false)
                }
                // Created, never applied: somebody may have been faster.
                Ok(to_be) => api.create(&kube::api::PostParams::default(), &to_be).await.map(|_| true),
                Err(error) => Err(kube::Error::SerdeError(error)),
            };
            match written {
                Ok(true) => self.teller.did(Part::Inspection, "Created", &object.in_words(), Some(&object)).await,
                Ok(false) => {}
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => {
                    let why = format!("{}: {}", object.in_words(), in_words(&error));
                    self.teller.failed(Part::Inspection, "Definition", why);
                }
            }
        }
    }
}
