//! Opening a spool: what the last run left is looked through, and made whole.
//!
//! Only the newest segment can have a torn end: every start writes new ones, and a segment is followed by another only
//! when its last record is whole. So that one is walked and cut; of the others the headers are read, and their damage
//! is found, and counted, by the readers that come to it.
//!
//! *Invariants*: 1. a damaged file never keeps the spool from opening; 2. nothing unread is deleted: what cannot be read is
//! set aside as `NNN.seg.aside`; 3. a wrong clock at the start cannot make everything too old: a segment that was found has a
//! tenth of the age cap, an hour at most, before the cap takes it.
//!
//! *Limits*: the newest 16 files set aside are kept.

use super::SpoolConfig;
use super::boot;
use super::header::{FRAMES_AT, Header, Opening};
use super::inventory::{Inventory, Segment, Shared, Spool, SpoolStats};
use super::subscription::CURSORS;
use super::walk::{Found, Walk};
use super::writer::Writer;
use crate::clock::Clock;
use crate::error::Error;
use crate::note::{self, Note};
use crate::record::{Stream, bounded_node};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Files set aside that are kept.
const MAX_ASIDE: usize = 16;
/// A segment that was found lives at least this long, or a tenth of the age cap.
const GRACE: Duration = Duration::from_secs(3600);

/// A spool that is ready, and what was found.
pub struct Opened {
    /// Appends.
    pub writer: Writer,
    /// Hands out subscriptions and figures.
    pub spool: Spool,
    /// What the start had to do.
    pub recovery: Recovery,
}

/// What a start found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments that can be read.
    pub segments: u64,
    /// Whether the newest one ended in the middle of a record.
    pub torn: bool,
    /// Bytes cut from it.
    pub torn_bytes: u64,
    /// Files set aside because they could not be read.
    pub set_aside: u64,
    /// Of these, written by a newer version.
    pub newer: u64,
}

/// Opens or makes a spool in `folder` for the records of `node`.
pub fn open(folder: &Path, node: &str, config: SpoolConfig, clock: Arc<dyn Clock>) -> Result<Opened, Error> {
    config.check()?;
    fs::create_dir_all(folder.join(CURSORS)).map_err(Error::file("create", folder))?;
    let lock = lock(folder)?;
    let mut survey = Survey::default();
    survey.look(folder, &config, clock.as_ref())?;
    let (cursors, noted_boot) = noted(folder)?;
    // A cursor beyond the newest record means that power was lost after a delivery: those numbers name events already.
    let noted_end = cursors.values().copied().max().unwrap_or(0);
    let end = survey.segments.back().map_or(0, |segment| segment.end).max(noted_end);
    let seen = survey.segments.iter().map(|segment| segment.header.stream.boot).fold(noted_boot, u64::max);
    let boot = boot::next(folder, seen, clock.wall_ns());
    let Survey { segments, recovery, next_index } = survey;
    let stats = SpoolStats {
        boot,
        end,
        set_aside: recovery.set_aside,
        torn_bytes: recovery.torn_bytes,
        ..SpoolStats::default()
    };
    let inventory = Inventory::new(segments, stats, cursors);
    let shared = Arc::new(Shared::new(folder.to_owned(), config, clock, inventory));
    let stream = Stream { node: bounded_node(node).into(), boot };
    let writer = Writer::new(Arc::clone(&shared), stream, end, next_index, lock);
    Ok(Opened { writer, spool: Spool { shared }, recovery })
}

fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(Error::file("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(Error::file("lock", &path)(error)),
    }
}

/// The places of all sinks that ever subscribed, and the largest boot number that they remember. Until it is forgotten, a sink
/// holds back what it has not had: at a start, nobody can know yet which of them will come again.
fn noted(folder: &Path) -> Result<(BTreeMap<String, u64>, u64), Error> {
    let path = folder.join(CURSORS);
    let (mut places, mut boot) = (BTreeMap::new(), 0);
    for entry in fs::read_dir(&path).map_err(Error::file("list", &path))? {
        let place = entry.map_err(Error::file("list", &path))?.path();
        let name = place.file_name().and_then(|name| name.to_str()).and_then(|name| name.split('.').next());
        let Some(name) = name else { continue };
        if let Note::Fresh(text) | Note::Previous(text) = note::load(&path.join(name)) {
            places.insert(name.to_owned(), note::number(&text, "next").unwrap_or(0));
            boot = boot.max(note::number(&text, "boot").unwrap_or(0));
        }
    }
    Ok((places, boot))
}

/// Files by their names, in order.
#[derive(Default)]
struct Listing {
    segments: Vec<(u64, PathBuf)>,
    aside: Vec<PathBuf>,
}

/// The segments of a folder as they are found.
#[derive(Default)]
struct Survey {
    segments: VecDeque<Segment>,
    recovery: Recovery,
    next_index: u64,
}

impl Survey {
    fn look(&mut self, folder: &Path, config: &SpoolConfig, clock: &dyn Clock) -> Result<(), Error> {
        let Listing { segments, aside } = self.list(folder)?;
        for (_, path) in &segments {
            self.add(path, config, clock)?;
        }
        for at in 1..self.segments.len() {
            let next = self.segments.get(at).map_or(0, |segment| segment.header.first);
            if let Some(segment) = self.segments.get_mut(at - 1) {
                segment.end = next;
            }
        }
        self.mend_newest()?;
        self.recovery.segments = self.segments.len() as u64;
        let excess = (aside.len() + self.recovery.set_aside as usize).saturating_sub(MAX_ASIDE);
        for path in aside.iter().take(excess) {
            fs::remove_file(path).map_err(Error::file("delete", path))?;
        }
        Ok(())
    }

    /// The segments, and what was set aside before. Learns which number is free.
    fn list(&mut self, folder: &Path) -> Result<Listing, Error> {
        let Listing { mut segments, mut aside } = Listing::default();
        for entry in fs::read_dir(folder).map_err(Error::file("list", folder))? {
            let path = entry.map_err(Error::file("list", folder))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let Some((index, rest)) = name.split_once('.') else { continue };
            let Ok(index) = index.parse::<u64>() else { continue };
            match rest {
                "seg" => segments.push((index, path)),
                "seg.aside" => aside.push(path),
                _ => continue,
            }
            self.next_index = self.next_index.max(index.saturating_add(1));
        }
        segments.sort_unstable();
        aside.sort_unstable();
        Ok(Listing { segments, aside })
    }

    fn add(&mut self, path: &Path, config: &SpoolConfig, clock: &dyn Clock) -> Result<(), Error> {
        let file = File::open(path).map_err(Error::file("open", path))?;
        let meta = file.metadata().map_err(Error::file("read", path))?;
        let mut start = Vec::new();
        file.take(FRAMES_AT).read_to_end(&mut start).map_err(Error::file("read", path))?;
        let header = match Header::read(&start) {
            Opening::Segment(header) => header,
            Opening::Newer(_) => {
                self.recovery.newer += 1;
                return self.set_aside(path);
            }
            // Made, but the process ended before the header was in it: there cannot be a record.
            Opening::Unreadable if meta.len() < FRAMES_AT => {
                return fs::remove_file(path).map_err(Error::file("delete", path));
            }
            Opening::Unreadable => return self.set_aside(path),
        };
        if self.segments.back().is_some_and(|before| header.first < before.header.first) {
            return self.set_aside(path);
        }
        let modified = meta.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let age = Duration::from_nanos(clock.wall_ns()).saturating_sub(modified.unwrap_or_default());
        let grace = GRACE.min(config.max_age / 10);
        self.segments.push_back(Segment {
            end: header.first,
            header: Arc::new(header),
            path: path.to_owned(),
            bytes: meta.len(),
            sealed: true,
            touched: clock.steady(),
            already: age.min(config.max_age.saturating_sub(grace)),
        });
        Ok(())
    }

    /// Walks the newest segment, cuts its torn end, and deletes it if there is nothing in it.
    fn mend_newest(&mut self) -> Result<(), Error> {
        let Some(newest) = self.segments.back_mut() else { return Ok(()) };
        let path = newest.path.clone();
        let file = File::options().read(true).write(true).open(&path).map_err(Error::file("open", &path))?;
        let mut walk = Walk::new(&file, &newest.header);
        while walk.next(newest.bytes).map_err(Error::file("read", &path))? != Found::End {}
        let (sound, due) = (walk.sound(), walk.due());
        if sound < newest.bytes {
            self.recovery.torn = true;
            self.recovery.torn_bytes = newest.bytes - sound;
            file.set_len(sound).map_err(Error::file("cut", &path))?;
            newest.bytes = sound;
        }
        newest.end = due;
        if newest.end == newest.header.first && newest.bytes <= newest.header.frames_at {
            fs::remove_file(&path).map_err(Error::file("delete", &path))?;
            self.segments.pop_back();
        }
        Ok(())
    }

    fn set_aside(&mut self, path: &Path) -> Result<(), Error> {
        let mut name = path.as_os_str().to_owned();
        name.push(".aside");
        fs::rename(path, name).map_err(Error::file("rename", path))?;
        self.recovery.set_aside += 1;
        Ok(())
    }
}
