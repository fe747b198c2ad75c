//! A subscription: one sink's way through the spool, and the cursor that keeps its place.
//!
//! *How it fits*: a courier reads batches, hands them to its sink, and settles what was acknowledged. Reading runs ahead of
//! settling by what is in flight.
//!
//! *Invariants*: 1. records come in the order of their numbers, each once per run; 2. what is missing is counted to the
//! number, as dropped by a cap or as damaged; 3. the cursor only moves when the sink has acknowledged, and is durable before a
//! segment goes because of it; 4. a damaged cursor falls back to its previous text, then to the oldest record: twice, never not
//! at all; 5. no damage makes it stop: a segment that cannot be read after [`ATTEMPTS`] is passed over and counted.
//!
//! *Limits*: a sink's name has 1 to 64 letters, digits, `-` and `_`.

use super::SyncPolicy;
use super::inventory::{Place, Segment, Shared, Spool};
use super::walk::{Found, Walk};
use crate::error::{AppendError, Error};
use crate::note::{self, Note};
use crate::record::Record;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// The folder of cursors within the spool.
pub(super) const CURSORS: &str = "cursors";
/// How often a segment is tried before it is passed over.
const ATTEMPTS: u32 = 5;

/// What never reached a sink, in records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Dropped by the size or age cap before the sink had them.
    pub to_caps: u64,
    /// Damaged on disk, or lost with the power.
    pub to_damage: u64,
    /// Frames of a newer version that this one does not know.
    pub foreign: u64,
}

/// See the module.
pub struct Subscription {
    shared: Arc<Shared>,
    sink: String,
    cursor: PathBuf,
    end: watch::Receiver<u64>,
    /// The number after the last record that was handed out.
    next: u64,
    /// The number before which all is acknowledged and noted.
    settled: u64,
    open: Option<OpenSegment>,
    /// Read, but over the byte limit of the batch before.
    held: Option<Record>,
    failures: u32,
    losses: Losses,
    cursor_damaged: bool,
}

struct OpenSegment {
    index: u64,
    walk: Walk<File>,
    foreign: u64,
}

impl Spool {
    /// The subscription of a sink, where it stood when it was last settled; a new sink begins at the oldest record.
    pub fn subscribe(&self, sink: &str) -> Result<Subscription, Error> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if sink.is_empty() || sink.len() > 64 || !sink.bytes().all(fits) {
            return Err(Error::SinkName(sink.to_owned()));
        }
        let cursor = self.shared.folder.join(CURSORS).join(sink);
        let (next, cursor_damaged) = match note::load(&cursor) {
            Note::Fresh(text) => (note::number(&text, "next"), false),
            Note::Previous(text) => (note::number(&text, "next"), true),
            Note::Missing => (None, false),
            Note::Damaged => (None, true),
        };
        let (place, boot) = {
            let mut inventory = self.shared.lock();
            let oldest = inventory.segments.front().map_or(inventory.stats.end, |segment| segment.header.first);
            let place = next.unwrap_or(oldest);
            if !inventory.take_cursor(sink, place) {
                return Err(Error::SinkTaken(sink.to_owned()));
            }
            (place, inventory.stats.boot)
        };
        // A new sink's place is noted at once: what a cap takes before its first delivery is lost to it, and counted.
        if next.is_none()
            && let Err(error) = note::save(&cursor, &format!("next={place} boot={boot}"), false)
        {
            self.shared.report(format!("cannot write {}: {error}", cursor.display()));
        }
        let next = place;
        self.shared.passed(sink, next);
        Ok(Subscription {
            shared: Arc::clone(&self.shared),
            sink: sink.to_owned(),
            cursor,
            end: self.shared.end.subscribe(),
            next,
            settled: next,
            open: None,
            held: None,
            failures: 0,
            losses: Losses::default(),
            cursor_damaged,
        })
    }

    /// Forgets a sink that is no longer configured: its place does not hold segments back any more, and coming back it begins at
    /// the oldest record.
    pub fn forget(&self, sink: &str) -> Result<(), Error> {
        note::delete(&self.shared.folder.join(CURSORS).join(sink))
            .map_err(Error::file("delete", &self.shared.folder.join(CURSORS).join(sink)))?;
        let released = self.shared.lock().forget_cursor(sink);
        self.shared.remove(released);
        Ok(())
    }
}

impl Subscription {
    /// Appends up to `max_records` records, and up to `max_bytes` of payload but at least one record, to `out`. Returns how
    /// many; 0 means that there is nothing new. Reads files: not for an executor's thread.
    pub fn read(&mut self, max_records: usize, max_bytes: usize, out: &mut Vec<Record>) -> io::Result<usize> {
        let (mut count, mut bytes) = (0, 0);
        while count < max_records {
            let record = match self.held.take() {
                Some(record) => record,
                None => match self.find()? {
                    Some(record) => record,
                    None => break,
                },
            };
            if count > 0 && bytes + record.payload.len() > max_bytes {
                self.held = Some(record);
                break;
            }
            bytes += record.payload.len();
            count += 1;
            self.next = record.seq().saturating_add(1);
            out.push(record);
        }
        Ok(count)
    }

    /// Waits until there is something to read.
    pub async fn wait(&mut self) {
        if self.held.is_none() {
            let next = self.next;
            // The sender lives in `shared`, which this holds: there is no error.
            let _ = self.end.wait_for(|end| *end > next).await;
        }
    }

    /// The number after the last record that was handed out.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The number before which all is settled.
    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// Notes that every record before `next` is acknowledged (or given up and kept elsewhere). Writes a file.
    pub fn settle(&mut self, next: u64) -> Result<(), Error> {
        if next <= self.settled {
            return Ok(());
        }
        let wants = self.shared.wants_durable(&self.sink, next);
        let boot = self.shared.lock().stats.boot;
        let durable = wants && self.shared.config.sync != SyncPolicy::Never;
        let text = format!("next={next} boot={boot}");
        let mut saved = note::save(&self.cursor, &text, durable);
        if saved.as_ref().is_err_and(|error| AppendError::is_for_room(error.kind())) {
            // A full disk must not keep itself full: what is delivered goes first. Should the note fail again and the process
            // end, the next run counts as lost what was delivered.
            self.shared.passed(&self.sink, next);
            saved = note::save(&self.cursor, &text, durable);
        }
        saved.map_err(Error::file("write", &self.cursor))?;
        self.settled = next;
        if wants {
            self.shared.passed(&self.sink, next);
        }
        Ok(())
    }

    /// What was missing so far.
    pub fn losses(&self) -> Losses {
        self.losses
    }

    /// Whether the cursor was found damaged at the start.
    pub fn cursor_damaged(&self) -> bool {
        self.cursor_damaged
    }

    /// The segment that is being read and the place in it, to reckon what is ahead.
    pub(crate) fn place(&self) -> Option<(u64, u64)> {
        let held = self.held.as_ref().map_or(0, |record| record.payload.len() as u64);
        self.open.as_ref().map(|open| (open.index, open.walk.place().saturating_sub(held)))
    }

    /// The next record, or `None` when there is nothing new.
    fn find(&mut self) -> io::Result<Option<Record>> {
        loop {
            let place = self.shared.lock().locate(self.next);
            match place {
                Place::CaughtUp => return Ok(None),
                Place::Gap { to, dropped } => {
                    let lost = to - self.next;
                    if dropped {
                        self.losses.to_caps += lost
                    } else {
                        self.losses.to_damage += lost
                    }
                    self.next = to;
                }
                Place::In(segment) => match self.find_in(&segment) {
                    Ok(Some(record)) => {
                        self.failures = 0;
                        return Ok(Some(record));
                    }
                    // All of it was read: on to the next one.
                    Ok(None) => {}
                    Err(error) => self.failed(error, &segment)?,
                },
            }
        }
    }

    fn find_in(&mut self, segment: &Segment) -> io::Result<Option<Record>> {
        let index = segment.header.index;
        let mut open = match self.open.take().filter(|open| open.index == index) {
            Some(open) => open,
            None => {
                let file = File::open(&segment.path)?;
                OpenSegment { index, walk: Walk::new(file, &segment.header), foreign: 0 }
            }
        };
        let found = loop {
            match open.walk.next(segment.bytes)? {
                Found::Record(head, _) if head.seq < self.next => {}
                Found::Record(head, payload) if head.seq < segment.end => {
                    self.losses.to_damage += head.seq - self.next;
                    let record = Record {
                        id: segment.header.stream.id(head.seq),
                        time_ns: head.time_ns,
                        queued_ns: head.queued_ns,
                        payload: open.walk.payload(payload).into(),
                    };
                    self.next = head.seq;
                    break Some(record);
                }
                // Beyond what the next segment says is its own: left from a write that failed.
                Found::Record(..) => {}
                Found::End => {
                    self.losses.to_damage += segment.end - self.next;
                    self.next = segment.end;
                    break None;
                }
            }
        };
        self.losses.foreign += open.walk.foreign() - open.foreign;
        open.foreign = open.walk.foreign();
        self.open = Some(open);
        Ok(found)
    }

    /// Tries again later; after some time the rest of the segment is given up. A file that is not there was dropped in this
    /// moment, or by hand: the list of segments tells at once.
    fn failed(&mut self, error: io::Error, segment: &Segment) -> io::Result<()> {
        self.open = None;
        self.failures += 1;
        if self.failures < ATTEMPTS {
            return if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) };
        }
        self.failures = 0;
        self.shared.report(format!("passed over {}: {error}", segment.path.display()));
        self.losses.to_damage += segment.end - self.next;
        self.next = segment.end;
        Ok(())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.lock().give_cursor(&self.sink);
    }
}
