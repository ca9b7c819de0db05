//! `SELECT`, `WITH`, `VALUES`, `TABLE`

use std::sync::Arc;

use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use weir_sql::Query;

use super::{hub_run, marks};
use crate::engine::{Engine, Planned, origins, shown, told_apart, with_origins};
use crate::error::Result;
use crate::session::{Description, Notice, Outcome, Session};

pub(super) async fn describe(session: &Session, query: &Query, hints: &[Option<DataType>]) -> Result<Description> {
    if let Some(arguments) = hub_run::call(query) {
        return Ok(hub_run::describe(&arguments, hints));
    }
    let engine = session.hub().engine();
    if hints.is_empty()
        && let Some(answer) = engine.settled(&query.text)
    {
        return Ok(Description { columns: Some(answer.schema()), ..Description::default() });
    }
    let planned = engine.plan(&with_own_names(query), &session.scope(Vec::new()), &*session.definitions(), None).await?;
    let fields = planned.plan.get_parameter_fields().map_err(Engine::error)?;
    let known = fields.iter().filter_map(|(id, field)| Some((id.as_str(), field.as_ref()?.as_ref())));
    let mut marks = marks::of_fields(known);
    marks.extend(marks::of_casts(query.ast.as_ref()));
    let mut found = planned.plan.get_parameter_types().map_err(Engine::error)?;
    for (id, data_type) in cast_types(&planned.plan)? {
        let known = found.entry(id).or_default();
        *known = known.take().or(Some(data_type));
    }
    let found: Vec<(usize, Option<DataType>)> =
        found.into_iter().filter_map(|(name, data_type)| Some((name.strip_prefix('$')?.parse().ok()?, data_type))).collect();
    let parameters = parameters(&found, hints);
    // A column that is a parameter has the parameter's type: the columns told must be those that will come.
    let plan = match typed_nulls(&parameters)? {
        nulls if nulls.is_empty() => planned.plan,
        nulls => planned.plan.with_param_values(nulls).map_err(Engine::error)?,
    };
    let columns = Arc::new(plan.schema().as_arrow().clone());
    let columns = with_origins(&columns, &origins(&Planned { plan, ..planned }));
    let columns = shown_names(query, &columns).unwrap_or(columns);
    Ok(Description { parameters, marks, columns: Some(columns) })
}

/// What parameters are cast to, and those of LIMIT and OFFSET: the planner itself learns types from comparisons only.
fn cast_types(plan: &LogicalPlan) -> Result<Vec<(String, DataType)>> {
    let mut found = Vec::new();
    let visited = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            for bound in [&limit.skip, &limit.fetch].into_iter().flatten() {
                if let Expr::Placeholder(parameter) = bound.as_ref() {
                    found.push((parameter.id.clone(), DataType::Int64));
                }
            }
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Some((id, items)) = any_of(expr, node) {
                    found.push((id, items));
                }
                if let Expr::Cast(cast) = expr
                    && let Expr::Placeholder(parameter) = cast.expr.as_ref()
                {
                    found.push((parameter.id.clone(), cast.field.data_type().clone()));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    visited.map_err(Engine::error)?;
    Ok(found)
}

/// `x = ANY ($1)`: the parameter is an array of what `x` is.
fn any_of(expr: &Expr, node: &LogicalPlan) -> Option<(String, DataType)> {
    let Expr::ScalarFunction(call) = expr else { return None };
    let [Expr::Placeholder(parameter), item] = call.args.as_slice() else { return None };
    if call.func.name() != "array_has" || parameter.field.is_some() {
        return None;
    }
    let item = node.inputs().iter().find_map(|input| item.get_type(input.schema()).ok())?;
    Some((parameter.id.clone(), DataType::new_list(item, true)))
}

fn typed_nulls(types: &[DataType]) -> Result<Vec<ScalarValue>> {
    types.iter().map(|data_type| ScalarValue::try_new_null(data_type).map_err(Engine::error)).collect()
}

/// One type per parameter: what the client said, else what the plan tells, else text.
pub(super) fn parameters(found: &[(usize, Option<DataType>)], hints: &[Option<DataType>]) -> Vec<DataType> {
    /// Numbers come from the client's text: nothing is allocated by them beyond what the protocol can name.
    const MOST: usize = u16::MAX as usize;
    let count = found.iter().map(|(number, _)| *number).max().unwrap_or(0).max(hints.len()).min(MOST);
    let type_of = |number: usize| {
        let hinted = hints.get(number - 1).cloned().flatten();
        let planned = || found.iter().find(|(found, _)| *found == number).and_then(|(_, data_type)| data_type.clone());
        hinted.or_else(planned).filter(|data_type| *data_type != DataType::Null).unwrap_or(DataType::Utf8)
    };
    (1..=count).map(type_of).collect()
}

/// Binds the query and passes on what the planner has to say.
///
/// # Errors
/// Whatever the query names or does that cannot be.
pub(super) async fn plan(session: &Session, query: &Query, parameters: Vec<ScalarValue>) -> Result<Planned> {
    let planned = session.hub().engine().plan(query, &session.scope(parameters), &*session.definitions(), None).await?;
    for notice in &planned.notices {
        session.notice(Notice::new("00000", notice.clone()));
    }
    Ok(planned)
}

pub(super) async fn execute(session: &Session, query: &Query, parameters: Vec<ScalarValue>) -> Result<Outcome> {
    if let Some(arguments) = hub_run::call(query) {
        return hub_run::execute(session, query, &arguments, &parameters).await;
    }
    let engine = session.hub().engine();
    let is_alone = parameters.is_empty();
    if is_alone && let Some(answer) = engine.settled(&query.text) {
        return Ok(Outcome::batch(answer.as_ref().clone(), "SELECT"));
    }
    let planned = plan(session, &with_own_names(query), parameters).await?;
    let origins = origins(&planned);
    let is_settled = is_alone && Engine::is_settled(&query.text, &planned);
    let mut rows = with_shown_names(query, engine.rows(planned).await?);
    if !is_settled {
        return Ok(Outcome::Rows { schema: with_origins(&rows.schema(), &origins), rows, tag: "SELECT" });
    }
    let mut batches = Vec::new();
    while let Some(batch) = rows.next().await {
        batches.push(batch.map_err(Engine::error)?);
    }
    let answer = concat_batches(&rows.schema(), &batches).map_err(|error| Engine::error(error.into()))?;
    engine.keep_settled(&query.text, &answer);
    Ok(Outcome::batch(answer, "SELECT"))
}

fn with_own_names(query: &Query) -> Query {
    let mut query = query.clone();
    told_apart(&mut query.ast);
    query
}

/// The columns under the names that clients are told, where these are others than the plan's.
fn shown_names(query: &Query, columns: &SchemaRef) -> Option<SchemaRef> {
    let names = shown(&query.ast)?;
    let differ = names.len() == columns.fields().len() && columns.fields().iter().zip(&names).any(|(field, name)| field.name() != name);
    let renamed = || columns.fields().iter().zip(names).map(|(field, name)| field.as_ref().clone().with_name(name)).collect::<Vec<_>>();
    differ.then(|| Arc::new(Schema::new_with_metadata(renamed(), columns.metadata().clone())))
}

fn with_shown_names(query: &Query, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let Some(schema) = shown_names(query, &rows.schema()) else { return rows };
    let names = Arc::clone(&schema);
    let renamed = rows.map(move |batch| {
        let batch = batch?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&names), batch.columns().to_vec(), &options)?)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, renamed))
}
