//! Dead letters: what a sink rejects for good, with the reason, in a file that people read.
//!
//! One JSON object a line: `{"sink":…,"id":…,"time_ns":…,"queued_ns":…,"rejected_ns":…,"reason":…,"event":…}`. `event` is the
//! payload as it is; one that is no JSON is the string `payload` instead.
//!
//! *Limits*: [`DeadLetterConfig`]. At the cap the oldest file goes, its lines counted; a letter that cannot be written is
//! counted, too. A reason is cut to 1,024 characters.

use crate::error::Error;
use crate::record::Record;
use serde::Serialize;
use serde::de::IgnoredAny;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

const MAX_REASON: usize = 1024;

/// Where dead letters go, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterConfig {
    /// The folder; the file is `SINK.ndjson`, older ones `SINK.1.ndjson` and so on.
    pub folder: PathBuf,
    /// A file of this many bytes is followed by a new one.
    pub max_bytes: u64,
    /// Files that are kept, the newest included; at least one.
    pub files: u32,
}

impl DeadLetterConfig {
    /// 4 files of 16 MiB.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), max_bytes: 16 << 20, files: 4 }
    }
}

/// The dead letters of one sink.
#[derive(Debug)]
pub(super) struct DeadLetters {
    config: DeadLetterConfig,
    sink: String,
    file: Option<File>,
    bytes: u64,
    pub(super) kept: u64,
    /// Letters that went with the oldest file, or that could not be written.
    pub(super) lost: u64,
}

#[derive(Serialize)]
struct Letter<'a> {
    sink: &'a str,
    id: String,
    time_ns: u64,
    queued_ns: u64,
    rejected_ns: u64,
    reason: &'a str,
}

impl DeadLetters {
    pub(super) fn open(config: DeadLetterConfig, sink: &str) -> Result<Self, Error> {
        fs::create_dir_all(&config.folder).map_err(Error::file("create", &config.folder))?;
        Ok(Self { config, sink: sink.to_owned(), file: None, bytes: 0, kept: 0, lost: 0 })
    }

    /// Keeps one; an error has been counted.
    pub(super) fn keep(&mut self, record: &Record, reason: &str, now_ns: u64) -> Result<(), Error> {
        let line = self.line(record, reason, now_ns);
        let path = self.path(0);
        let done = self.append(&path, &line);
        match done {
            Ok(()) => self.kept += 1,
            Err(_) => self.lost += 1,
        }
        done.map_err(Error::file("write", &path))
    }

    fn line(&self, record: &Record, reason: &str, now_ns: u64) -> Vec<u8> {
        let reason = reason.char_indices().nth(MAX_REASON).map_or(reason, |(at, _)| reason.get(..at).unwrap_or(reason));
        let letter = Letter {
            sink: &self.sink,
            id: record.id.to_string(),
            time_ns: record.time_ns,
            queued_ns: record.queued_ns,
            rejected_ns: now_ns,
            reason,
        };
        let mut line = serde_json::to_vec(&letter).unwrap_or_default();
        line.pop();
        let plain = !record.payload.contains(&b'\n') && serde_json::from_slice::<IgnoredAny>(&record.payload).is_ok();
        if plain {
            line.extend_from_slice(b",\"event\":");
            line.extend_from_slice(&record.payload);
        } else {
            line.extend_from_slice(b",\"payload\":");
            let text = String::from_utf8_lossy(&record.payload);
            line.extend_from_slice(&serde_json::to_vec(&text).unwrap_or_else(|_| b"null".to_vec()));
        }
        line.extend_from_slice(b"}\n");
        line
    }

    fn append(&mut self, path: &Path, line: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.bytes = 0;
            self.file = Some(self.continued(path)?);
        }
        if self.bytes > 0 && self.bytes + line.len() as u64 > self.config.max_bytes {
            self.file = None;
            self.rotate()?;
            self.bytes = 0;
            self.file = Some(self.continued(path)?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        if let Err(error) = file.write_all(line) {
            // No half line stays.
            file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Opens the file to go on with it. A line that a crash cut short is ended.
    fn continued(&mut self, path: &Path) -> io::Result<File> {
        let mut file = File::options().create(true).read(true).append(true).open(path)?;
        self.bytes = file.metadata()?.len();
        if self.bytes > 0 {
            let mut last = [0];
            std::os::unix::fs::FileExt::read_exact_at(&file, &mut last, self.bytes - 1)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
                self.bytes += 1;
            }
        }
        Ok(file)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let oldest = self.path(self.config.files.max(1) - 1);
        match lines(&oldest) {
            Ok(lines) => {
                fs::remove_file(&oldest)?;
                self.lost += lines;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        for n in (1..self.config.files.max(1)).rev() {
            match fs::rename(self.path(n - 1), self.path(n)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn path(&self, n: u32) -> PathBuf {
        let name = if n == 0 { format!("{}.ndjson", self.sink) } else { format!("{}.{n}.ndjson", self.sink) };
        self.config.folder.join(name)
    }
}

fn lines(path: &Path) -> io::Result<u64> {
    let mut reader = BufReader::with_capacity(64 * 1024, File::open(path)?);
    let (mut buffer, mut lines) = ([0; 16 * 1024], 0);
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(lines),
            n => lines += buffer.iter().take(n).filter(|byte| **byte == b'\n').count() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Stream;
    use crate::testing::Folder;

    fn record(payload: &[u8]) -> Record {
        let id = Stream { node: "n".into(), boot: 2 }.id(3);
        Record { id, time_ns: 4, queued_ns: 5, payload: payload.into() }
    }

    #[test]
    fn a_letter_has_the_event_and_the_reason() {
        let folder = Folder::new();
        let mut letters = DeadLetters::open(DeadLetterConfig::new(folder.path().join("dead")), "store").unwrap();
        letters.keep(&record(b"{\"a\":\"b\"}"), "no \"such\" field\n", 6).unwrap();
        letters.keep(&record(b"no\njson\xFF"), &"x".repeat(2000), 6).unwrap();
        let text = fs::read_to_string(folder.path().join("dead/store.ndjson")).unwrap();
        let parsed: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            parsed[0],
            serde_json::json!({"sink": "store", "id": "n-2-3", "time_ns": 4, "queued_ns": 5, "rejected_ns": 6,
                "reason": "no \"such\" field\n", "event": {"a": "b"}})
        );
        assert_eq!(parsed[1]["payload"], "no\njson\u{FFFD}");
        assert_eq!(parsed[1]["reason"].as_str().unwrap().len(), 1024);
        assert_eq!((letters.kept, letters.lost), (2, 0));
    }

    #[test]
    fn files_are_bounded_and_what_goes_with_the_oldest_is_counted() {
        let folder = Folder::new();
        let config = DeadLetterConfig { max_bytes: 500, files: 3, ..DeadLetterConfig::new(folder.path()) };
        let mut letters = DeadLetters::open(config.clone(), "s").unwrap();
        for _ in 0..20 {
            letters.keep(&record(b"{}"), "r", 6).unwrap();
        }
        drop(letters.file.take());
        let mut left = 0;
        for name in ["s.ndjson", "s.1.ndjson", "s.2.ndjson"] {
            let path = folder.path().join(name);
            assert!(fs::metadata(&path).unwrap().len() <= 500);
            left += lines(&path).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        assert!(letters.lost > 0);
        assert_eq!(left + letters.lost, 20);
    }

    #[test]
    fn a_line_cut_by_a_crash_does_not_spoil_the_next() {
        let folder = Folder::new();
        fs::write(folder.path().join("s.ndjson"), "{\"sink\":\"s").unwrap();
        let mut letters = DeadLetters::open(DeadLetterConfig::new(folder.path()), "s").unwrap();
        letters.keep(&record(b"{}"), "r", 6).unwrap();
        let text = fs::read_to_string(folder.path().join("s.ndjson")).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(serde_json::from_str::<serde_json::Value>(text.lines().last().unwrap()).is_ok());
    }
}
