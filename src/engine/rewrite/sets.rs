//! Functions behind FROM that give rows: a query whose select list unnests an array.
//!
//! `generate_series` of whole numbers stays the planner's own, which makes its rows as they are asked for.

use std::ops::ControlFlow;

use sqlparser::ast::{
    CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Select, SelectItem, SetExpr, TableAlias,
    TableAliasColumnDef, TableFactor, UnaryOperator, Value, ValueWithSpan, VisitMut, VisitorMut,
};

use super::super::resolve::folded;
use super::spellings::{as_array, bare_select, call_with, never};
use super::{call, last_name, text};

/// One function behind FROM.
struct Set {
    function: String,
    arrays: Vec<Expr>,
    alias: Option<TableAlias>,
    is_numbered: bool,
}

/// The query in the place of such a function.
pub(super) fn rows_of(factor: &mut TableFactor) {
    if let Some(none) = never(factor) {
        *factor = none;
        return;
    }
    if let Some(series) = series(factor) {
        *factor = series;
        return;
    }
    let Some(set) = taken(factor) else { return };
    if let Some(derived) = derived(set) {
        *factor = derived;
    }
}

/// `FROM jsonb_array_elements(j) e`: PostgreSQL calls the column `value`, and lets the alias stand for it as well.
pub(super) fn values_by_alias(select: &mut Select) {
    let factors = select.from.iter().flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)));
    let names: Vec<String> = factors.filter_map(alias_of_values).collect();
    if names.is_empty() {
        return;
    }
    let _ = VisitMut::visit(select, &mut ByAlias { names });
}

fn alias_of_values(factor: &TableFactor) -> Option<String> {
    let (TableFactor::Table { name, args: Some(_), alias: Some(alias), .. } | TableFactor::Function { name, alias: Some(alias), .. }) =
        factor
    else {
        return None;
    };
    let is_value = columns_of(&last_name(name)?) == ["value"] && alias.columns.is_empty();
    is_value.then(|| folded(&alias.name))
}

struct ByAlias {
    names: Vec<String>,
}

impl ByAlias {
    fn value(&self, expr: &Expr) -> Option<(Ident, Expr)> {
        let Expr::Identifier(name) = expr else { return None };
        let column = Ident::with_quote('"', "value");
        self.names.contains(&folded(name)).then(|| (name.clone(), Expr::CompoundIdentifier(vec![name.clone(), column])))
    }
}

impl VisitorMut for ByAlias {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) = item
                && let Some((alias, expr)) = self.value(expr)
            {
                *item = SelectItem::ExprWithAlias { expr, alias };
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some((_, value)) = self.value(expr) {
            *expr = value;
        }
        ControlFlow::Continue(())
    }
}

fn taken(factor: &mut TableFactor) -> Option<Set> {
    match factor {
        TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } => set_of(name, &args.args, alias, *with_ordinality),
        TableFactor::Function { name, args, alias, with_ordinality, .. } => set_of(name, args, alias, *with_ordinality),
        TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } => {
            Some(Set { function: "unnest".to_owned(), arrays: array_exprs.clone(), alias: alias.take(), is_numbered: *with_ordinality })
        }
        _ => None,
    }
}

fn set_of(name: &ObjectName, args: &[FunctionArg], alias: &mut Option<TableAlias>, is_numbered: bool) -> Option<Set> {
    let function = last_name(name)?;
    let arrays = match function.as_str() {
        "unnest" => args.iter().map(plain).collect::<Option<Vec<_>>>()?,
        "generate_series" => vec![call_with("series_array", with_interval(args))],
        _ => vec![call_with(as_array(name)?, args.to_vec())],
    };
    Some(Set { function, arrays, alias: alias.take(), is_numbered })
}

fn plain(argument: &FunctionArg) -> Option<Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    }
}

/// A step in quotes is an interval.
pub(super) fn with_interval(args: &[FunctionArg]) -> Vec<FunctionArg> {
    let quoted = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value @ Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_), .. }))) => {
            let data_type = DataType::Interval { fields: None, precision: None };
            let step = Expr::Cast { kind: CastKind::Cast, expr: Box::new(value.clone()), data_type, array: false, format: None };
            FunctionArg::Unnamed(FunctionArgExpr::Expr(step))
        }
        other => other.clone(),
    };
    // A bound in quotes is of the type of the first.
    let first = args.first().and_then(plain).and_then(|first| match first {
        Expr::Cast { data_type, .. } => Some(data_type),
        Expr::TypedString(typed) => Some(typed.data_type),
        _ => None,
    });
    let bound = |arg: &FunctionArg| match (arg, &first) {
        (
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value @ Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_), .. }))),
            Some(data_type),
        ) => {
            let data_type = data_type.clone();
            let bound = Expr::Cast { kind: CastKind::Cast, expr: Box::new(value.clone()), data_type, array: false, format: None };
            FunctionArg::Unnamed(FunctionArgExpr::Expr(bound))
        }
        _ => arg.clone(),
    };
    let taken = |(at, arg): (usize, &FunctionArg)| match at {
        1 => bound(arg),
        2 => quoted(arg),
        _ => arg.clone(),
    };
    args.iter().enumerate().map(taken).collect()
}

fn derived(set: Set) -> Option<TableFactor> {
    let Set { function, arrays, alias, is_numbered } = set;
    let lateral = arrays.iter().any(refers);
    let item = |expr: Expr, name: &str| SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) };
    let own = alias.as_ref().filter(|alias| alias.columns.is_empty()).map(|alias| folded(&alias.name));
    let name = match arrays.as_slice() {
        [Expr::Function(function)] => last_name(&function.name).unwrap_or_default(),
        _ => String::new(),
    };
    let rows = |array: &Expr| marked(&name, call("unnest", vec![array.clone()]));
    let mut projection: Vec<SelectItem> = match (columns_of(&function), arrays.as_slice()) {
        ([one], [array]) => {
            let name = if *one == "value" { "value".to_owned() } else { own.unwrap_or_else(|| (*one).to_owned()) };
            vec![item(rows(array), &name)]
        }
        ([_], several) => several.iter().enumerate().map(|(at, array)| item(rows(array), &unnamed("unnest", at))).collect(),
        (fields, [array]) => fields.iter().map(|field| item(call("get_field", vec![rows(array), text(field)]), field)).collect(),
        _ => return None,
    };
    if let (true, [first, ..]) = (is_numbered, arrays.as_slice()) {
        let numbers = call("unnest", vec![call("array_subscripts", vec![first.clone()])]);
        let data_type = DataType::BigInt(None);
        let number = Expr::Cast { kind: CastKind::Cast, expr: Box::new(numbers), data_type, array: false, format: None };
        projection.push(item(number, "ordinality"));
    }
    let mut subquery = bare_select()?;
    if let SetExpr::Select(select) = subquery.body.as_mut() {
        select.projection = projection;
    }
    let alias = alias.or_else(|| Some(named(&function, None)));
    Some(TableFactor::Derived { lateral, subquery, alias, sample: None })
}

/// Items of documents are documents; an array of them does not say so of its items.
pub(super) fn marked(array: &str, items: Expr) -> Expr {
    match array {
        "jsonb_elements" | "jsonb_path_items" => call("as_jsonb", vec![items]),
        _ => items,
    }
}

fn unnamed(name: &str, at: usize) -> String {
    if at == 0 { name.to_owned() } else { format!("{name}_{at}") }
}

fn named(name: &str, column: Option<&str>) -> TableAlias {
    let columns = column.map(|column| TableAliasColumnDef { name: Ident::with_quote('"', column), data_type: None });
    TableAlias { explicit: true, name: Ident::with_quote('"', name), columns: columns.into_iter().collect(), at: None }
}

/// `generate_series(1, 10)`: named after its alias or itself, and integer where its bounds are.
fn series(factor: &TableFactor) -> Option<TableFactor> {
    let (name, args, alias) = match factor {
        TableFactor::Table { name, args: Some(args), alias, with_ordinality: false, .. } => (name, &args.args, alias),
        TableFactor::Function { name, args, alias, with_ordinality: false, .. } => (name, args, alias),
        _ => return None,
    };
    let bounds = args.iter().map(plain).collect::<Option<Vec<_>>>()?;
    if last_name(name)? != "generate_series" || !bounds.iter().all(|bound| whole(bound).is_some() || is_parameter(bound)) {
        return None;
    }
    let own = alias.as_ref().map_or_else(|| "generate_series".to_owned(), |alias| folded(&alias.name));
    let mut relation = factor.clone();
    if let TableFactor::Table { alias, .. } | TableFactor::Function { alias, .. } = &mut relation {
        *alias = Some(named("series", Some("value")));
    }
    let value = Expr::Identifier(Ident::with_quote('"', "value"));
    let is_integer = bounds.iter().all(|bound| whole(bound).is_some_and(|number| i32::try_from(number).is_ok()));
    let expr = match is_integer {
        true => Expr::Cast { kind: CastKind::Cast, expr: Box::new(value), data_type: DataType::Integer(None), array: false, format: None },
        false => value,
    };
    let mut subquery = bare_select()?;
    if let SetExpr::Select(select) = subquery.body.as_mut() {
        select.projection = vec![SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', own.clone()) }];
        select.from = vec![sqlparser::ast::TableWithJoins { relation: hidden(relation), joins: Vec::new() }];
    }
    let alias = alias.clone().or_else(|| Some(named(&own, None)));
    Some(TableFactor::Derived { lateral: false, subquery, alias, sample: None })
}

/// Under a name that this file does not look for a second time.
fn hidden(mut relation: TableFactor) -> TableFactor {
    if let TableFactor::Table { name, .. } | TableFactor::Function { name, .. } = &mut relation {
        *name = super::named(SERIES);
    }
    relation
}

/// The planner's own function under another name; see `functions`.
pub(in crate::engine) const SERIES: &str = "series_rows";

fn whole(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) => digits.parse().ok(),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => whole(expr).map(|number| -number),
        _ => None,
    }
}

fn is_parameter(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(ValueWithSpan { value: Value::Placeholder(_), .. }))
}

/// Whether a column is named.
fn refers(expr: &Expr) -> bool {
    struct Names;
    impl sqlparser::ast::Visitor for Names {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    sqlparser::ast::Visit::visit(expr, &mut Names).is_break()
}

fn columns_of(function: &str) -> &'static [&'static str] {
    match function {
        "jsonb_each" | "json_each" | "jsonb_each_text" | "json_each_text" => &["key", "value"],
        "_pg_expandarray" => &["x", "n"],
        "jsonb_array_elements" | "json_array_elements" | "jsonb_array_elements_text" | "json_array_elements_text" => &["value"],
        "jsonb_object_keys" => &["jsonb_object_keys"],
        "json_object_keys" => &["json_object_keys"],
        "jsonb_path_query" => &["jsonb_path_query"],
        "regexp_matches" => &["regexp_matches"],
        "regexp_split_to_table" => &["regexp_split_to_table"],
        "string_to_table" => &["string_to_table"],
        "generate_series" => &["generate_series"],
        "generate_subscripts" => &["generate_subscripts"],
        _ => &["unnest"],
    }
}
