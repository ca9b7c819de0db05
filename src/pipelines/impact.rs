//! What a change of a definition would touch, told before it is made: columns, rules with the rows of today that break them, and who reads on.
//!
//! Only reads. A rule is asked of the table as it is now, all rows at once; one that cannot be asked says why, and the others are told.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use weir_catalog::{Definitions, Object, ObjectId, TableBody};
use weir_sql::statements::create_pipeline::CreatePipeline;
use weir_sql::{Rule, RuleKind, quote_ident};

use super::bind::{Bound, bind};
use super::check::placeholders;
use super::execute::mode_word;
use super::explain::rule_row;
use super::history;
use super::runner::Runner;
use super::target::{self, is_provenance};
use crate::delta;
use crate::engine::{Engine, Scope, catalog_error, definition, shown_type};
use crate::error::{Error, Result};
use crate::formats::is_wider;

/// One line of an explanation: what, and what about it.
type Line = (String, String);

impl Runner {
    /// What making or replacing a pipeline would touch.
    ///
    /// # Errors
    /// As the statement itself would, before it changes anything.
    pub async fn impact(
        &self,
        pipeline: &CreatePipeline,
        old: Option<&Object>,
        scope: &Scope,
        definitions: &dyn Definitions,
    ) -> Result<Vec<Line>> {
        let checked = self.check(pipeline, scope, definitions).await?;
        let bound = bind(&self.engine, pipeline, scope, definitions, placeholders(pipeline)?, None).await?;
        let mut lines = vec![("pipeline".to_owned(), replaced(old))];
        lines.extend(checked.notices.into_iter().map(|notice| ("notice".to_owned(), notice)));
        for id in checked.depends_on {
            if let Some(object) = definitions.object_by_id(id).map_err(catalog_error)? {
                lines.push(("reads".to_owned(), format!("{} {}", object.kind.noun(), object.full_name())));
            }
        }
        let known = old.map(known_rules).transpose()?.unwrap_or_default();
        for output in &bound.outputs {
            lines.extend(self.output_impact(output, &known, old.map(|old| old.id), scope, definitions).await?);
        }
        Ok(lines)
    }

    async fn output_impact(
        &self,
        bound: &Bound,
        known: &[Rule],
        old: Option<ObjectId>,
        scope: &Scope,
        definitions: &dyn Definitions,
    ) -> Result<Vec<Line>> {
        let mut lines = Vec::new();
        let mode = mode_word(&bound.mode);
        let Some(target) = target::find(&self.engine, &bound.output, scope)? else {
            lines.push(("target".to_owned(), format!("{} is made ({mode})", bound.output.target)));
            let columns = bound.columns.fields().iter().filter(|field| !history::only_travels(bound, field.name()));
            let own = history::columns(bound, None);
            let columns = columns.map(AsRef::as_ref).chain(&own);
            lines.extend(columns.map(|field| (format!("column {}", field.name()), format!("new, {}", shown_type(field)))));
            lines.extend(bound.output.rules.iter().map(rule_row));
            return Ok(lines);
        };
        lines.push(("target".to_owned(), format!("{} ({mode})", target.full_name())));
        let (columns, changed) = columns(&target, bound)?;
        lines.extend(columns);
        for rule in &bound.output.rules {
            lines.push(rule_row(rule));
            if !known.iter().any(|known| rule_row(known) == rule_row(rule)) {
                lines.push(self.breaks(&target, rule, scope, definitions).await);
            }
        }
        lines.extend(self.readers(&target, &changed, old, definitions)?);
        Ok(lines)
    }

    /// What new rules of a table would mean for its rows, and for those who write and read it.
    ///
    /// # Errors
    /// Whatever the catalog says.
    pub async fn rules_impact(&self, table: &Object, rules: &[Rule], scope: &Scope, definitions: &dyn Definitions) -> Result<Vec<Line>> {
        let mut lines = vec![("table".to_owned(), table.full_name())];
        for rule in rules {
            lines.push(rule_row(rule));
            lines.push(self.breaks(table, rule, scope, definitions).await);
        }
        for pipeline in definitions.objects(Some(weir_catalog::Kind::Pipeline), None).map_err(catalog_error)? {
            if target::targets_of(&pipeline, definitions)?.iter().any(|target| target.id == table.id) {
                lines.push(("written by".to_owned(), format!("pipeline {}", pipeline.full_name())));
            }
        }
        lines.extend(self.readers(table, &[], None, definitions)?);
        Ok(lines)
    }

    /// How many rows of a table break a rule.
    async fn breaks(&self, table: &Object, rule: &Rule, scope: &Scope, definitions: &dyn Definitions) -> Line {
        let name = rule_row(rule).0;
        let counted = async {
            let broken = self.count(&broken_by(table, rule), scope, definitions).await?;
            let all = self.count(&format!("SELECT count(*) FROM {}", spelled(table)), scope, definitions).await?;
            Ok::<_, Error>(format!("{broken} of the {all} rows of {} break it", table.full_name()))
        };
        (name, counted.await.unwrap_or_else(|error| format!("how many rows of {} break it cannot be told: {error}", table.full_name())))
    }

    async fn count(&self, text: &str, scope: &Scope, definitions: &dyn Definitions) -> Result<i64> {
        let query = weir_sql::parse_query(text).map_err(definition::syntax_error)?;
        let planned = self.engine.plan(&query, scope, definitions, None).await?;
        let rows: Vec<_> = self.engine.rows(planned).await?.try_collect().await.map_err(Engine::error)?;
        let count = rows.first().and_then(|rows| rows.columns().first()?.as_primitive_opt::<Int64Type>().map(|count| count.value(0)));
        count.ok_or_else(|| Error::internal("a count has no rows"))
    }

    /// Who stands on a table: views and pipelines, and the columns that are made from those that change.
    fn readers(&self, table: &Object, changed: &[String], but: Option<ObjectId>, definitions: &dyn Definitions) -> Result<Vec<Line>> {
        let mut lines = Vec::new();
        for reader in definitions.dependents(table.id).map_err(catalog_error)? {
            if Some(reader.id) != but {
                lines.push(("read by".to_owned(), format!("{} {}", reader.kind.noun(), reader.full_name())));
            }
        }
        let name = table.full_name();
        let mut seen: Vec<Line> = Vec::new();
        for edge in self.engine.store().lineage().map_err(catalog_error)? {
            let (Some(column), true) = (&edge.from_column, edge.from_relation == name) else { continue };
            if changed.contains(column) && Some(edge.pipeline_id) != but {
                let to = edge.to_column.map_or_else(|| edge.to_relation.clone(), |to| format!("{}.{to}", edge.to_relation));
                seen.push((format!("column {column}"), format!("{} -> {to}", edge.transformation.unwrap_or_default())));
            }
        }
        seen.sort();
        seen.dedup();
        lines.extend(seen);
        Ok(lines)
    }
}

fn replaced(old: Option<&Object>) -> String {
    match old {
        Some(old) => format!("replaces version {} of {}", old.version, old.full_name()),
        None => "is new".to_owned(),
    }
}

fn known_rules(old: &Object) -> Result<Vec<Rule>> {
    let definition = definition::pipeline(old)?;
    Ok(definition.outputs().into_iter().flat_map(|output| output.rules.clone()).collect())
}

/// How the query's columns meet those of the table, and which of these become others.
fn columns(target: &Object, bound: &Bound) -> Result<(Vec<Line>, Vec<String>)> {
    let body: TableBody = serde_json::from_value(target.body.clone())
        .map_err(|error| Error::internal(format!("the body of table \"{}\" cannot be read", target.full_name())).caused_by(error))?;
    let given = delta::normalise(&bound.columns);
    let (mut lines, mut changed) = (Vec::new(), Vec::new());
    for field in given.fields() {
        if history::only_travels(bound, field.name()) {
            continue;
        }
        let what = match body.columns.field_with_name(field.name()) {
            Err(_) => format!("new, {}", shown_type(field)),
            Ok(known) if known.data_type() == field.data_type() => continue,
            Ok(known) => {
                changed.push(field.name().clone());
                let how =
                    if is_wider(known.data_type(), field.data_type()) { "" } else { "; values are made to fit, others are quarantined" };
                format!("{} in the table, {} in the query{how}", shown_type(known), shown_type(field))
            }
        };
        lines.push((format!("column {}", field.name()), what));
    }
    let own = history::columns(bound, Some(&body.columns));
    let is_filled = |name: &str| is_provenance(name) || own.iter().any(|own| own.name() == name);
    for field in body.columns.fields().iter().filter(|field| !is_filled(field.name())) {
        if given.field_with_name(field.name()).is_err() {
            changed.push(field.name().clone());
            lines.push((format!("column {}", field.name()), "not filled any more: NULL in new rows".to_owned()));
        }
    }
    Ok((lines, changed))
}

fn spelled(table: &Object) -> String {
    format!("{}.{}", quote_ident(&table.schema), quote_ident(&table.name))
}

/// The query that counts the rows which a rule would refuse.
fn broken_by(table: &Object, rule: &Rule) -> String {
    let table = spelled(table);
    let list = |columns: &[weir_sql::Ident], separator: &str, form: &dyn Fn(&str) -> String| {
        columns.iter().map(|column| form(&quote_ident(&column.value))).collect::<Vec<_>>().join(separator)
    };
    let plain = |column: &str| column.to_owned();
    match &rule.kind {
        RuleKind::Expect(expr) => format!("SELECT count(*) FROM {table} WHERE ({}) IS NOT TRUE", expr.text),
        RuleKind::Check(expr) => format!("SELECT count(*) FROM {table} WHERE ({}) IS FALSE", expr.text),
        RuleKind::NotNull(columns) => {
            format!("SELECT count(*) FROM {table} WHERE {}", list(columns, " OR ", &|column| format!("{column} IS NULL")))
        }
        // The first of equal rows breaks nothing.
        RuleKind::Unique(columns) => format!(
            "SELECT CAST(coalesce(sum(n - 1), 0) AS bigint) FROM (SELECT count(*) AS n FROM {table} WHERE {} GROUP BY {}) AS same",
            list(columns, " AND ", &|column| format!("{column} IS NOT NULL")),
            list(columns, ", ", &plain)
        ),
        RuleKind::ForeignKey { columns, table: other, referenced } => {
            let there = if referenced.is_empty() { columns } else { referenced };
            let pairs = columns.iter().zip(there);
            let same = pairs.map(|(here, there)| format!("b.{} = a.{}", quote_ident(&there.value), quote_ident(&here.value)));
            format!(
                "SELECT count(*) FROM {table} AS a WHERE {} AND NOT EXISTS (SELECT 1 FROM {other} AS b WHERE {})",
                list(columns, " AND ", &|column| format!("a.{column} IS NOT NULL")),
                same.collect::<Vec<_>>().join(" AND ")
            )
        }
    }
}
