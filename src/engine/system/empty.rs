//! Relations of PostgreSQL that are honestly empty here: they exist, have their columns, and join.

use super::table::{Asked, Kind, Row, Rows, SystemTable};
use crate::error::Result;

const fn empty(name: &'static str, comment: &'static str, columns: &'static [(&'static str, Kind)]) -> SystemTable {
    nothing("pg_catalog", name, comment, columns)
}

pub(super) const fn nothing(
    schema: &'static str,
    name: &'static str,
    comment: &'static str,
    columns: &'static [(&'static str, Kind)],
) -> SystemTable {
    SystemTable { schema, name, comment, columns, rows: Rows::Now(none) }
}

fn none(_: &Asked<'_>) -> Result<Vec<Row>> {
    Ok(Vec::new())
}

pub(super) const TABLES: &[SystemTable] = &[
    empty(
        "pg_user_mappings",
        "Nothing: a connection has one set of credentials.",
        &[
            ("umid", Kind::Oid),
            ("srvid", Kind::Oid),
            ("srvname", Kind::Text),
            ("umuser", Kind::Oid),
            ("usename", Kind::Text),
            ("umoptions", Kind::Array),
        ],
    ),
    empty(
        "pg_policies",
        "Nothing: there are no row policies.",
        &[
            ("schemaname", Kind::Text),
            ("tablename", Kind::Text),
            ("policyname", Kind::Text),
            ("permissive", Kind::Text),
            ("roles", Kind::Array),
            ("cmd", Kind::Text),
            ("qual", Kind::Text),
            ("with_check", Kind::Text),
        ],
    ),
    empty("pg_prepared_xacts", "Nothing: there is no two-phase commit.", PG_PREPARED_XACTS),
    empty(
        "pg_sequences",
        "Nothing: there are no sequences.",
        &[
            ("schemaname", Kind::Text),
            ("sequencename", Kind::Text),
            ("sequenceowner", Kind::Text),
            ("data_type", Kind::Oid),
            ("start_value", Kind::Big),
            ("min_value", Kind::Big),
            ("max_value", Kind::Big),
            ("increment_by", Kind::Big),
            ("cycle", Kind::Bool),
            ("cache_size", Kind::Big),
            ("last_value", Kind::Big),
        ],
    ),
    empty(
        "pg_rules",
        "Nothing: there are no rewrite rules.",
        &[("schemaname", Kind::Text), ("tablename", Kind::Text), ("rulename", Kind::Text), ("definition", Kind::Text)],
    ),
    empty(
        "pg_seclabels",
        "Nothing: there are no security labels.",
        &[
            ("objoid", Kind::Oid),
            ("classoid", Kind::Oid),
            ("objsubid", Kind::Int),
            ("objtype", Kind::Text),
            ("objnamespace", Kind::Oid),
            ("objname", Kind::Text),
            ("provider", Kind::Text),
            ("label", Kind::Text),
        ],
    ),
    empty("pg_group", "Nothing: roles have no members yet.", &[("groname", Kind::Text), ("grosysid", Kind::Oid), ("grolist", Kind::Oids)]),
    empty("pg_available_extensions", "Nothing: the hub has no extensions.", PG_AVAILABLE_EXTENSIONS),
    empty("pg_stat_all_tables", "Nothing is counted per table yet.", PG_STAT_TABLES),
    empty("pg_stat_user_tables", "Nothing is counted per table yet.", PG_STAT_TABLES),
    empty("pg_statio_all_tables", "Nothing is counted per table yet.", PG_STATIO_TABLES),
    empty("pg_statio_user_tables", "Nothing is counted per table yet.", PG_STATIO_TABLES),
    empty("pg_stat_user_indexes", "Nothing: lake tables have no indexes.", PG_STAT_INDEXES),
    empty("pg_stat_all_indexes", "Nothing: lake tables have no indexes.", PG_STAT_INDEXES),
    empty("pg_stat_ssl", "Not told yet.", PG_STAT_SSL),
    empty("pg_cursors", "Not told yet.", PG_CURSORS),
    empty("pg_prepared_statements", "Not told yet.", PG_PREPARED_STATEMENTS),
];

const PG_PREPARED_XACTS: &[(&str, Kind)] =
    &[("transaction", Kind::Int), ("gid", Kind::Text), ("prepared", Kind::Time), ("owner", Kind::Text), ("database", Kind::Text)];

const PG_AVAILABLE_EXTENSIONS: &[(&str, Kind)] =
    &[("name", Kind::Text), ("default_version", Kind::Text), ("installed_version", Kind::Text), ("comment", Kind::Text)];

const PG_STAT_TABLES: &[(&str, Kind)] = &[
    ("relid", Kind::Oid),
    ("schemaname", Kind::Text),
    ("relname", Kind::Text),
    ("seq_scan", Kind::Big),
    ("seq_tup_read", Kind::Big),
    ("idx_scan", Kind::Big),
    ("idx_tup_fetch", Kind::Big),
    ("n_tup_ins", Kind::Big),
    ("n_tup_upd", Kind::Big),
    ("n_tup_del", Kind::Big),
    ("n_tup_hot_upd", Kind::Big),
    ("n_live_tup", Kind::Big),
    ("n_dead_tup", Kind::Big),
    ("n_mod_since_analyze", Kind::Big),
    ("last_vacuum", Kind::Time),
    ("last_autovacuum", Kind::Time),
    ("last_analyze", Kind::Time),
    ("last_autoanalyze", Kind::Time),
    ("vacuum_count", Kind::Big),
    ("autovacuum_count", Kind::Big),
    ("analyze_count", Kind::Big),
    ("autoanalyze_count", Kind::Big),
];

const PG_STATIO_TABLES: &[(&str, Kind)] = &[
    ("relid", Kind::Oid),
    ("schemaname", Kind::Text),
    ("relname", Kind::Text),
    ("heap_blks_read", Kind::Big),
    ("heap_blks_hit", Kind::Big),
    ("idx_blks_read", Kind::Big),
    ("idx_blks_hit", Kind::Big),
    ("toast_blks_read", Kind::Big),
    ("toast_blks_hit", Kind::Big),
    ("tidx_blks_read", Kind::Big),
    ("tidx_blks_hit", Kind::Big),
];

const PG_STAT_INDEXES: &[(&str, Kind)] = &[
    ("relid", Kind::Oid),
    ("indexrelid", Kind::Oid),
    ("schemaname", Kind::Text),
    ("relname", Kind::Text),
    ("indexrelname", Kind::Text),
    ("idx_scan", Kind::Big),
    ("idx_tup_read", Kind::Big),
    ("idx_tup_fetch", Kind::Big),
];

const PG_STAT_SSL: &[(&str, Kind)] = &[
    ("pid", Kind::Int),
    ("ssl", Kind::Bool),
    ("version", Kind::Text),
    ("cipher", Kind::Text),
    ("bits", Kind::Int),
    ("client_dn", Kind::Text),
    ("client_serial", Kind::Big),
    ("issuer_dn", Kind::Text),
];

const PG_CURSORS: &[(&str, Kind)] = &[
    ("name", Kind::Text),
    ("statement", Kind::Text),
    ("is_holdable", Kind::Bool),
    ("is_binary", Kind::Bool),
    ("is_scrollable", Kind::Bool),
    ("creation_time", Kind::Time),
];

const PG_PREPARED_STATEMENTS: &[(&str, Kind)] = &[
    ("name", Kind::Text),
    ("statement", Kind::Text),
    ("prepare_time", Kind::Time),
    ("parameter_types", Kind::Array),
    ("result_types", Kind::Array),
    ("from_sql", Kind::Bool),
    ("generic_plans", Kind::Big),
    ("custom_plans", Kind::Big),
];
