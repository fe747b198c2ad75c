//! Opening the file: one process at a time, settings, migrations, and SQLite's errors in our words.

use super::SqliteConfig;
use super::row::Address;
use super::tally::HOUR;
use crate::StoreError;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One file each; `PRAGMA user_version` tells how many have run. A file that was released is never edited.
const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql"), include_str!("schema_2.sql")];

/// Known schema.
pub(super) const SCHEMA: u32 = MIGRATIONS.len() as u32;

/// Holds the file against other processes as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Takes the lock beside the database; SQLite's own locks allow a second writer, which would not know our caches.
pub(super) fn lock(path: &Path) -> Result<Lock, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let cannot = |error: std::io::Error| StoreError::CannotOpen { path: path.to_owned(), detail: error.to_string() };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(PathBuf::from(name)).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { _file: file }),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.to_owned() }),
        Err(std::fs::TryLockError::Error(error)) => Err(cannot(error)),
    }
}

/// Opens the file for the writer and brings its schema up to date.
pub(super) fn writer(config: &SqliteConfig) -> Result<Connection, StoreError> {
    let path = &config.path;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(|error| translate(path, &error))?;
    let setup = |db: &mut Connection| {
        db.busy_timeout(Duration::from_secs(5))?;
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.pragma_update(None, "wal_autocheckpoint", 16_000)?;
        db.pragma_update(None, "journal_size_limit", 64 << 20)?;
        settings(db, config.writer_cache_mib)?;
        db.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))
    };
    let version = setup(&mut db).map_err(|error| translate(path, &error))?;
    if version > SCHEMA {
        return Err(StoreError::NewerSchema { path: path.clone(), found: version, known: SCHEMA });
    }
    migrate(&mut db, version).map_err(|error| translate(path, &error))?;
    if let Some(bytes) = config.max_file_bytes {
        let limit = |db: &Connection| {
            let page: i64 = db.query_row("PRAGMA page_size", [], |row| row.get(0))?;
            db.query_row(&format!("PRAGMA max_page_count = {}", bytes / page.unsigned_abs().max(1)), [], |_| Ok(()))
        };
        limit(&db).map_err(|error| translate(path, &error))?;
    }
    Ok(db)
}

/// Opens the file for a reader.
pub(super) fn reader(config: &SqliteConfig) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let db = Connection::open_with_flags(&config.path, flags)?;
        db.busy_timeout(Duration::from_secs(2))?;
        settings(&db, config.cache_mib)?;
        db.pragma_update(None, "query_only", true)?;
        Ok(db)
    };
    open().map_err(|error| translate(&config.path, &error))
}

fn settings(db: &Connection, cache_mib: u32) -> rusqlite::Result<()> {
    db.pragma_update(None, "cache_size", -i64::from(cache_mib).saturating_mul(1024))?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "mmap_size", 0)?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn migrate(db: &mut Connection, from: u32) -> rusqlite::Result<()> {
    // Asked by schema 2.
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    db.create_scalar_function("network", 1, flags, |context| {
        let address: Vec<u8> = context.get(0)?;
        let network = Address::of(&address).map(|address| address.network().bytes().to_vec());
        Ok(network.unwrap_or(address))
    })?;
    for (number, sql) in (1u32..).zip(MIGRATIONS).filter(|(number, _)| *number > from) {
        let transaction = db.transaction()?;
        transaction.execute_batch(sql)?;
        if number == 1 {
            transaction.execute("INSERT INTO meta VALUES ('cursor_key', randomblob(32))", [])?;
        }
        if number == 2 {
            count_hours(&transaction)?;
        }
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    db.remove_function("network", 1)
}

/// Fills schema 2's counts by hour. Hour by hour, since SQLite would put all events in order in memory to count them.
fn count_hours(db: &Connection) -> rusqlite::Result<()> {
    let mut next = db.prepare("SELECT t FROM event INDEXED BY event_t WHERE t >= ? ORDER BY t LIMIT 1")?;
    let mut count = db.prepare(
        "INSERT INTO grp_hour (day, grp, hour, n)
         SELECT ?1, grp, ?2, count(*) FROM event INDEXED BY event_t WHERE t BETWEEN ?3 AND ?4 AND sup = 0 GROUP BY grp",
    )?;
    let mut from = i64::MIN;
    while let Some(t) = next.query_row([from], |row| row.get::<_, i64>(0)).optional()? {
        let hour = t.div_euclid(HOUR);
        let last = t.saturating_add(HOUR - 1 - t.rem_euclid(HOUR));
        count.execute([hour.div_euclid(24), hour.rem_euclid(24), t, last])?;
        let Some(after) = last.checked_add(1) else { break };
        from = after;
    }
    Ok(())
}

/// The error in words that say what to do.
pub(super) fn translate(path: &Path, error: &rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    let detail = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked { path },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt { path, detail },
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            StoreError::CannotOpen { path, detail }
        }
        _ => StoreError::Internal(detail),
    }
}
