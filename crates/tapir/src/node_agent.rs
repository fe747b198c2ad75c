//! `tapir agent`: one node, all that is to be inspected on it, until it is told to end.
//!
//! The capture side has a thread of its own; this one runs the control side and follows signals: SIGHUP loads rules and opens
//! files anew, SIGINT and SIGTERM end.
//!
//! *Invariants*: the order of the start. What the sandbox takes from the process goes before there is a second thread; the porter is
//! started before capabilities go, and everything else after; the capture thread is sealed before it sees a packet.

use crate::args::{AgentArgs, FarNamesArg, InsideArg, OutputArgs};
use crate::confinement;
use crate::delivery::{Delivery, Entrance};
use crate::flow_memory;
use crate::identity::{Identity, host_name};
use crate::message::Messages;
use crate::output::AlertWriter;
use crate::settings::{self, Settings};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Stdout;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tapir_agent::cluster::{self, Facts, FarNames, Follow, Tell};
use tapir_agent::discovery::How;
use tapir_agent::health::Health;
use tapir_agent::inspector::{Inspector, InspectorConfig, Outlet};
use tapir_agent::keeper::{Attached, InsidePods, Keeper, KeeperConfig, State};
use tapir_agent::library::Library;
use tapir_agent::memory;
use tapir_agent::pinned::{self, PinnedConfig, Pins};
use tapir_agent::porter::Porter;
use tapir_agent::rules::{RuleKeeper, RulesState, SetStates};
use tapir_agent::shared::{Report, Shared};
use tapir_agent::speaker::Speaker;
use tapir_agent::standalone;
use tapir_capture::{NetworkNamespace, RingConfig};
use tapir_engine::{CostSample, Counter, EventSink, RuleSources};
use tapir_event::SecurityEvent;
use tapir_kubernetes::interface::Prefixes;
use tapir_sandbox::{Mode, Sandbox, SandboxError, Standing};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

/// Files of a folder that are looked at to see whether one has rules.
const MAX_LISTED: usize = 10_000;
/// How long it may take to say in statuses that the agent ends.
const FAREWELL: Duration = Duration::from_secs(3);
/// How often signals are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Runs the command; the value is the exit code.
pub fn run(args: &AgentArgs, messages: &Messages) -> Result<u8, String> {
    let settings = settings::resolve(&args.rule_args, &[], None)?;
    let prefixes = Prefixes::default()
        .with_calico(&args.interface_prefix)
        .map_err(|error| format!("--interface-prefix: {error}"))?;
    let node = args.node.clone().or_else(|| settings.delivery.as_ref()?.node.clone()).unwrap_or_else(host_name);
    let signals = Signals::new()?;
    let pinned = crate::outside::config(&args.outside, &settings.rules_from, args.resources.is_some())?;
    let (pins, given) = watch::channel(Arc::default());
    let namespace = args.netns.as_deref().map(NetworkNamespace::open).transpose();
    let namespace = namespace.map_err(|error| error.to_string())?.map(Arc::new);
    let inside = match args.inside_pods {
        InsideArg::Auto => InsidePods::Auto,
        InsideArg::Never => InsidePods::Never,
        InsideArg::Always => InsidePods::Always,
    };
    let (mode, others) = (confinement::mode(args, &settings), confinement::of_others(args));
    let sandbox = Arc::new(Sandbox::start(mode, confinement::of_porter(args) | others).map_err(text)?);
    let porter = Porter::start()?;
    let (sources, note) = sources(args, &settings);
    let mut rules = RuleKeeper::load(sources, settings.engine.profile);
    if let Some(note) = note {
        rules = rules.with_note(note);
    }
    // Somebody who starts it by hand is told at once. In a cluster rules may still come, and an end would only be repeated for ever.
    let error = rules.state().borrow().node.error.clone();
    if let Some(why) = error.filter(|_| args.resources.is_some()) {
        return Err(why);
    }
    let rules = rules.with_outside(pinned::of_node(&pinned), given);
    if mode != Mode::Off {
        let files = confinement::files(args, &settings, rules.files())?;
        sandbox.confine(&files, others).map_err(text)?;
    }
    let shared = Shared::new();
    shared.relay()?;
    let keeper_config = KeeperConfig {
        prefixes,
        proc: args.proc.clone(),
        namespace: namespace.clone(),
        inside,
        porter: porter.clone(),
    };
    let keeper = Keeper::new(keeper_config, Arc::clone(&shared));
    let log = *messages;
    let say = move |text: &str| log.info(text);
    let speaker = Speaker::new(&node, env!("CARGO_PKG_VERSION"), Arc::clone(&shared), keeper.state(), say);
    let delivery = match &settings.delivery {
        Some(table) => Some(Delivery::start(table, &node, speaker, messages)?),
        None => None,
    };
    let out = Out::new(args, delivery.as_ref().map(Delivery::entrance));
    let flow_bytes = flow_memory::bytes(args.flow_mib, memory::limit(), messages);
    let config = inspector_config(args, &settings, namespace, porter, flow_bytes);
    let capture = Capture::start(config, &rules, &shared, out, &sandbox)?;
    tell_sandbox(&sandbox.standing(), messages);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the control side: {error}"))?;
    let (standing, shared_too) = (sandbox.standing(), Arc::clone(&shared));
    let control = Control { args, node: &node, messages, shared: shared_too, signals: &signals, standing };
    let mut delivery = delivery;
    let ended = runtime.block_on(control.run(keeper, rules, Outside { config: pinned, pins }, &mut delivery));
    // Files are followed in the background; nothing of that is worth waiting for.
    runtime.shutdown_background();
    let alerts = capture.end();
    if let Some(delivery) = delivery {
        delivery.finish(messages);
    }
    ended?;
    let report = shared.report();
    let lost = report.counters.value(Counter::KernelDrops);
    let packets = report.counters.value(Counter::Packets);
    messages.info(&format!("{packets} packets inspected, {lost} dropped by the kernel, {alerts} alerts"));
    Ok(0)
}

/// What the command line and the configuration say, and the folder that an image of rules has filled.
fn sources(args: &AgentArgs, settings: &Settings) -> (RuleSources, Option<String>) {
    let mut sources = settings.sources.clone();
    let folder = &args.snort_rules;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let entries: Vec<PathBuf> = entries.take(MAX_LISTED).map(|entry| entry.path()).collect();
    let has_rules = entries.iter().any(|path| path.extension().is_some_and(|ending| ending == "rules"));
    let lua = folder.join("snort.lua");
    let has_lua = lua.is_file();
    if has_lua {
        // With settings and no rules they are settings of the built-in ones.
        sources.with_starter = !has_rules && sources.files.is_empty();
        // First: its variables are for the files behind it.
        sources.files.insert(0, lua);
    }
    if has_rules && !sources.files.contains(folder) {
        sources.files.push(folder.clone());
    }
    let note = (!has_rules && !has_lua && !entries.is_empty()).then(|| {
        format!(
            "{} has files, but neither *.rules nor a snort.lua at its top (folders in it are not looked into): nothing of it is used",
            folder.display()
        )
    });
    (sources, note)
}

fn inspector_config(
    args: &AgentArgs,
    settings: &Settings,
    namespace: Option<Arc<NetworkNamespace>>,
    porter: Porter,
    flow_bytes: usize,
) -> InspectorConfig {
    let mut engine = settings.live_engine();
    engine.builtin_events = args.builtin_events;
    if let Some(every) = args.rule_cost_sample {
        engine.cost_sample = CostSample::every(every);
    }
    // Who reads an event wants to see its bytes.
    engine.evidence = true;
    let ring = RingConfig { block_size: 1 << 20, block_count: args.ring_mib.max(1), ..RingConfig::default() };
    let inside_bytes = u64::from(args.inside_ring_mib) << 20;
    InspectorConfig { engine, ring, inside_bytes, flow_bytes, namespace, porter }
}

/// The capture thread.
struct Capture {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Out>,
}

impl Capture {
    /// Starts it, sealed.
    fn start(
        config: InspectorConfig,
        rules: &RuleKeeper,
        shared: &Arc<Shared>,
        mut out: Out,
        sandbox: &Arc<Sandbox>,
    ) -> Result<Self, String> {
        let mut inspector = Inspector::new(config, rules.sets(), Arc::clone(shared));
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let sandbox = Arc::clone(sandbox);
        let (answer, sealed) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("tapir-capture".into())
            .spawn(move || {
                let done = sandbox.seal();
                let may_begin = done.is_ok();
                // Who started it waits for this.
                let _ = answer.send(done);
                if may_begin {
                    inspector.run(&told, &mut out);
                }
                out
            })
            .map_err(|error| format!("cannot start capture: {error}"))?;
        match sealed.recv() {
            Ok(done) => done.map_err(text)?,
            Err(_) => return Err("cannot start capture: its thread has ended".to_owned()),
        }
        Ok(Self { stop, thread })
    }

    /// Ends it; how many alerts there were.
    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(mut out) => {
                if let Some(writer) = &mut out.writer {
                    writer.finish();
                }
                out.alerts
            }
            Err(_) => 0,
        }
    }
}

/// Both ways out: standard output, if asked for, and the spool.
struct Out {
    writer: Option<AlertWriter<Stdout>>,
    spool: Option<Entrance>,
    alerts: u64,
}

impl Out {
    fn new(args: &AgentArgs, spool: Option<Entrance>) -> Self {
        let writer = args.format.map(|format| {
            let output =
                OutputArgs { format, evidence: true, builtin_events: args.builtin_events, ..OutputArgs::default() };
            AlertWriter::new(std::io::stdout(), &output, Identity::live(), true)
        });
        Self { writer, spool, alerts: 0 }
    }
}

impl Outlet for Out {
    fn offer(&mut self, event: SecurityEvent) {
        if let Some(spool) = &self.spool {
            spool.offer(&event);
        }
        if event.suppressed_by.is_some() {
            return;
        }
        self.alerts = self.alerts.saturating_add(1);
        if let Some(writer) = &mut self.writer {
            writer.event(0, event);
        }
    }
}

/// The control side.
struct Control<'c> {
    args: &'c AgentArgs,
    node: &'c str,
    messages: &'c Messages,
    shared: Arc<Shared>,
    signals: &'c Signals,
    standing: Standing,
}

/// Rules from outside, and who is told of them.
struct Outside {
    config: PinnedConfig,
    pins: watch::Sender<Arc<Pins>>,
}

impl Control<'_> {
    async fn run(
        &self,
        keeper: Keeper,
        rules: RuleKeeper,
        outside: Outside,
        delivery: &mut Option<Delivery>,
    ) -> Result<(), String> {
        let listener = TcpListener::bind(self.args.health)
            .await
            .map_err(|error| format!("--health {}: {error}; choose another address", self.args.health))?;
        let health_at = listener.local_addr().map_err(|error| error.to_string())?;
        let (views, view) = watch::channel(Arc::default());
        let (heard, is_heard) = watch::channel(false);
        let (library, lent) = watch::channel::<Arc<Library>>(Arc::default());
        let selected = keeper.selected();
        let (state, rules_state) = (keeper.state(), rules.state());
        let health = Health {
            shared: Arc::clone(&self.shared),
            state: state.clone(),
            rules: rules_state.clone(),
            heard: is_heard,
            sandbox: self.standing.clone(),
        };
        let reload = Arc::new(Notify::new());
        let again = Arc::new(Notify::new());
        let Outside { config, pins } = outside;
        let fetching = pinned::follow(config, selected.clone(), lent.clone(), Arc::clone(&again), pins);
        let loaded = rules_state.borrow().node.clone();
        tell_rules(&loaded, self.messages);
        self.messages.info(&format!("node {}: {}; health at http://{health_at}", self.node, rules_in_words(&loaded)));
        let log = *self.messages;
        let (ending, is_ending) = watch::channel(false);
        let facts = Facts {
            ending: is_ending,
            state: state.clone(),
            rules: rules_state.clone(),
            shared: Arc::clone(&self.shared),
            lacking: self.standing.missing.clone(),
        };
        let mut follows = pin!(self.follow(Tell { views, library, heard }, facts));
        let ended = tokio::select! {
            ended = &mut follows => return ended,
            ended = keeper.run(view) => ended,
            () = rules.run(Arc::clone(&self.shared), Arc::clone(&reload), lent, selected) => Ok(()),
            () = fetching => Ok(()),
            () = health.serve(listener) => Ok(()),
            () = tell(state, rules_state, Arc::clone(&self.shared), log) => Ok(()),
            () = self.signals.wait(|| {
                reload.notify_one();
                again.notify_one();
                if let Some(delivery) = delivery {
                    delivery.reopen();
                }
            }) => Ok(()),
        };
        ending.send_replace(true);
        let in_cluster = self.args.resources.is_none();
        if in_cluster && tokio::time::timeout(FAREWELL, follows).await.is_err() {
            self.messages
                .warning("statuses do not say everywhere that this agent ends: the API server is slow, or away");
        }
        ended
    }
}

impl Control<'_> {
    /// Follows the source of what is to be inspected.
    async fn follow(&self, tell: Tell, facts: Facts) -> Result<(), String> {
        let log = *self.messages;
        if let Some(directory) = &self.args.resources {
            let first = standalone::read(directory)?;
            first.findings.iter().for_each(|finding| log.warning(finding));
            let Tell { views, library, heard } = tell;
            library.send_replace(Arc::new(first.rule_texts));
            views.send_replace(Arc::new(first.view));
            heard.send_replace(true);
            standalone::follow(directory.clone(), views, library, move |text| log.warning(text)).await;
            return Ok(());
        }
        let client = cluster::client(self.args.kubeconfig.as_deref()).await?;
        let say: cluster::Say = Arc::new(move |text, is_bad| if is_bad { log.warning(text) } else { log.info(text) });
        let far_names = match self.args.far_names {
            FarNamesArg::Pods => FarNames::Pods,
            FarNamesArg::Services => FarNames::Services,
        };
        let namespace = self.args.namespace.as_deref();
        cluster::follow(Follow { client, node: self.node, namespace, far_names }, tell, facts, say).await;
        Ok(())
    }
}

/// Tells once what of the sandbox is in force, and what is missing.
fn tell_sandbox(standing: &Standing, messages: &Messages) {
    if standing.mode == Mode::Off {
        messages.warning("no sandbox, as it was asked for: whoever takes the agent over has all that it may do");
        return;
    }
    for why in &standing.missing {
        messages.warning(&format!("the sandbox lacks a part: {why}"));
    }
    let kept = if standing.kept.is_empty() { "no capability".to_owned() } else { standing.kept.join(", ") };
    let landlock =
        if standing.landlock > 0 { format!("Landlock {}", standing.landlock) } else { "no Landlock".to_owned() };
    let seccomp = if standing.seccomp { "seccomp" } else { "no seccomp" };
    messages.info(&format!("sandbox: {seccomp}, {landlock}; one thread keeps {kept}, the others nothing"));
}

fn text(error: SandboxError) -> String {
    error.to_string()
}

/// Tells what changes, for ever.
async fn tell(
    mut state: watch::Receiver<Arc<State>>,
    mut rules: watch::Receiver<SetStates>,
    shared: Arc<Shared>,
    messages: Messages,
) {
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    let mut trouble: Option<String> = None;
    let mut sets = rules.borrow().clone();
    loop {
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            changed = rules.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = rules.borrow_and_update().clone();
                tell_sets(&sets, &now, &messages);
                sets = now;
            },
            () = shared.reported().notified() => {},
        }
        let report: Arc<Report> = shared.report();
        let now = in_words(&state.borrow_and_update(), &report);
        for key in told.keys().filter(|key| !now.contains_key(*key)) {
            messages.info(&format!("{key}: no longer"));
        }
        for (key, text) in now.iter().filter(|(key, text)| told.get(*key) != Some(*text)) {
            messages.info(&format!("{key}: {text}"));
        }
        told = now;
        if report.trouble != trouble {
            match &report.trouble {
                Some(why) => messages.error(&format!("nothing is captured: {why}")),
                None => messages.info("capture goes on"),
            }
            trouble.clone_from(&report.trouble);
        }
    }
}

/// An endpoint, as lines begin; one with rules of its own is told apart.
fn place(one: &Attached) -> String {
    let whose = match one.how {
        How::Node => "the node".to_owned(),
        _ => format!("{}/{}", one.workload.namespace, one.workload.pod),
    };
    let own = if one.selection.is_default() { "" } else { ", with rules of its own" };
    format!("{whose} on {}{own}", one.tap.name)
}

/// What is inspected and what is not, a line each. What is decided but not yet done is not told.
fn in_words(state: &State, report: &Report) -> BTreeMap<String, String> {
    let list = |names: &mut dyn Iterator<Item = String>| {
        names.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
    };
    let mut lines = BTreeMap::new();
    for one in state.attached.iter().filter(|one| report.seen.contains_key(&one.number)) {
        let asked = list(&mut one.inspections.iter().map(ToString::to_string));
        let key = place(one);
        let how = match one.how {
            How::Inside => "inside of the pod".to_owned(),
            How::Node => "of the node itself".to_owned(),
            how => format!("found by {}", how.name()),
        };
        let blind = one.blind.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
        lines.insert(key, format!("inspected for {asked} ({how}){blind}"));
    }
    for one in &state.attached {
        let Some(why) = report.troubles.get(&one.number) else { continue };
        lines.insert(place(one), format!("not inspected: {why}"));
    }
    for one in &state.absent {
        lines.insert(one.pod.clone(), format!("not inspected: {}", one.why));
    }
    for one in &state.unfit {
        lines.insert(format!("{}/{}", one.pod.0, one.pod.1), format!("not inspected: {}", one.why));
    }
    for (inspection, text, error) in &state.unreadable {
        let kind = if inspection.namespace.is_empty() { "Inspection" } else { "DeepPacketInspection" };
        lines.insert(format!("{kind} {inspection}"), format!("selects nobody:\n{}", error.render(text)));
    }
    for (name, understood) in state.wholes.iter().filter(|(_, understood)| !understood.notes.is_empty()) {
        lines.insert(format!("Inspection {name}"), format!("not wholly done: {}", understood.notes.join("; ")));
    }
    lines
}

/// Tells what became of rule sets since the last time.
fn tell_sets(before: &SetStates, now: &SetStates, messages: &Messages) {
    if before.node != now.node {
        tell_rules(&now.node, messages);
        tell_outside(&before.node, &now.node, messages);
        match &now.node.error {
            Some(why) => messages.error(&format!("rules not reloaded, the old ones stay in force: {why}")),
            None => messages.info(&format!("rules reloaded: {}", rules_in_words(&now.node))),
        }
    }
    for (selection, state) in now.others.iter().filter(|(selection, state)| before.of(selection) != Some(*state)) {
        tell_rules(state, messages);
        let was = before.of(selection).cloned().unwrap_or_default();
        tell_outside(&was, state, messages);
        match &state.error {
            Some(why) => messages.error(&format!("rules of an Inspection not loaded: {why}")),
            None => messages.info(&format!("rules of an Inspection loaded: {}", rules_in_words(state))),
        }
    }
}

/// Sources outside of the cluster that fail in another way than before, or not any more.
fn tell_outside(before: &RulesState, now: &RulesState, messages: &Messages) {
    for (place, why) in &now.outside {
        let known = before.outside.get(place).cloned().flatten();
        match why {
            Some(why) if known.as_ref() != Some(why) => messages.error(&format!("rules of {why}")),
            None if known.is_some() => messages.info(&format!("rules of {place}: as they should be")),
            _ => {}
        }
    }
}

fn tell_rules(state: &RulesState, messages: &Messages) {
    if let Some(why) = &state.error {
        messages.warning(&format!("nothing is inspected until there are rules: {why}"));
    }
    state.findings.iter().for_each(|finding| messages.warning(finding));
    state.notes.iter().for_each(|note| messages.warning(note));
}

fn rules_in_words(state: &RulesState) -> String {
    format!("{} rules ({} rejected, {} disabled)", state.loaded, state.rejected, state.disabled)
}

/// Signals that have come.
struct Signals {
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

impl Signals {
    fn new() -> Result<Self, String> {
        let (stop, reload) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let failed = |error: std::io::Error| format!("cannot catch signals: {error}");
        for signal in [SIGINT, SIGTERM] {
            // A second signal ends the process at once.
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
                .map_err(failed)?;
        }
        signal_hook::flag::register(SIGHUP, Arc::clone(&reload)).map_err(failed)?;
        Ok(Self { stop, reload })
    }

    /// Until one of them says that it is time to end.
    async fn wait(&self, mut on_reload: impl FnMut()) {
        while !self.stop.load(Ordering::Relaxed) {
            tokio::time::sleep(LOOK).await;
            if self.reload.swap(false, Ordering::Relaxed) {
                on_reload();
            }
        }
    }
}
