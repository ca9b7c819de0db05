//! A sub-query taken apart: what it finds whatever the row is, what that must equal in the row, and what must hold besides.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable as _, LogicalPlan, LogicalPlanBuilder, Operator, ScalarUDF, Subquery, cast, lit,
};
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;

use super::super::{errors, floats, subqueries};
use super::bind::ROW;
use super::probe::{Asks, Pairs, Probe};
use crate::error::{Code, Error, Result};
use crate::formats::{Logical, type_name};

/// What has to be asked before the first row.
pub(super) struct Question {
    pub(super) probe: Arc<Probe>,
    pub(super) plan: LogicalPlan,
}

/// The condition with every sub-query as a look-up, and what they look up. `row` has the row's columns without qualifiers.
pub(super) fn questions(condition: Expr, row: &DFSchema, state: &SessionState) -> Result<(Expr, Vec<Question>)> {
    let mut asking = Asking { row, state, questions: Vec::new() };
    let expr = asking.replaced(condition, true)?;
    Ok((expr, asking.questions))
}

struct Asking<'a> {
    row: &'a DFSchema,
    state: &'a SessionState,
    questions: Vec<Question>,
}

impl Asking<'_> {
    /// `again`: a form that cannot be pulled apart may be put in another one.
    fn replaced(&mut self, expr: Expr, again: bool) -> Result<Expr> {
        let mut failed = None;
        let replaced = expr.transform_up(|node| {
            let asked = match node {
                Expr::Exists(Exists { subquery, negated }) => self.asked(&subquery, Asks::Exists, None).map(|found| not(found, negated)),
                Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                    self.asked(&subquery, Asks::Among, Some(*expr)).map(|found| not(found, negated))
                }
                Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => match (op, quantifier) {
                    (Operator::Eq, SetQuantifier::Any) => self.asked(&subquery, Asks::Among, Some(*expr)),
                    (Operator::NotEq, SetQuantifier::All) => self.asked(&subquery, Asks::Among, Some(*expr)).map(|found| not(found, true)),
                    (op, quantifier) => Err(Error::new(Code::NotSupported, format!("{op} {quantifier} (..) is not supported in a rule"))
                        .hint("Compare with (SELECT min(..)) or (SELECT max(..)).".to_owned())),
                },
                Expr::ScalarSubquery(subquery) => self.value(subquery, again),
                other => return Ok(Transformed::no(other)),
            };
            match asked {
                Ok(expr) => Ok(Transformed::yes(expr)),
                Err(error) => {
                    failed = Some(error);
                    Ok(Transformed::new(lit(ScalarValue::Boolean(None)), true, TreeNodeRecursion::Stop))
                }
            }
        });
        match failed {
            Some(error) => Err(error),
            None => replaced.map(|replaced| replaced.data).map_err(errors::error),
        }
    }

    fn value(&mut self, subquery: Subquery, again: bool) -> Result<Expr> {
        match self.asked(&subquery, Asks::Value, None) {
            Err(error) if again && error.code() == Code::NotSupported && !subquery.outer_ref_columns.is_empty() => {
                match subqueries::one_row(subquery.clone(), None).map_err(errors::error)? {
                    Expr::ScalarSubquery(same) if same == subquery => Err(error),
                    other => self.replaced(other, false),
                }
            }
            asked => asked,
        }
    }

    fn asked(&mut self, subquery: &Subquery, asks: Asks, subject: Option<Expr>) -> Result<Expr> {
        let pulled = self.pulled(subquery, asks)?;
        let mut ties = Ties { row: self.row, found: pulled.plan, keys: Vec::new(), besides: Vec::new() };
        for filter in pulled.filters {
            ties.tie(filter)?;
        }
        let tied = !ties.keys.is_empty() || !ties.besides.is_empty();
        let value = match (asks, pulled.value) {
            (Asks::Exists, _) => None,
            (_, Some(value)) => Some(ties.own(&value)?),
            (_, None) => return Err(Error::new(Code::Syntax, "subquery must return only one column")),
        };
        let (value, compared) = match (asks, subject, value) {
            (Asks::Among, Some(subject), Some(value)) if !tied => {
                ties.key(subject, value)?;
                (None, None)
            }
            (Asks::Among, Some(subject), Some(value)) => (None, Some(ties.compared(subject, value)?)),
            (_, _, value) => (value, None),
        };
        self.finished(ties, asks, value, compared, pulled.when_none, tied)
    }

    /// The plan without its ties to the row, and those ties.
    fn pulled(&self, subquery: &Subquery, asks: Asks) -> Result<Pulled> {
        let plan = subquery.subquery.as_ref().clone();
        // EXISTS may well ask for no column at all.
        let value = plan.schema().iter().next().map(|(qualifier, field)| Column::new(qualifier.cloned(), field.name()));
        if subquery.outer_ref_columns.is_empty() {
            return Ok(Pulled { plan, filters: Vec::new(), value, when_none: None });
        }
        let mut pull = PullUpCorrelatedExpr::new()
            .with_need_handle_count_bug(matches!(asks, Asks::Value))
            .with_exists_sub_query(matches!(asks, Asks::Exists));
        let plan = plan.rewrite(&mut pull).map_err(errors::error)?.data;
        if !pull.can_pull_up || pull.pull_up_having_expr.is_some() || !plan.all_out_ref_exprs().is_empty() {
            return Err(Error::new(Code::NotSupported, "a sub-query in a rule can be tied to the row only by conditions in its WHERE")
                .hint("Write the tie as WHERE column = row.column, outside of joins, unions and groups.".to_owned()));
        }
        let known = pull.collected_count_expr_map.get(&plan);
        let when_none = known.zip(value.as_ref()).and_then(|(known, value)| known.get(&value.name)).cloned();
        Ok(Pulled { plan, filters: pull.join_filters, value, when_none })
    }

    /// The look-up itself, and the query that fills it: keys, then the value, then the columns that conditions besides the keys need.
    fn finished(
        &mut self,
        ties: Ties<'_>,
        asks: Asks,
        value: Option<Expr>,
        compared: Option<(Expr, Expr)>,
        when_none: Option<Expr>,
        tied: bool,
    ) -> Result<Expr> {
        let data_type = match &value {
            Some(value) => value.get_type(ties.found.schema()).map_err(errors::error)?,
            None => DataType::Boolean,
        };
        let keys = ties.keys.len();
        let mut given: Vec<Expr> = Vec::new();
        let mut own: Vec<Expr> = Vec::new();
        for (at, (outer, inner)) in ties.keys.iter().enumerate() {
            given.push(outer.clone());
            own.push(inner.clone().alias(format!("__weir_key{at}")));
        }
        if let Some(value) = value {
            own.push(value.alias(VALUE));
        }
        let mut compare = None;
        if let Some((subject, among)) = compared {
            given.push(subject);
            own.push(among.alias(VALUE));
            compare = Some(plain(SUBJECT).eq(plain(VALUE)));
        }
        let filter = ties.flattened(&mut given, &mut own)?;
        let by_pairs = filter.is_some() || compare.is_some();
        if own.is_empty() {
            own.push(lit(true).alias("__weir_any"));
        }
        let fields = self.fields(&ties, given.get(keys..).unwrap_or_default(), own.get(keys..).unwrap_or_default(), compare.is_some())?;
        let mut plan = LogicalPlanBuilder::from(ties.found).project(own);
        plan = match asks {
            Asks::Exists if !tied => plan.and_then(|plan| plan.limit(0, Some(1))),
            // Two are one too many.
            Asks::Value if !tied => plan.and_then(|plan| plan.limit(0, Some(2))),
            Asks::Exists | Asks::Among if !by_pairs => plan.and_then(LogicalPlanBuilder::distinct),
            _ => plan,
        };
        let plan = plan.and_then(LogicalPlanBuilder::build).and_then(subqueries::aggregated).map_err(errors::error)?;
        let pairs = match by_pairs {
            true => Some(self.pairs(fields, filter, compare)?),
            false => None,
        };
        let when_none = self.constant(when_none, &data_type)?;
        let probe = Arc::new(Probe::new(asks, data_type, keys, pairs, when_none));
        let function: Arc<dyn datafusion::logical_expr::ScalarUDFImpl> = Arc::clone(&probe) as _;
        self.questions.push(Question { probe, plan });
        Ok(ScalarUDF::new_from_shared_impl(function).call(given))
    }

    /// What a row and a found row show together: what is given besides the keys, then what was found besides the keys.
    fn fields(&self, ties: &Ties<'_>, given: &[Expr], own: &[Expr], compares: bool) -> Result<Schema> {
        let mut fields = Vec::new();
        for (at, expr) in given.iter().enumerate() {
            let name = match (compares, at) {
                (true, 0) => SUBJECT.to_owned(),
                (true, at) => outer_name(at - 1),
                (false, at) => outer_name(at),
            };
            fields.push(Field::new(name, expr.get_type(self.row).map_err(errors::error)?, true));
        }
        for expr in own {
            let name = expr.qualified_name().1;
            fields.push(Field::new(name, expr.get_type(ties.found.schema()).map_err(errors::error)?, true));
        }
        Ok(Schema::new(fields))
    }

    fn pairs(&self, fields: Schema, filter: Option<Expr>, compare: Option<Expr>) -> Result<Pairs> {
        let schema = DFSchema::try_from(fields.clone()).map_err(errors::error)?;
        let physical = |expr: Expr| self.state.create_physical_expr(expr, &schema).map_err(errors::error);
        Ok(Pairs { schema: Arc::new(fields), filter: filter.map(physical).transpose()?, compare: compare.map(physical).transpose()? })
    }

    /// What a sub-query is worth where it finds nothing: NULL, unless it counts.
    fn constant(&self, expr: Option<Expr>, data_type: &DataType) -> Result<ScalarValue> {
        let Some(expr) = expr else { return ScalarValue::try_new_null(data_type).map_err(errors::error) };
        let nothing = DFSchema::empty();
        let one =
            RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &RecordBatchOptions::new().with_row_count(Some(1)))
                .map_err(|error| errors::error(error.into()))?;
        let value = self.state.create_physical_expr(cast(expr, data_type.clone()), &nothing).and_then(|expr| expr.evaluate(&one));
        value.and_then(|value| ScalarValue::try_from_array(&value.into_array(1)?, 0)).map_err(errors::error)
    }
}

/// Names in what a row and a found row show together.
const VALUE: &str = "__weir_value";
const SUBJECT: &str = "__weir_subject";

fn outer_name(at: usize) -> String {
    format!("__weir_outer{at}")
}

fn plain(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

fn not(expr: Expr, negated: bool) -> Expr {
    if negated { Expr::Not(Box::new(expr)) } else { expr }
}

struct Pulled {
    plan: LogicalPlan,
    /// Over columns of the plan and of the row.
    filters: Vec<Expr>,
    /// The first column of the sub-query.
    value: Option<Column>,
    when_none: Option<Expr>,
}

/// How found rows belong to the row.
struct Ties<'a> {
    row: &'a DFSchema,
    found: LogicalPlan,
    /// Over the row, over what was found, of one type: equal.
    keys: Vec<(Expr, Expr)>,
    besides: Vec<Expr>,
}

impl Ties<'_> {
    fn tie(&mut self, filter: Expr) -> Result<()> {
        if let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = &filter {
            match (sides(left), sides(right)) {
                ((true, false), (false, true)) => return self.key(left.as_ref().clone(), self.own_columns(right.as_ref().clone())?),
                ((false, true), (true, false)) => return self.key(right.as_ref().clone(), self.own_columns(left.as_ref().clone())?),
                _ => {}
            }
        }
        self.besides.push(filter);
        Ok(())
    }

    fn key(&mut self, outer: Expr, own: Expr) -> Result<()> {
        let pair = self.compared(outer, own)?;
        self.keys.push(pair);
        Ok(())
    }

    /// Both in the type in which they are compared.
    fn compared(&self, outer: Expr, own: Expr) -> Result<(Expr, Expr)> {
        let outer = of_row(outer)?;
        let here = outer.get_type(self.row).map_err(errors::error)?;
        let there = own.get_type(self.found.schema()).map_err(errors::error)?;
        let common = match comparison_coercion(&here, &there) {
            Some(_) if floats::are_mixed(&here, &there) => DataType::Float64,
            Some(DataType::Dictionary(_, value)) => *value,
            Some(common) => common,
            None => {
                let (here, there) = (type_name(&here, Logical::Plain), type_name(&there, Logical::Plain));
                return Err(Error::new(Code::UndefinedFunction, format!("operator does not exist: {here} = {there}"))
                    .hint("You might need to add explicit type casts.".to_owned()));
            }
        };
        let typed = |expr: Expr, given: &DataType| if *given == common { expr } else { cast(expr, common.clone()) };
        Ok((typed(outer, &here), typed(own, &there)))
    }

    /// The column as the pulled plan has it: pulling may have given it another qualifier.
    fn own(&self, column: &Column) -> Result<Expr> {
        let schema = self.found.schema();
        if schema.has_column(column) {
            return Ok(Expr::Column(column.clone()));
        }
        let found = schema.iter().find(|(_, field)| field.name() == column.name());
        found
            .map(|(qualifier, field)| Expr::Column(Column::new(qualifier.cloned(), field.name())))
            .ok_or_else(|| Error::internal(format!("column \"{}\" of a sub-query is lost", column.name())))
    }

    fn own_columns(&self, expr: Expr) -> Result<Expr> {
        let mut failed = None;
        let own = expr.transform_up(|node| match node {
            Expr::Column(column) => match self.own(&column) {
                Ok(own) => Ok(Transformed::yes(own)),
                Err(error) => {
                    failed = Some(error);
                    Ok(Transformed::no(Expr::Column(column)))
                }
            },
            other => Ok(Transformed::no(other)),
        });
        match failed {
            Some(error) => Err(error),
            None => own.map(|own| own.data).map_err(errors::error),
        }
    }

    /// The conditions besides the keys, over columns of pairs; what they need is added to both sides.
    fn flattened(&self, given: &mut Vec<Expr>, own: &mut Vec<Expr>) -> Result<Option<Expr>> {
        let (mut outer, mut inner): (Vec<Column>, Vec<Column>) = (Vec::new(), Vec::new());
        let place = |known: &mut Vec<Column>, column: Column| match known.iter().position(|other| *other == column) {
            Some(at) => at,
            None => {
                known.push(column);
                known.len() - 1
            }
        };
        let mut flat = Vec::new();
        for filter in &self.besides {
            let filter = filter.clone().transform_up(|node| match node {
                Expr::Column(column) if is_row(&column) => Ok(Transformed::yes(plain(&outer_name(place(&mut outer, column))))),
                Expr::Column(column) => Ok(Transformed::yes(plain(&format!("__weir_own{}", place(&mut inner, column))))),
                other => Ok(Transformed::no(other)),
            });
            flat.push(filter.map_err(errors::error)?.data);
        }
        given.extend(outer.into_iter().map(|column| plain(&column.name)));
        for (at, column) in inner.into_iter().enumerate() {
            own.push(self.own(&column)?.alias(format!("__weir_own{at}")));
        }
        Ok(conjunction(flat))
    }
}

fn is_row(column: &Column) -> bool {
    column.relation.as_ref().is_some_and(|relation| relation.table() == ROW)
}

/// Whether columns of the row and of the sub-query are in the expression.
fn sides(expr: &Expr) -> (bool, bool) {
    let columns = expr.column_refs();
    (columns.iter().any(|column| is_row(column)), columns.iter().any(|column| !is_row(column)))
}

/// Columns of the row without their qualifier.
fn of_row(expr: Expr) -> Result<Expr> {
    let plain = expr.transform_up(|node| match node {
        Expr::Column(column) if is_row(&column) => Ok(Transformed::yes(plain(&column.name))),
        other => Ok(Transformed::no(other)),
    });
    plain.map(|plain| plain.data).map_err(errors::error)
}
