//! SEQUENCE BY: the order of events of one key, and how the table keeps it.
//!
//! A late event can only be told from a new one by what is stored with the row. A column of the output is stored anyway. Anything else, an
//! expression or a column that the query reads and does not give, becomes a column of the query, `_sequence`, as if the user had selected it. The
//! column says of itself which expression it holds: values of different expressions are never compared. When a definition brings another one, the
//! table must be filled anew, unless it is empty.
//!
//! A NULL is older than every value, so a row that was written without an order gives way to the first event of its key.
//!
//! A history has the sequence in `valid_from`, and no `_sequence`: there the value only travels with the rows. Without SEQUENCE BY a run is a
//! moment, the one at which it was frozen.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection};
use futures::future::BoxFuture;
use sqlparser::ast;
use weir_catalog::{Definitions, TableBody};
use weir_sql::statements::create_pipeline::{Mode, Output};

use super::assemble::DELETE_COLUMN;
use super::bind::Bound;
use super::deletion;
use super::target::{Target, is_provenance};
use crate::delta::{self, Facts};
use crate::engine::{Engine, Planned, Relations, Scope, shown_type};
use crate::error::{Code, Error, Result};

/// The column of a sequence that is none of the output's columns.
pub const SEQUENCE_COLUMN: &str = "_sequence";

/// What the column says of itself: the expression it holds, or nothing when it is out of use.
const ORDER: &str = "weir.sequence";

/// How the events of an output are ordered.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sequence {
    Arrival,
    /// By a column that the query gives.
    Column(String),
    /// By this expression, in `_sequence`.
    Stored(String),
    /// By the moment of the run.
    Moment,
}

impl Sequence {
    /// The column by which rows are compared.
    pub(super) fn column(&self) -> Option<&str> {
        match self {
            Self::Arrival => None,
            Self::Column(name) => Some(name),
            Self::Stored(_) | Self::Moment => Some(SEQUENCE_COLUMN),
        }
    }

    /// The field with what it says of itself.
    fn mark(&self, field: &Field) -> Field {
        let mut metadata = field.metadata().clone();
        let text = if let Self::Stored(text) = self { text.clone() } else { String::new() };
        metadata.insert(ORDER.to_owned(), text);
        field.clone().with_metadata(metadata)
    }
}

/// Plans the query of an output, with the mark of deletion behind its columns and then `_sequence`, where these are needed.
///
/// # Errors
/// As [`Engine::plan`]; `InvalidDefinition` and `WrongType` for what no order can be made of.
pub(super) async fn plan(
    engine: &Engine,
    output: &Output,
    scope: &Scope,
    definitions: &dyn Definitions,
    relations: Option<&dyn Relations>,
) -> Result<(Planned, Sequence)> {
    let planned = engine.plan(&output.query, scope, definitions, relations).await?;
    let Some(keyed) = output.mode.as_ref().and_then(Mode::keyed) else { return Ok((planned, Sequence::Arrival)) };
    let planned = match &keyed.delete_when {
        Some(condition) => Planned { plan: deletion::marked(engine, planned.plan, condition, scope).await?, ..planned },
        None => planned,
    };
    let Some(expr) = &keyed.sequence_by else {
        let is_history = matches!(output.mode, Some(Mode::ScdType2 { .. }));
        return Ok((planned, if is_history { Sequence::Moment } else { Sequence::Arrival }));
    };
    let columns = planned.plan.schema().as_arrow();
    if let Some(name) = plain_name(&expr.ast).filter(|name| columns.column_with_name(name).is_some()) {
        return Ok((planned, Sequence::Column(name)));
    }
    if let Some(taken) = columns.fields().iter().find(|field| field.name().eq_ignore_ascii_case(SEQUENCE_COLUMN)) {
        return Err(Error::new(
            Code::InvalidDefinition,
            format!("column name \"{}\" is reserved where SEQUENCE BY is stored", taken.name()),
        )
        .hint("Give the column another name with AS, or write SEQUENCE BY with it alone.".to_owned())
        .at(output.query.position));
    }
    let (plan, value) = with_sequence(engine, planned.plan, expr, scope).await?;
    check(&value, &plan, expr)?;
    Ok((Planned { plan, ..planned }, Sequence::Stored(expr.ast.to_string())))
}

/// The name of a column written alone.
fn plain_name(expr: &ast::Expr) -> Option<String> {
    match expr {
        ast::Expr::Identifier(ident) if ident.quote_style.is_some() => Some(ident.value.clone()),
        ast::Expr::Identifier(ident) => Some(ident.value.to_lowercase()),
        ast::Expr::Nested(inner) => plain_name(inner),
        _ => None,
    }
}

/// The plan with one column more. Names mean columns of the output; if there are none of that name, those that its SELECT reads.
async fn with_sequence(engine: &Engine, plan: LogicalPlan, expr: &weir_sql::Expr, scope: &Scope) -> Result<(LogicalPlan, Expr)> {
    let output = DFSchema::try_from(plan.schema().as_arrow().clone()).map_err(Engine::error)?;
    let refused = match engine.plan_expr(expr, &output, scope).await {
        Ok(value) => {
            // The query's columns may carry the names of its relations, which the output does not have.
            let names = plan.schema().columns().into_iter().zip(plan.schema().fields().iter());
            let columns = names.map(|(column, field)| Expr::Column(column).alias(field.name())).collect::<Vec<_>>();
            let plan = LogicalPlanBuilder::from(plan).project(columns);
            let all = output.columns().into_iter().map(Expr::Column).chain([value.clone().alias(SEQUENCE_COLUMN)]);
            let plan = plan.and_then(|plan| plan.project(all)).and_then(LogicalPlanBuilder::build);
            return Ok((plan.map_err(Engine::error)?, value));
        }
        Err(refused) => refused,
    };
    match &plan {
        LogicalPlan::Projection(projection) => beneath(engine, projection, expr, scope).await?.ok_or(refused),
        _ => Err(refused),
    }
}

/// The projection with one column more, out of what it reads; None where the names are not there either.
///
/// The mark of deletion is a projection of its own above that of the query, which is therefore looked through.
fn beneath<'a>(
    engine: &'a Engine,
    projection: &'a Projection,
    expr: &'a weir_sql::Expr,
    scope: &'a Scope,
) -> BoxFuture<'a, Result<Option<(LogicalPlan, Expr)>>> {
    Box::pin(async move {
        let (input, added, value) = match engine.plan_expr(expr, projection.input.schema(), scope).await {
            Ok(value) => (Arc::clone(&projection.input), value.clone().alias(SEQUENCE_COLUMN), value),
            // The names are there, but something else is wrong with it.
            Err(error) if error.code() != Code::UndefinedColumn => return Err(error),
            Err(_) => {
                let LogicalPlan::Projection(below) = projection.input.as_ref() else { return Ok(None) };
                let Some((input, value)) = beneath(engine, below, expr, scope).await? else { return Ok(None) };
                (Arc::new(input), Expr::Column(Column::from_name(SEQUENCE_COLUMN)), value)
            }
        };
        let exprs = projection.expr.iter().cloned().chain([added]).collect();
        let plan = Projection::try_new(exprs, input).map(LogicalPlan::Projection);
        Ok(Some((plan.map_err(Engine::error)?, value)))
    })
}

/// Whether the values can be stored in their own order.
fn check(value: &Expr, plan: &LogicalPlan, expr: &weir_sql::Expr) -> Result<()> {
    let whole = |expr: &Expr| Ok(matches!(expr, Expr::AggregateFunction(_) | Expr::WindowFunction(_)));
    if value.exists(whole).unwrap_or(true) {
        return Err(Error::new(Code::InvalidDefinition, "aggregate and window functions are not allowed in SEQUENCE BY")
            .hint("Select the value as a column of the query, and name that.".to_owned())
            .at(expr.position));
    }
    if value.is_volatile() {
        return Err(
            Error::new(Code::InvalidDefinition, "SEQUENCE BY must give the same value whenever a run is tried again").at(expr.position)
        );
    }
    let fields = plan.schema().fields();
    let Some(given) = fields.last().filter(|field| !is_orderly(field.data_type())) else { return Ok(()) };
    let message = format!("SEQUENCE BY gives a value of type {}, which is not stored in its order", shown_type(given));
    Err(Error::new(Code::WrongType, message).hint("Use a number, a text, a date or a time stamp.".to_owned()).at(expr.position))
}

/// Types that a Delta table stores as they are, or as another with the same order.
pub(super) fn is_orderly(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_orderly(values),
        DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => true,
        number => number.is_numeric(),
    }
}

/// The columns of the query, of which `_sequence` says what it holds; without the mark of deletion, which is none.
pub(super) fn columns(plan: &LogicalPlan, sequence: &Sequence) -> SchemaRef {
    let columns = plan.schema().as_arrow();
    let is_stored = matches!(sequence, Sequence::Stored(_));
    let own = columns.fields().iter().filter(|field| field.name() != DELETE_COLUMN);
    let fields = own.map(|field| match is_stored && field.name() == SEQUENCE_COLUMN {
        true => Arc::new(sequence.mark(field)),
        false => Arc::clone(field),
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), HashMap::new()))
}

fn order_of(field: &Field) -> Option<&str> {
    field.metadata().get(ORDER).map(String::as_str)
}

/// The columns of a table after it was filled in the order of `bound`; None when they are as they are.
///
/// # Errors
/// `InvalidDefinition` when the table has a column `_sequence` of its own.
fn reordered(table: &SchemaRef, bound: &Bound) -> Result<Option<SchemaRef>> {
    if !matches!(bound.mode, Mode::Upsert { .. }) {
        return Ok(None);
    }
    let wanted = match bound.sequence {
        Sequence::Stored(_) => {
            let field = bound.columns.field_with_name(SEQUENCE_COLUMN);
            let field = field.map_err(|error| Error::internal("a sequence has lost its column").caused_by(error))?;
            let normal = delta::normalise(&Schema::new(vec![field.clone()]));
            normal.fields().first().map(|field| Arc::new(field.as_ref().clone().with_nullable(true)))
        }
        _ => None,
    };
    let stored = table.fields().iter().find(|field| field.name().eq_ignore_ascii_case(SEQUENCE_COLUMN));
    let new = match (stored, wanted) {
        (None, None) => return Ok(None),
        (None, Some(wanted)) => {
            return Ok(Some(Arc::new(Schema::new(table.fields().iter().cloned().chain([wanted]).collect::<Vec<_>>()))));
        }
        (Some(stored), Some(wanted)) => match order_of(stored) {
            Some(order) if Some(order) == order_of(&wanted) => return Ok(None),
            Some(_) => wanted,
            None => {
                let message = format!("the table has a column \"{}\" of its own, where SEQUENCE BY is stored", stored.name());
                return Err(Error::new(Code::InvalidDefinition, message)
                    .hint("Order the events by a column of the query, or fill another table.".to_owned())
                    .at(bound.output.position));
            }
        },
        (Some(stored), None) if order_of(stored).is_some_and(|order| !order.is_empty()) => Arc::new(bound.sequence.mark(stored)),
        (Some(_), None) => return Ok(None),
    };
    let fields = table.fields().iter().map(|field| if field.name() == new.name() { Arc::clone(&new) } else { Arc::clone(field) });
    Ok(Some(Arc::new(Schema::new(fields.collect::<Vec<_>>()))))
}

/// What a client should know before the first run fails.
pub(super) fn notice(table: &TableBody, bound: &Bound) -> Result<Option<String>> {
    let known = reordered(&table.columns, bound)?;
    Ok(known.map(|_| "the table's rows may stand in another order: if so, the next run must be a FULL REFRESH".to_owned()))
}

/// Gives the target the column that the sequence needs, or prepares that the refresh does. New columns of the query are there before.
///
/// # Errors
/// `WrongState` when the rows of the table, or what it remembers of deleted ones, stand in another order.
pub(super) async fn settle(target: &mut Target, bound: &Bound, is_refresh: bool, facts: &Facts) -> Result<()> {
    let Some(new) = reordered(&target.table.schema(), bound)? else { return Ok(()) };
    if !is_refresh && !target.table.reshape_empty(&new, facts).await? {
        return Err(Error::new(
            Code::WrongState,
            format!("the rows of table \"{}\" are not in the order of SEQUENCE BY", target.object.full_name()),
        )
        .detail("They were written in another order, with which this one cannot be compared.".to_owned())
        .hint("Fill the table anew with RUN PIPELINE .. FULL REFRESH, or go back to the SEQUENCE BY that it had.".to_owned())
        .at(bound.output.position));
    }
    target.columns = new.fields().iter().filter(|field| !is_provenance(field.name())).cloned().collect();
    target.reshaped = is_refresh.then_some(new);
    Ok(())
}
