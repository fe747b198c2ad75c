//! `--pcap-out`: the packets of conversations that raised an alert.
//!
//! A second pass over the captures writes every packet between two addresses (and ports) that
//! appear in an alert of that capture. Standard input can't be read twice and is refused.

use std::collections::{HashMap, HashSet};
use std::io::BufWriter;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use tapir_event::SecurityEvent;
use tapir_packet::decode;
use tapir_pcap::{Precision, Reader, Writer};

type Pair = (IpAddr, u16, IpAddr, u16);

/// Conversations with alerts, per capture.
#[derive(Default)]
pub struct Alerted(HashMap<PathBuf, HashSet<Pair>>);

fn pair(a: IpAddr, a_port: u16, b: IpAddr, b_port: u16) -> Pair {
    if (a, a_port) <= (b, b_port) { (a, a_port, b, b_port) } else { (b, b_port, a, a_port) }
}

impl Alerted {
    /// Notes the conversation of an event.
    pub fn note(&mut self, path: &Path, event: &SecurityEvent) {
        if let (Some(source), Some(destination)) = (event.source, event.destination) {
            let pair =
                pair(source.address, source.port.unwrap_or(0), destination.address, destination.port.unwrap_or(0));
            self.0.entry(path.to_owned()).or_default().insert(pair);
        }
    }

    /// Writes the packets; the value is how many.
    pub fn write(&self, out: &Path, inputs: &[PathBuf]) -> Result<u64, String> {
        if inputs.iter().any(|path| path.as_os_str() == "-") {
            return Err("standard input cannot be read twice; save the capture to a file first".to_owned());
        }
        let mut writer: Option<Writer<BufWriter<std::fs::File>>> = None;
        let mut written = 0;
        for path in inputs {
            let Some(pairs) = self.0.get(path) else { continue };
            let mut reader = Reader::open(path).map_err(|error| error.to_string())?;
            while let Ok(Some(frame)) = reader.next() {
                let packet = decode(&frame);
                let Some(ip) = packet.inner_ip() else { continue };
                let (from, to) = packet.ports().unwrap_or((0, 0));
                if !pairs.contains(&pair(ip.source, from, ip.destination, to)) {
                    continue;
                }
                if writer.is_none() {
                    let file = std::fs::File::create(out).map_err(|error| error.to_string())?;
                    writer = Some(
                        Writer::new(BufWriter::new(file), frame.link, Precision::Micros)
                            .map_err(|error| error.to_string())?,
                    );
                }
                if let Some(writer) = &mut writer {
                    writer.write(&frame).map_err(|error| error.to_string())?;
                    written += 1;
                }
            }
        }
        if let Some(writer) = writer {
            use std::io::Write;
            writer.into_inner().flush().map_err(|error| error.to_string())?;
        }
        Ok(written)
    }
}
