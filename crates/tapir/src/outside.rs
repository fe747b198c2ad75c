//! Rules from web servers and registries, as the command line and the configuration say it.
//!
//! *Limits*: as many sources as the agent follows; what is wrong with one ends the program, with its place in the text.

use crate::args::OutsideArgs;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use tapir_agent::pinned::{MAX_SOURCES, PinnedConfig};
use tapir_artifacts::{Credentials, Fetcher, Kept, Source};
use tapir_outbound::TlsConfig;

/// Bytes of a file of credentials.
const MAX_FILE: u64 = 1 << 20;

/// What an agent is to fetch itself, and how it fetches. `from_file`: sources of the configuration file, which hold if the command line and
/// the environment have none. `is_standalone`: whoever writes resources has this host anyhow.
pub fn config(args: &OutsideArgs, from_file: &[String], is_standalone: bool) -> Result<PinnedConfig, String> {
    let texts = if args.rules_from.is_empty() { from_file } else { &args.rules_from };
    let mut node = BTreeSet::new();
    for text in texts.iter().filter(|text| !text.is_empty()) {
        let source: Source = text.parse().map_err(|error| format!("--rules-from {text}: {error}"))?;
        node.insert(source);
    }
    if node.len() > MAX_SOURCES {
        return Err(format!("--rules-from: {} sources; {MAX_SOURCES} are followed", node.len()));
    }
    let credentials = match &args.rules_credentials {
        Some(path) => credentials(path).map_err(|why| format!("--rules-credentials {}: {why}", path.display()))?,
        None => Credentials::default(),
    };
    let tls = TlsConfig { authorities: args.rules_ca.clone(), ..TlsConfig::default() };
    if args.rules_ca.is_some() {
        tls.load().map_err(|error| format!("--rules-ca: {error}"))?;
    }
    let fetcher = Fetcher { tls, allow_local: is_standalone, kept: Some(Kept::new(&args.rules_cache)) };
    Ok(PinnedConfig { fetcher, node, credentials })
}

fn credentials(path: &Path) -> Result<Credentials, String> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(path).map_err(|error| error.to_string())?;
    opened.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Credentials::of_docker(&bytes).map_err(|error| error.to_string())
}
