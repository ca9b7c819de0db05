//! How a relation of the server differs from the columns of its source.
//!
//! A declared column may be narrower or wider than the server's on purpose; only of columns that were found is a difference a change.

use arrow::datatypes::{DataType, Field};
use serde_json::Value as Json;
use weir_catalog::ChangeKind;
use weir_sql::statements::create_source::SchemaChange;

use super::describe::{Described, describe};
use super::source::{PostgresSource, missing as not_there};
use super::types::{RemoteColumn, fit};
use crate::error::{Code, Error, Result};
use crate::formats::{ColumnSpec, Logical, is_wider};
use crate::sources::columns::with_new;
use crate::sources::contract::{Drift, RawRecord, Seen};
use crate::sources::drift::{added, could_be, missing, nullable, renamed, retyped, unsuited};

/// The server's column that a column of ours takes.
pub(super) fn remote_of<'a>(spec: &ColumnSpec, remote: &'a [RemoteColumn]) -> Option<&'a RemoteColumn> {
    spec.field_names().find_map(|name| remote.iter().find(|remote| remote.name == name))
}

impl PostgresSource {
    pub(super) async fn drifted(&self) -> Result<Drift> {
        // Whoever plans a run has just asked the server where the run ends.
        let seen = self.described.lock().take();
        let described = match seen {
            Some(described) => described,
            None => describe(&self.target, &self.target.dial().await?, &self.relation).await?,
        };
        let mut columns = self.known_or(&described.columns)?;
        let mut drift = Drift::default();
        let mut is_other = false;
        for spec in columns.iter_mut().filter(|spec| !spec.rescues) {
            if let Some(remote) = remote_of(spec, &described.columns) {
                is_other |= self.compare(spec, remote, &described.label, &mut drift);
            }
        }
        self.by_name(&columns, &described, &mut drift);
        let new = self.new_fields(&columns, &described);
        if drift.refused.is_some() {
            // What would be followed is seen again once the rest is decided.
            drift.seen.retain(|seen| !seen.is_followed);
        }
        if self.schema_change == SchemaChange::Evolve && drift.refused.is_none() && (is_other || !new.is_empty()) {
            drift.seen.extend(new.iter().map(|field| Seen { is_followed: true, ..added(field, &described.label) }));
            drift.columns = Some(with_new(&columns, &new, &[], &described.label)?);
        }
        Ok(drift)
    }

    fn new_fields(&self, columns: &[ColumnSpec], described: &Described) -> Vec<Field> {
        let is_taken = |remote: &&RemoteColumn| columns.iter().all(|column| column.field_names().all(|name| name != remote.name));
        described.columns.iter().filter(is_taken).map(|remote| remote.found().field()).collect()
    }

    /// Types and NOT NULL of a column; true when it was given a wider type.
    fn compare(&self, spec: &mut ColumnSpec, remote: &RemoteColumn, label: &str, drift: &mut Drift) -> bool {
        let (data_type, logical) = (remote.data_type.clone(), remote.logical);
        let is_found = !self.declared.contains(&spec.name);
        let change = |kind| retyped(spec, kind, data_type.clone(), logical, label);
        if is_found && is_wider(&spec.data_type, &remote.data_type) {
            let is_followed = self.schema_change == SchemaChange::Evolve;
            drift.seen.push(Seen { is_followed, ..change(ChangeKind::Widen) });
            if is_followed {
                (spec.data_type, spec.amended) = (data_type, true);
                return true;
            }
            self.refuse(drift, spec, label);
        } else if is_found && is_wider(&remote.data_type, &spec.data_type) {
            drift.seen.push(change(ChangeKind::Narrow));
            self.refuse(drift, spec, label);
        } else if let Err(error) = fit(spec.clone(), remote) {
            let is_nested = logical == Logical::Jsonb || matches!(data_type, DataType::List(_));
            drift.seen.push(change(if is_nested { ChangeKind::Nested } else { ChangeKind::Retype }));
            drift.refused = drift.refused.take().or(Some(error));
        } else if is_found && (spec.data_type != remote.data_type || spec.logical != remote.logical) {
            drift.seen.push(change(ChangeKind::Retype));
            self.refuse(drift, spec, label);
        }
        if is_found && spec.not_null && !remote.not_null {
            drift.seen.push(nullable(spec, label));
            self.refuse(drift, spec, label);
        }
        false
    }

    /// ON SCHEMA CHANGE FAIL takes nothing of a relation that is no longer what it was.
    fn refuse(&self, drift: &mut Drift, spec: &ColumnSpec, label: &str) {
        if self.schema_change == SchemaChange::Fail && drift.refused.is_none() {
            let message = format!("column \"{}\" of {label} is no longer what it was", spec.name);
            drift.refused = Some(Error::new(Code::DataException, message));
        }
    }

    /// Columns that are there on one side only.
    fn by_name(&self, columns: &[ColumnSpec], described: &Described, drift: &mut Drift) {
        let is_gone = |spec: &&ColumnSpec| !spec.rescues && !spec.gone && remote_of(spec, &described.columns).is_none();
        let gone: Vec<&ColumnSpec> = columns.iter().filter(is_gone).collect();
        let new = self.new_fields(columns, described);
        match (gone.as_slice(), new.as_slice()) {
            ([one], [other]) if could_be(one, other) => drift.seen.push(renamed(one, other, &described.label)),
            _ => drift.seen.extend(gone.iter().map(|spec| missing(spec, &described.label))),
        }
        if self.schema_change == SchemaChange::Fail {
            drift.seen.extend(new.iter().map(|field| added(field, &described.label)));
            let refused = new.first().map(|field| new_column(&described.label, field.name()));
            drift.refused = drift.refused.take().or(refused);
        }
        if let Some(spec) = gone.first() {
            drift.refused = drift.refused.take().or_else(|| Some(not_there(spec, &described.label, &described.columns)));
        }
    }

    /// Values of a column as they stand in these rows, and what would take them.
    pub(super) fn suited(&self, column: &str, records: &[RawRecord]) -> Option<Seen> {
        let columns = self.columns.read();
        let spec = columns.iter().flatten().find(|spec| spec.name == column)?;
        let text = |record: &RawRecord| match serde_json::from_slice::<Json>(&record.raw).ok()?.get(column)? {
            Json::Null => None,
            Json::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let texts: Vec<String> = records.iter().filter_map(text).collect();
        unsuited(spec, &texts, records.first().map_or("", |record| record.source.as_str()))
    }
}

/// ON SCHEMA CHANGE FAIL met a column that no column of ours takes.
pub(super) fn new_column(label: &str, name: &str) -> Error {
    Error::new(Code::DataException, format!("{label} has a new column \"{name}\""))
        .hint("Declare the column, or use ON SCHEMA CHANGE IGNORE.".to_owned())
}
