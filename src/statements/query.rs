//! `SELECT`, `WITH`, `VALUES`, `TABLE`

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use weir_sql::Query;

use super::{hub_run, marks};
use crate::engine::{Engine, Planned, shown, told_apart};
use crate::error::Result;
use crate::session::{Description, Notice, Outcome, Session};

pub(super) async fn describe(session: &Session, query: &Query, hints: &[Option<DataType>]) -> Result<Description> {
    if let Some(arguments) = hub_run::call(query) {
        return Ok(hub_run::describe(&arguments, hints));
    }
    let planned = session.hub().engine().plan(&with_own_names(query), &session.scope(Vec::new()), &*session.definitions(), None).await?;
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
    let columns = shown_names(query, &columns).unwrap_or(columns);
    Ok(Description { parameters, marks, columns: Some(columns) })
}

/// What parameters are cast to: the planner itself learns types from comparisons only.
fn cast_types(plan: &LogicalPlan) -> Result<Vec<(String, DataType)>> {
    let mut found = Vec::new();
    let visited = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
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
    let planned = plan(session, &with_own_names(query), parameters).await?;
    let rows = session.hub().engine().rows(planned).await?;
    Ok(Outcome::rows(with_shown_names(query, rows), "SELECT"))
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
