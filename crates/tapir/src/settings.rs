//! What the command line and the configuration file mean together: flags win over the file, the
//! file over the defaults.

use crate::args::{DialectArg, OutputArgs, ProfileArg, RuleArgs, SandboxArg};
use crate::sinks::DeliveryTable;
use clap::ValueEnum as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tapir_detect::Profile;
use tapir_engine::{CostSample, Enable, EngineConfig, RuleSources};
use tapir_protocol::{Service, TransportKind};
use tapir_rules::Dialect;

/// Of live traffic, unless said otherwise: too few to be told from noise (decision 20), enough for figures within minutes.
const LIVE_COST_SAMPLE: u32 = 1024;

/// `tapir.toml`. Unknown keys are refused.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    profile: Option<String>,
    rules: Option<Vec<PathBuf>>,
    #[serde(default)]
    rules_from: Vec<String>,
    enable: Option<Vec<String>>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    identify_services: Option<bool>,
    rule_cost_sample: Option<u32>,
    #[serde(default)]
    bindings: BTreeMap<String, String>,
    #[serde(default)]
    stream: Stream,
    #[serde(default)]
    http: Http,
    #[serde(default)]
    mime: Mime,
    #[serde(default)]
    events: Events,
    delivery: Option<DeliveryTable>,
    sandbox: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    overlap_policy: Option<String>,
    fragment_policy: Option<String>,
    midstream: Option<bool>,
    max_flows: Option<usize>,
    idle_flush_seconds: Option<u32>,
    max_queued_bytes: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    request_depth: Option<u64>,
    response_depth: Option<u64>,
    unzip: Option<bool>,
    inflate_bytes: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mime {
    depth: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Events {
    matches_per_action: Option<usize>,
    queue: Option<usize>,
    log: Option<usize>,
}

/// Everything a command needs.
pub struct Settings {
    /// Rule files, variables, what is switched on.
    pub sources: RuleSources,
    /// Rules from web servers and registries; of an agent.
    pub rules_from: Vec<String>,
    /// Engine.
    pub engine: EngineConfig,
    /// Of how many units one is a sample on which rules are timed, where that was said.
    rule_cost_sample: Option<u32>,
    /// Where events go besides standard output.
    pub delivery: Option<DeliveryTable>,
    /// Whether an agent gives up what it does not need.
    pub sandbox: Option<SandboxArg>,
}

impl Settings {
    /// The engine's, for traffic as it comes: rules are timed unless that was declined, because what they cost *there* cannot be
    /// measured afterwards.
    pub fn live_engine(&self) -> EngineConfig {
        let every = self.rule_cost_sample.unwrap_or(LIVE_COST_SAMPLE);
        EngineConfig { cost_sample: CostSample::every(every), ..self.engine.clone() }
    }
}

/// Reads the configuration file, if any, and merges the flags over it.
pub fn resolve(args: &RuleArgs, files: &[PathBuf], output: Option<&OutputArgs>) -> Result<Settings, String> {
    let file = match &args.config {
        Some(path) => read(path)?,
        None => File::default(),
    };
    let profile = match (args.profile, &file.profile) {
        (Some(ProfileArg::Tapir), _) => Profile::TAPIR,
        (Some(ProfileArg::Snort3), _) => Profile::SNORT3,
        (Some(ProfileArg::Suricata), _) => Profile::SURICATA,
        (None, Some(name)) => Profile::from_name(name).ok_or_else(|| {
            format!("unknown profile '{name}' in the configuration file; use tapir, snort3 or suricata")
        })?,
        (None, None) => Profile::TAPIR,
    };
    let mut config = tapir_rules::Config {
        dialect: args.dialect.map(|dialect| match dialect {
            DialectArg::Snort2 => Dialect::Snort2,
            DialectArg::Snort3 => Dialect::Snort3,
            DialectArg::Suricata => Dialect::Suricata,
        }),
        ..tapir_rules::Config::default()
    };
    let from_file = file.variables.iter().map(|(name, value)| format!("{name}={value}"));
    for assignment in from_file.chain(args.set.iter().cloned()) {
        config.set(&assignment)?;
    }
    let given: Vec<PathBuf> = files.iter().chain(&args.rules).cloned().collect();
    let files = if given.is_empty() { file.rules.clone().unwrap_or_default() } else { given };
    let enable = enable(args.enable.iter().chain(file.enable.iter().flatten()))?;
    let mut engine = engine(profile, &file, output)?;
    let rule_cost_sample = output.and_then(|output| output.rule_cost_sample).or(file.rule_cost_sample);
    engine.cost_sample = rule_cost_sample.map(CostSample::every).unwrap_or_default();
    Ok(Settings {
        sources: RuleSources { files, config, enable, ..RuleSources::default() },
        rules_from: file.rules_from,
        engine,
        rule_cost_sample,
        delivery: file.delivery,
        sandbox: file.sandbox.as_deref().map(sandbox).transpose()?,
    })
}

fn read(path: &Path) -> Result<File, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the configuration file {}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn enable<'s>(words: impl Iterator<Item = &'s String>) -> Result<Enable, String> {
    let mut enable = Enable::default();
    for word in words.flat_map(|words| words.split(',')) {
        match word.strip_prefix("policy:") {
            Some(policy) => enable.policies.push(policy.to_owned()),
            None if word == "all" => enable.all = true,
            None => match word.parse() {
                Ok(sid) => enable.sids.push(sid),
                Err(_) => return Err(format!("--enable {word}: give `all`, `policy:NAME` or a sid")),
            },
        }
    }
    Ok(enable)
}

fn sandbox(word: &str) -> Result<SandboxArg, String> {
    SandboxArg::from_str(word, false)
        .map_err(|_| format!("unknown sandbox '{word}' in the configuration file; use on, off or require"))
}

fn engine(mut profile: Profile, file: &File, output: Option<&OutputArgs>) -> Result<EngineConfig, String> {
    let set = |slot: &mut usize, value: Option<usize>| {
        if let Some(value) = value {
            *slot = value;
        }
    };
    set(&mut profile.matches_per_action, file.events.matches_per_action);
    set(&mut profile.queue, file.events.queue);
    set(&mut profile.log, file.events.log);
    let mut engine = EngineConfig::for_profile(profile);
    if let Some(policy) = &file.stream.overlap_policy {
        engine.overlap_policy = policy.parse().map_err(|error| format!("stream.overlap_policy: {error}"))?;
    }
    if let Some(policy) = &file.stream.fragment_policy {
        engine.fragments = policy.parse().map_err(|error| format!("stream.fragment_policy: {error}"))?;
    }
    engine.midstream = file.stream.midstream.unwrap_or(engine.midstream);
    set(&mut engine.max_flows, file.stream.max_flows);
    if let Some(seconds) = file.stream.idle_flush_seconds {
        engine.idle_flush = (seconds > 0).then_some(seconds);
    }
    set(&mut engine.max_queued_bytes, file.stream.max_queued_bytes);
    engine.limits.http_request_depth = file.http.request_depth.or(engine.limits.http_request_depth);
    engine.limits.http_response_depth = file.http.response_depth.or(engine.limits.http_response_depth);
    engine.limits.mime_depth = file.mime.depth;
    engine.limits.unzip = file.http.unzip.unwrap_or(engine.limits.unzip);
    engine.limits.inflate_bytes = file.http.inflate_bytes.unwrap_or(engine.limits.inflate_bytes);
    engine.identify = file.identify_services.unwrap_or(engine.identify);
    for (place, name) in &file.bindings {
        engine.bindings.push(binding(place, name)?);
    }
    if let Some(output) = output {
        engine.evidence = output.evidence;
        engine.builtin_events = output.builtin_events;
    }
    Ok(engine)
}

/// `tcp:8888 = "http"` of the `[bindings]` table.
fn binding(place: &str, name: &str) -> Result<(TransportKind, u16, Service), String> {
    let wrong = || format!("bindings: \"{place}\" = \"{name}\": write e.g. \"tcp:8888\" = \"http\"");
    let (transport, port) = place.split_once(':').ok_or_else(wrong)?;
    let transport = match transport {
        "tcp" => TransportKind::Tcp,
        "udp" => TransportKind::Udp,
        _ => return Err(wrong()),
    };
    let port = port.parse().map_err(|_| wrong())?;
    let service = Service::from_name(name).ok_or_else(|| format!("bindings: unknown service '{name}'"))?;
    Ok((transport, port, service))
}
