//! One pass: everything that should be is made so, in an order in which each step finds what it needs.
//!
//! *How it fits*: [`crate::run`] makes one whenever something changed, while this operator leads.
//! *Invariants*: a step that fails takes no other along: what went wrong is collected, told, and tried again; nothing of others is touched.

mod definitions;
mod inspections;
mod silent;
mod twins;

use crate::credentials::{self, Credentials};
use crate::object::Object;
use crate::options::Options;
use crate::render::{self, AgentInputs, ManagerInputs};
use crate::told::{Part, Teller};
use crate::world::{Hub, World};
use crate::write::{self, Outcome, in_words};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use serde_json::Value;
use std::sync::Arc;
use tapir_kubernetes::resources::{INTRUSION_DETECTION_NAME, IntrusionDetectionSpec};

/// ConfigMap of people, in the agents' namespace, with sinks of their own.
pub(crate) const SINKS: &str = "tapir-sinks";
/// Its key.
const SINKS_KEY: &str = "tapir.toml";

/// What a pass works with.
pub(crate) struct Pass<'p> {
    pub(crate) client: &'p Client,
    pub(crate) options: &'p Options,
    pub(crate) hub: &'p Arc<Hub>,
    pub(crate) teller: &'p mut Teller,
}

impl Pass<'_> {
    /// Makes it. `true`: something did not go well, and is to be tried again soon.
    pub(crate) async fn run(&mut self) -> bool {
        self.teller.begin();
        self.definitions().await;
        let (wanted, spec) = {
            let world = self.hub.world();
            (is_wanted(&world), settings_of(&world))
        };
        self.defaults().await;
        let credentials = self.credentials().await;
        self.manager(credentials.as_ref()).await;
        self.agents(wanted, spec, credentials.as_ref()).await;
        self.twins().await;
        self.inspections().await;
        self.teller.tell(self.client, self.options, self.hub, wanted).await
    }

    async fn credentials(&mut self) -> Option<Credentials> {
        self.options.manager.as_ref()?;
        match credentials::ensure(self.client, self.options, Timestamp::now()).await {
            Ok(credentials) => {
                for news in &credentials.news {
                    self.teller.did(Part::Manager, "Created", news, None).await;
                }
                Some(credentials)
            }
            Err(error) => {
                self.teller.failed(Part::Manager, "Credentials", error.to_string());
                None
            }
        }
    }

    async fn manager(&mut self, credentials: Option<&Credentials>) {
        let (Some(chosen), Some(credentials)) = (&self.options.manager, credentials) else { return };
        let inputs = ManagerInputs { token: credentials.token.clone() };
        for object in render::manager(self.options, chosen, &inputs) {
            self.apply(Part::Manager, &object).await;
        }
    }

    async fn agents(&mut self, wanted: bool, spec: IntrusionDetectionSpec, credentials: Option<&Credentials>) {
        let options = self.options;
        let names = options.agent();
        self.apply_namespace(&render::agent_namespace(options)).await;
        let other = Options { compat: options.compat.other(), ..options.clone() };
        let mut obsolete = render::agent(&other, &AgentInputs::default());
        if !wanted {
            obsolete.extend(render::agent(options, &AgentInputs::default()));
        }
        // Pods go before what they use.
        for object in obsolete.iter().rev() {
            self.remove(Part::Inspection, object).await;
        }
        if !wanted {
            return;
        }
        if options.manager.is_some() && credentials.is_none() {
            // Said already; agents without a way to their manager would lose nothing, but see nothing of it either.
            return;
        }
        let settings = self.sinks(names.namespace).await;
        let Credentials { token, authority, .. } = credentials.cloned().unwrap_or_default();
        for object in render::agent(options, &AgentInputs { spec, settings, token, authority }) {
            self.apply(Part::Inspection, &object).await;
        }
    }

    /// Sinks that people added.
    async fn sinks(&mut self, namespace: &str) -> String {
        let resource = crate::object::resource("v1", "ConfigMap", "configmaps");
        match write::api(self.client, &resource, namespace).get_opt(SINKS).await {
            Ok(found) => {
                let text = found.as_ref().and_then(|map| map.data.pointer(&format!("/data/{SINKS_KEY}"))?.as_str());
                text.unwrap_or_default().to_owned()
            }
            Err(error) => {
                self.teller.failed(Part::Inspection, "Sinks", in_words(&error));
                String::new()
            }
        }
    }

    /// What the incumbent's operator writes into the resource, too: the defaults, where the definition is ours.
    async fn defaults(&mut self) {
        let written = {
            let world = self.hub.world();
            let ours = world.definition("intrusiondetections.operator.tigera.io").is_some_and(|known| known.ours);
            let found = world.intrusion.all().get(&(String::new(), INTRUSION_DETECTION_NAME.to_owned()));
            found.filter(|_| ours).and_then(|found| found.spec.with_defaults())
        };
        let Some(spec) = written else { return };
        let patch = serde_json::json!({ "spec": { "componentResources": spec.component_resources } });
        let resource = crate::object::resource("operator.tigera.io/v1", "IntrusionDetection", "intrusiondetections");
        let params = kube::api::PatchParams { field_manager: Some(write::FIELD_MANAGER.into()), ..Default::default() };
        let api = write::api(self.client, &resource, "");
        if let Err(error) = api.patch(INTRUSION_DETECTION_NAME, &params, &kube::api::Patch::Merge(&patch)).await {
            self.teller.failed(Part::Inspection, "Defaults", in_words(&error));
        }
    }

    pub(crate) async fn apply(&mut self, part: Part, object: &Object) {
        match write::apply(self.client, object).await {
            Ok(Outcome::Created) => self.teller.did(part, "Created", &object.in_words(), Some(object)).await,
            Ok(Outcome::Changed) => self.teller.did(part, "Updated", &object.in_words(), Some(object)).await,
            Ok(Outcome::Same | Outcome::Deleted) => {}
            Ok(Outcome::NotOurs(whose)) => {
                let why = format!("{} belongs to {whose} and is left alone", object.in_words());
                self.teller.failed(part, "NotOurs", why);
            }
            Err(error) => self.teller.failed(part, "ApiError", format!("{}: {}", object.in_words(), in_words(&error))),
        }
    }

    async fn remove(&mut self, part: Part, object: &Object) {
        match write::delete(self.client, object).await {
            Ok(Outcome::Deleted) => self.teller.did(part, "Deleted", &object.in_words(), Some(object)).await,
            // Another's object under that name is his; whether it is in the way shows when ours is needed.
            Ok(_) => {}
            // A namespace that is not there has nothing in it.
            Err(kube::Error::Api(status))
                if status.code == 403 && self.options.compat.other().agent().namespace == object.namespace() => {}
            Err(error) => self.teller.failed(part, "ApiError", format!("{}: {}", object.in_words(), in_words(&error))),
        }
    }

    /// A namespace may have been made by people: it is used, but not changed.
    async fn apply_namespace(&mut self, object: &Object) {
        match write::apply(self.client, object).await {
            Ok(Outcome::NotOurs(whose)) => {
                self.teller.note(&crate::install::shared(self.options, &whose));
                let api = write::api(self.client, &object.resource(), "");
                let label = "pod-security.kubernetes.io/enforce";
                let found = api.get_opt(object.name()).await.ok().flatten();
                let enforced = found.as_ref().and_then(|found| found.metadata.labels.as_ref()?.get(label));
                if let Some(level) = enforced.filter(|level| *level != "privileged") {
                    let why = format!(
                        "namespace {} refuses the agents: its label {label} is {level}; \
                         kubectl label namespace {0} {label}=privileged --overwrite",
                        object.name()
                    );
                    self.teller.failed(Part::Inspection, "PodSecurity", why);
                }
            }
            Ok(Outcome::Created) => {
                self.teller.did(Part::Inspection, "Created", &object.in_words(), Some(object)).await
            }
            Ok(Outcome::Changed) => {
                self.teller.did(Part::Inspection, "Updated", &object.in_words(), Some(object)).await
            }
            Ok(_) => {}
            Err(error) => {
                self.teller.failed(
                    Part::Inspection,
                    "ApiError",
                    format!("{}: {}", object.in_words(), in_words(&error)),
                );
            }
        }
    }
}

/// Whether there is anything to inspect.
fn is_wanted(world: &World) -> bool {
    let served = world.served.all().values().any(|one| one.metadata.deletion_timestamp.is_none());
    let stored = world.stored.all().values().any(|one| one.metadata.deletion_timestamp.is_none());
    let own = world.inspections.all().values().any(|one| one.metadata.deletion_timestamp.is_none());
    served || stored || own
}

/// The incumbent's settings, or the defaults.
fn settings_of(world: &World) -> IntrusionDetectionSpec {
    let found = world.intrusion.all().get(&(String::new(), INTRUSION_DETECTION_NAME.to_owned()));
    found.map(|found| found.spec.clone()).unwrap_or_default()
}

/// A JSON value of anything that is written.
fn value(of: &impl serde::Serialize) -> Result<Value, String> {
    serde_json::to_value(of).map_err(|error| error.to_string())
}
