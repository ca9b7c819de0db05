//! Values of `$1` and `$name` put where the placeholders stand.

use std::collections::HashMap;

use datafusion::common::metadata::ScalarAndMetadata;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::{Scope, errors};
use crate::error::{Code, Error, Result};

/// Whether the statement is only described: no parameter has a value.
pub(super) fn are_unknown(scope: &Scope) -> bool {
    scope.positional.is_empty() && scope.named.is_empty()
}

/// Replaces every placeholder. Without any values the plan keeps them: it is only to be described.
pub(super) fn fill(plan: LogicalPlan, scope: &Scope) -> Result<LogicalPlan> {
    if are_unknown(scope) {
        return Ok(plan);
    }
    let mut values: HashMap<String, ScalarAndMetadata> = HashMap::new();
    for (index, value) in scope.positional.iter().enumerate() {
        values.insert((index + 1).to_string(), ScalarAndMetadata::new(value.clone(), None));
    }
    for (name, value) in &scope.named {
        values.insert(name.clone(), ScalarAndMetadata::new(value.clone(), None));
    }
    plan.with_param_values(ParamValues::Map(values)).map_err(errors::error)
}

/// The same for an expression that is not part of a plan.
pub(super) fn fill_expr(expr: Expr, scope: &Scope) -> Result<Expr> {
    let mut missing = None;
    let filled = expr
        .transform_up(|node| match &node {
            Expr::Placeholder(placeholder) => match value(&placeholder.id, scope) {
                Some(value) => Ok(Transformed::yes(Expr::Literal(value, None))),
                None => {
                    missing = Some(placeholder.id.clone());
                    Ok(Transformed::no(node))
                }
            },
            _ => Ok(Transformed::no(node)),
        })
        .map_err(errors::error)?
        .data;
    match missing {
        Some(id) => Err(Error::new(Code::UndefinedParameter, format!("there is no parameter {id}"))),
        None => Ok(filled),
    }
}

pub(super) fn value(id: &str, scope: &Scope) -> Option<ScalarValue> {
    let name = id.strip_prefix('$')?;
    match name.parse::<usize>() {
        Ok(index) => scope.positional.get(index.checked_sub(1)?).cloned(),
        Err(_) => scope.named.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone()),
    }
}
