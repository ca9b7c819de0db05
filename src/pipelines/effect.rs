//! What a keyed write would do with each row, told beforehand: insert, update, delete, or nothing.
//!
//! Rows are gone through in order, as the write would, so that the second event of a key meets what the first left. `no-op` is a row after
//! which the table holds the same values: an event older than what it meets, one that says what is stored already, the deletion of a key that is
//! not there. Only the stored rows of the keys at hand are read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{FieldRef, Schema};
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::{Column, JoinType};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::execute_stream;
use futures::TryStreamExt;
use weir_sql::statements::create_pipeline::Mode;

use super::assemble::DELETE_COLUMN;
use super::bind::Bound;
use super::target::Target;
use crate::delta::by_value;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// What is known of a key while the rows are gone through.
#[derive(Clone)]
enum Known {
    Row {
        values: Vec<OwnedRow>,
        sequence: Option<OwnedRow>,
    },
    /// Deleted, by an event of that sequence.
    Dead(Option<OwnedRow>),
}

/// Predicts effects row by row.
pub(super) struct Effects {
    /// None: rows are only added.
    keyed: Option<Keyed>,
}

struct Keyed {
    names: Vec<String>,
    sequence: Option<String>,
    ignores_nulls: bool,
    key: RowConverter,
    /// One for each column of the target that the query fills: a NULL may have to be told from a value.
    columns: Vec<(String, RowConverter)>,
    order: Option<RowConverter>,
    known: HashMap<OwnedRow, Known>,
}

impl Effects {
    /// For these rows, which have the target's columns.
    pub(super) async fn of(bound: &Bound, target: &Target, rows: &[RecordBatch], state: &Arc<SessionState>) -> Result<Self> {
        let Mode::Upsert { keyed, ignore_null_updates } = &bound.mode else { return Ok(Self { keyed: None }) };
        let names: Vec<String> = keyed.key.iter().map(|column| column.value.clone()).collect();
        let converter = |fields: Vec<SortField>| RowConverter::new(fields).map_err(odd);
        let field = |name: &str| target.columns.iter().find(|field| field.name() == name);
        let sort = |field: &FieldRef| SortField::new(field.data_type().clone());
        let sequence = bound.sequence.column().filter(|name| field(name).is_some()).map(str::to_owned);
        let mut predictor = Keyed {
            key: converter(names.iter().filter_map(|name| field(name)).map(sort).collect())?,
            columns: target.columns.iter().map(|field| Ok((field.name().clone(), converter(vec![sort(field)])?))).collect::<Result<_>>()?,
            order: sequence.as_deref().and_then(field).map(|field| converter(vec![sort(field)])).transpose()?,
            names,
            sequence,
            ignores_nulls: *ignore_null_updates,
            known: HashMap::new(),
        };
        predictor.look_up(target, rows, state).await?;
        Ok(Self { keyed: Some(predictor) })
    }

    /// The effects of a batch's rows, in order; `lands` are those that no rule keeps from the table.
    pub(super) fn predict(&mut self, rows: &RecordBatch, lands: &[bool]) -> Result<Vec<Option<&'static str>>> {
        let Some(keyed) = &mut self.keyed else { return Ok(lands.iter().map(|lands| lands.then_some("insert")).collect()) };
        let keys = keyed.keys(rows)?;
        let deletes: Option<BooleanArray> = rows.column_by_name(DELETE_COLUMN).and_then(|column| column.as_boolean_opt().cloned());
        let mut effects = Vec::with_capacity(lands.len());
        for (row, (lands, key)) in lands.iter().zip(keys).enumerate() {
            let is_deletion = deletes.as_ref().is_some_and(|deletes| deletes.is_valid(row) && deletes.value(row));
            effects.push(if *lands { Some(keyed.step(rows, row, key, is_deletion)?) } else { None });
        }
        Ok(effects)
    }
}

impl Keyed {
    fn keys(&self, rows: &RecordBatch) -> Result<Vec<OwnedRow>> {
        let columns = self.names.iter().map(|name| Ok(by_value(&column(rows, name)?))).collect::<Result<Vec<_>>>()?;
        let keys = self.key.convert_columns(&columns).map_err(odd)?;
        Ok(keys.iter().map(|key| key.owned()).collect())
    }

    fn sequence_of(&self, rows: &RecordBatch, row: usize) -> Result<Option<OwnedRow>> {
        let (Some(name), Some(order)) = (&self.sequence, &self.order) else { return Ok(None) };
        let cell = column(rows, name)?.slice(row, 1);
        Ok(Some(order.convert_columns(&[cell]).map_err(odd)?.row(0).owned()))
    }

    /// The values of a row; with IGNORE NULL UPDATES those of before where it has none.
    fn values_of(&self, rows: &RecordBatch, row: usize, before: Option<&[OwnedRow]>) -> Result<Vec<OwnedRow>> {
        let value = |(place, (name, converter)): (usize, &(String, RowConverter))| {
            let cell = column(rows, name)?.slice(row, 1);
            let old = before.and_then(|before| before.get(place)).filter(|_| self.ignores_nulls && cell.is_null(0));
            match old {
                Some(old) => Ok(old.clone()),
                None => Ok(converter.convert_columns(&[cell]).map_err(odd)?.row(0).owned()),
            }
        };
        self.columns.iter().enumerate().map(value).collect()
    }

    fn step(&mut self, rows: &RecordBatch, row: usize, key: OwnedRow, is_deletion: bool) -> Result<&'static str> {
        let sequence = self.sequence_of(rows, row)?;
        let known = self.known.get(&key);
        let stored = match known {
            Some(Known::Row { sequence, .. } | Known::Dead(sequence)) => sequence.as_ref(),
            None => None,
        };
        // NULL stands before every value, and of equal ones the later event wins.
        if let (Some(stored), Some(given)) = (stored, &sequence)
            && given < stored
        {
            return Ok("no-op");
        }
        if is_deletion {
            let was_there = matches!(known, Some(Known::Row { .. }));
            self.known.insert(key, Known::Dead(sequence));
            return Ok(if was_there { "delete" } else { "no-op" });
        }
        let before = match known {
            Some(Known::Row { values, .. }) => Some(values.as_slice()),
            _ => None,
        };
        let values = self.values_of(rows, row, before)?;
        let effect = match before {
            None => "insert",
            Some(before) if before == values.as_slice() => "no-op",
            Some(_) => "update",
        };
        self.known.insert(key, Known::Row { values, sequence });
        Ok(effect)
    }

    /// Reads what the table has of the keys of these rows, and what it remembers of their deletions.
    async fn look_up(&mut self, target: &Target, rows: &[RecordBatch], state: &Arc<SessionState>) -> Result<()> {
        let Some(first) = rows.first() else { return Ok(()) };
        let at: Vec<usize> = self.names.iter().filter_map(|name| first.schema().index_of(name).ok()).collect();
        let keys = rows.iter().map(|rows| rows.project(&at).map_err(odd)).collect::<Result<Vec<_>>>()?;
        let nullable: Vec<_> = keys.iter().take(1).flat_map(|keys| keys.schema().fields().iter().cloned().collect::<Vec<_>>()).collect();
        let nullable = Arc::new(Schema::new(nullable.iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>()));
        let keys = keys.into_iter().map(|keys| RecordBatch::try_new(Arc::clone(&nullable), keys.columns().to_vec()).map_err(odd));
        let wanted = MemTable::try_new(Arc::clone(&nullable), vec![keys.collect::<Result<Vec<_>>>()?]).map_err(Engine::error)?;
        let side = |side: &'static str| self.names.iter().map(move |name| Column::new(Some(side), name)).collect::<Vec<_>>();
        let table = target.table.scan(None).await?;
        let right = LogicalPlanBuilder::scan("wanted", provider_as_source(Arc::new(wanted)), None).and_then(LogicalPlanBuilder::build);
        let plan = LogicalPlanBuilder::scan("stored", provider_as_source(table), None)
            .and_then(|plan| plan.join(right?, JoinType::LeftSemi, (side("stored"), side("wanted")), None))
            .and_then(LogicalPlanBuilder::build)
            .map_err(Engine::error)?;
        let physical = Engine::physical(state, plan).await?;
        let stored: Vec<RecordBatch> =
            execute_stream(physical, Engine::context(state)).map_err(Engine::error)?.try_collect().await.map_err(Engine::error)?;
        self.bury(target, rows).await?;
        for stored in &stored {
            let stored = self.shaped(stored, target)?;
            for (row, key) in self.keys(&stored)?.into_iter().enumerate() {
                let known = Known::Row { values: self.values_of(&stored, row, None)?, sequence: self.sequence_of(&stored, row)? };
                self.known.insert(key, known);
            }
        }
        Ok(())
    }

    /// Keys that the table remembers as deleted, of those at hand.
    async fn bury(&mut self, target: &Target, rows: &[RecordBatch]) -> Result<()> {
        let Some(sequence) = self.sequence.clone().filter(|name| target.table.schema().column_with_name(name).is_some()) else {
            return Ok(());
        };
        let mut wanted: HashSet<OwnedRow> = HashSet::new();
        for rows in rows {
            wanted.extend(self.keys(rows)?);
        }
        let names = self.names.clone();
        let mut take = |dead: &RecordBatch| {
            for (row, key) in self.keys(dead)?.into_iter().enumerate() {
                if wanted.contains(&key) {
                    let at = self.sequence_of(dead, row)?;
                    self.known.insert(key, Known::Dead(at));
                }
            }
            Ok(())
        };
        target.table.remembered(&names, &sequence, &mut take).await
    }

    /// Stored rows with exactly the columns that the rows of a run have; those that the table does not have yet are NULL.
    fn shaped(&self, stored: &RecordBatch, target: &Target) -> Result<RecordBatch> {
        let cell = |field: &FieldRef| match stored.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
            Some(column) => arrow::compute::cast(column, field.data_type()).map_err(odd),
            None => Ok(arrow::array::new_null_array(field.data_type(), stored.num_rows())),
        };
        let columns = target.columns.iter().map(cell).collect::<Result<Vec<_>>>()?;
        let fields: Vec<_> = target.columns.iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(true))).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(odd)
    }
}

fn column(rows: &RecordBatch, name: &str) -> Result<ArrayRef> {
    rows.column_by_name(name).cloned().ok_or_else(|| Error::internal(format!("column \"{name}\" is missing from a dry run's rows")))
}

fn odd(error: arrow::error::ArrowError) -> Error {
    Error::internal("the effects of a dry run could not be told").caused_by(error)
}
