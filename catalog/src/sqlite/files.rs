//! The file ledger of a source: which files were seen, in which order, and how many rows they gave.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};

use super::row::{all, run, signed, text, unsigned};
use crate::error::Result;
use crate::model::{FileEntry, FileSeen, Micros, ObjectId};

/// Below this share of the ledger, looking files up one by one beats reading the ledger.
const SCAN_WORTH: i64 = 8;

/// What `replaced` holds: this, 1 when a newer version took the place, or that there is no such file any more.
const CURRENT: i64 = 0;
const GONE: i64 = 2;

/// The files of a listing that the ledger does not show as current, in order. Of one path told twice the last counts.
pub(super) fn unknown<'a>(db: &Connection, source: ObjectId, seen: &'a [FileSeen]) -> Result<Vec<&'a FileSeen>> {
    let last: HashMap<&str, usize> = seen.iter().enumerate().map(|(place, file)| (file.path.as_str(), place)).collect();
    let mut news = vec![false; seen.len()];
    for place in last.values() {
        if let Some(new) = news.get_mut(*place) {
            *new = true;
        }
    }
    let mut settle = |path: &str, etag: &str| {
        if let Some(place) = last.get(path)
            && seen.get(*place).is_some_and(|file| file.etag == etag)
            && let Some(new) = news.get_mut(*place)
        {
            *new = false;
        }
    };
    if signed(seen.len() as u64)?.saturating_mul(SCAN_WORTH) < newest(db, source)? {
        let mut current = db.prepare_cached("SELECT etag FROM files WHERE source_id = ?1 AND path = ?2 AND replaced = 0")?;
        for path in last.keys() {
            let mut rows = current.query(params![source.0, path])?;
            while let Some(row) = rows.next()? {
                settle(path, text(row, 0)?);
            }
        }
    } else {
        let mut current = db.prepare_cached("SELECT path, etag FROM files WHERE source_id = ?1 AND replaced = 0")?;
        let mut rows = current.query([source.0])?;
        while let Some(row) = rows.next()? {
            let path = text(row, 0)?;
            settle(path, text(row, 1)?);
        }
    }
    Ok(seen.iter().zip(news).filter_map(|(file, new)| new.then_some(file)).collect())
}

/// Enters the files, all of which are unknown, behind the newest.
pub(super) fn enter(db: &Connection, source: ObjectId, files: &[&FileSeen], now: Micros) -> Result<Vec<FileEntry>> {
    let mut seq = newest(db, source)?;
    let mut entered = Vec::with_capacity(files.len());
    for file in files {
        seq += 1;
        run(db, "UPDATE files SET replaced = 1 WHERE source_id = ?1 AND path = ?2 AND replaced = 0", params![source.0, file.path])?;
        let sql = "INSERT INTO files (source_id, seq, path, etag, size, modified_at, seen_at, rows, replaced)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL, 0)";
        run(db, sql, params![source.0, seq, file.path, file.etag, signed(file.size)?, file.modified_at, now])?;
        entered.push(FileEntry { seq, file: (*file).clone(), seen_at: now, rows: None, replaced: false, gone: false });
    }
    Ok(entered)
}

pub(super) fn list(db: &Connection, source: ObjectId, after: i64, to: Option<i64>, limit: Option<usize>) -> Result<Vec<FileEntry>> {
    let sql = "SELECT seq, path, etag, size, modified_at, seen_at, rows, replaced FROM files
        WHERE source_id = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq LIMIT ?4";
    // A negative limit is none.
    let limit = limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(-1);
    all(db, sql, params![source.0, after, to.unwrap_or(i64::MAX), limit], entry)
}

pub(super) fn newest(db: &Connection, source: ObjectId) -> Result<i64> {
    let sql = "SELECT coalesce(max(seq), 0) FROM files WHERE source_id = ?1";
    Ok(db.prepare_cached(sql)?.query_row([source.0], |row| row.get(0))?)
}

pub(super) fn forget(db: &Connection, source: ObjectId, seq: i64) -> Result<()> {
    run(db, "UPDATE files SET replaced = ?3 WHERE source_id = ?1 AND seq = ?2", params![source.0, seq, GONE])?;
    Ok(())
}

pub(super) fn set_rows(db: &Connection, source: ObjectId, seq: i64, rows: i64) -> Result<()> {
    run(db, "UPDATE files SET rows = ?3 WHERE source_id = ?1 AND seq = ?2", [source.0, seq, rows])?;
    Ok(())
}

fn entry(row: &Row<'_>) -> Result<FileEntry> {
    Ok(FileEntry {
        seq: row.get(0)?,
        file: FileSeen { path: row.get(1)?, etag: row.get(2)?, size: unsigned(row.get(3)?)?, modified_at: row.get(4)? },
        seen_at: row.get(5)?,
        rows: row.get(6)?,
        replaced: row.get::<_, i64>(7)? != CURRENT,
        gone: row.get::<_, i64>(7)? == GONE,
    })
}
