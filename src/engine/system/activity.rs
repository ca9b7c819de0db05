//! `pg_stat_activity`: the clients that are connected. What another role runs is shown to superusers only.

use weir_catalog::access::READ_ALL_STATS;

use super::super::state::database;
use super::pg_relations::role_oids;
use super::table::{Asked, Cell, Kind, Row, Rows, SystemTable};
use crate::clock::Micros;
use crate::error::Result;

pub(super) const TABLES: &[SystemTable] = &[SystemTable {
    schema: "pg_catalog",
    name: "pg_stat_activity",
    comment: "Clients that are connected.",
    columns: &[
        ("datid", Kind::Oid),
        ("datname", Kind::Text),
        ("pid", Kind::Int),
        ("leader_pid", Kind::Int),
        ("usesysid", Kind::Oid),
        ("usename", Kind::Text),
        ("application_name", Kind::Text),
        ("client_addr", Kind::Text),
        ("client_hostname", Kind::Text),
        ("client_port", Kind::Int),
        ("backend_start", Kind::Time),
        ("xact_start", Kind::Time),
        ("query_start", Kind::Time),
        ("state_change", Kind::Time),
        ("wait_event_type", Kind::Text),
        ("wait_event", Kind::Text),
        ("state", Kind::Text),
        ("backend_xid", Kind::Text),
        ("backend_xmin", Kind::Text),
        ("query_id", Kind::Big),
        ("query", Kind::Text),
        ("backend_type", Kind::Text),
    ],
    rows: Rows::Now(rows),
}];

fn rows(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let roles = role_oids(asked)?;
    let access = asked.access()?;
    let sees_all = access.has_rights_of_id(&asked.scope.role, READ_ALL_STATS);
    let time = |at: Option<Micros>| at.map_or(Cell::Null, Cell::Time);
    let clients = asked.engine.clients().all().into_iter().map(|client| {
        let activity = client.activity();
        let is_shown = sees_all || access.has_rights_of(&asked.scope.role, &client.role);
        let address = client.address().filter(|_| is_shown);
        let query = if is_shown { activity.query } else { "<insufficient privilege>".to_owned() };
        vec![
            Cell::Int(5),
            database(asked.scope).into(),
            Cell::Int(client.process.into()),
            Cell::Null,
            roles.get(&client.role).map_or(Cell::Null, |oid| Cell::Int(*oid)),
            client.role.as_str().into(),
            activity.application_name.into(),
            address.map(|address| address.ip().to_string()).into(),
            Cell::Null,
            address.map(|address| i64::from(address.port())).into(),
            Cell::Time(client.started_at),
            time(activity.transaction_started_at),
            time(activity.query_started_at),
            Cell::Time(activity.changed_at),
            if activity.state == "active" { Cell::Null } else { "Client".into() },
            if activity.state == "active" { Cell::Null } else { "ClientRead".into() },
            activity.state.into(),
            Cell::Null,
            Cell::Null,
            Cell::Null,
            query.into(),
            "client backend".into(),
        ]
    });
    Ok(clients.collect())
}
