//! `/metrics`: what the manager counts about itself and what the store says, as OpenMetrics text.
//!
//! *Limits*: labels have few values: status classes and reasons, never names from outside.

use crate::resources::Resources;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tapir_store::StoreHealth;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The manager's counters.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Code, Counter>,
    seconds: Histogram,
    ingested: Family<Outcome, Counter>,
    pushed_back: Counter,
    sign_ins: Family<Outcome, Counter>,
    streams: Gauge,
    handshakes: Family<Outcome, Counter>,
    certificate: Gauge,
    reloads: Family<Outcome, Counter>,
    store: Family<Outcome, Gauge>,
    store_counts: Family<Outcome, Counter>,
}

/// Upper ends of the histogram, seconds.
const SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5];

impl Metrics {
    pub(crate) fn new(resources: Option<&Resources>) -> Self {
        let mut registry = Registry::with_prefix("tapir_manager");
        let requests = Family::<Code, Counter>::default();
        registry.register("requests", "Answers by class of status", requests.clone());
        let seconds = Histogram::new(SECONDS);
        registry.register("request_seconds", "Time to the head of the answer", seconds.clone());
        let ingested = Family::<Outcome, Counter>::default();
        registry.register("ingested_events", "Events from agents by what became of them", ingested.clone());
        let pushed_back = Counter::default();
        registry.register("ingest_pushed_back", "Batches refused because the store was busy", pushed_back.clone());
        let sign_ins = Family::<Outcome, Counter>::default();
        registry.register("sign_ins", "Sign-ins by outcome", sign_ins.clone());
        let streams = Gauge::default();
        registry.register("streams", "Live streams now", streams.clone());
        let handshakes = Family::<Outcome, Counter>::default();
        registry.register("tls_handshakes", "TLS handshakes by outcome", handshakes.clone());
        let certificate = Gauge::default();
        let help = "Unix time up to which the certificate in force holds; 0 without TLS";
        registry.register("tls_certificate_not_after_seconds", help, certificate.clone());
        let reloads = Family::<Outcome, Counter>::default();
        registry.register("tls_reloads", "New files of TLS by what became of them", reloads.clone());
        let store = Family::<Outcome, Gauge>::default();
        registry.register("store", "What the store says of itself", store.clone());
        if let Some(resources) = resources {
            resources.register(&mut registry);
        }
        let store_counts = Family::<Outcome, Counter>::default();
        let help = "What the store has counted since it was opened";
        registry.register("store_counts", help, store_counts.clone());
        Self {
            registry,
            requests,
            seconds,
            ingested,
            pushed_back,
            sign_ins,
            streams,
            handshakes,
            certificate,
            reloads,
            store,
            store_counts,
        }
    }

    pub(crate) fn answered(&self, status: u16, took: Duration) {
        let class = match status {
            0..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        self.requests.get_or_create(&Code { class }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn ingested(&self, stored: u64, duplicates: u64, rejected: u64) {
        for (outcome, count) in [("stored", stored), ("duplicate", duplicates), ("rejected", rejected)] {
            self.ingested.get_or_create(&Outcome { outcome }).inc_by(count);
        }
    }

    pub(crate) fn pushed_back(&self) {
        self.pushed_back.inc();
    }

    pub(crate) fn signed_in(&self, outcome: &'static str) {
        self.sign_ins.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn stream(&self, change: i64) {
        self.streams.inc_by(change);
    }

    pub(crate) fn handshake(&self, outcome: &'static str) {
        self.handshakes.get_or_create(&Outcome { outcome }).inc();
    }

    /// Until when the certificate in force holds.
    pub(crate) fn certificate(&self, not_after: i64) {
        self.certificate.set(not_after);
    }

    pub(crate) fn reloaded(&self, outcome: &'static str) {
        self.reloads.get_or_create(&Outcome { outcome }).inc();
    }

    /// The text; without the store's numbers if it does not answer.
    pub(crate) fn text(&self, health: Option<&StoreHealth>) -> String {
        if let Some(health) = health {
            for (outcome, value) in [
                ("events", health.events),
                ("groups", health.groups),
                ("bytes", health.bytes),
                ("queued_batches", health.queued),
            ] {
                self.store.get_or_create(&Outcome { outcome }).set(i64::try_from(value).unwrap_or(i64::MAX));
            }
            for (outcome, value) in [
                ("refused_busy", health.refused_busy),
                ("partial_answers", health.partial_answers),
                ("removed", health.removed),
            ] {
                // The store counts; of two scrapes at once the greater number stays.
                let counter = self.store_counts.get_or_create(&Outcome { outcome });
                counter.inner().fetch_max(value, Ordering::Relaxed);
            }
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
