//! `AlertException`: each that can be read is an exception of the manager's store, where it hides at the time of asking.
//!
//! *Invariants*: 1. the store has the exceptions of the cluster and no others under the names of resources; 2. one whose selector
//! cannot be read does nothing and is told with the place; 3. nothing is removed before the cluster was heard.
//! *Limits*: the store's, which has room for 200; what it refuses is told of the resource.

use crate::follow::{Heard, Key};
use crate::time::{moment, now};
use crate::{Shared, is_refusal};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tapir_event::rfc3339;
use tapir_kubernetes::resources::{AlertException, AlertExceptionSpec, Bounded};
use tapir_manager::resources::{BrokenException, QueryFault, Resource, ResourceKind, exception_id, exception_name};
use tapir_packet::Timestamp;
use tapir_query::{QueryError, parse_resource, repair};
use tapir_store::{Decision, Exception, NewException, StoreError};
use tokio::sync::watch;
use tokio::time::timeout;

/// Who decides, for the audit log.
const AUTHOR: &str = "alertexceptions.projectcalico.org";
/// Bytes of a description that the store takes.
const MAX_DESCRIPTION: usize = 4_096;
/// How often it is looked again: some begin, some end.
const LOOK: Duration = Duration::from_secs(30);
/// How long the store is left alone when it fails.
const AGAIN: Duration = Duration::from_secs(5);

/// Keeps the store as the cluster has it, for ever.
pub(crate) async fn keep(shared: &Arc<Shared>, mut heard: watch::Receiver<Heard<AlertException>>) {
    let mut failing = String::new();
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let objects = {
            let heard = heard.borrow_and_update();
            heard.is_known.then(|| heard.objects.clone())
        };
        let mut wait = LOOK;
        if let Some(objects) = objects {
            match once(shared, &objects).await {
                Ok(items) => {
                    failing.clear();
                    tell(shared, items, &mut said);
                }
                Err(error) => {
                    wait = AGAIN;
                    let why = format!("exceptions of the cluster are not in the store: {error}; trying again");
                    if failing != why {
                        shared.warn(&why);
                        failing = why;
                    }
                }
            }
        }
        // Whether something changed or time has passed: it is looked again.
        if let Ok(Err(_)) = timeout(wait, heard.changed()).await {
            return;
        }
    }
}

/// Tells people of those that do nothing, once, and the board of all.
fn tell(shared: &Shared, items: Vec<Resource>, said: &mut BTreeMap<String, String>) {
    said.retain(|name, _| items.iter().any(|item| !item.is_honoured && item.name == *name));
    for item in items.iter().filter(|item| !item.is_honoured) {
        if said.get(&item.name) != Some(&item.message) {
            shared.warn(&format!("AlertException {} does nothing: {}", item.name, item.message));
            said.insert(item.name.clone(), item.message.clone());
        }
    }
    shared.board.tell(ResourceKind::AlertException, items);
}

/// Brings the store up to date; what became of each resource.
async fn once(shared: &Shared, objects: &BTreeMap<Key, Arc<AlertException>>) -> Result<Vec<Resource>, StoreError> {
    let stored = shared.store.exceptions().await?;
    let at = now();
    let plan = plan(objects, &stored);
    let by = || Decision { who: AUTHOR.to_owned(), now: at };
    let mut items = plan.items;
    let mut is_changed = false;
    for name in plan.remove {
        shared.store.remove_exception(name, by()).await?;
        is_changed = true;
    }
    for new in plan.put {
        let name = exception_name(&new.name).unwrap_or_default().to_owned();
        match shared.store.put_exception(new, by()).await {
            Ok(_) => is_changed = true,
            Err(error) if is_refusal(&error) => {
                // What the store still has under this name is not what the resource says.
                let id = exception_id(&name);
                if stored.iter().any(|one| one.what.name == id) {
                    shared.store.remove_exception(id, by()).await?;
                    is_changed = true;
                }
                if let Some(item) = items.iter_mut().find(|item| item.name == name) {
                    let spec = objects.get(&(String::new(), name.clone())).map(|object| &object.spec);
                    refuse(item, spec, error.to_string());
                }
            }
            Err(error) => return Err(error),
        }
    }
    if is_changed {
        shared.beside.changed();
    }
    Ok(items)
}

fn refuse(item: &mut Resource, spec: Option<&AlertExceptionSpec>, why: String) {
    (item.is_honoured, item.reason, item.message) = (false, "Refused".to_owned(), why);
    item.exception = spec.map(broken);
}

struct Plan {
    put: Vec<NewException>,
    /// Ids.
    remove: Vec<String>,
    items: Vec<Resource>,
}

/// What is to be done so that the store has what the cluster asks for.
fn plan(objects: &BTreeMap<Key, Arc<AlertException>>, stored: &[Exception]) -> Plan {
    let at = now();
    let mut plan = Plan { put: Vec::new(), remove: Vec::new(), items: Vec::new() };
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for ((_, name), object) in objects {
        let mut item = Resource {
            namespace: String::new(),
            name: name.clone(),
            is_honoured: false,
            reason: String::new(),
            message: String::new(),
            fault: None,
            exception: None,
        };
        match read(name, &object.spec) {
            Ok(new) => {
                item.is_honoured = true;
                (item.reason, item.message) = state(&new, at);
                wanted.insert(new.name.clone());
                if !stored.iter().any(|one| one.what == new) {
                    plan.put.push(new);
                }
            }
            Err(unread) => {
                (item.reason, item.message, item.fault) = match unread {
                    Unread::Selector(error) => {
                        let fault = fault(&error);
                        ("InvalidSelector".to_owned(), at_byte("spec.selector", &fault), Some(fault))
                    }
                    Unread::Times => ("InvalidTimes".to_owned(), "endTime must be after startTime".to_owned(), None),
                };
                item.exception = Some(broken(&object.spec));
            }
        }
        plan.items.push(item);
    }
    let ours = stored.iter().map(|one| &one.what.name).filter(|id| exception_name(id).is_some());
    plan.remove = ours.filter(|id| !wanted.contains(*id)).cloned().collect();
    plan
}

fn state(new: &NewException, at: Timestamp) -> (String, String) {
    let until = new.end.map_or("for ever".to_owned(), |end| format!("until {}", rfc3339(end)));
    let (reason, message) = if new.start > at {
        ("Pending", format!("hides from {} on, {until}", rfc3339(new.start)))
    } else if new.end.is_some_and(|end| end <= at) {
        ("Ended", format!("has hidden {until}"))
    } else {
        ("Active", format!("hides {until}"))
    };
    (reason.to_owned(), message)
}

fn broken(spec: &AlertExceptionSpec) -> BrokenException {
    BrokenException {
        description: spec.description.bounded(MAX_DESCRIPTION),
        selector: spec.selector.bounded(MAX_DESCRIPTION),
        start: moment(&spec.start_time),
        end: spec.end_time.as_ref().map(moment),
    }
}

/// Why an exception does nothing.
enum Unread {
    Selector(QueryError),
    Times,
}

/// The exception that a resource asks for.
fn read(name: &str, spec: &AlertExceptionSpec) -> Result<NewException, Unread> {
    let query = parse_resource(&spec.selector).map_err(Unread::Selector)?;
    let (start, end) = (moment(&spec.start_time), spec.end_time.as_ref().map(moment));
    if end.is_some_and(|end| end <= start) {
        return Err(Unread::Times);
    }
    Ok(NewException {
        name: exception_id(name),
        description: spec.description.bounded(MAX_DESCRIPTION),
        selector: spec.selector.clone(),
        // One that names a rule is kept in our language, in which its text means the same.
        dialect: query.dialect(),
        start,
        end,
    })
}

/// The error of a query, for the board.
pub(crate) fn fault(error: &QueryError) -> QueryFault {
    QueryFault {
        message: error.message.clone(),
        offset: error.offset,
        length: error.length,
        suggestion: error.suggestion.clone(),
    }
}

/// In one line: the field, the byte, the repair.
pub(crate) fn at_byte(field: &str, fault: &QueryFault) -> String {
    let hint = repair(fault.suggestion.as_deref(), fault.length);
    format!("{field}, byte {}: {}{hint}", fault.offset, fault.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tapir_query::Dialect;

    fn objects(specs: &[(&str, Value)]) -> BTreeMap<Key, Arc<AlertException>> {
        let object = |(name, spec): &(&str, Value)| {
            let object = json!({ "metadata": { "name": name }, "spec": spec });
            ((String::new(), (*name).to_owned()), Arc::new(serde_json::from_value(object).unwrap()))
        };
        specs.iter().map(object).collect()
    }

    fn spec(selector: &str) -> Value {
        json!({ "description": "d", "selector": selector, "startTime": "2026-01-01T00:00:00Z" })
    }

    fn stored(new: NewException) -> Exception {
        Exception { what: new, author: "x".into(), created: Timestamp(0) }
    }

    #[test]
    fn one_that_cannot_be_read_is_told_with_its_place_and_takes_no_other_along() {
        let objects = objects(&[("good", spec("source_ip = \"10.0.0.1\"")), ("bad", spec("source_ip = 10 AND AND"))]);
        let plan = plan(&objects, &[]);
        assert_eq!(plan.put.iter().map(|new| new.name.as_str()).collect::<Vec<_>>(), ["alertexception:good"]);
        let bad = plan.items.iter().find(|item| item.name == "bad").unwrap();
        assert!(!bad.is_honoured && bad.fault.as_ref().unwrap().offset > 0, "{bad:?}");
        assert!(bad.message.starts_with("spec.selector, byte "), "{}", bad.message);
        assert_eq!(bad.exception.as_ref().unwrap().selector, "source_ip = 10 AND AND");
    }

    #[test]
    fn an_exception_can_name_a_rule_and_is_put_once() {
        let rule = "sid = 21562 AND dest_namespace = shop";
        let wanted = objects(&[("rule", spec(rule)), ("theirs", spec("type = waf"))]);
        let first = plan(&wanted, &[]);
        assert_eq!((first.put[0].selector.as_str(), first.put[0].dialect), (rule, Dialect::Tapir));
        assert_eq!(first.put[1].dialect, Dialect::Incumbent);
        let known: Vec<Exception> = first.put.into_iter().map(stored).collect();
        assert!(plan(&wanted, &known).put.is_empty());
        let wrong = plan(&objects(&[("x", spec("sidd = 21562"))]), &[]);
        assert!(wrong.items[0].message.ends_with("invalid key: sidd; did you mean `sid`?"), "{:?}", wrong.items[0]);
    }

    #[test]
    fn what_is_there_stays_what_is_other_is_put_and_what_is_gone_is_removed() {
        let first = objects(&[("a", spec("type = waf")), ("b", spec("type = waf"))]);
        let mut known: Vec<Exception> = plan(&first, &[]).put.into_iter().map(stored).collect();
        let again = plan(&first, &known);
        assert!(again.put.is_empty() && again.remove.is_empty());
        // People's own stay whatever they are called.
        known.push(stored(NewException { name: "a".into(), ..known[0].what.clone() }));
        let second = plan(&objects(&[("a", spec("severity > 80")), ("c", spec("x ="))]), &known);
        assert_eq!(second.put.iter().map(|new| new.selector.as_str()).collect::<Vec<_>>(), ["severity > 80"]);
        assert_eq!(second.remove, ["alertexception:b"]);
    }

    #[test]
    fn one_that_can_no_longer_be_read_is_removed_from_the_store() {
        let known: Vec<Exception> =
            plan(&objects(&[("a", spec("type = waf"))]), &[]).put.into_iter().map(stored).collect();
        let plan = plan(&objects(&[("a", spec("type = "))]), &known);
        assert_eq!((plan.remove.as_slice(), plan.put.len()), (&["alertexception:a".to_owned()][..], 0));
    }

    #[test]
    fn times_are_told() {
        let at = now();
        let with = |start: i64, end: Option<i64>| NewException {
            name: String::new(),
            description: String::new(),
            selector: String::new(),
            dialect: Dialect::Incumbent,
            start: Timestamp(at.0 + start),
            end: end.map(|end| Timestamp(at.0 + end)),
        };
        let reasons = [with(-5, None), with(5, Some(9)), with(-9, Some(0))].map(|new| state(&new, at).0);
        assert_eq!(reasons, ["Active", "Pending", "Ended"]);
        let mut wrong = spec("type = waf");
        wrong["endTime"] = json!("2025-01-01T00:00:00Z");
        assert_eq!(plan(&objects(&[("x", wrong)]), &[]).items[0].reason, "InvalidTimes");
    }
}
