//! People write to either form in any order; in the end both are alike, or both are gone.

use super::*;
use serde_json::json;
use std::cell::Cell;

/// A cluster with both kinds, in which steps are carried out.
#[derive(Default)]
struct Cluster {
    served: BTreeMap<Key, Arc<DeepPacketInspection>>,
    stored: BTreeMap<Key, Arc<StoredDeepPacketInspection>>,
    uids: Cell<u32>,
}

fn key() -> Key {
    ("shop".into(), "frontend".into())
}

impl Cluster {
    fn meta(&self, annotations: BTreeMap<String, String>) -> ObjectMeta {
        self.uids.set(self.uids.get() + 1);
        ObjectMeta {
            name: Some("frontend".into()),
            namespace: Some("shop".into()),
            uid: Some(format!("u{}", self.uids.get())),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }
    }

    fn write(&mut self, form: Form, selector: Option<&str>, annotations: BTreeMap<String, String>) {
        let selector = selector.map(str::to_owned);
        match form {
            Form::Served => {
                let meta = self.served.get(&key()).map_or_else(|| self.meta(annotations), |one| one.metadata.clone());
                let status = self.served.get(&key()).and_then(|one| one.status.clone());
                let spec = tapir_kubernetes::resources::DeepPacketInspectionSpec { selector };
                self.served.insert(key(), Arc::new(DeepPacketInspection { metadata: meta, spec, status }));
            }
            Form::Stored => {
                let meta = self.stored.get(&key()).map_or_else(|| self.meta(annotations), |one| one.metadata.clone());
                let status = self.stored.get(&key()).and_then(|one| one.status.clone());
                let spec = tapir_kubernetes::resources::StoredDeepPacketInspectionSpec { selector };
                self.stored.insert(key(), Arc::new(StoredDeepPacketInspection { metadata: meta, spec, status }));
            }
        }
    }

    fn remove(&mut self, form: Form) {
        match form {
            Form::Served => drop(self.served.remove(&key())),
            Form::Stored => drop(self.stored.remove(&key())),
        }
    }

    fn selector(&self, form: Form) -> Option<String> {
        match form {
            Form::Served => self.served.get(&key())?.spec.selector.clone(),
            Form::Stored => self.stored.get(&key())?.spec.selector.clone(),
        }
    }

    fn link(&mut self, form: Form, text: &str) {
        let annotate = |meta: &mut ObjectMeta| {
            meta.annotations.get_or_insert_default().insert(TWIN.into(), text.into());
        };
        match form {
            Form::Served => annotate(&mut Arc::make_mut(self.served.get_mut(&key()).unwrap()).metadata),
            Form::Stored => annotate(&mut Arc::make_mut(self.stored.get_mut(&key()).unwrap()).metadata),
        }
    }

    /// Carries out what is planned until nothing is.
    fn settle(&mut self) {
        for _ in 0..6 {
            if !self.step() {
                return;
            }
        }
        panic!("does not settle: {:?}", plan(&self.served, &self.stored));
    }

    /// Carries out what is planned now; whether that was anything.
    fn step(&mut self) -> bool {
        let steps = plan(&self.served, &self.stored);
        for step in &steps {
            match step.clone() {
                Step::Create(form, _, link) => {
                    let selector = self.selector(form.other());
                    self.write(form, selector.as_deref(), BTreeMap::from([(TWIN.into(), link)]));
                }
                Step::Delete(form, ..) => self.remove(form),
                Step::Select(form, _, selector, link) => {
                    self.write(form, selector.as_deref(), BTreeMap::new());
                    self.link(form, &link);
                }
                Step::Link(form, _, link) => self.link(form, &link),
                Step::Status(_, status) => {
                    Arc::make_mut(self.stored.get_mut(&key()).unwrap()).status = status;
                }
            }
        }
        !steps.is_empty()
    }
}

const FORMS: [Form; 2] = [Form::Served, Form::Stored];

#[test]
fn what_is_applied_as_one_is_there_as_the_other() {
    for form in FORMS {
        let mut cluster = Cluster::default();
        cluster.write(form, Some("app == 'x'"), BTreeMap::new());
        cluster.settle();
        assert_eq!(cluster.selector(form.other()).as_deref(), Some("app == 'x'"));
    }
}

#[test]
fn an_edit_of_either_reaches_the_other() {
    for made in FORMS {
        for edited in FORMS {
            let mut cluster = Cluster::default();
            cluster.write(made, Some("a == 'x'"), BTreeMap::new());
            cluster.settle();
            cluster.write(edited, None, BTreeMap::new());
            cluster.settle();
            assert_eq!((cluster.selector(Form::Served), cluster.selector(Form::Stored)), (None, None));
            cluster.write(edited, Some("b == 'y'"), BTreeMap::new());
            cluster.settle();
            assert_eq!(cluster.selector(edited.other()).as_deref(), Some("b == 'y'"), "{made:?} {edited:?}");
        }
    }
}

#[test]
fn edits_may_follow_each_other_faster_than_passes() {
    for (first, second) in [(Form::Served, Form::Stored), (Form::Stored, Form::Served)] {
        let mut cluster = Cluster::default();
        cluster.write(Form::Stored, Some("a == 'x'"), BTreeMap::new());
        cluster.settle();
        cluster.write(first, Some("a == 'first'"), BTreeMap::new());
        // One step: the other form has it, and not everything is noted yet.
        assert!(cluster.step());
        cluster.write(second, Some("a == 'second'"), BTreeMap::new());
        cluster.settle();
        assert_eq!(cluster.selector(first).as_deref(), Some("a == 'second'"), "{first:?}");
    }
}

#[test]
fn where_both_were_edited_the_served_one_wins() {
    let mut cluster = Cluster::default();
    cluster.write(Form::Stored, Some("a == 'x'"), BTreeMap::new());
    cluster.settle();
    cluster.write(Form::Stored, Some("a == 'stored'"), BTreeMap::new());
    cluster.write(Form::Served, Some("a == 'served'"), BTreeMap::new());
    cluster.settle();
    assert_eq!(cluster.selector(Form::Stored).as_deref(), Some("a == 'served'"));
}

#[test]
fn who_deletes_either_deletes_both() {
    for made in FORMS {
        for deleted in FORMS {
            let mut cluster = Cluster::default();
            cluster.write(made, Some("a == 'x'"), BTreeMap::new());
            cluster.settle();
            cluster.remove(deleted);
            cluster.settle();
            assert!(cluster.served.is_empty() && cluster.stored.is_empty(), "{made:?} {deleted:?}");
        }
    }
}

#[test]
fn an_exported_file_that_is_applied_again_is_a_new_resource() {
    for form in FORMS {
        let mut cluster = Cluster::default();
        cluster.write(form, Some("a == 'x'"), BTreeMap::new());
        cluster.settle();
        let exported = match form {
            Form::Served => cluster.served[&key()].metadata.annotations.clone().unwrap(),
            Form::Stored => cluster.stored[&key()].metadata.annotations.clone().unwrap(),
        };
        cluster.remove(form);
        cluster.settle();
        cluster.write(form, Some("a == 'x'"), exported);
        cluster.settle();
        assert!(!cluster.served.is_empty() && !cluster.stored.is_empty(), "{form:?}");
    }
}

#[test]
fn two_that_were_there_before_become_twins() {
    let mut cluster = Cluster::default();
    cluster.write(Form::Served, Some("a == 'x'"), BTreeMap::new());
    cluster.write(Form::Stored, Some("a == 'old'"), BTreeMap::new());
    cluster.settle();
    assert_eq!(cluster.selector(Form::Stored).as_deref(), Some("a == 'x'"));
    cluster.remove(Form::Stored);
    cluster.settle();
    assert!(cluster.served.is_empty());
}

#[test]
fn the_status_is_that_of_the_served_one() {
    let mut cluster = Cluster::default();
    cluster.write(Form::Stored, None, BTreeMap::new());
    cluster.settle();
    let status: DeepPacketInspectionStatus =
        serde_json::from_value(json!({"nodes": [{"node": "n", "active": {"success": true}}]})).unwrap();
    Arc::make_mut(cluster.served.get_mut(&key()).unwrap()).status = Some(status.clone());
    cluster.settle();
    assert_eq!(cluster.stored[&key()].status, Some(status));
}

#[test]
fn what_was_made_and_not_linked_goes_with_what_it_was_made_of() {
    let mut cluster = Cluster::default();
    cluster.write(Form::Served, None, BTreeMap::new());
    let steps = plan(&cluster.served, &cluster.stored);
    let [Step::Create(Form::Stored, _, link)] = &steps[..] else { panic!("{steps:?}") };
    cluster.write(Form::Stored, None, BTreeMap::from([(TWIN.into(), link.clone())]));
    cluster.remove(Form::Served);
    cluster.settle();
    assert!(cluster.stored.is_empty());
}
