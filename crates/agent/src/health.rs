//! Health and metrics of an agent over HTTP: `/readiness`, `/liveness` and `/metrics`.
//!
//! *How it fits*: kubelet asks the first two, Prometheus the third. Reads what the two sides of the agent left; never waits
//! for them.
//!
//! *Invariants*: ready means that rules are loaded, the cluster was heard, and nothing is wrong with capture; alive means that
//! the capture side has left a report within [`STALE`].
//!
//! *Limits*: [`MAX_CONNECTIONS`] connections, [`HEAD`] for the head of a request. No authentication: nothing here is secret, and
//! it listens where it is told.

use crate::discovery::How;
use crate::keeper::State;
use crate::rules::SetStates;
use crate::shared::{Report, Shared};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapir_sandbox::Standing;
use tapir_telemetry::Counter;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// Connections at once.
const MAX_CONNECTIONS: usize = 32;
/// Time for the head of a request.
const HEAD: Duration = Duration::from_secs(5);
/// How old the last report may be.
const STALE: Duration = Duration::from_secs(10);

/// What is served.
pub struct Health {
    /// Where the capture side leaves its reports.
    pub shared: Arc<Shared>,
    /// What the control side decided.
    pub state: watch::Receiver<Arc<State>>,
    /// What became of the rules.
    pub rules: watch::Receiver<SetStates>,
    /// Whether the cluster (or the directory) was heard.
    pub heard: watch::Receiver<bool>,
    /// What of the sandbox is in force.
    pub sandbox: Standing,
}

impl Health {
    /// Serves until it is dropped.
    pub async fn serve(self, listener: TcpListener) {
        let health = Arc::new(self);
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, most likely: others that end free some.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let health = Arc::clone(&health);
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = health.answer(&request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let mut http = hyper::server::conn::http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(HEAD).keep_alive(false);
                // An error is a client that went away or spoke no HTTP.
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
                drop(slot);
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET {
            return response(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".to_owned());
        }
        match request.uri().path() {
            "/readiness" | "/readyz" => verdict(self.unready()),
            "/liveness" | "/healthz" | "/livez" => verdict(self.dead()),
            "/metrics" => {
                let state = Arc::clone(&self.state.borrow());
                let mut text = metrics(&self.shared.report(), &state, &self.rules.borrow(), &self.sandbox);
                denied_metrics(&self.shared.denied(), &mut text);
                response(StatusCode::OK, "text/plain; version=0.0.4", text)
            }
            _ => response(StatusCode::NOT_FOUND, "text/plain", "/readiness, /liveness, /metrics\n".to_owned()),
        }
    }

    /// What is missing.
    fn unready(&self) -> Option<String> {
        if !*self.heard.borrow() {
            return Some("the cluster was not heard yet".to_owned());
        }
        // Without pods nothing can be inspected, whatever else works.
        let denied = || self.shared.denied().remove("pods");
        self.dead().or_else(|| self.shared.report().trouble.clone()).or_else(denied)
    }

    fn dead(&self) -> Option<String> {
        let age = self.shared.reported_at().map(|at| Instant::now().saturating_duration_since(at));
        match age {
            Some(age) if age <= STALE => None,
            Some(age) => Some(format!("capture has not been heard of for {} s", age.as_secs())),
            None => Some("capture has not begun yet".to_owned()),
        }
    }
}

/// Kinds of objects that the API server does not let us see.
fn denied_metrics(denied: &BTreeMap<String, String>, text: &mut String) {
    const NAME: &str = "tapir_kinds_denied";
    text.push_str(&format!(
        "# HELP {NAME} Kinds of objects of the cluster that may not be listed and watched.\n# TYPE {NAME} gauge\n"
    ));
    for kind in denied.keys() {
        text.push_str(&format!("{NAME}{{kind=\"{kind}\"}} 1\n"));
    }
}

fn verdict(problem: Option<String>) -> Response<Full<Bytes>> {
    match problem {
        None => response(StatusCode::OK, "text/plain", "ok\n".to_owned()),
        Some(why) => response(StatusCode::SERVICE_UNAVAILABLE, "text/plain", format!("{why}\n")),
    }
}

fn response(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}

/// As the value of a label.
fn plain(text: &str) -> String {
    text.chars().filter(|one| !matches!(one, '"' | '\\' | '\n')).collect()
}

/// All counters, and what is inspected, in the text format of Prometheus.
fn metrics(report: &Report, state: &State, sets: &SetStates, sandbox: &Standing) -> String {
    let rules = &sets.node;
    let mut text = String::new();
    for counter in Counter::ALL {
        let (name, value) = (counter.name(), report.counters.value(*counter));
        let help = counter.help();
        let _ = write!(
            text,
            "# HELP tapir_{name}_total {help}\n# TYPE tapir_{name}_total counter\ntapir_{name}_total {value}\n"
        );
    }
    let _ = write!(
        text,
        "# HELP tapir_events_unrecorded_total Events that were to take packets along and did not: too many at once.\n\
         # TYPE tapir_events_unrecorded_total counter\ntapir_events_unrecorded_total {}\n",
        report.unrecorded.events
    );
    let reasons = ["no_interface", "unconfirmed", "inside_pod", "no_process", "no_room"];
    let absent = |reason: &str| state.absent.iter().filter(|one| one.why.reason() == reason).count();
    let gauges = [
        ("endpoints_attached", "Interfaces of workloads that are inspected.", report.seen.len() as u64),
        (
            "endpoints_inside",
            "Interfaces that are inspected inside of their pods.",
            state.attached.iter().filter(|one| one.tap.inside.is_some()).count() as u64,
        ),
        (
            "endpoints_blind",
            "Interfaces whose end on the node does not see what the pod receives.",
            state.attached.iter().filter(|one| one.blind.is_some()).count() as u64,
        ),
        (
            "endpoints_untested",
            "Interfaces of which nobody can tell whether they see what the pod receives.",
            state.untested as u64,
        ),
        ("endpoints_unheard", "Pods whose own interfaces cannot be captured on.", report.troubles.len() as u64),
        (
            "endpoints_unrecorded",
            "Interfaces whose packets are asked for and not kept, for want of room.",
            report.unrecorded.endpoints,
        ),
        ("endpoints_unfit", "Selected pods without a network of their own.", state.unfit.len() as u64),
        ("endpoints_beyond", "Selected pods beyond what a node inspects.", state.beyond as u64),
        ("inspections", "Resources that ask for inspection.", state.inspections.len() as u64),
        ("inspections_unreadable", "Resources whose selector cannot be read.", state.unreadable.len() as u64),
        ("addresses_named", "Addresses whose workload is known.", state.names as u64),
        ("addresses_unnamed", "Addresses whose workload was not kept for want of room.", state.unnamed),
        ("flow_bytes", "Bytes that conversations hold.", report.flow_bytes),
        ("flow_bytes_limit", "Bytes that conversations may hold.", report.flow_limit),
        ("rules_loaded", "Rules in force.", rules.loaded as u64),
        ("rules_rejected", "Rules that were refused or skipped.", rules.rejected as u64),
        (
            "rule_sets",
            "Rule sets in force: the node's, and one for each other choice of rules.",
            1 + sets.others.len() as u64,
        ),
        (
            "rules_stale_others",
            "Rule sets of other choices whose last load failed.",
            sets.others.values().filter(|set| set.error.is_some()).count() as u64,
        ),
        (
            "node_interfaces_attached",
            "Interfaces of the node itself that are inspected.",
            state.attached.iter().filter(|one| one.how == How::Node).count() as u64,
        ),
        ("rules_stale", "The last load of rules failed; the set before is in force.", u64::from(rules.error.is_some())),
        ("capture_failed", "Nothing can be captured.", u64::from(report.trouble.is_some())),
        ("sandbox_whole", "Every part of the sandbox is in force.", u64::from(sandbox.is_whole())),
        (
            "sandbox_landlock",
            "Version of Landlock that is in force; 0: files are not out of reach.",
            u64::from(sandbox.landlock),
        ),
        ("sandbox_seccomp", "System calls are filtered.", u64::from(sandbox.seccomp)),
        ("sandbox_sealed", "The thread that inspects can open nothing.", u64::from(sandbox.sealed)),
    ];
    for (name, help, value) in gauges {
        let _ = write!(text, "# HELP tapir_{name} {help}\n# TYPE tapir_{name} gauge\ntapir_{name} {value}\n");
    }
    text.push_str(
        "# HELP tapir_rule_source_failed A source outside of the cluster is not what it should be; its last good rules are in force.\n\
         # TYPE tapir_rule_source_failed gauge\n",
    );
    let mut outside: BTreeMap<String, bool> = BTreeMap::new();
    for (place, why) in std::iter::once(&sets.node).chain(sets.others.values()).flat_map(|set| &set.outside) {
        // Several choices may pin several digests of one place: one that fails is told.
        *outside.entry(plain(place)).or_default() |= why.is_some();
    }
    for (place, failed) in outside {
        let _ = writeln!(text, "tapir_rule_source_failed{{source=\"{place}\"}} {}", u8::from(failed));
    }
    text.push_str("# HELP tapir_rule_fault Something wrong in a rule file.\n# TYPE tapir_rule_fault gauge\n");
    let mut told = BTreeSet::new();
    for fault in std::iter::once(&sets.node).chain(sets.others.values()).flat_map(|set| &set.faults) {
        let place = (plain(&fault.file), fault.line, fault.column, fault.code);
        if told.insert(place.clone()) {
            let (file, line, column, code) = place;
            let _ = writeln!(
                text,
                "tapir_rule_fault{{file=\"{file}\",line=\"{line}\",column=\"{column}\",code=\"{code}\"}} 1"
            );
        }
    }
    text.push_str(
        "# HELP tapir_endpoints_missing Selected pods that are not inspected.\n# TYPE tapir_endpoints_missing gauge\n",
    );
    for reason in reasons {
        let _ = writeln!(text, "tapir_endpoints_missing{{reason=\"{reason}\"}} {}", absent(reason));
    }
    for (name, help) in [
        ("endpoint_packets", "Packets of an endpoint."),
        ("endpoint_bytes", "Captured bytes of an endpoint."),
        ("endpoint_events", "Events of an endpoint."),
    ] {
        let _ = write!(text, "# HELP tapir_{name}_total {help}\n# TYPE tapir_{name}_total counter\n");
        for one in &state.attached {
            let Some(seen) = report.seen.get(&one.number) else { continue };
            let value = match name {
                "endpoint_packets" => seen.packets,
                "endpoint_bytes" => seen.bytes,
                _ => seen.events,
            };
            // Names of Kubernetes need no escaping, and neither do those of interfaces that a label may hold.
            let interface = plain(&one.tap.name);
            let (namespace, pod) = (&one.workload.namespace, &one.workload.pod);
            let _ = writeln!(
                text,
                "tapir_{name}_total{{namespace=\"{namespace}\",pod=\"{pod}\",interface=\"{interface}\"}} {value}"
            );
        }
    }
    text
}
