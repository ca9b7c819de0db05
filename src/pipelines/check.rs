//! CREATE PIPELINE: the definition is bound and judged; nothing runs. Then its target is made, so that it can be named at once.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::ExprSchemable as _;
use weir_catalog::{Definitions, Kind, Object, PipelineBody, TableBody};
use weir_sql::statements::create_pipeline::{CreatePipeline, Mode, TriggerKind};
use weir_sql::{Expr, Name, RuleKind};

use super::assemble::within_partitions;
use super::bind::{Bound, BoundPipeline, Checked, bind, judged_alone};
use super::runner::Runner;
use super::schedule::Schedule;
use super::waiting::event_query;
use super::{deletion, target, watches};
use crate::delta::is_validity;
use crate::engine::{Scope, catalog_error, definition, reads_upload};
use crate::error::{Code, Error, Result};
use crate::formats::{Logical, arrow_type, type_name};

impl Runner {
    /// Binds a definition: names, types, modes, keys, rules, triggers. Reads no row.
    ///
    /// # Errors
    /// What would make every run fail, with its position.
    pub async fn check(&self, pipeline: &CreatePipeline, scope: &Scope, definitions: &dyn Definitions) -> Result<Checked> {
        for trigger in &pipeline.header.triggers {
            Schedule::parse(trigger)?;
            if let TriggerKind::Event { when: Some(when), .. } = &trigger.kind {
                self.check_when(when, scope, definitions).await?;
            }
        }
        if reads_upload(pipeline) {
            return self.check_upload(pipeline, scope, definitions);
        }
        let named = placeholders(pipeline)?;
        let scope = &Scope { named: named.clone(), ..scope.clone() };
        let bound = bind(&self.engine, pipeline, scope, definitions, named, None).await?;
        let schema = scope.search_path.first().map_or("public", String::as_str);
        watches::only_streams(pipeline, schema, &bound.streams(), definitions)?;
        let mut notices: Vec<String> = Vec::new();
        for notice in bound.outputs.iter().flat_map(|output| &output.planned.notices) {
            if !notices.contains(notice) {
                notices.push(notice.clone());
            }
        }
        for output in &bound.outputs {
            notices.extend(self.check_output(output, scope, definitions).await?);
        }
        if pipeline.header.triggers.is_empty() && !pipeline.temporary {
            notices.push("the pipeline has no trigger: it runs only by RUN PIPELINE".to_owned());
        }
        Ok(Checked { depends_on: bound.depends_on(), outputs: columns_of(&bound), notices })
    }

    /// What can be judged of a pipeline whose columns come with a file: its names and rights, not its types.
    fn check_upload(&self, pipeline: &CreatePipeline, scope: &Scope, definitions: &dyn Definitions) -> Result<Checked> {
        if let Some(trigger) = pipeline.header.triggers.first() {
            return Err(Error::new(Code::InvalidDefinition, "a pipeline that reads STREAM(upload) cannot have triggers")
                .hint("It runs when a file is sent with COPY PIPELINE.".to_owned())
                .at(trigger.position));
        }
        placeholders(pipeline)?;
        let mut depends_on = Vec::new();
        for (output, mode) in judged_alone(&self.engine, pipeline, scope)? {
            depends_on.extend(self.engine.named_by(&output.query, scope, definitions)?);
            for rule in &output.rules {
                if let RuleKind::ForeignKey { table, .. } = &rule.kind {
                    depends_on.push(super::references::foreign_table(table, scope, definitions)?.id);
                }
            }
            match target::find(&self.engine, output, scope)? {
                Some(object) => target::may_change(&self.engine, &object, &mode, scope)?,
                None => target::new_name(&self.engine, output, scope).map(drop)?,
            }
        }
        let notice = "its query is checked when a file is sent with COPY PIPELINE: the file says what the columns are".to_owned();
        Ok(Checked { depends_on, outputs: Vec::new(), notices: vec![notice] })
    }

    /// Binds the condition of TRIGGER ON EVENT as its owner will.
    async fn check_when(&self, when: &Expr, scope: &Scope, definitions: &dyn Definitions) -> Result<()> {
        let value = |name: &str, value: ScalarValue| (name.to_owned(), value);
        let named = vec![
            value("weir_after", ScalarValue::from(0_i64)),
            value("weir_to", ScalarValue::from(0_i64)),
            value("weir_type", ScalarValue::from("")),
            value("weir_self", ScalarValue::from("")),
        ];
        let scope = Scope { named, as_of: None, ..scope.clone() };
        let planned = async { self.engine.plan(&event_query(Some(when))?, &scope, definitions, None).await };
        // The text that was planned is not the user's.
        planned.await.map(drop).map_err(|error| error.without_position().at(when.position))
    }

    /// Judges what is written where; answers with what a client should know.
    async fn check_output(&self, bound: &Bound, scope: &Scope, definitions: &dyn Definitions) -> Result<Option<String>> {
        let column = |ident: &weir_sql::Ident| match bound.columns.column_with_name(&ident.value) {
            Some(_) => Ok(()),
            None => {
                let near = weir_sql::nearest(&ident.value, bound.columns.fields().iter().map(|field| field.name().as_str()));
                Err(Error::new(Code::UndefinedColumn, format!("column \"{}\" does not exist", ident.value))
                    .hint(near.map(|near| format!("Did you mean \"{near}\"?")))
                    .at(ident.position))
            }
        };
        let schema = DFSchema::try_from(bound.columns.as_ref().clone()).map_err(crate::engine::Engine::error)?;
        if let Some(keyed) = bound.mode.keyed() {
            keyed.key.iter().try_for_each(column)?;
            if let Some(expr) = keyed.delete_when.as_ref().filter(|_| !deletion::is_marked(&bound.planned.plan)) {
                self.engine.plan_expr(expr, &schema, scope).await?;
            }
        }
        self.check_replaced(bound, scope).await?;
        for rule in &bound.output.rules {
            match &rule.kind {
                RuleKind::Expect(expr) | RuleKind::Check(expr) => {
                    let table = &bound.output.target.name.value;
                    let condition = self.engine.plan_condition(expr, &bound.columns, table, scope, definitions, None).await?;
                    let given = condition.expr.get_type(&schema).map_err(crate::engine::Engine::error)?;
                    if !matches!(given, DataType::Boolean | DataType::Null) {
                        let message =
                            format!("a rule must be a condition, and this is a value of type {}", type_name(&given, Logical::Plain));
                        return Err(Error::new(Code::WrongType, message).at(expr.position));
                    }
                }
                RuleKind::NotNull(columns) | RuleKind::Unique(columns) => columns.iter().try_for_each(column)?,
                RuleKind::ForeignKey { columns, table, referenced } => {
                    columns.iter().try_for_each(column)?;
                    has_columns(&super::references::foreign_table(table, scope, definitions)?, referenced)?;
                }
            }
        }
        let is_history = matches!(bound.mode, Mode::ScdType2 { .. });
        let by_query = |ident: &&weir_sql::Ident| !(is_history && is_validity(&ident.value));
        bound.output.partitioned_by.iter().filter(by_query).try_for_each(column)?;
        match target::find(&self.engine, &bound.output, scope)? {
            Some(object) => {
                target::may_fill(&self.engine, &object, bound, scope)?;
                target::fits(&object, bound)
            }
            None => target::new_name(&self.engine, &bound.output, scope).map(|_| None),
        }
    }

    /// Judges what REPLACE takes out.
    async fn check_replaced(&self, bound: &Bound, scope: &Scope) -> Result<()> {
        let existing = match target::find(&self.engine, &bound.output, scope)? {
            Some(object) => Some(self.engine.table(&object).await?),
            None => None,
        };
        let given: Vec<String> = bound.output.partitioned_by.iter().map(|column| column.value.clone()).collect();
        let by = existing.as_ref().map_or_else(|| given.clone(), |table| table.partition_by());
        if let Some(first) = bound.output.partitioned_by.first().filter(|_| by != given) {
            let is = if by.is_empty() { "not partitioned".to_owned() } else { format!("partitioned by {}", by.join(", ")) };
            return Err(Error::new(Code::InvalidDefinition, format!("table \"{}\" is {is}", bound.output.target))
                .hint("A table's partitions are settled when it is made. Leave PARTITIONED BY out, or fill another table.".to_owned())
                .at(first.position));
        }
        match &bound.mode {
            Mode::ReplacePartitions if by.is_empty() => {
                Err(Error::new(Code::InvalidDefinition, "REPLACE PARTITIONS needs a target with partitions")
                    .hint("Add PARTITIONED BY (column, ..).".to_owned())
                    .at(bound.output.position))
            }
            Mode::ReplacePartitions => bound.output.rules.iter().try_for_each(|rule| match &rule.kind {
                RuleKind::Unique(columns) => within_partitions(columns, &by, rule.position),
                _ => Ok(()),
            }),
            Mode::ReplaceWhere(condition) => {
                if crate::engine::asks_tables(condition) {
                    return Err(Error::new(Code::NotSupported, "a sub-query in REPLACE WHERE is not supported").at(condition.position));
                }
                // Over the columns that the table has, or will have.
                let columns = existing.map_or_else(|| Arc::clone(&bound.columns), |table| table.schema());
                let schema = DFSchema::try_from(columns.as_ref().clone()).map_err(crate::engine::Engine::error)?;
                let planned = self.engine.plan_expr(condition, &schema, scope).await?;
                let given = planned.get_type(&schema).map_err(crate::engine::Engine::error)?;
                if !matches!(given, DataType::Boolean | DataType::Null) {
                    let message =
                        format!("REPLACE WHERE takes a condition, and this is a value of type {}", type_name(&given, Logical::Plain));
                    return Err(Error::new(Code::WrongType, message).at(condition.position));
                }
                if planned.is_volatile() {
                    return Err(Error::new(Code::InvalidDefinition, "REPLACE WHERE must mean the same rows whenever a run is tried again")
                        .at(condition.position));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Makes the targets of a pipeline that was just created, so that views and other pipelines can name them. Called again it does nothing.
    ///
    /// # Errors
    /// As a run would.
    pub async fn prepare_targets(&self, pipeline: &Object) -> Result<()> {
        let definition = definition::pipeline(pipeline)?;
        if reads_upload(&definition) {
            // The first file says what columns they get.
            return Ok(());
        }
        let scope = self.owner_scope(pipeline);
        let store = Arc::clone(self.engine.store());
        let bound = bind(&self.engine, &definition, &scope, store.as_ref(), placeholders(&definition)?, Some(pipeline.id)).await?;
        let mut targets = Vec::with_capacity(bound.outputs.len());
        for output in &bound.outputs {
            targets.push(target::ensure(&self.engine, pipeline, output, &scope).await?.object.id);
        }
        let body: PipelineBody = serde_json::from_value(pipeline.body.clone()).unwrap_or_default();
        let mut targets = targets.into_iter();
        let body = PipelineBody { target: targets.next(), more_targets: targets.collect(), ..body };
        let body = serde_json::to_value(body).map_err(|error| Error::internal("a body cannot be written").caused_by(error))?;
        let change = weir_catalog::Change::Body { id: pipeline.id, body };
        self.engine.store().apply(&[change], &pipeline.owner, self.clock.now()).map_err(catalog_error)
    }
}

fn columns_of(bound: &BoundPipeline) -> Vec<(Name, SchemaRef)> {
    bound.outputs.iter().map(|output| (output.output.target.clone(), Arc::clone(&output.columns))).collect()
}

/// Whether a referenced table has the columns that a rule names.
fn has_columns(object: &Object, names: &[weir_sql::Ident]) -> Result<()> {
    if object.kind != Kind::Table {
        return Ok(());
    }
    let body: TableBody =
        serde_json::from_value(object.body.clone()).map_err(|error| Error::internal("a table's body cannot be read").caused_by(error))?;
    for name in names {
        if body.columns.column_with_name(&name.value).is_none() {
            let near = weir_sql::nearest(&name.value, body.columns.fields().iter().map(|field| field.name().as_str()));
            return Err(Error::new(Code::UndefinedColumn, format!("table \"{}\" has no column \"{}\"", object.full_name(), name.value))
                .hint(near.map(|near| format!("Did you mean \"{near}\"?")))
                .at(name.position));
        }
    }
    Ok(())
}

/// A value of the right type for every parameter: enough to bind.
pub(super) fn placeholders(pipeline: &CreatePipeline) -> Result<Vec<(String, ScalarValue)>> {
    pipeline
        .parameters
        .iter()
        .map(|parameter| {
            let data_type = arrow_type(&parameter.data_type.ast)?;
            let value = ScalarValue::try_new_null(&data_type).map_err(crate::engine::Engine::error)?;
            Ok((parameter.name.value.clone(), value))
        })
        .collect()
}
