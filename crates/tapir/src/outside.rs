//! Rules from web servers and registries, as the command line and the configuration say it.
//!
//! *Limits*: as many sources as the agent follows; what is wrong with one ends the program, with its place in the text.

use crate::args::OutsideArgs;
use std::collections::BTreeSet;
use tapir_agent::pinned::{MAX_SOURCES, PinnedConfig};
use tapir_artifacts::{Credentials, Fetcher, Kept, Source};
use tapir_outbound::TlsConfig;

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
    if let Some(path) = &args.rules_credentials {
        Credentials::read(path).map_err(|error| format!("--rules-credentials {error}"))?;
    }
    let tls = TlsConfig { authorities: args.rules_ca.clone(), ..TlsConfig::default() };
    if args.rules_ca.is_some() {
        tls.load().map_err(|error| format!("--rules-ca: {error}"))?;
    }
    let fetcher = Fetcher { tls, allow_local: is_standalone, kept: Some(Kept::new(&args.rules_cache)) };
    Ok(PinnedConfig { fetcher, node, credentials: args.rules_credentials.clone() })
}
