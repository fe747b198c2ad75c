//! Delivers events from standard input (format `tapir`, one a line) to an Elasticsearch or OpenSearch, in both layouts.
//!
//! For tests and for trying dashboards: the events go the whole way through spool, courier and sink, so that templates, mappings
//! and documents are those of an agent.
//!
//! usage: `cargo run -p tapir-delivery --example elastic -- URL CLUSTER < events.ndjson`; exit code 1 if an event is not there afterwards.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use std::error::Error;
use std::io::BufRead as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tapir_delivery::courier::{self, CourierConfig, DeadLetterConfig};
use tapir_delivery::sinks::elastic::{ElasticConfig, ElasticSink, Layout};
use tapir_delivery::sinks::http::HttpConfig;
use tapir_delivery::{NewRecord, Spool, SpoolConfig, SystemClock, open};
use tapir_event::{SecurityEvent, Style};

/// How long a layout may take.
const PATIENCE: Duration = Duration::from_secs(60);

async fn deliver(
    spool: &Spool,
    folder: &Path,
    url: &str,
    cluster: &str,
    layout: Layout,
) -> Result<u64, Box<dyn Error>> {
    let http = HttpConfig { allow_local: true, ..HttpConfig::default() };
    let style = Style { cluster: cluster.to_owned(), ..Style::default() };
    let config = ElasticConfig { url: url.to_owned(), http, layout, style, ..ElasticConfig::default() };
    let name = if layout == Layout::Ecs { "ecs" } else { "calico" };
    let courier_config = CourierConfig {
        linger: Duration::from_millis(10),
        ..CourierConfig::new(name, DeadLetterConfig::new(folder.join("dead")))
    };
    let courier = courier::start(spool, courier_config, Box::new(ElasticSink::new(config)?))?;
    let begin = tokio::time::Instant::now();
    while begin.elapsed() < PATIENCE {
        let stats = courier.stats();
        if stats.lag_records == 0 && stats.requests > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let stats = courier.shutdown(Duration::from_secs(5)).await;
    if stats.rejected > 0 || stats.lag_records > 0 {
        return Err(format!("{name}: not everything was delivered: {stats:?}").into());
    }
    Ok(stats.delivered + stats.duplicates)
}

async fn run(url: &str, cluster: &str) -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("tapir-elastic-{}", std::process::id()));
    let opened = open(&folder.join("spool"), "example", SpoolConfig::default(), Arc::new(SystemClock::default()))?;
    let mut writer = opened.writer;
    let mut records = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let event: SecurityEvent = serde_json::from_str(&line)?;
        let time_ns = u64::try_from(event.time.0).unwrap_or(0);
        records.push(NewRecord { time_ns, payload: line.into_bytes() });
    }
    let wanted = records.len() as u64;
    writer.append(&records)?;
    for layout in [Layout::Calico, Layout::Ecs] {
        let there = deliver(&opened.spool, &folder, url, cluster, layout).await?;
        println!("{layout:?}: {there} of {wanted} events");
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(cluster)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: elastic URL CLUSTER < events.ndjson");
        return ExitCode::from(2);
    };
    match run(&url, &cluster).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
