//! Names for the columns of a query that the user has not named, as PostgreSQL finds them.
//!
//! A call is named after its function, a cast after what it casts, anything else `?column?`. Two columns of one list never share a name
//! here, since the planner cannot hold them: the second is `count_1`.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{ArrayElemTypeDef, DataType, Expr, Ident, ObjectNamePart, Query, Select, SelectItem, SetExpr, VisitMut, VisitorMut};

mod sorted;

const UNNAMED: &str = "?column?";

/// Names what has no name, in the query and in all queries inside it.
pub(super) fn name(query: &mut Query) {
    let _ = query.visit(&mut Namer);
}

/// The columns of the result as PostgreSQL names them: several may share a name. None where they come from a relation.
pub fn shown(query: &Query) -> Option<Vec<String>> {
    let mut body = query.body.as_ref();
    loop {
        body = match body {
            SetExpr::SetOperation { left, .. } => left.as_ref(),
            SetExpr::Query(inner) => inner.body.as_ref(),
            _ => break,
        };
    }
    let SetExpr::Select(select) = body else { return None };
    let names = select.projection.iter().map(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        SelectItem::UnnamedExpr(expr) => Some(match derived(expr) {
            Derived::Own(name) | Derived::Column(name) => name,
        }),
        _ => None,
    });
    names.collect()
}

/// A query for a client, who may give the same name twice: nothing outside asks for the second. See [`shown`].
pub fn told_apart(query: &mut Query) {
    if query.order_by.is_some() {
        return;
    }
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let mut taken: HashSet<String> = HashSet::new();
    for item in &mut select.projection {
        if let SelectItem::ExprWithAlias { alias, .. } = item {
            let name = free(folded(alias), &mut taken);
            if name != folded(alias) {
                *alias = Ident::with_quote('"', name);
            }
        }
    }
}

struct Namer;

impl VisitorMut for Namer {
    type Break = ();

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        name_set(&mut query.body);
        sorted::apart(query);
        ControlFlow::Continue(())
    }
}

fn name_set(set: &mut SetExpr) {
    match set {
        SetExpr::Select(select) => name_select(select),
        SetExpr::SetOperation { left, right, .. } => {
            name_set(left);
            name_set(right);
        }
        // A query inside is visited by itself.
        _ => {}
    }
}

fn is_wildcard(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
}

fn name_select(select: &mut Select) {
    let has_wildcard = select.projection.iter().any(is_wildcard);
    let mut taken: HashSet<String> = select.projection.iter().filter_map(given).collect();
    let mut plain: HashSet<String> = HashSet::new();
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let name = match column(expr) {
            // The same column twice is one name twice.
            Some(name) if plain.insert(expr.to_string()) => {
                taken.insert(name);
                continue;
            }
            Some(name) => name,
            None => match derived(expr) {
                Derived::Own(name) => name,
                Derived::Column(name) => {
                    // The column itself may be among those that the wildcard brings.
                    if has_wildcard {
                        taken.insert(name.clone());
                    }
                    name
                }
            },
        };
        let name = free(name, &mut taken);
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
    }
}

/// The name an item has already.
fn given(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        SelectItem::UnnamedExpr(expr) => column(expr),
        _ => None,
    }
}

fn free(name: String, taken: &mut HashSet<String>) -> String {
    let mut free = name.clone();
    let mut count = 0;
    while !taken.insert(free.clone()) {
        count += 1;
        free = format!("{name}_{count}");
    }
    free
}

fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

fn column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(folded(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        _ => None,
    }
}

enum Derived {
    /// From a function or the form of the expression.
    Own(String),
    /// From a column inside it.
    Column(String),
}

fn derived(expr: &Expr) -> Derived {
    let own = |name: &str| Derived::Own(name.to_owned());
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => column(expr).map_or_else(|| own(UNNAMED), Derived::Column),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => derived(inner),
        Expr::Function(function) => match function.name.0.last() {
            Some(ObjectNamePart::Identifier(ident)) => Derived::Own(folded(ident)),
            _ => own(UNNAMED),
        },
        // The name of a type gives way to that of a later cast, a function's and a column's do not.
        Expr::Cast { expr: inner, data_type, .. } => match derived(inner) {
            Derived::Own(name) if name == UNNAMED || is_typed(inner) => Derived::Own(type_name(data_type)),
            found => found,
        },
        Expr::TypedString(typed) => Derived::Own(type_name(&typed.data_type)),
        Expr::Case { else_result: Some(other), .. } => match derived(other) {
            Derived::Own(name) if name == UNNAMED => own("case"),
            found => found,
        },
        Expr::Case { .. } => own("case"),
        Expr::Exists { .. } => own("exists"),
        Expr::Subquery(query) => first_of(query).map_or_else(|| own(UNNAMED), Derived::Own),
        Expr::Array(_) => own("array"),
        Expr::Extract { .. } => own("extract"),
        Expr::Substring { shorthand: true, .. } => own("substr"),
        Expr::Substring { .. } => own("substring"),
        Expr::Position { .. } => own("position"),
        Expr::Trim { trim_where: Some(sqlparser::ast::TrimWhereField::Leading), .. } => own("ltrim"),
        Expr::Trim { trim_where: Some(sqlparser::ast::TrimWhereField::Trailing), .. } => own("rtrim"),
        Expr::Trim { .. } => own("btrim"),
        Expr::Tuple(_) => own("row"),
        Expr::CompoundFieldAccess { root, .. } => derived(root),
        Expr::Overlay { .. } => own("overlay"),
        Expr::Ceil { .. } => own("ceil"),
        Expr::Floor { .. } => own("floor"),
        Expr::AtTimeZone { .. } => own("timezone"),
        Expr::Interval(_) => own("interval"),
        _ => own(UNNAMED),
    }
}

/// Whether what the expression is named after is a type.
fn is_typed(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => is_typed(inner),
        Expr::TypedString(_) | Expr::Interval(_) => true,
        Expr::Cast { expr: inner, .. } => is_typed(inner) || matches!(derived(inner), Derived::Own(name) if name == UNNAMED),
        _ => false,
    }
}

/// The name of a scalar query's one column.
fn first_of(query: &Query) -> Option<String> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    match select.projection.first()? {
        SelectItem::UnnamedExpr(expr) => match column(expr) {
            Some(name) => Some(name),
            None => match derived(expr) {
                Derived::Own(name) | Derived::Column(name) => Some(name),
            },
        },
        item => given(item),
    }
}

/// A type's short name in PostgreSQL.
fn type_name(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::SmallInt(_) | DataType::Int2(_) => "int2",
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => "int4",
        DataType::BigInt(_) | DataType::Int8(_) => "int8",
        DataType::Real | DataType::Float4 => "float4",
        DataType::Double(_) | DataType::DoublePrecision | DataType::Float8 | DataType::Float(_) => "float8",
        DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => "numeric",
        DataType::Boolean | DataType::Bool => "bool",
        DataType::Varchar(_) | DataType::CharacterVarying(_) => "varchar",
        DataType::Timestamp(_, sqlparser::ast::TimezoneInfo::Tz | sqlparser::ast::TimezoneInfo::WithTimeZone) => "timestamptz",
        DataType::Timestamp(..) => "timestamp",
        DataType::Interval { .. } => "interval",
        DataType::Array(
            ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::Parenthesis(element) | ArrayElemTypeDef::AngleBracket(element),
        ) => {
            return type_name(element);
        }
        DataType::Char(_) | DataType::Character(_) => "bpchar",
        DataType::Date => "date",
        DataType::Time(_, sqlparser::ast::TimezoneInfo::Tz | sqlparser::ast::TimezoneInfo::WithTimeZone) => "timetz",
        DataType::Time(..) => "time",
        other => return other.to_string().to_lowercase(),
    };
    name.to_owned()
}
