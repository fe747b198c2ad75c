//! Alerts on standard output, and the summary behind them.

use crate::args::{FormatArg, OutputArgs};
use crate::identity::Identity;
use crate::serve::Serving;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use tapir_engine::EventSink;
use tapir_event::{Format, SecurityEvent, Style, snort_time};

/// Writes alerts and keeps count by rule.
pub struct AlertWriter<W: Write> {
    out: BufWriter<W>,
    format: FormatArg,
    style: Style,
    identity: Identity,
    rows: Vec<[String; 6]>,
    counts: BTreeMap<(u32, u32), (u64, String)>,
    /// Alerts so far.
    pub alerts: u64,
    /// The first failure to write; nothing is written after it.
    pub failure: Option<io::Error>,
    /// Keeps alerts for the page, too.
    pub serving: Option<Serving>,
    evidence: bool,
    flush_each: bool,
}

/// Rows of a table at most; more are counted.
const MAX_ROWS: usize = 10_000;

impl FormatArg {
    /// The line format; `None` for the table.
    fn line(self) -> Option<Format> {
        Some(match self {
            Self::Fast => Format::Fast,
            Self::Json => Format::Json,
            Self::Eve => Format::Eve,
            Self::Csv => Format::Csv,
            Self::Tapir => Format::Tapir,
            Self::Calico => Format::Calico,
            Self::Ecs => Format::Ecs,
            Self::Ocsf => Format::Ocsf,
            Self::Cef => Format::Cef,
            Self::Table => return None,
        })
    }
}

impl<W: Write> AlertWriter<W> {
    /// To `out`. With `flush_each` every alert is visible at once (live, or a terminal).
    pub fn new(out: W, args: &OutputArgs, identity: Identity, flush_each: bool) -> Self {
        Self {
            out: BufWriter::with_capacity(64 << 10, out),
            format: args.format,
            style: Style::default(),
            identity,
            rows: Vec::new(),
            counts: BTreeMap::new(),
            alerts: 0,
            failure: None,
            serving: None,
            evidence: args.evidence,
            flush_each,
        }
    }

    fn write(&mut self, event: &SecurityEvent) -> io::Result<()> {
        let Some(format) = self.format.line() else {
            if self.rows.len() < MAX_ROWS {
                self.rows.push(row(event));
            }
            return Ok(());
        };
        let line = format.line(event, &self.style);
        self.out.write_all(line.as_bytes())?;
        self.out.write_all(b"\n")?;
        if self.flush_each { self.out.flush() } else { Ok(()) }
    }

    /// Writes what is left (the table) and flushes.
    pub fn finish(&mut self) {
        let result = if self.format == FormatArg::Table { self.table() } else { Ok(()) };
        let result = result.and_then(|()| self.out.flush());
        if let (Err(error), None) = (result, &self.failure) {
            self.failure = Some(error);
        }
    }

    fn table(&mut self) -> io::Result<()> {
        let head = ["TIME", "PRI", "RULE", "MESSAGE", "SERVICE", "FROM -> TO"].map(str::to_owned);
        let widths: Vec<usize> = (0..6)
            .map(|column| {
                std::iter::once(&head)
                    .chain(&self.rows)
                    .filter_map(|row| row.get(column).map(|cell| cell.chars().count()))
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
            writeln!(self.out, "{}", cells.join("  ").trim_end())?;
        }
        if self.alerts as usize > self.rows.len() {
            writeln!(self.out, "({} more alerts not shown)", self.alerts as usize - self.rows.len())?;
        }
        Ok(())
    }

    /// Alerts by rule, most first, for standard error.
    pub fn summary(&self) -> String {
        let mut rules: Vec<_> = self.counts.iter().collect();
        rules.sort_by_key(|(id, (count, _))| (std::cmp::Reverse(*count), **id));
        let mut text = format!("{} alerts by {} rules", self.alerts, rules.len());
        for ((gid, sid), (count, msg)) in rules.iter().take(20) {
            text.push_str(&format!("\n{count:>8}  {gid}:{sid}  {msg}"));
        }
        if rules.len() > 20 {
            text.push_str(&format!("\n          and {} more rules", rules.len() - 20));
        }
        text
    }
}

impl<W: Write> EventSink for AlertWriter<W> {
    fn event(&mut self, _endpoint: u32, mut event: SecurityEvent) {
        self.identity.stamp(&mut event);
        if let Some(serving) = &mut self.serving {
            serving.keep(&event);
            // The page shows bytes that were not asked for here.
            if !self.evidence {
                event.evidence = None;
            }
        }
        self.alerts += 1;
        let rule = &event.rule;
        self.counts
            .entry((rule.gid, rule.sid))
            .or_insert_with(|| (0, rule.msg.clone().unwrap_or_else(|| "(no message)".to_owned())))
            .0 += 1;
        if self.failure.is_none()
            && let Err(error) = self.write(&event)
        {
            self.failure = Some(error);
        }
    }
}

fn row(event: &SecurityEvent) -> [String; 6] {
    let rule = &event.rule;
    let end = |end: Option<tapir_event::Endpoint>| match end {
        Some(end) => match end.port {
            Some(port) if end.address.is_ipv6() => format!("[{}]:{port}", end.address),
            Some(port) => format!("{}:{port}", end.address),
            None => end.address.to_string(),
        },
        None => "?".to_owned(),
    };
    [
        snort_time(event.time, false),
        rule.priority.to_string(),
        format!("{}:{}:{}", rule.gid, rule.sid, rule.rev),
        rule.msg.clone().unwrap_or_default(),
        event.service.as_deref().unwrap_or("-").to_owned(),
        format!("{} -> {}", end(event.source), end(event.destination)),
    ]
}
