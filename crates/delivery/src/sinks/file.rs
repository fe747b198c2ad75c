//! Lines to a file, which is rotated by size, or by others.
//!
//! `PATH` is written; at [`FileConfig::max_bytes`] it becomes `PATH.1` (`PATH.1.gz` with gzip), the former `.1` becomes
//! `.2`, and so on; what is beyond [`FileConfig::keep`] is deleted, and counted. When somebody else moved the file away (`logrotate`),
//! the next batch goes to a new one.
//!
//! *Invariants*: 1. a batch is one write at the end of the file; when it fails, it is taken back, so no half line stays; 2. a
//! line that a crash cut short is ended before the next begins; 3. a batch is in one file, which may be larger by that.
//!
//! *Limits*: done means that the kernel has it. Power loss may lose lines, which the spool no longer has either;
//! `durable` waits for the disk.

use super::blocking::{Blocking, BlockingWriter};
use super::{LineFormatter, lines};
use crate::error::Error;
use crate::record::Record;
use crate::sink::{Outcome, Sink};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Which file, and how it is rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileConfig {
    /// The file; its folder must exist.
    pub path: PathBuf,
    /// Rotates before the file would be larger; `None` leaves it to others.
    pub max_bytes: Option<u64>,
    /// Rotated files that are kept.
    pub keep: u32,
    /// Compress rotated files.
    pub gzip: bool,
    /// Have the disk confirm each batch.
    pub durable: bool,
}

impl FileConfig {
    /// 100 MiB, 5 files kept, not compressed, not durable.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), max_bytes: Some(100 << 20), keep: 5, gzip: false, durable: false }
    }
}

/// A sink that appends lines to a file.
pub fn file(config: FileConfig, format: LineFormatter) -> Result<Box<dyn Sink>, Error> {
    if config.max_bytes == Some(0) {
        return Err(Error::Config("a file of 0 bytes cannot be written; leave the size out to have no limit".into()));
    }
    let mut lines = LineFile { config, format, file: None, rotations: 0, deleted: 0 };
    let path = lines.config.path.clone();
    lines.current().map_err(Error::file("open", &path))?;
    Blocking::start("tapir-file", lines)
}

struct LineFile {
    config: FileConfig,
    format: LineFormatter,
    file: Option<Current>,
    rotations: u64,
    deleted: u64,
}

struct Current {
    file: File,
    bytes: u64,
    identity: (u64, u64),
}

impl BlockingWriter for LineFile {
    fn write(&mut self, batch: &[Record]) -> Result<Vec<Outcome>, String> {
        let (buffer, outcomes) = lines(&self.format, batch);
        self.append(&buffer).map_err(|error| format!("cannot write {}: {error}", self.config.path.display()))?;
        Ok(outcomes)
    }

    fn reopen(&mut self) {
        self.file = None;
    }

    fn figures(&self) -> Vec<(&'static str, u64)> {
        vec![("rotations", self.rotations), ("files_deleted", self.deleted)]
    }
}

impl LineFile {
    fn append(&mut self, buffer: &[u8]) -> io::Result<()> {
        if buffer.is_empty() {
            return Ok(());
        }
        let bytes = self.current()?.bytes;
        if bytes > 0 && self.config.max_bytes.is_some_and(|max| bytes + buffer.len() as u64 > max) {
            self.file = None;
            self.rotate()?;
        }
        let durable = self.config.durable;
        let current = self.current()?;
        let mut done = current.file.write_all(buffer);
        if done.is_ok() && durable {
            done = current.file.sync_data();
        }
        match done {
            Ok(()) => current.bytes += buffer.len() as u64,
            Err(_) => {
                current.file.set_len(current.bytes)?;
                self.file = None;
            }
        }
        done
    }

    /// The open file, if it is still the one at the path; else that one is opened.
    fn current(&mut self) -> io::Result<&mut Current> {
        let there = fs::metadata(&self.config.path).ok().map(|meta| (meta.dev(), meta.ino(), meta.len()));
        // Somebody may have emptied it, too (`copytruncate`).
        let same = |current: &Current| there.is_some_and(|(dev, ino, _)| current.identity == (dev, ino));
        let mut current = match self.file.take().filter(same) {
            Some(current) => current,
            None => Current::open(&self.config.path)?,
        };
        if let Some((_, _, len)) = there.filter(|(dev, ino, _)| current.identity == (*dev, *ino)) {
            current.bytes = len;
        }
        Ok(self.file.insert(current))
    }

    fn rotate(&mut self) -> io::Result<()> {
        let keep = self.config.keep;
        if keep == 0 {
            fs::remove_file(&self.config.path)?;
            self.deleted += 1;
            self.rotations += 1;
            return Ok(());
        }
        // Both names: compression may have been switched, or a crash may have come before it.
        for suffix in ["", ".gz"] {
            match fs::remove_file(self.rotated(keep, suffix)) {
                Ok(()) => self.deleted += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            for n in (1..keep).rev() {
                rename_if_there(&self.rotated(n, suffix), &self.rotated(n + 1, suffix))?;
            }
        }
        let first = self.rotated(1, "");
        fs::rename(&self.config.path, &first)?;
        self.rotations += 1;
        if self.config.gzip {
            let part = self.rotated(1, ".gz.part");
            compress(&first, &part)?;
            fs::rename(&part, self.rotated(1, ".gz"))?;
            fs::remove_file(&first)?;
        }
        Ok(())
    }

    fn rotated(&self, n: u32, suffix: &str) -> PathBuf {
        let mut name = self.config.path.as_os_str().to_owned();
        name.push(format!(".{n}{suffix}"));
        name.into()
    }
}

impl Current {
    /// Opens a file to go on with it; a line without end is ended.
    fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::options().create(true).read(true).append(true).open(path)?;
        let meta = file.metadata()?;
        let mut bytes = meta.len();
        if bytes > 0 && meta.is_file() {
            let mut last = [0];
            file.read_exact_at(&mut last, bytes - 1)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
                bytes += 1;
            }
        }
        Ok(Self { file, bytes, identity: (meta.dev(), meta.ino()) })
    }
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn compress(from: &Path, to: &Path) -> io::Result<()> {
    let mut encoder = GzEncoder::new(File::create(to)?, Compression::new(6));
    io::copy(&mut File::open(from)?, &mut encoder)?;
    encoder.finish()?.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Folder, record};
    use std::io::Read;

    fn open(config: FileConfig) -> LineFile {
        let format: LineFormatter = Box::new(|record| Some(record.payload.to_vec()));
        LineFile { config, format, file: None, rotations: 0, deleted: 0 }
    }

    fn write(file: &mut LineFile, n: u64) {
        assert_eq!(file.write(&[record(n)]), Ok(vec![Outcome::Done]));
    }

    fn text(path: &Path) -> String {
        let mut text = String::new();
        if path.extension().is_some_and(|extension| extension == "gz") {
            flate2::read::GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        } else {
            text = fs::read_to_string(path).unwrap();
        }
        text
    }

    #[test]
    fn files_are_rotated_by_size_and_kept_by_number() {
        for (gzip, suffix) in [(false, ""), (true, ".gz")] {
            let folder = Folder::new();
            let path = folder.path().join("a.log");
            let mut file = open(FileConfig { max_bytes: Some(16), keep: 2, gzip, ..FileConfig::new(&path) });
            for n in 1..=7 {
                write(&mut file, n);
            }
            assert_eq!(text(&path), "{\"n\":7}\n");
            assert_eq!(text(&file.rotated(1, suffix)), "{\"n\":5}\n{\"n\":6}\n");
            assert_eq!(text(&file.rotated(2, suffix)), "{\"n\":3}\n{\"n\":4}\n");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
            assert_eq!(file.figures(), [("rotations", 3), ("files_deleted", 1)]);
        }
    }

    #[test]
    fn a_file_that_was_moved_away_emptied_or_is_to_be_opened_anew_goes_on() {
        let folder = Folder::new();
        let path = folder.path().join("a.log");
        let mut file = open(FileConfig::new(&path));
        write(&mut file, 1);
        fs::rename(&path, folder.path().join("moved")).unwrap();
        write(&mut file, 2);
        file.reopen();
        write(&mut file, 3);
        assert_eq!(text(&path), "{\"n\":2}\n{\"n\":3}\n");
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        write(&mut file, 4);
        assert_eq!(text(&path), "{\"n\":4}\n");
        assert_eq!(text(&folder.path().join("moved")), "{\"n\":1}\n");
    }

    #[test]
    fn a_line_that_a_crash_cut_short_is_ended() {
        let folder = Folder::new();
        let path = folder.path().join("a.log");
        fs::write(&path, "{\"n\":").unwrap();
        write(&mut open(FileConfig::new(&path)), 2);
        assert_eq!(text(&path), "{\"n\":\n{\"n\":2}\n");
    }

    #[test]
    fn a_folder_that_is_not_there_is_told_at_the_start() {
        let folder = Folder::new();
        let format: LineFormatter = Box::new(|_| None);
        let result = file(FileConfig::new(folder.path().join("no/a.log")), format);
        assert!(result.err().unwrap().to_string().contains("no/a.log"));
    }

    #[tokio::test]
    async fn it_works_through_its_thread() {
        let folder = Folder::new();
        let path = folder.path().join("a.log");
        let mut sink = file(FileConfig::new(&path), Box::new(|record| Some(record.payload.to_vec()))).unwrap();
        sink.deliver(&[record(1), record(2)]).await;
        fs::rename(&path, folder.path().join("b")).unwrap();
        sink.reopen();
        sink.deliver(&[record(3)]).await;
        assert_eq!(text(&path), "{\"n\":3}\n");
        assert_eq!(sink.figures(), [("rotations", 0), ("files_deleted", 0)]);
    }
}
