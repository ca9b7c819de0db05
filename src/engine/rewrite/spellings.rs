//! Forms of expressions that have another name in the planner: set-returning calls in a select list, `ARRAY(SELECT ..)`, `LIKE .. ESCAPE`,
//! `(row).field`, `COLLATE "C"`.

use std::ops::ControlFlow;

use sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, Ident, Interval, ObjectName, ObjectNamePart, OrderBy, OrderByKind, Query, Select, SelectItem,
    SetExpr, Subscript, TableFactor, TableWithJoins, TrimWhereField, UnaryOperator, Value, ValueWithSpan, VisitMut, VisitorMut,
    WindowFrameBound, WindowSpec, WindowType,
};

use super::{TRACE, call, last_name, named, text};

/// Functions lose their schema before names are looked up: `hub.trace` is known by its whole name.
fn keep_trace(factor: &mut TableFactor) {
    let TableFactor::Table { name, args: Some(_), .. } = factor else { return };
    let [ObjectNamePart::Identifier(schema), ObjectNamePart::Identifier(function)] = name.0.as_slice() else { return };
    if schema.value.eq_ignore_ascii_case("hub") && function.value.eq_ignore_ascii_case("trace") {
        let whole = Ident { value: TRACE.to_owned(), quote_style: Some('"'), span: schema.span };
        *name = ObjectName(vec![ObjectNamePart::Identifier(whole)]);
    }
}

/// The role whose rights count now; the one that logged in is another function.
fn current_role(name: &ObjectName) -> Option<Expr> {
    matches!(last_name(name)?.as_str(), "current_user" | "current_role").then(|| call("current_role", Vec::new()))
}

/// A function that gives rows, and the one that gives the same as an array.
const SETS: &[(&str, &str)] = &[
    ("generate_series", "series_array"),
    ("generate_subscripts", "array_subscripts"),
    ("_pg_expandarray", "pg_expandarray"),
    ("jsonb_array_elements", "jsonb_elements"),
    ("json_array_elements", "jsonb_elements"),
    ("jsonb_array_elements_text", "jsonb_elements_text"),
    ("json_array_elements_text", "jsonb_elements_text"),
    ("jsonb_object_keys", "jsonb_keys"),
    ("json_object_keys", "jsonb_keys"),
    ("jsonb_each", "jsonb_members"),
    ("json_each", "jsonb_members"),
    ("jsonb_each_text", "jsonb_members_text"),
    ("json_each_text", "jsonb_members_text"),
    ("regexp_matches", "regexp_all_matches"),
    ("regexp_split_to_table", "regexp_split_to_array"),
    ("string_to_table", "string_to_array"),
    ("jsonb_path_query", "jsonb_path_items"),
];

pub(super) struct Spellings;

/// `x IS DISTINCT FROM y OR z`: the parser reads all that follows as what is compared.
fn bound_tightly(expr: &mut Expr) {
    let (Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right)) = expr else { return };
    if !matches!(right.as_ref(), Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. }) {
        return;
    }
    let mut whole = right.as_ref().clone();
    let mut first = &mut whole;
    while let Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, .. } = first {
        first = left;
    }
    let compared = Box::new(first.clone());
    *first = match expr {
        Expr::IsDistinctFrom(left, _) => Expr::IsDistinctFrom(left.clone(), compared),
        Expr::IsNotDistinctFrom(left, _) => Expr::IsNotDistinctFrom(left.clone(), compared),
        _ => return,
    };
    *expr = whole;
}

impl VisitorMut for Spellings {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        // What was sorted by before says nothing more, and the planner stumbles over it.
        if let Some(OrderBy { kind: OrderByKind::Expressions(keys), .. }) = &mut query.order_by {
            let mut known: Vec<Expr> = Vec::new();
            keys.retain(|key| {
                let is_new = !known.contains(&key.expr);
                known.push(key.expr.clone());
                is_new
            });
        }
        if let SetExpr::Values(values) = query.body.as_mut() {
            super::lists::typed(values);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        super::sets::values_by_alias(select);
        super::chains::joined(&mut select.from);
        if let Some(condition) = &mut select.selection {
            rows_among(condition);
        }
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                let _ = expr.visit(&mut Sets { queries: 0 });
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        keep_trace(factor);
        super::sets::rows_of(factor);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        bound_tightly(expr);
        // Before what is behind FROM becomes a query: the array may be one of the row outside.
        if let Expr::Function(function) = expr
            && let Some(array) = array_of_elements(function)
        {
            *expr = array;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(Function { over: Some(WindowType::WindowSpec(window)), .. }) = expr {
            frame_as_written(window);
        }
        let replacement = match expr {
            Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
                if let Some(escape) = escape_char.take() {
                    **pattern = call("like_escape", vec![(**pattern).clone(), Expr::Value(escape)]);
                }
                None
            }
            Expr::Function(function) => array_of_rows(function)
                .or_else(|| other_form(function))
                .or_else(|| documents(function))
                .or_else(|| current_role(&function.name))
                .or_else(|| plain_name(function)),
            Expr::Substring { expr: whole, substring_from, substring_for, .. } => {
                let (from, count) = (substring_from.as_deref(), substring_for.as_deref());
                let is_quoted = matches!(from, Some(Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_), .. })));
                let mut args = vec![(**whole).clone(), from.cloned().unwrap_or_else(|| number("1"))];
                args.extend(count.cloned());
                Some(call(if is_quoted && count.is_none() { "regexp_substr" } else { "substr" }, args))
            }
            Expr::Position { expr: part, r#in: whole } => Some(call("strpos", vec![(**whole).clone(), (**part).clone()])),
            Expr::Overlay { expr: whole, overlay_what, overlay_from, overlay_for } => {
                let mut args = vec![(**whole).clone(), (**overlay_what).clone(), (**overlay_from).clone()];
                args.extend(overlay_for.as_deref().cloned());
                Some(call("overlay", args))
            }
            Expr::Trim { expr: whole, trim_where, trim_what, trim_characters: None } => {
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    _ => "btrim",
                };
                let mut args = vec![(**whole).clone()];
                args.extend(trim_what.as_deref().cloned());
                Some(call(name, args))
            }
            Expr::BinaryOp { op: BinaryOperator::Eq | BinaryOperator::NotEq, .. }
            | Expr::BinaryOp { op: BinaryOperator::Lt | BinaryOperator::LtEq | BinaryOperator::Gt | BinaryOperator::GtEq, .. }
            | Expr::InList { .. }
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..) => super::rows::by_items(expr),
            Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("localtimestamp") => {
                Some(call("timestamp", vec![call("now", Vec::new())]))
            }
            Expr::Identifier(name) if name.quote_style.is_none() => current_role(&name.clone().into()),
            Expr::CompoundFieldAccess { root, access_chain } => {
                access_chain.iter_mut().for_each(bounded);
                field_of(root, access_chain).or_else(|| member_of(root, access_chain))
            }
            Expr::Value(ValueWithSpan { value: value @ Value::UnicodeStringLiteral(_), .. }) => {
                if let Value::UnicodeStringLiteral(written) = value {
                    *value = Value::SingleQuotedString(std::mem::take(written));
                }
                None
            }
            Expr::Collate { expr: inner, collation } => match last_name(collation).as_deref() {
                // Text is compared by its bytes.
                Some("default" | "C" | "POSIX" | "c" | "posix" | "ucs_basic") => Some((**inner).clone()),
                _ => None,
            },
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => Some(among(left, right, false)),
            Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => Some(among(left, right, true)),
            Expr::AtTimeZone { timestamp, time_zone } => Some(call("timezone", vec![(**time_zone).clone(), (**timestamp).clone()])),
            Expr::Extract { field, expr, .. } => {
                Some(call("extract_field", vec![text(&field.to_string().to_lowercase()), (**expr).clone()]))
            }
            Expr::Interval(interval) => written_interval(interval),
            Expr::SimilarTo { negated, expr, pattern, escape_char: None } => {
                let op = if *negated { BinaryOperator::PGRegexNotMatch } else { BinaryOperator::PGRegexMatch };
                let regex = call("similar_to_regex", vec![(**pattern).clone()]);
                Some(Expr::BinaryOp { left: expr.clone(), op, right: Box::new(regex) })
            }
            Expr::BinaryOp { left, op: BinaryOperator::PGStartsWith, right } => {
                Some(call("starts_with", vec![(**left).clone(), (**right).clone()]))
            }
            // No table here is a partition of another.
            Expr::Subquery(query) if reads_ancestors(query) => Some(Expr::Value(Value::Null.with_empty_span())),
            Expr::Subquery(query) => super::totals::of_outside(query),
            Expr::UnaryOp { op, expr: inner } => with_sign(*op, inner),
            _ => None,
        };
        if let Some(replacement) = replacement {
            *expr = replacement;
        }
        ControlFlow::Continue(())
    }
}

/// Signs before a value.
fn with_sign(op: UnaryOperator, inner: &Expr) -> Option<Expr> {
    match op {
        UnaryOperator::BitwiseNot => {
            Some(Expr::BinaryOp { left: Box::new(number("-1")), op: BinaryOperator::Minus, right: Box::new(inner.clone()) })
        }
        // A sign binds tighter than a power.
        UnaryOperator::Minus if is_power(inner) => Some(signed_base(inner)),
        UnaryOperator::PGSquareRoot => Some(call("sqrt", vec![inner.clone()])),
        UnaryOperator::PGCubeRoot => Some(call("cbrt", vec![inner.clone()])),
        UnaryOperator::PGAbs => Some(call("abs", vec![inner.clone()])),
        _ => None,
    }
}

fn is_power(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryOp { op: BinaryOperator::PGExp, .. })
}

/// `-2 ^ 3 ^ 2` is `((-2) ^ 3) ^ 2`.
fn signed_base(expr: &Expr) -> Expr {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::PGExp, right } => {
            Expr::BinaryOp { left: Box::new(signed_base(left)), op: BinaryOperator::PGExp, right: right.clone() }
        }
        base => Expr::Nested(Box::new(Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(base.clone()) })),
    }
}

/// `(a, b) IN (SELECT x, y ..)` where only true counts: whether there is such a row. Inside NOT it would matter whether it is false or NULL.
fn rows_among(condition: &mut Expr) {
    match condition {
        Expr::Nested(inner) => rows_among(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            rows_among(left);
            rows_among(right);
        }
        Expr::InSubquery { expr, subquery, negated } => {
            if let Expr::Tuple(values) = expr.as_ref()
                && let Some(exists) = row_exists(values, subquery, *negated)
            {
                *condition = exists;
            }
        }
        _ => {}
    }
}

fn row_exists(values: &[Expr], rows: &Query, negated: bool) -> Option<Expr> {
    let column = |at: usize| sqlparser::ast::Ident::with_quote('"', format!("in@{at}"));
    let relation = sqlparser::ast::Ident::with_quote('"', "in@rows");
    let equal = |(at, value): (usize, &Expr)| Expr::BinaryOp {
        left: Box::new(Expr::CompoundIdentifier(vec![relation.clone(), column(at)])),
        op: BinaryOperator::Eq,
        right: Box::new(Expr::Nested(Box::new(value.clone()))),
    };
    let both = |left: Expr, right: Expr| Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::And, right: Box::new(right) };
    let all = values.iter().enumerate().map(equal).reduce(both)?;
    // NOT IN is true when every row certainly differs.
    let condition = if negated { Expr::IsNotFalse(Box::new(Expr::Nested(Box::new(all)))) } else { all };
    let mut outer = bare_select()?;
    if let SetExpr::Select(select) = outer.body.as_mut() {
        let columns = (0..values.len()).map(|at| sqlparser::ast::TableAliasColumnDef { name: column(at), data_type: None }).collect();
        let alias = sqlparser::ast::TableAlias { explicit: true, name: relation.clone(), columns, at: None };
        let relation = TableFactor::Derived { lateral: false, subquery: Box::new(rows.clone()), alias: Some(alias), sample: None };
        select.from = vec![TableWithJoins { relation, joins: Vec::new() }];
        select.selection = Some(condition);
    }
    Some(Expr::Exists { subquery: outer, negated })
}

/// `= ANY (SELECT ..)` is IN, `<> ALL (SELECT ..)` is NOT IN. Of an array they are something else.
fn among(value: &Expr, rows: &Expr, negated: bool) -> Expr {
    match rows {
        Expr::Subquery(query) => Expr::InSubquery { expr: Box::new(value.clone()), subquery: query.clone(), negated },
        array => {
            let found = call("in_array", vec![value.clone(), array.clone()]);
            if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(found) } } else { found }
        }
    }
}

fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).with_empty_span())
}

/// An interval by its text; the units behind it say what its number means.
fn written_interval(interval: &Interval) -> Option<Expr> {
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(written), .. }) = interval.value.as_ref() else { return None };
    let unit = match (&interval.leading_field, &interval.last_field) {
        (Some(field), None) if written.trim().trim_start_matches(['-', '+']).bytes().all(|b| b.is_ascii_digit() || b == b'.') => {
            format!(" {}", field.to_string().to_lowercase())
        }
        _ => String::new(),
    };
    let data_type = DataType::Interval { fields: None, precision: None };
    let value = Box::new(text(&format!("{written}{unit}")));
    Some(Expr::Cast { kind: CastKind::Cast, expr: value, data_type, array: false, format: None })
}

/// The planner reads the distances of a frame by itself.
fn frame_as_written(window: &mut WindowSpec) {
    let Some(frame) = &mut window.window_frame else { return };
    for bound in std::iter::once(&mut frame.start_bound).chain(&mut frame.end_bound) {
        let (WindowFrameBound::Preceding(Some(distance)) | WindowFrameBound::Following(Some(distance))) = bound else { continue };
        if let Expr::Cast { expr, data_type: DataType::Interval { .. }, .. } = distance.as_ref() {
            let value = expr.clone();
            **distance = Expr::Interval(Interval {
                value,
                leading_field: None,
                leading_precision: None,
                last_field: None,
                fractional_seconds_precision: None,
            });
        }
    }
}

/// Functions that are an operator, a sum or another function here.
fn other_form(function: &Function) -> Option<Expr> {
    let list = match &function.args {
        FunctionArguments::List(list) => list,
        FunctionArguments::None if last_name(&function.name)? == "localtimestamp" => {
            return Some(call("timestamp", vec![call("now", Vec::new())]));
        }
        _ => return None,
    };
    if last_name(&function.name)? == "make_interval" {
        return positional(list);
    }
    let given: Vec<&Expr> = list.args.iter().filter_map(plain_argument).collect();
    if given.len() != list.args.len() || function.over.is_some() {
        return None;
    }
    match (last_name(&function.name)?.as_str(), given.as_slice()) {
        ("mod", [left, right]) => {
            let nested = |expr: &Expr| Box::new(Expr::Nested(Box::new(expr.clone())));
            let rest = Expr::BinaryOp { left: nested(left), op: BinaryOperator::Modulo, right: nested(right) };
            Some(Expr::Nested(Box::new(rest)))
        }
        ("ceiling", [value]) => Some(call("ceil", vec![(*value).clone()])),
        ("transaction_timestamp" | "statement_timestamp", []) => Some(call("now", Vec::new())),
        // The planner's own change the first match only.
        ("array_remove", [array, item]) => Some(call("array_remove_all", vec![(*array).clone(), (*item).clone()])),
        ("array_replace", [array, from, to]) => Some(call("array_replace_all", vec![(*array).clone(), (*from).clone(), (*to).clone()])),
        ("date_trunc", [field, time, zone]) => {
            let local = call("timezone", vec![(*zone).clone(), (*time).clone()]);
            Some(call("timezone", vec![(*zone).clone(), call("date_trunc", vec![(*field).clone(), local])]))
        }
        // Functions of bytes alone: a bare literal is read as such.
        (name @ ("encode" | "convert_from" | "get_byte" | "get_bit"), [first, rest @ ..]) if is_bare(first) => {
            let args = std::iter::once(as_bytes(first)).chain(rest.iter().map(|arg| (*arg).clone()));
            Some(call(name, args.collect()))
        }
        ("num_nulls", values) if !values.is_empty() => Some(counted(values, Expr::IsNull)),
        ("num_nonnulls", values) if !values.is_empty() => Some(counted(values, Expr::IsNotNull)),
        _ => None,
    }
}

fn is_bare(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_), .. }))
}

fn as_bytes(expr: &Expr) -> Expr {
    Expr::Cast {
        kind: sqlparser::ast::CastKind::Cast,
        expr: Box::new(expr.clone()),
        data_type: sqlparser::ast::DataType::Bytea,
        array: false,
        format: None,
    }
}

/// `make_interval(days => 10)` by places.
fn positional(list: &FunctionArgumentList) -> Option<Expr> {
    const NAMES: &[&str] = &["years", "months", "weeks", "days", "hours", "mins", "secs"];
    let mut args = vec![number("0"); NAMES.len()];
    for (at, argument) in list.args.iter().enumerate() {
        let (place, value) = match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => (at, value),
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => {
                let name = super::super::resolve::folded(name);
                (NAMES.iter().position(|known| *known == name)?, value)
            }
            FunctionArg::ExprNamed { name: Expr::Identifier(name), arg: FunctionArgExpr::Expr(value), .. } => {
                let name = super::super::resolve::folded(name);
                (NAMES.iter().position(|known| *known == name)?, value)
            }
            _ => return None,
        };
        *args.get_mut(place)? = value.clone();
    }
    Some(call("make_interval", args))
}

/// How many of the values are so.
fn counted(values: &[&Expr], so: fn(Box<Expr>) -> Expr) -> Expr {
    let one = |value: &&Expr| Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(so(Box::new(Expr::Nested(Box::new((*value).clone()))))),
        data_type: DataType::Integer(None),
        array: false,
        format: None,
    };
    let sum = |left: Expr, right: Expr| Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::Plus, right: Box::new(right) };
    let total = values.iter().map(one).reduce(sum).unwrap_or_else(|| number("0"));
    Expr::Nested(Box::new(total))
}

fn reads_ancestors(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    select.from.iter().any(|from| match &from.relation {
        TableFactor::Table { name, .. } => last_name(name).as_deref() == Some("pg_partition_ancestors"),
        _ => false,
    })
}

/// In a select list a set becomes `unnest(array)`. Queries inside have a list of their own.
struct Sets {
    queries: usize,
}

impl VisitorMut for Sets {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.queries > 0 {
            return ControlFlow::Continue(());
        }
        if let Expr::Function(function) = expr
            && let Some(array) = as_array(&function.name)
            && function.over.is_none()
        {
            let mut inner = Function { name: named(array), ..function.clone() };
            if let (FunctionArguments::List(list), "series_array") = (&mut inner.args, array) {
                list.args = super::sets::with_interval(&list.args);
            }
            *expr = super::sets::marked(array, call("unnest", vec![Expr::Function(inner)]));
        }
        ControlFlow::Continue(())
    }
}

pub(super) fn as_array(name: &sqlparser::ast::ObjectName) -> Option<&'static str> {
    let name = last_name(name)?;
    SETS.iter().find(|(set, _)| *set == name).map(|(_, array)| *array)
}

/// Options and grants as rows: the arrays that they would be taken from are never there.
pub(super) fn never(factor: &TableFactor) -> Option<TableFactor> {
    let (name, alias) = match factor {
        TableFactor::Table { name, args: Some(_), alias, .. } | TableFactor::Function { name, alias, .. } => (name, alias),
        _ => return None,
    };
    let columns = match last_name(name)?.as_str() {
        "pg_options_to_table" => "NULL::text AS option_name, NULL::text AS option_value",
        "aclexplode" => "NULL::bigint AS grantor, NULL::bigint AS grantee, NULL::text AS privilege_type, NULL::boolean AS is_grantable",
        _ => return None,
    };
    let dialect = sqlparser::dialect::PostgreSqlDialect {};
    let query = format!("SELECT {columns} WHERE false");
    let subquery = sqlparser::parser::Parser::new(&dialect).try_with_sql(&query).ok()?.parse_query().ok()?;
    Some(TableFactor::Derived { lateral: false, subquery, alias: alias.clone(), sample: None })
}

pub(super) fn call_with(name: &str, args: Vec<FunctionArg>) -> Expr {
    match call(name, Vec::new()) {
        Expr::Function(function) => {
            let list = FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() };
            Expr::Function(Function { args: FunctionArguments::List(list), ..function })
        }
        other => other,
    }
}

/// `SELECT NULL`, to be filled.
pub(super) fn bare_select() -> Option<Box<Query>> {
    let dialect = sqlparser::dialect::PostgreSqlDialect {};
    let mut parser = sqlparser::parser::Parser::new(&dialect).try_with_sql("SELECT NULL").ok()?;
    parser.parse_query().ok()
}

/// `ARRAY(SELECT x .. ORDER BY y)` is the array of one aggregate, empty when there is no row.
fn array_of_rows(function: &Function) -> Option<Expr> {
    let FunctionArguments::Subquery(query) = &function.args else { return None };
    if last_name(&function.name).as_deref() != Some("array") {
        return None;
    }
    let mut inner = query.clone();
    let order = inner.order_by.take();
    let simple = inner.limit_clause.is_none() && inner.fetch.is_none();
    let aggregated = match (inner.body.as_mut(), simple) {
        (SetExpr::Select(select), true) if collects(select) => {
            let item = select.projection.first_mut()?;
            let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else { return None };
            let collected = array_agg(expr.clone(), order, Some(expr));
            *item = SelectItem::UnnamedExpr(collected);
            inner
        }
        _ => {
            inner.order_by = order;
            let mut outer = bare_select()?;
            if let SetExpr::Select(select) = outer.body.as_mut() {
                let column = sqlparser::ast::Ident::new("element");
                select.projection = vec![SelectItem::UnnamedExpr(array_agg(Expr::Identifier(column.clone()), None, None))];
                let alias = sqlparser::ast::TableAlias {
                    explicit: true,
                    name: sqlparser::ast::Ident::new("elements"),
                    columns: vec![sqlparser::ast::TableAliasColumnDef { name: column, data_type: None }],
                    at: None,
                };
                let relation = TableFactor::Derived { lateral: false, subquery: inner, alias: Some(alias), sample: None };
                select.from = vec![TableWithJoins { relation, joins: Vec::new() }];
            }
            outer
        }
    };
    Some(call("array_or_empty", vec![Expr::Subquery(aggregated)]))
}

/// `ARRAY(SELECT f(x) FROM unnest(a) x)`.
fn array_of_elements(function: &Function) -> Option<Expr> {
    let FunctionArguments::Subquery(query) = &function.args else { return None };
    if last_name(&function.name).as_deref() != Some("array") {
        return None;
    }
    Some(call("array_or_empty", vec![mapped(query)?]))
}

/// `ARRAY(SELECT f(x) FROM unnest(a) x)` is `a` with each element changed; it may be an array of the row outside.
fn mapped(query: &Query) -> Option<Expr> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let bare = query.order_by.is_none() && query.limit_clause.is_none() && query.fetch.is_none() && query.with.is_none();
    let [TableWithJoins { relation, joins }] = select.from.as_slice() else { return None };
    if !bare || !joins.is_empty() || select.selection.is_some() || select.distinct.is_some() {
        return None;
    }
    let (array, alias) = match relation {
        TableFactor::Table { name, args: Some(args), alias, with_ordinality: false, .. }
            if last_name(name).as_deref() == Some("unnest") =>
        {
            match args.args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] => (array, alias.as_ref()?),
                _ => return None,
            }
        }
        TableFactor::UNNEST { array_exprs, alias, with_ordinality: false, .. } => match array_exprs.as_slice() {
            [array] => (array, alias.as_ref()?),
            _ => return None,
        },
        _ => return None,
    };
    let element = alias.columns.first().map_or(&alias.name, |column| &column.name);
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] = select.projection.as_slice() else { return None };
    if matches!(item, Expr::Identifier(own) if own.value == element.value) {
        return Some(array.clone());
    }
    let lambda = Expr::Lambda(sqlparser::ast::LambdaFunction {
        params: sqlparser::ast::OneOrManyWithParens::One(sqlparser::ast::LambdaFunctionParameter {
            name: element.clone(),
            data_type: None,
        }),
        body: Box::new(item.clone()),
        syntax: sqlparser::ast::LambdaSyntax::Arrow,
    });
    Some(call("array_transform", vec![array.clone(), lambda]))
}

/// A list of one plain item that an aggregate can take the place of.
fn collects(select: &Select) -> bool {
    let plain = matches!(&select.group_by, sqlparser::ast::GroupByExpr::Expressions(by, _) if by.is_empty());
    let one =
        matches!(select.projection.as_slice(), [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] if is_plain(expr));
    plain && one && select.distinct.is_none() && select.having.is_none()
}

/// Words that begin the names of aggregates. One that is missed makes an aggregate of an aggregate, which the planner refuses.
const AGGREGATES: &[&str] = &[
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "array_agg",
    "string_agg",
    "bool_",
    "every",
    "json_agg",
    "jsonb_agg",
    "json_object_agg",
    "jsonb_object_agg",
    "jsonb_collect",
    "unnest",
    "stddev",
    "var",
    "mode",
    "percentile",
];

/// Whether it may be the name of an aggregate.
pub(super) fn is_aggregate(name: &ObjectName) -> bool {
    last_name(name).is_some_and(|name| AGGREGATES.iter().any(|word| name.starts_with(word)))
}

/// No aggregate and no set.
fn is_plain(expr: &Expr) -> bool {
    /// A query inside has rows of its own.
    struct Calls {
        queries: usize,
    }
    impl sqlparser::ast::Visitor for Calls {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.queries += 1;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.queries -= 1;
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
            let name = last_name(&function.name).unwrap_or_default();
            match self.queries == 0 && (function.over.is_some() || AGGREGATES.iter().any(|word| name.starts_with(word))) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    sqlparser::ast::Visit::visit(expr, &mut Calls { queries: 0 }).is_continue()
}

/// `ORDER BY 1` means the item itself.
fn array_agg(item: Expr, order: Option<OrderBy>, first: Option<&Expr>) -> Expr {
    let mut clauses = Vec::new();
    if let Some(OrderBy { kind: OrderByKind::Expressions(mut by), .. }) = order {
        for key in &mut by {
            let is_number = matches!(&key.expr, Expr::Value(ValueWithSpan { value: Value::Number(..), .. }));
            if let (true, Some(first)) = (is_number, first) {
                key.expr = first.clone();
            }
        }
        clauses.push(FunctionArgumentClause::OrderBy(by));
    }
    let args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(item))];
    match call("array_agg", Vec::new()) {
        Expr::Function(function) => {
            let list = FunctionArgumentList { duplicate_treatment: None, args, clauses };
            Expr::Function(Function { args: FunctionArguments::List(list), ..function })
        }
        other => other,
    }
}

/// `jsonb_agg` and `jsonb_object_agg` collect documents in an array, which becomes one document. `every` is `bool_and`.
fn documents(function: &Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let collected = |outer: &str, document: Expr| {
        let args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(document))];
        let inner = FunctionArguments::List(FunctionArgumentList { args, ..list.clone() });
        call(outer, vec![Expr::Function(Function { name: named("array_agg"), args: inner, ..function.clone() })])
    };
    let given: Vec<&Expr> = list.args.iter().filter_map(plain_argument).collect();
    match (last_name(&function.name)?.as_str(), given.as_slice()) {
        ("jsonb_agg" | "json_agg", [value]) => Some(collected("jsonb_collect", call("to_jsonb", vec![(*value).clone()]))),
        ("jsonb_object_agg" | "json_object_agg", [key, value]) => {
            Some(collected("jsonb_collect_members", call("jsonb_build_array", vec![(*key).clone(), (*value).clone()])))
        }
        ("every", [_]) => Some(Expr::Function(Function { name: named("bool_and"), ..function.clone() })),
        _ => None,
    }
}

fn plain_argument(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

/// `pg_catalog.f(x)` and `information_schema.f(x)` are `f(x)`.
fn plain_name(function: &Function) -> Option<Expr> {
    let [schema, name] = function.name.0.as_slice() else { return None };
    let schema = super::super::resolve::folded(schema.as_ident()?);
    let name = super::super::resolve::folded(name.as_ident()?);
    matches!(schema.as_str(), "pg_catalog" | "information_schema")
        .then(|| Expr::Function(Function { name: named(&name), ..function.clone() }))
}

/// `array[2:]`, `array[:2]`: from the first, to the last.
fn bounded(access: &mut AccessExpr) {
    if let AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride: None }) = access {
        lower_bound.get_or_insert_with(|| number("1"));
        upper_bound.get_or_insert_with(|| number("2147483647"));
    }
}

/// `document['a']['b']`.
fn member_of(root: &Expr, chain: &[AccessExpr]) -> Option<Expr> {
    let step = |access: &AccessExpr| match access {
        AccessExpr::Subscript(Subscript::Index {
            index: index @ Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_), .. }),
        }) => Some(index.clone()),
        _ => None,
    };
    let steps = chain.iter().map(step).collect::<Option<Vec<_>>>()?;
    Some(call("jsonb_extract_path", std::iter::once(root.clone()).chain(steps).collect()))
}

/// `(x).field`, which the planner has for names only.
fn field_of(root: &Expr, chain: &[AccessExpr]) -> Option<Expr> {
    if !matches!(root, Expr::Nested(_) | Expr::Function(_)) {
        return None;
    }
    let [AccessExpr::Dot(Expr::Identifier(field))] = chain else { return None };
    let inner = match root {
        Expr::Nested(inner) => (**inner).clone(),
        other => other.clone(),
    };
    Some(call("get_field", vec![inner, text(&super::super::resolve::folded(field))]))
}
