//! `tapir watch`: live interfaces, until interrupted.
//!
//! One ring over all interfaces. An interface that goes down, is deleted or comes back (with a new
//! index) is reported and followed by name.

use crate::agent::{Link, LocalAgent};
use crate::args::WatchArgs;
use crate::delivery::Delivery;
use crate::identity::{Identity, host_name, wall_clock};
use crate::message::Messages;
use crate::output::AlertWriter;
use crate::{load, settings, stats};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tapir_agent::own::Own;
use tapir_capture::{CaptureError, InterfaceEvent, InterfaceWatch, NetworkNamespace, Ring, RingConfig, Source};
use tapir_engine::{EngineConfig, EventSink, Worker};
use tapir_event::SecurityEvent;
use tapir_pcap::{Precision, Writer};

/// Longest wait for packets: bounds the latency of everything else in the loop.
const TICK: Duration = Duration::from_millis(20);

/// Runs the command; the value is the exit code.
pub fn run(args: &WatchArgs, messages: &Messages) -> Result<u8, String> {
    let settings = settings::resolve(&args.rule_args, &[], Some(&args.output))?;
    let place = Place::new(args)?;
    let mut link_watch = place.open(InterfaceWatch::open)?;
    let mut indexes: BTreeMap<u32, Arc<str>> = BTreeMap::new();
    for name in &args.interfaces {
        let index = link_watch.index(name).ok_or_else(|| no_such_interface(name, &link_watch))?;
        indexes.insert(index, name.as_str().into());
        if link_watch.is_up(index) == Some(false) {
            messages.warning(&format!("{name} is down; it is watched once it is up"));
        }
    }
    let rules = load::rules(&settings, args.rule_args.strict, None, messages)?;
    let blocks = args.ring_mib.max(1);
    let ring_config = RingConfig { block_size: 1 << 20, block_count: blocks, ..RingConfig::default() };
    let source = Source::Interfaces(indexes.keys().copied().collect());
    let mut ring = place.open(|| Ring::open(&ring_config, source))?;
    let stop = stop_flag()?;
    let reload = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGHUP, Arc::clone(&reload))
        .map_err(|error| format!("cannot catch SIGHUP: {error}"))?;

    let stdout = std::io::stdout();
    let writer = AlertWriter::new(stdout.lock(), &args.output, Identity::live(), true);
    // The standard library keys its hash with the system's randomness.
    let hash_seed = RandomState::new().hash_one(0);
    // Who reads an event elsewhere wants to see its bytes.
    let evidence = settings.engine.evidence || settings.delivery.is_some();
    let engine = EngineConfig { hash_seed, evidence, ..settings.live_engine() };
    let mut worker = Worker::new(engine, rules, "live".into());
    worker.set_directory(Arc::new(indexes.clone()));
    let mut kept = match &args.output.pcap_out {
        Some(path) => Some(Kept::new(path)?),
        None => None,
    };
    let delivery = match &settings.delivery {
        Some(table) => {
            let node = table.node.clone().unwrap_or_else(host_name);
            let agent = LocalAgent::new(&node);
            let delivery = Delivery::start(table, &node, agent.clone(), messages)?;
            Some((delivery, Link::new(agent)))
        }
        None => None,
    };
    let (delivery, mut link) = delivery.unzip();
    let mut out = Fan { writer, delivery, evidence: args.output.evidence };
    messages.info(&format!("watching {}; Ctrl-C ends", args.interfaces.join(", ")));
    if let Some(path) = &args.ready_file {
        std::fs::write(path, "ready\n").map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    let started = Instant::now();
    let mut number = 0_u64;
    let mut own = Own::default();
    while !stop.load(Ordering::Relaxed) && !done(args, started, out.writer.alerts) && out.writer.failure.is_none() {
        if reload.swap(false, Ordering::Relaxed) {
            reload_rules(args, &settings, &mut worker, messages);
            if let Some(delivery) = &mut out.delivery {
                delivery.reopen();
            }
        }
        if follow(&mut link_watch, args, &mut indexes, &mut ring, messages)? {
            worker.set_directory(Arc::new(indexes.clone()));
        }
        if let Some(link) = &mut link {
            for text in link.meet(&mut worker, &mut ring, indexes.iter().map(|(index, name)| (*index, &**name))) {
                messages.info(&text);
            }
        }
        let block = ring.next_block(TICK).map_err(|error| format!("capture failed: {error}"))?;
        let Some(block) = block else {
            worker.idle(wall_clock(), &mut out);
            continue;
        };
        for frame in block.frames() {
            number += 1;
            // Told before the first byte is sent, so no packet with one is here before it.
            if own.has_changed() {
                worker.set_excluded(own.ends());
            }
            let before = out.writer.alerts;
            worker.process(&frame, number, frame.meta.interface, &mut out);
            if let Some(kept) = &mut kept
                && out.writer.alerts > before
            {
                kept.write(&frame)?;
            }
        }
    }
    worker.finish(&mut out);
    let Fan { mut writer, delivery, .. } = out;
    writer.finish();
    if let Some(delivery) = delivery {
        delivery.finish(messages);
    }
    finish(args, &mut writer, &mut worker, &mut ring, number, messages)
}

/// Where the interfaces are: here, or in another network namespace.
struct Place(Option<NetworkNamespace>);

impl Place {
    fn new(args: &WatchArgs) -> Result<Self, String> {
        args.netns.as_deref().map(NetworkNamespace::open).transpose().map(Self).map_err(capture_error)
    }

    fn open<T: Send>(&self, open: impl FnOnce() -> Result<T, CaptureError> + Send) -> Result<T, String> {
        match &self.0 {
            Some(namespace) => namespace.within(open),
            None => open(),
        }
        .map_err(capture_error)
    }
}

/// Both ways out: standard output, and the spool. What a suppression hides goes to the spool only.
struct Fan<W: Write> {
    writer: AlertWriter<W>,
    delivery: Option<Delivery>,
    /// Standard output asked for the bytes, too.
    evidence: bool,
}

impl<W: Write> EventSink for Fan<W> {
    fn event(&mut self, endpoint: u32, mut event: SecurityEvent) {
        if let Some(delivery) = &self.delivery {
            event.observed = wall_clock();
            delivery.entrance().offer(&event);
        }
        if event.suppressed_by.is_some() {
            return;
        }
        if !self.evidence {
            event.evidence = None;
        }
        self.writer.event(endpoint, event);
    }
}

fn finish<W: Write>(
    args: &WatchArgs,
    writer: &mut AlertWriter<W>,
    worker: &mut Worker,
    ring: &mut Ring,
    packets: u64,
    messages: &Messages,
) -> Result<u8, String> {
    let drops = ring.drops().map_err(|error| format!("cannot read the kernel's drop counters: {error}"))?;
    if !args.output.no_summary {
        messages.info(&writer.summary());
    }
    messages.info(&format!("{packets} packets seen, {} dropped by the kernel", drops.dropped));
    if args.output.stats {
        let mut counters = worker.counters();
        ring.count(&mut counters).map_err(|error| format!("cannot read the kernel's drop counters: {error}"))?;
        stats::print(&counters, worker.rules(), messages);
        stats::dearest(&worker.rule_costs(), worker.rules(), messages);
    }
    match writer.failure.take() {
        Some(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("cannot write alerts: {error}")),
        _ => Ok(if args.output.exit_code && writer.alerts > 0 { 3 } else { 0 }),
    }
}

fn stop_flag() -> Result<Arc<AtomicBool>, String> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // A second signal ends the process at once.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .map_err(|error| format!("cannot catch signals: {error}"))?;
    }
    Ok(stop)
}

fn done(args: &WatchArgs, started: Instant, alerts: u64) -> bool {
    args.duration.is_some_and(|seconds| started.elapsed() >= Duration::from_secs(seconds))
        || args.max_alerts.is_some_and(|most| alerts >= most)
}

/// SIGHUP: the rules are read again; a bad file leaves the last good set in force.
fn reload_rules(args: &WatchArgs, settings: &settings::Settings, worker: &mut Worker, messages: &Messages) {
    match load::rules(settings, args.rule_args.strict, Some(worker.rules()), messages) {
        Ok(rules) => {
            worker.set_rules(rules);
            messages.info("rules reloaded; flows go on with their flowbits");
        }
        Err(error) => messages.error(&format!("rules not reloaded, the old ones stay in force: {error}")),
    }
}

/// Takes note of interfaces that come, go and change; whether the set of those watched is another now.
fn follow(
    link_watch: &mut InterfaceWatch,
    args: &WatchArgs,
    indexes: &mut BTreeMap<u32, Arc<str>>,
    ring: &mut Ring,
    messages: &Messages,
) -> Result<bool, String> {
    let mut changed = false;
    let wanted = |name: &str| args.interfaces.iter().any(|wanted| wanted == name);
    let mut on = |event: InterfaceEvent| match event {
        InterfaceEvent::New { index, name, .. } if wanted(&name) => {
            messages.info(&format!("{name} appeared (index {index})"));
            indexes.insert(index, name.as_str().into());
            changed = true;
        }
        InterfaceEvent::Deleted { index, name, .. } if indexes.remove(&index).is_some() => {
            messages.warning(&format!("{name} was deleted; it is watched again if it comes back"));
            changed = true;
        }
        InterfaceEvent::Down { index, name, .. } if indexes.contains_key(&index) => {
            messages.warning(&format!("{name} went down"));
        }
        InterfaceEvent::Up { index, name, .. } if indexes.contains_key(&index) => {
            messages.info(&format!("{name} is up"));
        }
        InterfaceEvent::Renamed { index, to: name, .. } => {
            if wanted(&name) {
                indexes.insert(index, name.as_str().into());
                changed = true;
            } else if indexes.remove(&index).is_some() {
                messages.warning(&format!("a watched interface was renamed to {name} and is no longer watched"));
                changed = true;
            }
        }
        _ => {}
    };
    link_watch.wait(Duration::ZERO, &mut on).map_err(|error| format!("interface watch failed: {error}"))?;
    if changed {
        let all: Vec<u32> = indexes.keys().copied().collect();
        ring.set_interfaces(&all).map_err(capture_error)?;
    }
    Ok(changed)
}

fn no_such_interface(name: &str, link_watch: &InterfaceWatch) -> String {
    let mut names: Vec<String> = link_watch.interfaces().map(|(_, name, _)| name.to_owned()).collect();
    names.sort();
    format!("no interface '{name}' here; there are: {}", names.join(", "))
}

fn capture_error(error: CaptureError) -> String {
    error.to_string()
}

/// `--pcap-out` while live: the packets on which alerts were raised.
struct Kept {
    path: String,
    file: Option<std::fs::File>,
    writer: Option<Writer<BufWriter<std::fs::File>>>,
}

impl Kept {
    fn new(path: &Path) -> Result<Self, String> {
        let file = std::fs::File::create(path).map_err(|error| format!("--pcap-out {}: {error}", path.display()))?;
        Ok(Self { path: path.display().to_string(), file: Some(file), writer: None })
    }

    fn write(&mut self, frame: &tapir_packet::Frame<'_>) -> Result<(), String> {
        let fail = |path: &str, error: &dyn std::fmt::Display| format!("--pcap-out {path}: {error}");
        if let Some(file) = self.file.take() {
            let writer = Writer::new(BufWriter::new(file), frame.link, Precision::Nanos)
                .map_err(|error| fail(&self.path, &error))?;
            self.writer = Some(writer);
        }
        match &mut self.writer {
            Some(writer) => writer.write(frame).and_then(|()| writer.flush()).map_err(|error| fail(&self.path, &error)),
            None => Ok(()),
        }
    }
}
