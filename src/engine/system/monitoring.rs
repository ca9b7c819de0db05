//! What monitoring tools and editors ask for beside the clients: databases, locks, passwords, time zones.
//!
//! What the hub does not count is NULL or absent, never a made-up number.

use chrono::{Offset, TimeZone};
use chrono_tz::{OffsetName, TZ_VARIANTS};

use super::super::state::database;
use super::table::{Asked, Cell, Kind, Row, Rows, SystemTable};
use crate::error::Result;

pub(super) const TABLES: &[SystemTable] = &[
    SystemTable {
        schema: "pg_catalog",
        name: "pg_stat_database",
        comment: "The database and how many clients it has. Nothing else is counted.",
        columns: PG_STAT_DATABASE,
        rows: Rows::Now(stat_database),
    },
    SystemTable {
        schema: "pg_catalog",
        name: "pg_locks",
        comment: "Nothing: readers never wait, and writers of a table stand in a queue of their own.",
        columns: PG_LOCKS,
        rows: Rows::Now(|_| Ok(Vec::new())),
    },
    SystemTable {
        schema: "pg_catalog",
        name: "pg_shadow",
        comment: "Roles that can log in. Passwords are not shown to anybody.",
        columns: &[
            ("usename", Kind::Text),
            ("usesysid", Kind::Oid),
            ("usecreatedb", Kind::Bool),
            ("usesuper", Kind::Bool),
            ("userepl", Kind::Bool),
            ("usebypassrls", Kind::Bool),
            ("passwd", Kind::Text),
            ("valuntil", Kind::Time),
            ("useconfig", Kind::Array),
        ],
        rows: Rows::Now(super::pg_catalog::pg_user),
    },
    SystemTable {
        schema: "pg_catalog",
        name: "pg_timezone_names",
        comment: "Time zones, as they are now.",
        columns: &[("name", Kind::Text), ("abbrev", Kind::Text), ("utc_offset", Kind::Interval), ("is_dst", Kind::Bool)],
        rows: Rows::Now(timezone_names),
    },
];

const PG_STAT_DATABASE: &[(&str, Kind)] = &[
    ("datid", Kind::Oid),
    ("datname", Kind::Text),
    ("numbackends", Kind::Int),
    ("xact_commit", Kind::Big),
    ("xact_rollback", Kind::Big),
    ("blks_read", Kind::Big),
    ("blks_hit", Kind::Big),
    ("tup_returned", Kind::Big),
    ("tup_fetched", Kind::Big),
    ("tup_inserted", Kind::Big),
    ("tup_updated", Kind::Big),
    ("tup_deleted", Kind::Big),
    ("conflicts", Kind::Big),
    ("temp_files", Kind::Big),
    ("temp_bytes", Kind::Big),
    ("deadlocks", Kind::Big),
    ("checksum_failures", Kind::Big),
    ("checksum_last_failure", Kind::Time),
    ("blk_read_time", Kind::Double),
    ("blk_write_time", Kind::Double),
    ("session_time", Kind::Double),
    ("active_time", Kind::Double),
    ("idle_in_transaction_time", Kind::Double),
    ("sessions", Kind::Big),
    ("sessions_abandoned", Kind::Big),
    ("sessions_fatal", Kind::Big),
    ("sessions_killed", Kind::Big),
    ("stats_reset", Kind::Time),
];

const PG_LOCKS: &[(&str, Kind)] = &[
    ("locktype", Kind::Text),
    ("database", Kind::Oid),
    ("relation", Kind::Oid),
    ("page", Kind::Int),
    ("tuple", Kind::Small),
    ("virtualxid", Kind::Text),
    ("transactionid", Kind::Text),
    ("classid", Kind::Oid),
    ("objid", Kind::Oid),
    ("objsubid", Kind::Small),
    ("virtualtransaction", Kind::Text),
    ("pid", Kind::Int),
    ("mode", Kind::Text),
    ("granted", Kind::Bool),
    ("fastpath", Kind::Bool),
    ("waitstart", Kind::Time),
];

fn stat_database(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let clients = i64::try_from(asked.engine.clients().all().len()).unwrap_or(i64::MAX);
    let mut row: Row = vec![Cell::Int(5), database(asked.scope).into(), Cell::Int(clients)];
    row.resize(PG_STAT_DATABASE.len(), Cell::Null);
    Ok(vec![row])
}

/// Every zone that AT TIME ZONE takes, with what its clocks show at the statement's time.
fn timezone_names(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let now = chrono::DateTime::from_timestamp_micros(asked.scope.now).unwrap_or_default();
    let row = |zone: &chrono_tz::Tz| -> Row {
        let offset = zone.offset_from_utc_datetime(&now.naive_utc());
        let is_summer = !chrono_tz::OffsetComponents::dst_offset(&offset).is_zero();
        let seconds = i64::from(offset.fix().local_minus_utc());
        vec![zone.name().into(), offset.abbreviation().map(str::to_owned).into(), Cell::Int(seconds * 1_000_000), is_summer.into()]
    };
    Ok(TZ_VARIANTS.iter().map(row).collect())
}
