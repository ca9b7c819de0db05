//! COPY FROM: rows that a client sends, in one commit. The table's other writers wait only for the end of it.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::DataFusionError;
use datafusion::datasource::provider_as_source;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use parking_lot::Mutex;
use weir_catalog::{Definitions, Object};
use weir_sql::Privilege;

use super::super::position::Place;
use super::super::{Engine, Scope, errors, privileges, state};
use super::checks::Checks;
use super::columns::column;
use super::{Ask, DmlDone, Target, is_dead_letters};
use crate::delta::Token;
use crate::error::{Code, Error, Result};

/// Column behind the given ones: the line of the client's text that the row came from, or its number.
pub(super) const LINE: &str = "_weir_line";

impl Engine {
    /// The columns that rows of a COPY have, without the line: those listed, or all.
    ///
    /// # Errors
    /// `UndefinedColumn`, `DuplicateColumn`; `NoPrivilege` for tables of the hub, `NotSupported` for a second table of a transaction.
    pub async fn copy_columns(
        &self,
        object: &Object,
        listed: &[String],
        scope: &Scope,
        definitions: &dyn Definitions,
    ) -> Result<SchemaRef> {
        privileges::require(definitions, scope.judged(), object, Privilege::Insert)?;
        if is_dead_letters(object) {
            return Err(Error::new(Code::NoPrivilege, "only runs put rows into hub.dead_letters"));
        }
        if let Some(snapshot) = &scope.snapshot {
            snapshot.admit(self, object)?;
        }
        let schema = self.table(object).await?.schema();
        if listed.is_empty() {
            return Ok(schema);
        }
        let mut fields: Vec<Field> = Vec::with_capacity(listed.len());
        for name in listed {
            if fields.iter().any(|field| field.name() == name) {
                return Err(Error::new(Code::DuplicateColumn, format!("column \"{name}\" specified more than once")));
            }
            fields.push(column(&schema, name, object)?.clone());
        }
        Ok(Arc::new(Schema::new(fields)))
    }

    /// Writes the rows of a client and commits them, or leaves them to the transaction of the scope. `rows` are as [`line_behind`] says.
    ///
    /// # Errors
    /// As [`Engine::dml`], with the line in the detail where one row is at fault. Nothing is written then.
    pub async fn copy_in(
        &self,
        object: Object,
        listed: &[String],
        rows: SendableRecordBatchStream,
        scope: &Scope,
        definitions: &dyn Definitions,
    ) -> Result<DmlDone> {
        let ask = Ask { temporals: &[], place: Place::nowhere(), scope, definitions, token: None };
        self.take_in(object, listed, rows, &ask).await
    }

    /// As [`Engine::copy_in`], in a commit that carries the token: whoever repeats it looks for that first.
    ///
    /// # Errors
    /// As [`Engine::copy_in`].
    pub async fn add_once(
        &self,
        object: Object,
        listed: &[String],
        rows: SendableRecordBatchStream,
        token: &Token,
        scope: &Scope,
        definitions: &dyn Definitions,
    ) -> Result<DmlDone> {
        let ask = Ask { temporals: &[], place: Place::nowhere(), scope, definitions, token: Some(token) };
        self.take_in(object, listed, rows, &ask).await
    }

    async fn take_in(&self, object: Object, listed: &[String], rows: SendableRecordBatchStream, ask: &Ask<'_>) -> Result<DmlDone> {
        let Ask { scope, definitions, .. } = *ask;
        privileges::require(definitions, scope.judged(), &object, Privilege::Insert)?;
        let table = self.table(&object).await?;
        let target = Target { object, table };
        let mut state = state::of_scope(self, scope);
        // One reader keeps the order, and with it the line of every row.
        state.config_mut().options_mut().execution.target_partitions = 1;
        let state = Arc::new(state);
        let schema = target.table.schema();
        let given: Vec<String> = match listed.is_empty() {
            true => schema.fields().iter().map(|field| field.name().clone()).collect(),
            false => listed.to_vec(),
        };
        let sent = rows.schema();
        let input = Input { schema: Arc::clone(&sent), rows: Mutex::new(Some(rows)) };
        let input = StreamingTable::try_new(sent, vec![Arc::new(input)]).map_err(errors::error)?;
        let plan = LogicalPlanBuilder::scan("copy", provider_as_source(Arc::new(input)), None)
            .and_then(LogicalPlanBuilder::build)
            .map_err(errors::error)?;
        let plan = self.shaped(plan, &given, &schema, &target, &state, ask)?;
        let checks = Checks::of(self, &target, &state, ask).await?;
        let rows = self.write_files(plan, &target, &checks, &state).await?;
        let lock = self.turn_of(target.object.id);
        let _turn = lock.lock().await;
        self.land(rows, &target, &checks, &state, ask).await
    }
}

/// The columns of a COPY with the line behind them.
pub fn line_behind(columns: &Schema) -> SchemaRef {
    let mut fields: Vec<Field> = columns.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    fields.push(Field::new(LINE, DataType::Int64, false));
    Arc::new(Schema::new(fields))
}

/// The error of a rule with the line of the first row that breaks it.
pub(super) fn at_line(error: Error, checks: &Checks, batch: &RecordBatch, lines: &ArrayRef) -> Error {
    let Some(lines) = lines.as_primitive_opt::<Int64Type>() else { return error };
    let breaks = |row: &usize| checks.pass(batch.slice(*row, 1), &mut checks.tally()).is_err();
    let Some(row) = (0..batch.num_rows().min(lines.len())).find(breaks) else { return error };
    let place = format!("COPY {}, line {}.", checks.table_name(), lines.value(row));
    let detail = match error.detail_text() {
        Some(detail) => format!("{detail} {place}"),
        None => place,
    };
    error.detail(detail)
}

/// The client's rows, read once.
struct Input {
    schema: SchemaRef,
    rows: Mutex<Option<SendableRecordBatchStream>>,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").finish_non_exhaustive()
    }
}

impl PartitionStream for Input {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        if let Some(rows) = self.rows.lock().take() {
            return rows;
        }
        let twice = DataFusionError::Internal("the rows of a COPY are read twice".to_owned());
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::iter([Err(twice)])))
    }
}
