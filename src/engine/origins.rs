//! Which column of which relation a column of an answer is.
//!
//! Clients that let people edit rows ask for it: JDBC, ODBC, the grids of database tools. Only a column that is passed on as it is has an
//! origin; an expression has none. A view's column comes from the view.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};

use super::Planned;

/// On a field of an answer: the oid of the relation and the place of the column in it, parted by a blank.
pub const ORIGIN_KEY: &str = "weir.origin";

/// The oid of a relation and the place of a column in it, from 1.
pub type Origin = (i64, usize);

/// Where each column of an answer comes from.
pub fn origins(planned: &Planned) -> Vec<Option<Origin>> {
    (0..planned.plan.schema().fields().len()).map(|index| origin(&planned.plan, index, planned)).collect()
}

/// The columns of an answer, each with its origin where it has one.
pub fn with_origins(columns: &SchemaRef, origins: &[Option<Origin>]) -> SchemaRef {
    let mark = |(index, field): (usize, &Arc<Field>)| match origins.get(index).copied().flatten() {
        Some((relation, place)) => {
            let mut metadata: HashMap<String, String> = field.metadata().clone();
            metadata.insert(ORIGIN_KEY.to_owned(), format!("{relation} {place}"));
            Arc::new(field.as_ref().clone().with_metadata(metadata))
        }
        None => Arc::clone(field),
    };
    let fields: Vec<Arc<Field>> = columns.fields().iter().enumerate().map(mark).collect();
    Arc::new(Schema::new_with_metadata(fields, columns.metadata().clone()))
}

fn origin(plan: &LogicalPlan, index: usize, planned: &Planned) -> Option<Origin> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let relation = relation(&scan.table_name, planned)?;
            let name = scan.projected_schema.fields().get(index)?.name();
            Some((relation, scan.source.schema().index_of(name).ok()? + 1))
        }
        LogicalPlan::SubqueryAlias(alias) => match relation(&alias.alias, planned) {
            Some(relation) => Some((relation, index + 1)),
            None => origin(&alias.input, index, planned),
        },
        LogicalPlan::Projection(projection) => through(projection.expr.get(index)?, &projection.input, planned),
        LogicalPlan::Aggregate(aggregate) => match aggregate.group_expr.get(index)? {
            Expr::GroupingSet(_) => None,
            key => through(key, &aggregate.input, planned),
        },
        LogicalPlan::Join(join) => {
            let column = Column::from(join.schema.qualified_field(index));
            let side = [&join.left, &join.right].into_iter().find(|side| side.schema().has_column(&column))?;
            through(&Expr::Column(column), side, planned)
        }
        LogicalPlan::Filter(filter) => origin(&filter.input, index, planned),
        LogicalPlan::Sort(sort) => origin(&sort.input, index, planned),
        LogicalPlan::Limit(limit) => origin(&limit.input, index, planned),
        LogicalPlan::Distinct(Distinct::All(input)) => origin(input, index, planned),
        LogicalPlan::Distinct(Distinct::On(on)) => through(on.select_expr.get(index)?, &on.input, planned),
        _ => None,
    }
}

fn through(expr: &Expr, input: &LogicalPlan, planned: &Planned) -> Option<Origin> {
    match expr {
        Expr::Column(column) => origin(input, input.schema().maybe_index_of_column(column)?, planned),
        Expr::Alias(alias) => through(&alias.expr, input, planned),
        _ => None,
    }
}

/// The relation that this statement knows by that name.
fn relation(name: &TableReference, planned: &Planned) -> Option<i64> {
    let is_named = |own: &(String, String)| name.schema() == Some(own.0.as_str()) && name.table() == own.1;
    planned.used.iter().find(|used| is_named(&used.reference)).map(|used| used.relation.id.0)
}
