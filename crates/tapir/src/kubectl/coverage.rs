//! `kubectl tapir coverage`: which pods are selected by which inspection, and which by none.
//!
//! *How it fits*: [`Coverage`] takes pods as they are listed and keeps a row of each that has an interface of its own; selectors are
//! evaluated here as agents evaluate them.
//! *Invariants*: every pod is counted once: as selected, as selected by none, or as none that can be inspected, with why. Where something
//! that a selector asks about cannot be read, there is no answer at all: it would be a wrong one.
//! *Limits*: those of [`super::cluster`].

use super::asked::{Around, Asked, LabelMap, needs, read};
use super::cluster::{Cluster, What, block_on, list, pages};
use crate::alerts::failure::Failure;
use crate::alerts::output::Output;
use crate::alerts::readable::readable;
use crate::alerts::table::{Cell, Look, counted};
use crate::args::alerts::Form;
use crate::args::kubectl::CoverageArgs;
use crate::message::Messages;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use tapir_kubernetes::endpoint::{Endpoint, NotAnEndpoint};
use tapir_kubernetes::labels::EndpointLabels;

/// Label of namespaces in selectors of namespaces.
const NAME: &str = "projectcalico.org/name";

/// Prints it.
pub fn run(args: &CoverageArgs, messages: &Messages) -> Result<u8, Failure> {
    let coverage = block_on(ask(args))?;
    let mut output = Output::new(args.cluster.output, args.cluster.no_headers);
    print(&coverage, args, &mut output)?;
    output.flush()?;
    let total = coverage.total();
    let pods = total.selected + total.by_none;
    if !matches!(args.cluster.output, Form::Json | Form::Yaml) {
        let apart = total.host_network + total.finished + total.waiting;
        messages.info(&format!("{} of {} selected; {apart} more cannot be", total.selected, counted(pods, "pod")));
    }
    Ok(0)
}

async fn ask(args: &CoverageArgs) -> Result<Coverage, Failure> {
    let cluster = Cluster::connect(&args.cluster).await?;
    let (asked, unread) = read(&cluster).await?;
    if let Some(why) = unread {
        return Err(Failure::Other(why));
    }
    let needs = needs(&asked);
    let mut coverage = Coverage { asked, ..Coverage::default() };
    if needs.namespaces {
        let namespaces = list(&cluster.whole::<Namespace>(), What("namespaces")).await?;
        coverage.namespaces = namespaces.into_iter().map(|one| labels_of(one.metadata)).collect();
    }
    if needs.nodes {
        let nodes = list(&cluster.whole::<Node>(), What("nodes")).await?;
        coverage.nodes = nodes.into_iter().map(|one| labels_of(one.metadata)).collect();
    }
    if needs.accounts {
        let accounts = list(&cluster.api::<ServiceAccount>(), What("serviceaccounts")).await?;
        let key = |meta: ObjectMeta| {
            let namespace = meta.namespace.clone().unwrap_or_default();
            let (name, labels) = labels_of(meta);
            ((namespace, name), labels)
        };
        coverage.accounts = accounts.into_iter().map(|one| key(one.metadata)).collect();
    }
    let take = |page: Vec<Pod>| {
        page.iter().for_each(|pod| coverage.add(pod));
        Ok(())
    };
    pages(&cluster.api::<Pod>(), What("pods"), None, take).await?;
    Ok(coverage)
}

fn labels_of(meta: ObjectMeta) -> (String, LabelMap) {
    (meta.name.unwrap_or_default(), meta.labels.unwrap_or_default())
}

/// A pod that can be inspected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Row {
    pod: String,
    node: String,
    /// Who selects it: `namespace/name`, or the name alone of one of the whole cluster.
    inspections: Vec<String>,
}

/// A namespace, or all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Total {
    selected: u64,
    by_none: u64,
    host_network: u64,
    finished: u64,
    /// Without a node or an address yet.
    waiting: u64,
}

/// Pods as they were listed.
#[derive(Default)]
struct Coverage {
    asked: Vec<Asked>,
    namespaces: BTreeMap<String, LabelMap>,
    nodes: BTreeMap<String, LabelMap>,
    accounts: BTreeMap<(String, String), LabelMap>,
    found: BTreeMap<String, (Total, Vec<Row>)>,
}

impl Coverage {
    fn add(&mut self, pod: &Pod) {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        let endpoint = Endpoint::of(pod);
        let inspections = endpoint.as_ref().map(|endpoint| self.who_selects(pod, endpoint)).unwrap_or_default();
        let (total, rows) = self.found.entry(namespace).or_default();
        match endpoint {
            Ok(endpoint) => {
                match inspections.is_empty() {
                    true => total.by_none += 1,
                    false => total.selected += 1,
                }
                rows.push(Row { pod: endpoint.pod, node: endpoint.node, inspections });
            }
            Err(NotAnEndpoint::HostNetwork) => total.host_network += 1,
            Err(NotAnEndpoint::Finished) => total.finished += 1,
            Err(NotAnEndpoint::NotScheduled | NotAnEndpoint::NoAddress) => total.waiting += 1,
        }
    }

    fn who_selects(&self, pod: &Pod, endpoint: &Endpoint) -> Vec<String> {
        let none = LabelMap::new();
        let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.clone()).unwrap_or_default();
        let own = self.namespaces.get(&endpoint.namespace).unwrap_or(&none);
        let of_account = self.accounts.get(&(endpoint.namespace.clone(), account)).unwrap_or(&none);
        let labels = EndpointLabels::of(pod, own, of_account);
        let mut namespace = own.clone();
        namespace.insert(NAME.to_owned(), endpoint.namespace.clone());
        let around = Around { namespace: &namespace, node: self.nodes.get(&endpoint.node).unwrap_or(&none) };
        self.asked.iter().filter(|one| one.selects(&labels, &around)).map(Asked::title).collect()
    }

    fn total(&self) -> Total {
        self.found.values().fold(Total::default(), |all, (one, _)| Total {
            selected: all.selected + one.selected,
            by_none: all.by_none + one.by_none,
            host_network: all.host_network + one.host_network,
            finished: all.finished + one.finished,
            waiting: all.waiting + one.waiting,
        })
    }
}

fn print(coverage: &Coverage, args: &CoverageArgs, output: &mut Output) -> Result<(), Failure> {
    let shown = |row: &&Row| !args.totals && (!args.uncovered || row.inspections.is_empty());
    let form = args.cluster.output;
    if matches!(form, Form::Json | Form::Yaml) {
        let namespace = |(name, (total, rows)): (&String, &(Total, Vec<Row>))| {
            let rows: Vec<&Row> = rows.iter().filter(shown).collect();
            json!({ "namespace": name, "total": total, "pods": rows })
        };
        let namespaces: Vec<_> = coverage.found.iter().map(namespace).collect();
        output.answer(&json!({ "namespaces": namespaces, "total": coverage.total() }))?;
        return Ok(());
    }
    if form == Form::Name {
        for row in coverage.found.values().flat_map(|(_, rows)| rows).filter(shown) {
            output.line(format!("pod/{}", readable(&row.pod)))?;
        }
        return Ok(());
    }
    let wide = form == Form::Wide;
    let rows: Vec<Vec<Cell>> = pod_rows(coverage, wide, shown);
    if !rows.is_empty() {
        let text = output.table(&pod_heads(wide)).rows(&rows);
        output.text(&text)?;
        output.line("")?;
    }
    let text = output.table(&TOTAL_HEADS).rows(&total_rows(coverage));
    output.text(&text)
}

fn pod_heads(wide: bool) -> Vec<&'static str> {
    if wide { vec!["NAMESPACE", "POD", "NODE", "INSPECTIONS"] } else { vec!["NAMESPACE", "POD", "INSPECTIONS"] }
}

fn pod_rows(coverage: &Coverage, wide: bool, shown: impl Fn(&&Row) -> bool) -> Vec<Vec<Cell>> {
    let mut cells = Vec::new();
    for (namespace, (_, rows)) in &coverage.found {
        for row in rows.iter().filter(&shown) {
            let mut line = vec![Cell::new(namespace), Cell::new(&row.pod)];
            if wide {
                line.push(Cell::new(&row.node));
            }
            line.push(match row.inspections.is_empty() {
                true => Cell::looking("none", Look::Yellow),
                false => Cell::new(row.inspections.join(",")),
            });
            cells.push(line);
        }
    }
    cells
}

const TOTAL_HEADS: [&str; 6] = ["NAMESPACE", "SELECTED", "BY NONE", "HOST NETWORK", "FINISHED", "WAITING"];

fn total_rows(coverage: &Coverage) -> Vec<Vec<Cell>> {
    let row = |name: &str, total: &Total| {
        let by_none = if total.by_none > 0 { Look::Yellow } else { Look::Plain };
        vec![
            Cell::new(name),
            Cell::new(total.selected.to_string()),
            Cell::looking(total.by_none.to_string(), by_none),
            Cell::new(total.host_network.to_string()),
            Cell::new(total.finished.to_string()),
            Cell::new(total.waiting.to_string()),
        ]
    };
    let mut rows: Vec<_> = coverage.found.iter().map(|(name, (total, _))| row(name, total)).collect();
    // No namespace has this name.
    rows.push(row("(all)", &coverage.total()));
    rows
}

#[cfg(test)]
mod tests {
    use super::super::asked::tests::{calicos, own};
    use super::*;
    use crate::alerts::table::Table;
    use serde_json::Value;

    fn pod(namespace: &str, name: &str, change: impl Fn(&mut Value)) -> Pod {
        let mut value = json!({
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": name.split('-').next()}},
            "spec": {"containers": [], "nodeName": "n1", "serviceAccountName": "robot"},
            "status": {"phase": "Running", "podIP": "10.0.0.1"},
        });
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    fn as_it_is(_: &mut Value) {}

    fn labels(name: &str, value: &str) -> LabelMap {
        LabelMap::from([(name.to_owned(), value.to_owned())])
    }

    fn example() -> Coverage {
        let mut coverage = Coverage {
            asked: vec![
                calicos("shop", "carts", "app == 'cart'"),
                calicos("shop", "web", "pcsa.tier == 'web' && pcns.team == 'pay'"),
                own(
                    "paid",
                    json!({"workloads": {"namespaceSelector": "team == 'pay'"}, "nodeSelector": "zone == 'a'"}),
                ),
                own("named", json!({"workloads": {"namespaceSelector": "projectcalico.org/name == 'bare'"}})),
            ],
            namespaces: BTreeMap::from([("shop".to_owned(), labels("team", "pay"))]),
            nodes: BTreeMap::from([("n2".to_owned(), labels("zone", "a"))]),
            accounts: BTreeMap::from([(("shop".to_owned(), "web".to_owned()), labels("tier", "web"))]),
            ..Coverage::default()
        };
        for one in [
            pod("shop", "cart-1", as_it_is),
            pod("shop", "cart-2", |pod| pod["spec"]["nodeName"] = json!("n2")),
            pod("shop", "front-1", |pod| pod["spec"]["serviceAccountName"] = json!("web")),
            pod("shop", "lonely-\u{1b}[2J", as_it_is),
            pod("shop", "job", |pod| pod["status"]["phase"] = json!("Succeeded")),
            pod("shop", "early", |pod| pod["status"] = json!({"phase": "Pending"})),
            pod("other", "cart-1", as_it_is),
            pod("bare", "x", as_it_is),
            pod("kube-system", "proxy", |pod| pod["spec"]["hostNetwork"] = json!(true)),
        ] {
            coverage.add(&one);
        }
        coverage
    }

    #[test]
    fn pods_are_rows_under_who_selects_them() {
        let rows = pod_rows(&example(), false, |_| true);
        insta::assert_snapshot!(Table::new(&pod_heads(false), false, false).rows(&rows), @r"
        NAMESPACE   POD              INSPECTIONS
        bare        x                named
        other       cart-1           none
        shop        cart-1           shop/carts
        shop        cart-2           shop/carts,paid
        shop        front-1          shop/web
        shop        lonely-\x1b[2J   none
        ");
        let rows = pod_rows(&example(), true, |row| row.inspections.is_empty());
        insta::assert_snapshot!(Table::new(&pod_heads(true), false, false).rows(&rows), @r"
        NAMESPACE   POD              NODE   INSPECTIONS
        other       cart-1           n1     none
        shop        lonely-\x1b[2J   n1     none
        ");
    }

    #[test]
    fn every_pod_is_counted_once() {
        insta::assert_snapshot!(Table::new(&TOTAL_HEADS, false, false).rows(&total_rows(&example())), @r"
        NAMESPACE     SELECTED   BY NONE   HOST NETWORK   FINISHED   WAITING
        bare          1          0         0              0          0
        kube-system   0          0         1              0          0
        other         0          1         0              0          0
        shop          3          1         0              1          1
        (all)         4          2         1              1          1
        ");
    }
}
