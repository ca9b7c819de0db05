//! A definition meets the catalog: names resolved, inputs opened, the query planned. Nothing runs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::LogicalPlan;
use parking_lot::Mutex;
use weir_catalog::{Definitions, Kind, Object, ObjectId};
use weir_sql::statements::create_pipeline::{Body, CreatePipeline, Mode, Output};

use super::options::Settings;
use super::references::References;
use super::sequence::{self, Sequence};
use super::stream_table::StreamTable;
use crate::engine::{Engine, Planned, RelationKey, Relations, Scope, Used, Wanted, catalog_error};
use crate::error::{Code, Error, Result};
use crate::sources::{POSITION_COLUMN, SOURCE_COLUMN, Source};

/// What binding a definition tells: for CREATE PIPELINE, without running anything.
#[derive(Debug, Clone)]
pub struct Checked {
    pub depends_on: Vec<ObjectId>,
    /// Columns of the output.
    pub columns: SchemaRef,
    pub notices: Vec<String>,
}

/// One `STREAM(x)` of a pipeline.
#[derive(Clone)]
pub(super) struct StreamInput {
    pub(super) object: Object,
    pub(super) source: Arc<dyn Source>,
}

/// A definition that was planned once.
pub(super) struct Bound {
    pub(super) output: Output,
    pub(super) mode: Mode,
    pub(super) settings: Settings,
    pub(super) streams: Vec<StreamInput>,
    pub(super) planned: Planned,
    /// Columns of the query, as the user named them; behind them `_sequence` where the order is none of them.
    pub(super) columns: SchemaRef,
    pub(super) sequence: Sequence,
    /// What its rules look at besides the row.
    pub(super) references: References,
}

/// The one output of a definition.
///
/// # Errors
/// `NotSupported` for the forms that come later.
pub(super) fn single_output(definition: &CreatePipeline) -> Result<&Output> {
    let later = |what: &str| Err(Error::new(Code::NotSupported, format!("{what} is not supported yet")));
    match &definition.body {
        Body::Single(output) => Ok(output),
        Body::Outputs(outputs) if outputs.shared.is_empty() && outputs.outputs.len() == 1 => {
            outputs.outputs.first().ok_or_else(|| Error::internal("a pipeline without an output"))
        }
        Body::Outputs(_) => later("a pipeline with several outputs"),
        Body::Steps(_) => later("STEP"),
        // What is kept is what the template made.
        Body::Template { .. } => Err(Error::internal("an instance of a template was kept instead of its statements")),
    }
}

/// The mode, chosen or written.
///
/// # Errors
/// `InvalidDefinition` for a query without STREAM and without a mode: duplicate or overwrite is never guessed.
fn mode(output: &Output, has_stream: bool) -> Result<Mode> {
    let later = |what: &str| Err(Error::new(Code::NotSupported, format!("{what} is not supported yet")).at(output.position));
    match &output.mode {
        Some(Mode::ReplaceWhere(_)) => later("REPLACE WHERE"),
        Some(Mode::ReplacePartitions) => later("REPLACE PARTITIONS"),
        Some(Mode::ScdType2 { .. }) => later("SCD TYPE 2"),
        Some(mode) => Ok(mode.clone()),
        None if has_stream => Ok(Mode::Append),
        None => Err(Error::new(Code::InvalidDefinition, "a query without STREAM needs a mode")
            .hint(
                "Say what a second run does: APPEND adds its rows again, REPLACE swaps the table's rows, UPSERT KEY (..) merges them."
                    .to_owned(),
            )
            .at(output.position)),
    }
}

/// Binds a definition as it stands now.
pub(super) async fn bind(
    engine: &Arc<Engine>,
    definition: &CreatePipeline,
    scope: &Scope,
    definitions: &dyn Definitions,
    named: Vec<(String, ScalarValue)>,
) -> Result<Bound> {
    let output = single_output(definition)?.clone();
    if output.returning_into.is_some() {
        return Err(Error::new(Code::NotSupported, "RETURNING INTO is not supported yet").at(output.position));
    }
    if definition.temporary {
        return Err(Error::new(Code::NotSupported, "CREATE TEMP PIPELINE is not supported yet"));
    }
    let settings = Settings::read(&definition.header.options)?;
    let relations = Openers { engine, definitions, opened: Mutex::default() };
    let scope = Scope { named, as_of: None, ..scope.clone() };
    let (planned, sequence) = sequence::plan(engine, &output, &scope, definitions, Some(&relations)).await?;
    let streams: Vec<StreamInput> = relations.opened.into_inner().into_values().collect();
    let mode = mode(&output, !streams.is_empty())?;
    let columns = sequence::columns(&planned.plan, &sequence);
    distinct_names(&columns, &output)?;
    no_limit(&planned.plan, &output)?;
    let references = References::find(engine, &output, &columns, &scope, definitions).await?;
    Ok(Bound { output, mode, settings, streams, planned, columns, sequence, references })
}

/// A limit would pass over records of a stream for good: the run would count them as read, and no later run would see them.
fn no_limit(plan: &LogicalPlan, output: &Output) -> Result<()> {
    let is_stream = |node: &LogicalPlan| match node {
        LogicalPlan::TableScan(scan) => source_as_provider(&scan.source).is_ok_and(|table| table.downcast_ref::<StreamTable>().is_some()),
        _ => false,
    };
    let exists = |plan: &LogicalPlan, wanted: &dyn Fn(&LogicalPlan) -> bool| {
        let mut found = false;
        plan.apply_with_subqueries(|node| {
            found = found || wanted(node);
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
        .map(|_| found)
    };
    let cuts = |node: &LogicalPlan| matches!(node, LogicalPlan::Limit(_)) && exists(node, &is_stream).unwrap_or(true);
    if !exists(plan, &cuts).map_err(Engine::error)? {
        return Ok(());
    }
    Err(Error::new(Code::NotSupported, "LIMIT over STREAM would leave out records that no later run reads")
        .hint("Use WHERE to leave records out for good, or RUN PIPELINE .. DRY RUN LIMIT n to see a few.".to_owned())
        .at(output.query.position))
}

fn distinct_names(columns: &SchemaRef, output: &Output) -> Result<()> {
    // An answer may show one name twice; a table cannot have it.
    let mut written = HashSet::new();
    if let Some(twice) = written_names(&output.query.ast).into_iter().find(|name| !written.insert(name.clone())) {
        return Err(Error::new(Code::AmbiguousColumn, format!("column \"{twice}\" is there twice"))
            .hint("Give one of them another name with AS.".to_owned())
            .at(output.query.position));
    }
    let mut names = HashSet::new();
    for field in columns.fields() {
        // Readers of a table tell its columns apart without regard to case.
        if !names.insert(field.name().to_lowercase()) {
            return Err(Error::new(Code::InvalidDefinition, format!("column \"{}\" comes twice in the query", field.name()))
                .hint("Give one of them another name with AS; case does not tell columns of a table apart.".to_owned())
                .at(output.query.position));
        }
        if field.name().starts_with("__weir_") {
            return Err(
                Error::new(Code::InvalidDefinition, format!("column name \"{}\" is reserved", field.name())).at(output.query.position)
            );
        }
    }
    Ok(())
}

/// Names that the user wrote for the columns of a query: by AS, or as plain columns.
fn written_names(query: &sqlparser::ast::Query) -> Vec<String> {
    use sqlparser::ast::{Expr, Ident, SelectItem, SetExpr};
    let folded = |ident: &Ident| if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() };
    let mut body = query.body.as_ref();
    while let SetExpr::SetOperation { left, .. } = body {
        body = left;
    }
    let SetExpr::Select(select) = body else { return Vec::new() };
    let name = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(folded(ident)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(folded),
        _ => None,
    };
    select.projection.iter().filter_map(name).collect()
}

impl Bound {
    /// Every object that the definition names or reads, without those that its views read.
    pub(super) fn depends_on(&self) -> Vec<ObjectId> {
        let mut ids: Vec<ObjectId> = self.planned.used.iter().map(|used| used.relation.id).collect();
        ids.extend(self.references.depends_on());
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// What is read as it is at the start of the run, before what is read at a version that is written down: a relation read both ways is
    /// pinned as it is now.
    pub(super) fn snapshots(&self) -> impl Iterator<Item = &Used> {
        let read = || self.planned.used.iter().chain(self.references.used()).filter(|used| used.wanted != Wanted::Stream);
        let now = |used: &&Used| used.wanted == Wanted::Plain;
        read().filter(now).chain(read().filter(move |used| !now(used)))
    }
}

/// Answers `STREAM(x)` with the columns of `x` and no rows, and remembers what it opened.
struct Openers<'a> {
    engine: &'a Arc<Engine>,
    definitions: &'a dyn Definitions,
    opened: Mutex<HashMap<ObjectId, StreamInput>>,
}

#[async_trait]
impl Relations for Openers<'_> {
    async fn provider(&self, relation: &RelationKey, wanted: &Wanted) -> Result<Option<Arc<dyn TableProvider>>> {
        if *wanted != Wanted::Stream {
            return Ok(None);
        }
        let input = open_stream(self.engine, self.definitions, relation).await?;
        let table = Arc::new(EmptyTable::new(with_provenance(&input.source.schema())));
        self.opened.lock().insert(relation.id, input);
        Ok(Some(StreamTable::new(table)))
    }
}

async fn open_stream(engine: &Arc<Engine>, definitions: &dyn Definitions, relation: &RelationKey) -> Result<StreamInput> {
    let name = format!("{}.{}", relation.schema, relation.name);
    match relation.kind {
        Kind::Source => {}
        Kind::Table => return Err(Error::new(Code::NotSupported, format!("STREAM over the lake table \"{name}\" is not supported yet"))),
        kind => {
            return Err(Error::new(Code::WrongType, format!("{} \"{name}\" cannot be read as a stream", kind.noun()))
                .hint("STREAM takes a source.".to_owned()));
        }
    }
    let object = definitions
        .object_by_id(relation.id)
        .map_err(catalog_error)?
        .ok_or_else(|| Error::new(Code::UndefinedTable, format!("source \"{name}\" does not exist")))?;
    let source = engine.source(&object).await?;
    Ok(StreamInput { object, source })
}

/// A source's columns, then the two that every scan can append.
pub(super) fn with_provenance(columns: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = columns.fields().iter().cloned().collect();
    let source = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    fields.push(Arc::new(Field::new(SOURCE_COLUMN, source, true)));
    fields.push(Arc::new(Field::new(POSITION_COLUMN, DataType::Int64, true)));
    Arc::new(Schema::new(fields))
}
