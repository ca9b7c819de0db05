//! Refuses every clause that the planner would silently ignore.
//!
//! DataFusion's planner drops TABLESAMPLE, FOR UPDATE, versions, hints and more without a word, and answers with other
//! rows than were asked for. Every struct is taken apart without `..`, so a clause that a new `sqlparser` brings does
//! not compile here until somebody has decided about it.

use std::ops::{ControlFlow, Range};

use sqlparser::ast::{
    self, Cte, Expr, Fetch, FunctionArguments, GroupByExpr, Join, JoinConstraint, JoinOperator, LimitClause, ObjectName, ObjectNamePart,
    OrderBy, OrderByKind, Query, Select, SelectFlavor, SelectItem, SetExpr, SetQuantifier, Spanned, Statement, TableAlias, TableFactor,
    TableFunctionArgs, TableWithJoins, VisitMut, VisitorMut, WildcardAdditionalOptions,
};
use sqlparser::tokenizer::Span;

use crate::error::{Result, SyntaxError};
use crate::input::Input;
use crate::query::TEMPORAL_FUNCTION;

/// Searches a query, and turns `FETCH FIRST n ROWS ONLY` into the LIMIT that it is.
pub(crate) fn check_query(input: &Input<'_>, range: &Range<usize>, query: &mut Query) -> Result<()> {
    finish(query.visit(&mut Guard { input, range: range.clone(), dml: false }))
}

pub(crate) fn check_expr(input: &Input<'_>, range: &Range<usize>, expr: &mut Expr) -> Result<()> {
    finish(expr.visit(&mut Guard { input, range: range.clone(), dml: false }))
}

pub(crate) fn check_dml(input: &Input<'_>, range: &Range<usize>, statement: &mut Statement) -> Result<()> {
    finish(statement.visit(&mut Guard { input, range: range.clone(), dml: true }))
}

fn finish(flow: ControlFlow<SyntaxError>) -> Result<()> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// The walk over the tree. `range` is the part of the input that was read.
struct Guard<'a> {
    input: &'a Input<'a>,
    range: Range<usize>,
    /// One INSERT, UPDATE or DELETE may stand at the top.
    dml: bool,
}

impl VisitorMut for Guard<'_> {
    type Break = SyntaxError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SyntaxError> {
        flow(self.query(query))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SyntaxError> {
        flow(self.select(select))
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<SyntaxError> {
        flow(self.table(table))
    }

    fn pre_visit_statement(&mut self, statement: &mut Statement) -> ControlFlow<SyntaxError> {
        let allowed = std::mem::take(&mut self.dml);
        flow(if allowed { self.dml(statement) } else { Err(self.refused("a data-changing statement in a query", &[])) })
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SyntaxError> {
        flow(self.expr(expr))
    }
}

fn flow(result: Result<()>) -> ControlFlow<SyntaxError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

impl Guard<'_> {
    /// The error about a clause: it points at the clause's first word if that can be found, otherwise at the part.
    fn refused(&self, what: &str, words: &[&str]) -> SyntaxError {
        self.refused_after(what, words, Span::empty())
    }

    /// The same, looking for the word behind `span` first.
    fn refused_after(&self, what: &str, words: &[&str], span: Span) -> SyntaxError {
        let tokens = self.input.tokens();
        let from = self.input.find(span.start).unwrap_or(self.range.start).max(self.range.start);
        let is_clause = |index: usize| tokens.get(index).is_some_and(|tok| words.iter().any(|word| tok.is_word(word)));
        let index = (from..self.range.end).find(|index| is_clause(*index)).unwrap_or(from);
        SyntaxError::not_supported(format!("{what} is not supported")).at(self.input.position(index))
    }

    fn when(&self, present: bool, what: &str, words: &[&str]) -> Result<()> {
        if present { Err(self.refused(what, words)) } else { Ok(()) }
    }

    fn query(&self, query: &mut Query) -> Result<()> {
        let Query { with, body, order_by, limit_clause, fetch, locks, for_clause, settings, format_clause, pipe_operators } = query;
        for cte in with.iter().flat_map(|with| &with.cte_tables) {
            self.cte(cte)?;
        }
        if let Some(order_by) = order_by {
            self.order_by(order_by)?;
        }
        self.when(!locks.is_empty(), "FOR UPDATE or FOR SHARE", &["FOR"])?;
        self.when(for_clause.is_some(), "FOR XML, FOR JSON or FOR BROWSE", &["FOR"])?;
        self.when(settings.is_some(), "SETTINGS", &["SETTINGS"])?;
        self.when(format_clause.is_some(), "FORMAT", &["FORMAT"])?;
        self.when(!pipe_operators.is_empty(), "the pipe operator", &[])?;
        self.limit(limit_clause, fetch)?;
        self.body(body)
    }

    fn cte(&self, cte: &Cte) -> Result<()> {
        // How often a WITH query is computed does not change its rows.
        let Cte { alias, query: _, from, materialized: _, closing_paren_token: _ } = cte;
        self.alias(Some(alias))?;
        self.when(from.is_some(), "FROM behind a WITH query", &[])
    }

    fn order_by(&self, order_by: &OrderBy) -> Result<()> {
        let OrderBy { kind, interpolate } = order_by;
        self.when(interpolate.is_some(), "INTERPOLATE", &["INTERPOLATE"])?;
        let filled = match kind {
            OrderByKind::All(_) => false,
            OrderByKind::Expressions(list) => list.iter().any(|item| item.with_fill.is_some()),
        };
        self.when(filled, "WITH FILL", &["FILL"])
    }

    fn limit(&self, limit: &mut Option<LimitClause>, fetch: &mut Option<Fetch>) -> Result<()> {
        if let Some(LimitClause::LimitOffset { limit: _, offset: _, limit_by }) = limit {
            self.when(!limit_by.is_empty(), "LIMIT .. BY", &["LIMIT"])?;
        }
        let Some(Fetch { with_ties, percent, quantity }) = fetch.take() else {
            return Ok(());
        };
        self.when(with_ties, "FETCH .. WITH TIES", &["FETCH"])?;
        self.when(percent, "FETCH .. PERCENT", &["FETCH"])?;
        let count = quantity.unwrap_or_else(|| Expr::value(ast::Value::Number("1".to_owned(), false)));
        match limit {
            None => *limit = Some(LimitClause::LimitOffset { limit: Some(count), offset: None, limit_by: Vec::new() }),
            Some(LimitClause::LimitOffset { limit: limit @ None, offset: _, limit_by: _ }) => *limit = Some(count),
            Some(_) => {
                return Err(SyntaxError::syntax("LIMIT and FETCH say the same thing twice")
                    .at(self.refused("FETCH", &["FETCH"]).position.unwrap_or(1)));
            }
        }
        Ok(())
    }

    fn body(&self, body: &SetExpr) -> Result<()> {
        match body {
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::Table(_) => Ok(()),
            SetExpr::SetOperation { left, op: _, set_quantifier, right } => {
                match set_quantifier {
                    SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None => {}
                    // DataFusion follows BY NAME for UNION and says so for the others.
                    SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName => {}
                }
                self.body(left)?;
                self.body(right)
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(self.refused("a data-changing statement in a query", &["INSERT", "UPDATE", "DELETE", "MERGE"]))
            }
        }
    }

    fn select(&self, select: &Select) -> Result<()> {
        let Select {
            select_token: _,
            optimizer_hints,
            distinct: _,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection: _,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having: _,
            named_window: _,
            qualify: _,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        self.when(!optimizer_hints.is_empty(), "an optimizer hint", &[])?;
        self.when(select_modifiers.is_some(), "a modifier behind SELECT", &[])?;
        self.when(top.is_some(), "TOP", &["TOP"])?;
        self.when(exclude.is_some(), "EXCLUDE", &["EXCLUDE"])?;
        self.when(into.is_some(), "SELECT .. INTO", &["INTO"])?;
        self.when(!lateral_views.is_empty(), "LATERAL VIEW", &["LATERAL"])?;
        self.when(prewhere.is_some(), "PREWHERE", &["PREWHERE"])?;
        self.when(!connect_by.is_empty(), "CONNECT BY", &["START", "CONNECT"])?;
        self.when(!cluster_by.is_empty(), "CLUSTER BY", &["CLUSTER"])?;
        self.when(!distribute_by.is_empty(), "DISTRIBUTE BY", &["DISTRIBUTE"])?;
        self.when(!sort_by.is_empty(), "SORT BY", &["SORT"])?;
        self.when(value_table_mode.is_some(), "SELECT AS", &["SELECT"])?;
        self.when(!matches!(flavor, SelectFlavor::Standard), "a query that begins with FROM", &["FROM"])?;
        let modifiers = match group_by {
            GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers) => modifiers,
        };
        self.when(!modifiers.is_empty(), "a modifier behind GROUP BY", &["GROUP"])?;
        // The planner takes what a group below has one value of for one value above, where each row outside has its own.
        let groups_twice = is_grouped(group_by) && from.iter().any(joins_groups);
        self.when(groups_twice, "GROUP BY over a LATERAL query with GROUP BY", &["LATERAL"])?;
        for item in projection {
            self.projection(item)?;
        }
        from.iter().try_for_each(|table| self.joins(table))
    }

    fn projection(&self, item: &SelectItem) -> Result<()> {
        let options = match item {
            SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => options,
            SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. } => return Ok(()),
            SelectItem::ExprWithAliases { .. } => {
                return Err(self.refused("more than one alias", &[]));
            }
        };
        // DataFusion does what EXCLUDE, EXCEPT and REPLACE say.
        let WildcardAdditionalOptions {
            wildcard_token: _,
            opt_ilike,
            opt_exclude: _,
            opt_except: _,
            opt_replace: _,
            opt_rename,
            opt_alias,
        } = options;
        self.when(opt_ilike.is_some(), "ILIKE behind *", &["ILIKE"])?;
        self.when(opt_rename.is_some(), "RENAME behind *", &["RENAME"])?;
        self.when(opt_alias.is_some(), "an alias behind *", &[])
    }

    fn joins(&self, table: &TableWithJoins) -> Result<()> {
        let TableWithJoins { relation: _, joins } = table;
        for Join { relation, global, join_operator } in joins {
            self.when(*global, "GLOBAL JOIN", &["GLOBAL"])?;
            match join_operator {
                JoinOperator::Join(condition)
                | JoinOperator::Inner(condition)
                | JoinOperator::Left(condition)
                | JoinOperator::LeftOuter(condition)
                | JoinOperator::Right(condition)
                | JoinOperator::RightOuter(condition)
                | JoinOperator::FullOuter(condition) => self.condition(condition, relation.span())?,
                JoinOperator::CrossJoin(_)
                | JoinOperator::LeftSemi(_)
                | JoinOperator::RightSemi(_)
                | JoinOperator::LeftAnti(_)
                | JoinOperator::RightAnti(_) => {}
                JoinOperator::Semi(_)
                | JoinOperator::Anti(_)
                | JoinOperator::CrossApply
                | JoinOperator::OuterApply
                | JoinOperator::AsOf { .. }
                | JoinOperator::StraightJoin(_)
                | JoinOperator::ArrayJoin
                | JoinOperator::LeftArrayJoin
                | JoinOperator::InnerArrayJoin => {
                    let words = ["SEMI", "ANTI", "APPLY", "ASOF", "STRAIGHT_JOIN", "ARRAY"];
                    return Err(self.refused("this kind of join", &words));
                }
            }
        }
        Ok(())
    }

    /// The planner would answer every pair of rows.
    fn condition(&self, condition: &JoinConstraint, relation: Span) -> Result<()> {
        if !matches!(condition, JoinConstraint::None) {
            return Ok(());
        }
        let index = self.input.find(relation.start).unwrap_or(self.range.start);
        Err(SyntaxError::syntax("JOIN without a condition")
            .hint(Some("Write ON or USING behind the table, or CROSS JOIN for all pairs of rows.".to_owned()))
            .at(self.input.position(index)))
    }

    fn alias(&self, alias: Option<&TableAlias>) -> Result<()> {
        let Some(TableAlias { explicit: _, name, columns, at }) = alias else {
            return Ok(());
        };
        if at.is_some() {
            return Err(self.refused_after("AT behind an alias", &["AT"], name.span));
        }
        let typed = columns.iter().any(|column| column.data_type.is_some());
        if typed {
            return Err(self.refused_after("a type in an alias", &[], name.span));
        }
        Ok(())
    }

    fn table(&self, table: &TableFactor) -> Result<()> {
        match table {
            TableFactor::Table { .. } => self.named_table(table),
            TableFactor::Derived { lateral: _, subquery: _, alias, sample } => {
                self.when(sample.is_some(), "TABLESAMPLE", &["TABLESAMPLE", "SAMPLE"])?;
                self.alias(alias.as_ref())
            }
            TableFactor::Function { lateral: _, name: _, args: _, with_ordinality: _, alias } => self.alias(alias.as_ref()),
            TableFactor::UNNEST { alias, array_exprs: _, with_offset, with_offset_alias, with_ordinality: _ } => {
                self.when(*with_offset || with_offset_alias.is_some(), "WITH OFFSET", &["OFFSET"])?;
                self.alias(alias.as_ref())
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                self.joins(table_with_joins)?;
                self.alias(alias.as_ref())
            }
            TableFactor::TableFunction { expr: _, alias: _ } => Err(self.refused("TABLE(..)", &["TABLE"])),
            TableFactor::JsonTable { .. } => Err(self.refused("JSON_TABLE", &["JSON_TABLE"])),
            TableFactor::OpenJsonTable { .. } => Err(self.refused("OPENJSON", &["OPENJSON"])),
            TableFactor::Pivot { .. } => Err(self.refused("PIVOT", &["PIVOT"])),
            TableFactor::Unpivot { .. } => Err(self.refused("UNPIVOT", &["UNPIVOT"])),
            TableFactor::MatchRecognize { .. } => Err(self.refused("MATCH_RECOGNIZE", &["MATCH_RECOGNIZE"])),
            TableFactor::XmlTable { .. } => Err(self.refused("XMLTABLE", &["XMLTABLE"])),
            TableFactor::SemanticView { .. } => Err(self.refused("SEMANTIC_VIEW", &["SEMANTIC_VIEW"])),
        }
    }

    fn named_table(&self, table: &TableFactor) -> Result<()> {
        let TableFactor::Table { name, alias, args, with_hints, version, with_ordinality, partitions, json_path, sample, index_hints } =
            table
        else {
            return Ok(());
        };
        let refused = |what, words: &[&str]| Err(self.refused_after(what, words, name.span()));
        if !with_hints.is_empty() {
            return refused("a table hint", &["WITH"]);
        }
        if version.is_some() {
            return refused("this way to name a version", &["FOR", "VERSION", "TIMESTAMP", "AT", "BEFORE", "CHANGES"]);
        }
        if !partitions.is_empty() {
            return refused("PARTITION behind a table", &["PARTITION"]);
        }
        if json_path.is_some() {
            return refused("a path behind a table", &[]);
        }
        if sample.is_some() {
            return refused("TABLESAMPLE", &["TABLESAMPLE", "SAMPLE"]);
        }
        if !index_hints.is_empty() {
            return refused("an index hint", &["USE", "IGNORE", "FORCE"]);
        }
        if let Some(TableFunctionArgs { args: _, settings: Some(_) }) = args {
            return refused("SETTINGS", &["SETTINGS"]);
        }
        self.ordinality(*with_ordinality && !is_partition_ancestors(name), name.span())?;
        self.alias(alias.as_ref())
    }

    fn ordinality(&self, present: bool, span: Span) -> Result<()> {
        if present { Err(self.refused_after("WITH ORDINALITY", &["WITH"], span)) } else { Ok(()) }
    }

    /// A sub-query may be hidden in a function that is no function: `SELECT array(SELECT ..)` is walked by itself.
    fn expr(&self, expr: &Expr) -> Result<()> {
        if let Expr::Function(function) = expr
            && let FunctionArguments::List(list) = &function.args
        {
            let clauses = list.clauses.iter().any(|clause| {
                !matches!(
                    clause,
                    ast::FunctionArgumentClause::OrderBy(_)
                        | ast::FunctionArgumentClause::IgnoreOrRespectNulls(_)
                        | ast::FunctionArgumentClause::Having(_)
                        | ast::FunctionArgumentClause::Separator(_)
                )
            });
            if clauses {
                return Err(self.refused_after("a clause in the arguments of a function", &[], function.name.span()));
            }
        }
        Ok(())
    }

    fn dml(&self, statement: &Statement) -> Result<()> {
        match statement {
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            _ => Err(self.refused("this statement", &[])),
        }
    }

    fn insert(&self, insert: &ast::Insert) -> Result<()> {
        let ast::Insert {
            insert_token: _,
            optimizer_hints,
            or,
            ignore,
            into: _,
            table: _,
            table_alias,
            columns: _,
            overwrite,
            source: _,
            assignments,
            partitioned,
            after_columns,
            has_table_keyword,
            on,
            returning,
            output,
            replace_into,
            priority,
            insert_alias,
            settings,
            format_clause,
            multi_table_insert_type,
            multi_table_into_clauses,
            multi_table_when_clauses,
            multi_table_else_clause,
        } = insert;
        self.when(!optimizer_hints.is_empty(), "an optimizer hint", &[])?;
        self.when(or.is_some(), "INSERT OR", &["OR"])?;
        self.when(*ignore, "INSERT IGNORE", &["IGNORE"])?;
        self.when(table_alias.is_some(), "an alias behind INSERT INTO", &["AS"])?;
        self.when(*overwrite, "INSERT OVERWRITE", &["OVERWRITE"])?;
        self.when(!assignments.is_empty(), "INSERT .. SET", &["SET"])?;
        self.when(partitioned.is_some() || !after_columns.is_empty(), "PARTITION", &["PARTITION"])?;
        self.when(*has_table_keyword, "INSERT INTO TABLE", &["TABLE"])?;
        self.when(on.is_some(), "ON CONFLICT", &["ON"])?;
        self.when(returning.is_some(), "RETURNING", &["RETURNING"])?;
        self.when(output.is_some(), "OUTPUT", &["OUTPUT"])?;
        self.when(*replace_into, "REPLACE INTO", &["REPLACE"])?;
        self.when(priority.is_some(), "a priority behind INSERT", &["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY"])?;
        self.when(insert_alias.is_some(), "an alias of the new row", &["AS"])?;
        self.when(settings.is_some(), "SETTINGS", &["SETTINGS"])?;
        self.when(format_clause.is_some(), "FORMAT", &["FORMAT"])?;
        let several = multi_table_insert_type.is_some()
            || !multi_table_into_clauses.is_empty()
            || !multi_table_when_clauses.is_empty()
            || multi_table_else_clause.is_some();
        self.when(several, "INSERT into several tables", &[])
    }

    fn update(&self, update: &ast::Update) -> Result<()> {
        let ast::Update {
            update_token: _,
            optimizer_hints,
            table,
            assignments: _,
            from: _,
            selection: _,
            returning,
            output,
            or,
            order_by,
            limit,
        } = update;
        self.when(!optimizer_hints.is_empty(), "an optimizer hint", &[])?;
        self.target(table)?;
        self.when(returning.is_some(), "RETURNING", &["RETURNING"])?;
        self.when(output.is_some(), "OUTPUT", &["OUTPUT"])?;
        self.when(or.is_some(), "UPDATE OR", &["OR"])?;
        self.when(!order_by.is_empty(), "ORDER BY behind UPDATE", &["ORDER"])?;
        self.when(limit.is_some(), "LIMIT behind UPDATE", &["LIMIT"])
    }

    fn delete(&self, delete: &ast::Delete) -> Result<()> {
        let ast::Delete { delete_token: _, optimizer_hints, tables, from, using: _, selection: _, returning, output, order_by, limit } =
            delete;
        self.when(!optimizer_hints.is_empty(), "an optimizer hint", &[])?;
        self.when(!tables.is_empty(), "DELETE from several tables", &[])?;
        let (ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from)) = from;
        self.when(from.len() != 1, "DELETE from several tables", &[])?;
        from.iter().try_for_each(|table| self.target(table))?;
        self.when(returning.is_some(), "RETURNING", &["RETURNING"])?;
        self.when(output.is_some(), "OUTPUT", &["OUTPUT"])?;
        self.when(!order_by.is_empty(), "ORDER BY behind DELETE", &["ORDER"])?;
        self.when(limit.is_some(), "LIMIT behind DELETE", &["LIMIT"])
    }

    /// What is changed is one table, and the table as it is now.
    fn target(&self, table: &TableWithJoins) -> Result<()> {
        let TableWithJoins { relation, joins } = table;
        self.when(!joins.is_empty(), "a join as the target", &["JOIN"])?;
        let TableFactor::Table { name, args, .. } = relation else {
            return Err(self.refused("a target that is not a table", &[]));
        };
        let marker = name.0.first().and_then(ast::ObjectNamePart::as_ident).map(|ident| ident.value.as_str());
        match args {
            None => Ok(()),
            Some(_) if marker == Some(TEMPORAL_FUNCTION) => Err(self.refused_after("changing an earlier version", &[], name.span())),
            Some(_) => Err(self.refused_after("a function as the target", &[], name.span())),
        }
    }
}

fn is_grouped(group_by: &GroupByExpr) -> bool {
    match group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(exprs, _) => !exprs.is_empty(),
    }
}

/// Whether a LATERAL query with groups of its own is among the relations.
fn joins_groups(table: &TableWithJoins) -> bool {
    let grouped = |factor: &TableFactor| match factor {
        TableFactor::Derived { lateral: true, subquery, .. } => {
            matches!(subquery.body.as_ref(), SetExpr::Select(select) if is_grouped(&select.group_by))
        }
        _ => false,
    };
    grouped(&table.relation) || table.joins.iter().any(|join| grouped(&join.relation))
}

/// psql asks which partitioned table a trigger comes from and numbers its ancestors. The hub has no partitions, so that the number is never
/// looked at; who else numbers rows means them.
fn is_partition_ancestors(function: &ObjectName) -> bool {
    function.0.last().and_then(ObjectNamePart::as_ident).is_some_and(|name| name.value == "pg_partition_ancestors")
}
