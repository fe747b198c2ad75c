//! `tapir scan`

use crate::args::ScanArgs;
use crate::identity::Identity;
use crate::message::Messages;
use crate::output::AlertWriter;
use crate::serve::Serving;
use crate::{load, pcap_out, settings, stats};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tapir_engine::{ChecksumMode, EngineConfig, RuleCosts, Rules, ScanReport, scan_file};
use tapir_event::SecurityEvent;
use tapir_telemetry::{Counter, Counters};

/// Runs the command; the value is the exit code.
pub fn run(args: &ScanArgs, messages: &Messages) -> Result<u8, String> {
    if args.inputs.is_empty() {
        messages.error(&no_input(args));
        return Ok(2);
    }
    let mut settings = settings::resolve(&args.rule_args, &[], Some(&args.output))?;
    if args.verify_checksums {
        settings.engine.checksums = ChecksumMode::Verify;
    }
    settings.engine.evidence |= args.serve;
    let inputs = inputs(&args.inputs)?;
    let rules = load::rules(&settings, args.rule_args.strict, None, messages)?;
    let stdout = std::io::stdout();
    let live = stdout.is_terminal();
    let mut writer = AlertWriter::new(stdout.lock(), &args.output, Identity::offline(), live);
    writer.serving = args.serve.then(Serving::start).transpose()?;
    let mut total = Totals::default();
    let mut alerted = pcap_out::Alerted::default();
    let started = std::time::Instant::now();
    let job = Job { config: &settings.engine, rules: &rules, messages, collect: args.output.pcap_out.is_some() };
    if args.workers > 1 && inputs.len() > 1 {
        job.parallel(&inputs, args.workers, &mut writer, &mut total, &mut alerted);
    } else {
        for path in &inputs {
            job.one(path, &mut writer, &mut total, &mut alerted);
        }
    }
    writer.finish();
    if let Some(error) = writer.failure.take() {
        if error.kind() != std::io::ErrorKind::BrokenPipe {
            return Err(format!("cannot write alerts: {error}; {} alerts were found", writer.alerts));
        }
        // The page is still there to be read.
        if !args.serve {
            return Ok(0);
        }
    }
    if let Some(path) = &args.output.pcap_out {
        let written =
            alerted.write(path, &inputs).map_err(|error| format!("--pcap-out {}: {error}", path.display()))?;
        messages.info(&format!("{written} packets of alerted conversations written to {}", path.display()));
    }
    if !args.output.no_summary {
        messages.info(&writer.summary());
        let seconds = started.elapsed().as_secs_f64();
        messages.info(&format!("{} packets, {:.1} MB in {seconds:.2} s", total.packets, total.bytes as f64 / 1e6));
    }
    if args.output.stats {
        stats::print(&total.counters, &rules, messages);
        stats::dearest(&total.costs, &rules, messages);
    }
    if let Some(serving) = writer.serving.take() {
        serving.serve(args, &settings.sources, messages)?;
    }
    if total.failed > 0 {
        return Ok(1);
    }
    Ok(if args.output.exit_code && writer.alerts > 0 { 3 } else { 0 })
}

/// `--rules` takes every file that follows it: the commonest slip is a capture behind it.
fn no_input(args: &ScanArgs) -> String {
    match args.rule_args.rules.last() {
        Some(last) if args.rule_args.rules.len() > 1 => format!(
            "no capture given: --rules takes all files behind it, also {}; name captures first, or put -- before them",
            last.display()
        ),
        _ => "no capture given; name capture files, directories, or - for standard input".to_owned(),
    }
}

#[derive(Default)]
struct Totals {
    packets: u64,
    bytes: u64,
    counters: Counters,
    costs: RuleCosts,
    failed: usize,
}

struct Job<'j> {
    config: &'j EngineConfig,
    rules: &'j Arc<Rules>,
    messages: &'j Messages,
    collect: bool,
}

impl Job<'_> {
    fn one<W: Write>(
        &self,
        path: &Path,
        writer: &mut AlertWriter<W>,
        total: &mut Totals,
        alerted: &mut pcap_out::Alerted,
    ) {
        let bar = self.progress(path);
        let mut sink = |event: SecurityEvent| {
            if self.collect {
                alerted.note(path, &event);
            }
            bar.suspend(|| tapir_engine::EventSink::event(writer, 0, event));
        };
        let report = scan_file(path, self.config, self.rules, &mut sink, &mut |_, bytes| bar.set_position(bytes));
        bar.finish_and_clear();
        self.note(path, report, total);
    }

    fn note(&self, path: &Path, report: Result<ScanReport, tapir_pcap::Error>, total: &mut Totals) {
        match report {
            Ok(report) => {
                total.packets += report.packets;
                total.bytes += report.bytes;
                total.counters.merge(&report.counters);
                total.costs.merge(&report.costs);
                let undecoded = report.counters.value(Counter::PacketsUndecodedLink);
                if undecoded > 0 {
                    total.failed += 1;
                    self.messages.error(&format!(
                        "{}: {undecoded} of {} packets have a link type that is not decoded and were not inspected",
                        path.display(),
                        report.packets
                    ));
                }
                if let Some(error) = report.error {
                    total.failed += 1;
                    self.messages.error(&format!(
                        "{}: {error}; the {} packets before it were inspected",
                        path.display(),
                        report.packets
                    ));
                }
            }
            Err(error) => {
                total.failed += 1;
                self.messages.error(&format!("{}: {error}", path.display()));
            }
        }
    }

    fn progress(&self, path: &Path) -> ProgressBar {
        let size = std::fs::metadata(path).map(|data| data.len()).unwrap_or(0);
        if self.messages.quiet() || size < 8 << 20 || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(size);
        let template = "{wide_msg} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(path.display().to_string());
        bar
    }

    /// Several captures at once; alerts come out in the order of the captures all the same.
    fn parallel<W: Write>(
        &self,
        inputs: &[PathBuf],
        workers: u16,
        writer: &mut AlertWriter<W>,
        total: &mut Totals,
        alerted: &mut pcap_out::Alerted,
    ) {
        type Channel = (SyncSender<SecurityEvent>, Receiver<SecurityEvent>);
        let channels: Vec<Channel> = inputs.iter().map(|_| sync_channel(4096)).collect();
        let (senders, receivers): (Vec<_>, Vec<_>) = channels.into_iter().unzip();
        let next = std::sync::atomic::AtomicUsize::new(0);
        let senders: Vec<_> = senders.into_iter().map(|sender| std::sync::Mutex::new(Some(sender))).collect();
        let reports = std::sync::Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let (Some(path), Some(slot)) = (inputs.get(index), senders.get(index)) else { return };
                        let Some(sender) = slot.lock().ok().and_then(|mut slot| slot.take()) else { return };
                        let mut sink = |event: SecurityEvent| {
                            // The receiver outlives the workers; it is only gone if the process is ending.
                            let _ = sender.send(event);
                        };
                        let report = scan_file(path, self.config, self.rules, &mut sink, &mut |_, _| ());
                        if let Ok(mut reports) = reports.lock() {
                            reports.push((index, report));
                        }
                    }
                });
            }
            for (path, receiver) in inputs.iter().zip(receivers) {
                for event in receiver {
                    if self.collect {
                        alerted.note(path, &event);
                    }
                    tapir_engine::EventSink::event(writer, 0, event);
                }
            }
        });
        let mut reports = reports.into_inner().unwrap_or_default();
        reports.sort_by_key(|(index, _)| *index);
        for (index, report) in reports {
            if let Some(path) = inputs.get(index) {
                self.note(path, report, total);
            }
        }
    }
}

/// Files as they are, directories as the captures below them, sorted.
fn inputs(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    const ENDINGS: [&str; 9] =
        [".pcap", ".pcapng", ".cap", ".pcap.gz", ".pcapng.gz", ".cap.gz", ".pcap.zst", ".pcapng.zst", ".cap.zst"];
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let mut below = BTreeSet::new();
        let mut open = vec![path.clone()];
        while let Some(directory) = open.pop() {
            let entries = std::fs::read_dir(&directory)
                .map_err(|error| format!("cannot list {}: {error}", directory.display()))?;
            for entry in entries.flatten() {
                let entry_path = entry.path();
                let kind = entry.file_type().map_err(|error| format!("{}: {error}", entry_path.display()))?;
                if kind.is_dir() {
                    open.push(entry_path);
                } else if ENDINGS.iter().any(|ending| entry_path.to_string_lossy().ends_with(ending)) {
                    below.insert(entry_path);
                }
            }
        }
        if below.is_empty() {
            return Err(format!(
                "{} holds no capture (looked for {}); name the file if it ends otherwise",
                path.display(),
                ENDINGS.join(", ")
            ));
        }
        found.extend(below);
    }
    Ok(found)
}
