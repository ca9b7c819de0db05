//! One walk over a query's tree: every relation it names is looked up, and the tree is made to name it by database, schema and table.
//!
//! Nothing is opened here. Versions, `STREAM(x)` and `table_changes(..)` become plain tables of a schema that only this statement has.
//! CTE names hide relations exactly where SQL says they do.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Query, TableAlias, TableFactor, Value, VisitMut, VisitorMut,
    With,
};
use sqlparser::tokenizer::Span;
use weir_catalog::{Definitions, Object};
use weir_sql::{TEMPORAL_FUNCTION, Temporal};

use super::Scope;
use super::errors::{Spot, catalog_error, did_you_mean};
use super::privileges;
use super::rewrite::TRACE;
use super::state::database;
use super::streams::UPLOAD;
use super::system::{self, SystemTable};
use super::trace::Given;
use crate::error::{Code, Error, Result};

/// Schema of the tables that stand in for a version, a stream or changes.
pub(super) const APART: &str = "$";

/// One relation that the query reads.
pub(super) struct Ask {
    /// Schema and table under which the tree now names it.
    pub(super) reference: (String, String),
    pub(super) target: Target,
    pub(super) spot: Option<Spot>,
}

pub(super) enum Target {
    Object {
        object: Box<Object>,
        moment: Moment,
    },
    /// The file of COPY PIPELINE.
    Upload,
    System(&'static SystemTable),
    /// `STREAM(hub.events)`.
    Events,
    /// A table of pg_catalog that never changes.
    Fixed,
    Changes {
        object: Box<Object>,
        from: Box<Expr>,
        to: Option<Box<Expr>>,
        after: bool,
    },
    /// Where rows of a table come from.
    Trace {
        object: Box<Object>,
        given: Vec<Given>,
    },
}

/// Which state of the relation is asked for.
#[derive(Clone, Copy)]
pub(super) enum Moment {
    Now,
    /// Index into the query's temporals.
    At(usize),
    Stream,
}

/// An error and where in the tree it is.
pub(super) struct Misplaced {
    pub(super) error: Error,
    pub(super) spot: Option<Spot>,
    /// Character offset, when it is known already.
    pub(super) position: Option<usize>,
}

impl Misplaced {
    fn at(span: Span, error: Error) -> Box<Self> {
        Box::new(Self { error, spot: spot(span), position: None })
    }
}

fn spot(span: Span) -> Option<Spot> {
    Some((span.start.line, span.start.column)).filter(|(line, _)| *line > 0)
}

/// What a walk found.
pub(super) struct Found {
    pub(super) asks: Vec<Ask>,
    /// A relation of pg_catalog or information_schema is among them.
    pub(super) about_catalog: bool,
}

/// Walks any tree that holds queries.
pub(super) fn walk(
    tree: &mut impl VisitMut,
    temporals: &[Temporal],
    scope: &Scope,
    definitions: &dyn Definitions,
) -> Result<Found, Box<Misplaced>> {
    let mut walker = Walker { scope, definitions, temporals, frames: Vec::new(), withs: Vec::new(), asks: Vec::new() };
    match tree.visit(&mut walker) {
        ControlFlow::Break(misplaced) => Err(misplaced),
        ControlFlow::Continue(()) => {
            let about_catalog = walker.asks.iter().any(|ask| matches!(&ask.target, Target::Fixed) || is_about_catalog(ask));
            Ok(Found { asks: walker.asks, about_catalog })
        }
    }
}

fn is_about_catalog(ask: &Ask) -> bool {
    matches!(ask.target, Target::System(_)) && matches!(ask.reference.0.as_str(), "pg_catalog" | "information_schema")
}

/// Looks a name up as a query does: pg_catalog first, then the search path.
pub(super) fn look_up(parts: &[String], scope: &Scope, definitions: &dyn Definitions) -> Result<Option<Looked>> {
    match parts {
        [name] => {
            if let Some(found) = virtual_table("pg_catalog", name) {
                return Ok(Some(found));
            }
            for schema in path(scope) {
                // As if it were not there: PostgreSQL passes over schemas that the role may not use.
                if !privileges::may_look_into(definitions, scope.judged(), schema)? {
                    continue;
                }
                if let Some(found) = in_schema(schema, name, definitions)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        }
        [schema, name] if schema == "pg_temp" => match temporary(scope) {
            Some(own) => in_schema(own, name, definitions),
            None => Ok(None),
        },
        [schema, name] => in_named(schema, name, scope, definitions),
        [catalog, schema, name] if catalog == database(scope) => in_named(schema, name, scope, definitions),
        [_, _, _] => Err(Error::new(Code::NotSupported, format!("cross-database references are not implemented: {}", parts.join(".")))),
        _ => Err(Error::new(Code::Syntax, format!("improper qualified name: {}", parts.join(".")))),
    }
}

/// A relation by name.
pub(super) enum Looked {
    Object(Box<Object>),
    System(&'static SystemTable),
    Fixed { name: String },
}

/// The schema of the session's temporary tables. What runs with the rights of an owner has none: views, rules, pipelines.
fn temporary(scope: &Scope) -> Option<&str> {
    scope.caller.as_deref().filter(|_| scope.rights_of.is_none()).and_then(|caller| caller.temporary_schema())
}

/// The schemas of the search path, `$user` resolved; the one of temporary tables before them.
pub(super) fn path(scope: &Scope) -> impl Iterator<Item = &str> {
    let named = scope.search_path.iter().map(|schema| if schema == "$user" { scope.role.as_str() } else { schema.as_str() });
    temporary(scope).into_iter().chain(named)
}

fn in_named(schema: &str, name: &str, scope: &Scope, definitions: &dyn Definitions) -> Result<Option<Looked>> {
    privileges::require_usage(definitions, scope.judged(), schema)?;
    in_schema(schema, name, definitions)
}

fn in_schema(schema: &str, name: &str, definitions: &dyn Definitions) -> Result<Option<Looked>> {
    if let Some(object) = definitions.relation(schema, name).map_err(catalog_error)? {
        return Ok(Some(Looked::Object(Box::new(object))));
    }
    Ok(virtual_table(schema, name))
}

fn virtual_table(schema: &str, name: &str) -> Option<Looked> {
    if let Some(table) = system::find(schema, name) {
        return Some(Looked::System(table));
    }
    (schema == "pg_catalog" && system::is_fixed(name)).then(|| Looked::Fixed { name: name.to_owned() })
}

/// `relation "x" does not exist`, with the nearest name there is.
pub(super) fn undefined(parts: &[String], scope: &Scope, definitions: &dyn Definitions) -> Error {
    let full = parts.join(".");
    let (schema, name) = match parts {
        [schema, name] | [_, schema, name] => (Some(schema.as_str()), name.as_str()),
        _ => (None, full.as_str()),
    };
    let mut known: Vec<(String, String)> = system::names().map(|(schema, name)| (schema.to_owned(), name.to_owned())).collect();
    let objects = definitions.objects(None, None).unwrap_or_default();
    known.extend(objects.into_iter().filter(|object| object.kind.is_relation()).map(|object| (object.schema, object.name)));
    let visible = |own: &str| match schema {
        Some(wanted) => own == wanted,
        None => path(scope).any(|on_path| on_path == own),
    };
    let near = weir_sql::nearest(name, known.iter().filter(|(schema, _)| visible(schema)).map(|(_, name)| name.as_str()));
    let hint = match (near, schema) {
        (Some(near), Some(schema)) => Some(did_you_mean(&format!("{schema}.{near}"))),
        (Some(near), None) => Some(did_you_mean(near)),
        (None, _) => known.iter().find(|(_, own)| own == name).map(|(schema, own)| did_you_mean(&format!("{schema}.{own}"))),
    };
    Error::new(Code::UndefinedTable, format!("relation \"{full}\" does not exist")).hint(hint)
}

struct Walker<'a> {
    scope: &'a Scope,
    definitions: &'a dyn Definitions,
    temporals: &'a [Temporal],
    /// Names of the CTEs in sight, innermost query last.
    frames: Vec<HashSet<String>>,
    withs: Vec<Option<With>>,
    asks: Vec<Ask>,
}

type Step = ControlFlow<Box<Misplaced>>;

impl VisitorMut for Walker<'_> {
    type Break = Box<Misplaced>;

    /// The WITH list is walked here, one query after the other, and set aside while the body is walked.
    fn pre_visit_query(&mut self, query: &mut Query) -> Step {
        self.frames.push(HashSet::new());
        let mut with = query.with.take();
        if let Some(with) = &mut with {
            for cte in &mut with.cte_tables {
                let name = folded(&cte.alias.name);
                if with.recursive {
                    self.see(name.clone());
                }
                cte.query.visit(self)?;
                self.see(name);
            }
        }
        self.withs.push(with);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> Step {
        query.with = self.withs.pop().flatten();
        self.frames.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> Step {
        let TableFactor::Table { name, alias, args, .. } = factor else { return ControlFlow::Continue(()) };
        let idents: Vec<Ident> = name.0.iter().filter_map(ObjectNamePart::as_ident).cloned().collect();
        let parts: Vec<String> = idents.iter().map(folded).collect();
        let span = idents.first().map_or_else(Span::empty, |ident| ident.span);
        let outcome = match args.take() {
            None => self.plain(name, alias, &parts, span),
            Some(given) => match parts.as_slice() {
                [function] if function == TEMPORAL_FUNCTION => self.temporal(name, alias, &given.args, span),
                [function] if function == "stream" => self.stream(name, alias, &given.args, span),
                [function] if function == "table_changes" => self.changes(name, alias, given.args, span),
                [function] if function == TRACE => self.trace(name, alias, given.args, span),
                _ => {
                    *args = Some(given);
                    Ok(())
                }
            },
        };
        match outcome {
            Ok(()) => ControlFlow::Continue(()),
            Err(misplaced) => ControlFlow::Break(misplaced),
        }
    }
}

impl Walker<'_> {
    fn see(&mut self, cte: String) {
        if let Some(frame) = self.frames.last_mut() {
            frame.insert(cte);
        }
    }

    fn is_cte(&self, name: &str) -> bool {
        self.frames.iter().any(|frame| frame.contains(name))
    }

    fn plain(&mut self, name: &mut ObjectName, alias: &mut Option<TableAlias>, parts: &[String], span: Span) -> Result<(), Box<Misplaced>> {
        if let [single] = parts
            && self.is_cte(single)
        {
            return Ok(());
        }
        let found = look_up(parts, self.scope, self.definitions).map_err(|error| Misplaced::at(span, error))?;
        let (schema, table, target) = match found {
            None => return Err(Misplaced::at(span, undefined(parts, self.scope, self.definitions))),
            Some(Looked::Object(object)) => (object.schema.clone(), object.name.clone(), Target::Object { object, moment: Moment::Now }),
            Some(Looked::System(table)) => (table.schema.to_owned(), table.name.to_owned(), Target::System(table)),
            Some(Looked::Fixed { name }) => ("pg_catalog".to_owned(), name, Target::Fixed),
        };
        let _ = alias;
        *name = self.named(&schema, &table, span);
        if !self.asks.iter().any(|ask| ask.reference.0 == schema && ask.reference.1 == table) {
            self.asks.push(Ask { reference: (schema, table), target, spot: spot(span) });
        }
        Ok(())
    }

    fn temporal(
        &mut self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
        args: &[FunctionArg],
        span: Span,
    ) -> Result<(), Box<Misplaced>> {
        let index = match args {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] => match &value.value {
                Value::Number(digits, _) => digits.to_string().parse::<usize>().ok(),
                _ => None,
            },
            _ => None,
        };
        let Some((index, temporal)) = index.and_then(|index| self.temporals.get(index).map(|temporal| (index, temporal))) else {
            return Err(Misplaced::at(span, Error::new(Code::UndefinedFunction, format!("function {TEMPORAL_FUNCTION} does not exist"))));
        };
        let parts = parts_of(&temporal.relation);
        let placed = |error| Box::new(Misplaced { error, spot: None, position: Some(temporal.position) });
        if let [single] = parts.as_slice()
            && self.is_cte(single)
        {
            return Err(placed(Error::new(Code::NotSupported, format!("\"{single}\" is part of this query and has no earlier versions"))));
        }
        let object = self.object(&parts, "has no earlier versions").map_err(placed)?;
        let target = Target::Object { object, moment: Moment::At(index) };
        self.apart(name, alias, target, &parts, span);
        Ok(())
    }

    fn stream(
        &mut self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
        args: &[FunctionArg],
        span: Span,
    ) -> Result<(), Box<Misplaced>> {
        let parts = match args {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(ident)))] => vec![folded(ident)],
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::CompoundIdentifier(idents)))] => idents.iter().map(folded).collect(),
            _ => {
                let error =
                    Error::new(Code::Syntax, "STREAM takes the name of a source or table").hint("Write STREAM(schema.name).".to_owned());
                return Err(Misplaced::at(span, error));
            }
        };
        let is_upload = matches!(parts.as_slice(), [name] if name == UPLOAD);
        let looked =
            if is_upload { None } else { look_up(&parts, self.scope, self.definitions).map_err(|error| Misplaced::at(span, error))? };
        let target = match looked {
            _ if is_upload => Target::Upload,
            Some(Looked::System(table)) if (table.schema, table.name) == ("hub", "events") => Target::Events,
            _ => {
                let object = self.object(&parts, "cannot be read as a stream").map_err(|error| Misplaced::at(span, error))?;
                Target::Object { object, moment: Moment::Stream }
            }
        };
        self.apart(name, alias, target, &parts, span);
        Ok(())
    }

    fn changes(
        &mut self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
        args: Vec<FunctionArg>,
        span: Span,
    ) -> Result<(), Box<Misplaced>> {
        let usage = || {
            let error = Error::new(Code::Syntax, "table_changes takes a table's name and one or two versions or times");
            Misplaced::at(span, error.hint("Write table_changes('schema.table', from [, to]), both ends included.".to_owned()))
        };
        let mut args = args.into_iter();
        let table = match args.next() {
            Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) => value.value.into_string().ok_or_else(usage)?,
            _ => return Err(usage()),
        };
        let parts = parts_of_text(&table).ok_or_else(usage)?;
        let (mut from, mut to, mut after) = (None, None, false);
        for arg in args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if from.is_none() => from = Some(expr),
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if to.is_none() => to = Some(expr),
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } if folded(&name) == "since_version" && from.is_none() => {
                    from = Some(expr);
                    after = true;
                }
                _ => return Err(usage()),
            }
        }
        let from = from.ok_or_else(usage)?;
        let object = self.object(&parts, "keeps no changes").map_err(|error| Misplaced::at(span, error))?;
        let target = Target::Changes { object, from: Box::new(from), to: to.map(Box::new), after };
        let own = ["table_changes".to_owned()];
        self.apart(name, alias, target, &own, span);
        Ok(())
    }

    fn trace(
        &mut self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
        args: Vec<FunctionArg>,
        span: Span,
    ) -> Result<(), Box<Misplaced>> {
        let usage = || {
            let error = Error::new(Code::Syntax, "hub.trace takes a table's name and the values of its key");
            Misplaced::at(
                span,
                error.hint("Write hub.trace('schema.table', key, ..) or hub.trace('schema.table', column => value).".to_owned()),
            )
        };
        let mut args = args.into_iter();
        let table = match args.next() {
            Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) => value.value.into_string().ok_or_else(usage)?,
            _ => return Err(usage()),
        };
        let parts = parts_of_text(&table).ok_or_else(usage)?;
        let mut given: Vec<Given> = Vec::new();
        for arg in args {
            given.push(match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => (None, expr),
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } => (Some(folded(&name)), expr),
                FunctionArg::ExprNamed { name: Expr::Identifier(name), arg: FunctionArgExpr::Expr(expr), .. } => {
                    (Some(folded(&name)), expr)
                }
                _ => return Err(usage()),
            });
        }
        if given.is_empty() {
            return Err(usage());
        }
        let object = self.object(&parts, "has no rows of a run").map_err(|error| Misplaced::at(span, error))?;
        let own = ["trace".to_owned()];
        self.apart(name, alias, Target::Trace { object, given }, &own, span);
        Ok(())
    }

    /// The catalog's object of that name; `lacks` says why a system table will not do.
    fn object(&self, parts: &[String], lacks: &str) -> Result<Box<Object>> {
        match look_up(parts, self.scope, self.definitions)? {
            Some(Looked::Object(object)) => Ok(object),
            Some(_) => Err(Error::new(Code::NotSupported, format!("system table \"{}\" {lacks}", parts.join(".")))),
            None => Err(undefined(parts, self.scope, self.definitions)),
        }
    }

    /// Names a table of this statement only, under the user's alias or the relation's own last name.
    fn apart(&mut self, name: &mut ObjectName, alias: &mut Option<TableAlias>, target: Target, parts: &[String], span: Span) {
        let last = parts.last().cloned().unwrap_or_default();
        let table = format!("{last}@{}", self.asks.len());
        *name = self.named(APART, &table, span);
        if alias.is_none() {
            *alias = Some(TableAlias { explicit: true, name: quoted(&last, span), columns: Vec::new(), at: None });
        }
        self.asks.push(Ask { reference: (APART.to_owned(), table), target, spot: spot(span) });
    }

    fn named(&self, schema: &str, table: &str, span: Span) -> ObjectName {
        let idents = [database(self.scope), schema, table].map(|part| ObjectNamePart::Identifier(quoted(part, span)));
        ObjectName(idents.into())
    }
}

fn quoted(value: &str, span: Span) -> Ident {
    Ident { value: value.to_owned(), quote_style: Some('"'), span }
}

/// The identifier as PostgreSQL folds it.
pub(super) fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// Schema and name of a name of the language.
pub(super) fn parts_of(name: &weir_sql::Name) -> Vec<String> {
    name.schema.iter().chain(std::iter::once(&name.name)).map(|ident| ident.value.clone()).collect()
}

/// A name inside a string, as `table_changes('a.b', ..)` has it.
pub(super) fn parts_of_text(text: &str) -> Option<Vec<String>> {
    let dialect = sqlparser::dialect::PostgreSqlDialect {};
    let mut parser = sqlparser::parser::Parser::new(&dialect).try_with_sql(text).ok()?;
    let name = parser.parse_object_name(false).ok()?;
    let parts: Vec<String> = name.0.iter().filter_map(ObjectNamePart::as_ident).map(folded).collect();
    (parser.peek_token().token == sqlparser::tokenizer::Token::EOF && parts.len() == name.0.len()).then_some(parts)
}
