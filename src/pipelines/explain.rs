//! EXPLAIN PIPELINE: what a run would read, do and write, as rows of text. Reads no record.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::physical_plan::displayable;
use serde_json::json;
use weir_catalog::{Input, Object};
use weir_sql::statements::create_pipeline::Mode;
use weir_sql::statements::explain_pipeline::ExplainWhat;
use weir_sql::{Action, Rule, RuleKind};

use super::bind::{Bound, BoundPipeline, bind};
use super::check::placeholders;
use super::inputs::{self, Held};
use super::runner::Runner;
use crate::engine::{Engine, catalog_error, definition};
use crate::error::{Code, Error, Result};

/// Columns of every form of EXPLAIN PIPELINE.
pub fn columns() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("item", DataType::Utf8, false), Field::new("detail", DataType::Utf8, false)]))
}

impl Runner {
    /// Explains a pipeline as it stands now.
    ///
    /// # Errors
    /// As a run would before it reads.
    pub async fn explain(&self, pipeline: &Object, what: ExplainWhat, format: Option<&str>) -> Result<RecordBatch> {
        known_format(format)?;
        let definition = definition::pipeline(pipeline)?;
        let scope = self.owner_scope(pipeline);
        let store = Arc::clone(self.engine.store());
        let bound = bind(&self.engine, &definition, &scope, store.as_ref(), placeholders(&definition)?, Some(pipeline.id)).await?;
        let mut rows = Vec::new();
        match what {
            ExplainWhat::Plan => rows = self.plan_rows(pipeline, &bound).await?,
            ExplainWhat::Rules => bound.outputs.iter().for_each(|output| rows.extend(rule_rows(&bound, output))),
            ExplainWhat::Lineage => {
                for output in &bound.outputs {
                    rows.extend(self.lineage_rows(pipeline, output));
                }
            }
        }
        explained(rows, format)
    }

    fn lineage_rows(&self, pipeline: &Object, bound: &Bound) -> Vec<(String, String)> {
        let target = &bound.output.target;
        let edges = super::facts::lineage(&self.engine, pipeline, bound).into_iter();
        edges
            .map(|edge| {
                let from = edge.from_column.map_or_else(|| edge.from_relation.clone(), |column| format!("{}.{column}", edge.from_relation));
                let to = edge.to_column.map_or_else(|| target.to_string(), |column| format!("{target}.{column}"));
                (from, format!("{} -> {to}", edge.transformation.unwrap_or_else(|| "reads".to_owned())))
            })
            .collect()
    }

    async fn plan_rows(&self, pipeline: &Object, bound: &BoundPipeline) -> Result<Vec<(String, String)>> {
        let mut rows: Vec<_> =
            bound.outputs.iter().map(|output| ("target".to_owned(), format!("{} ({})", output.output.target, mode(output)))).collect();
        // A source that is down must not hide the rest of the plan.
        match inputs::next(&self.engine, pipeline.id, bound, false, Held::default()).await {
            Ok(Some(next)) => rows.extend(next.into_iter().map(|input| {
                let detail = match input.input {
                    Input::Stream { from, to } => {
                        let from = from.map_or_else(|| "the start".to_owned(), |from| from.to_string());
                        format!("{} after {from} up to {to}", input.relation)
                    }
                    Input::Version { version } => format!("{} at version {version}", input.relation),
                    Input::DeadLetters { ids } => format!("{} dead letters", ids.len()),
                    Input::Live => format!("{} as it is when read", input.relation),
                    Input::Upload(upload) => format!("{} from file {}", input.relation, upload.name),
                    Input::Landed { version, .. } => format!("{} has its rows since version {version}", input.relation),
                };
                ("input".to_owned(), detail)
            })),
            Ok(None) => rows.push(("input".to_owned(), "nothing new".to_owned())),
            Err(error) => rows.push(("input".to_owned(), format!("cannot be told: {}", error.chain()))),
        }
        for stream in bound.streams() {
            let at = self.engine.store().offset(pipeline.id, stream.object.id).map_err(catalog_error)?;
            let at = at.map_or_else(|| "nothing read yet".to_owned(), |at| at.to_string());
            rows.push(("offset".to_owned(), format!("{}: {at}", stream.object.full_name())));
        }
        for output in &bound.outputs {
            if bound.outputs.len() > 1 {
                rows.push(("output".to_owned(), output.label.clone()));
            }
            let physical = Engine::physical(&output.planned.state, output.planned.plan.clone()).await?;
            for line in displayable(physical.as_ref()).indent(false).to_string().lines() {
                rows.push(("plan".to_owned(), line.to_owned()));
            }
        }
        bound.outputs.iter().for_each(|output| rows.extend(rule_rows(bound, output)));
        Ok(rows)
    }
}

fn known_format(format: Option<&str>) -> Result<()> {
    match format {
        None | Some("json" | "text") => Ok(()),
        Some(format) => {
            Err(Error::new(Code::InvalidOption, format!("EXPLAIN has no format \"{format}\""))
                .hint("Known formats: text, json.".to_owned()))
        }
    }
}

/// The lines of an explanation in a format: a row each, or all of them as one JSON list.
///
/// # Errors
/// `InvalidOption` for a format that there is not.
pub fn explained(lines: Vec<(String, String)>, format: Option<&str>) -> Result<RecordBatch> {
    known_format(format)?;
    let rows = match format {
        Some("json") => {
            let list: Vec<_> = lines.iter().map(|(item, detail)| json!({ "item": item, "detail": detail })).collect();
            vec![("json".to_owned(), serde_json::Value::Array(list).to_string())]
        }
        _ => lines,
    };
    let items: StringArray = rows.iter().map(|(item, _)| Some(item.as_str())).collect();
    let details: StringArray = rows.iter().map(|(_, detail)| Some(detail.as_str())).collect();
    RecordBatch::try_new(columns(), vec![Arc::new(items), Arc::new(details)])
        .map_err(|error| Error::internal("an explanation does not fit its columns").caused_by(error))
}

fn mode(bound: &Bound) -> String {
    match &bound.mode {
        Mode::Append => "append".to_owned(),
        Mode::Upsert { keyed, .. } => {
            let key: Vec<&str> = keyed.key.iter().map(|column| column.value.as_str()).collect();
            format!("upsert by {}", key.join(", "))
        }
        Mode::ReplaceWhere(condition) => format!("replace where {}", condition.text),
        Mode::ReplacePartitions => "replace partitions".to_owned(),
        Mode::ScdType2 { .. } => super::history::explained(bound).unwrap_or_default(),
        Mode::Replace => "replace".to_owned(),
    }
}

/// The rules of an output; of several outputs each says which.
fn rule_rows(whole: &BoundPipeline, bound: &Bound) -> Vec<(String, String)> {
    let rows = bound.output.rules.iter().map(rule_row);
    let is_one_of_several = whole.outputs.len() > 1;
    rows.map(|(item, detail)| (if is_one_of_several { format!("{item} of {}", bound.label) } else { item }, detail)).collect()
}

pub(super) fn rule_row(rule: &Rule) -> (String, String) {
    let list = |columns: &[weir_sql::Ident]| columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let (kind, passes) = match &rule.kind {
        RuleKind::Expect(expr) => ("expect", format!("({}) IS TRUE", expr.text)),
        RuleKind::Check(expr) => ("check", format!("({}) IS NOT FALSE", expr.text)),
        RuleKind::NotNull(columns) => {
            ("not_null", columns.iter().map(|column| format!("{column} IS NOT NULL")).collect::<Vec<_>>().join(" AND "))
        }
        RuleKind::Unique(columns) => {
            ("unique", format!("no other row with the same ({}) in the table or the run; NULLs differ", list(columns)))
        }
        RuleKind::ForeignKey { columns, table, .. } => {
            ("foreign_key", format!("({}) is in {table}, or one of them IS NULL", list(columns)))
        }
    };
    let name = rule.name.as_ref().map_or(kind, |name| name.value.as_str());
    let action = match rule.action.unwrap_or(Action::Quarantine) {
        Action::Quarantine => "quarantine",
        Action::Drop => "drop",
        Action::Fail => "fail",
        Action::Warn => "warn",
    };
    (format!("rule {name}"), format!("passes when {passes}; otherwise {action}"))
}
