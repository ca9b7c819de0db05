//! Runs as OpenLineage tells them: one event per state of a run, made from what the catalog keeps.
//!
//! Nothing is stored for it: the same run gives the same events whenever it is asked. START when it was frozen, RUNNING while it is tried
//! again, COMPLETE, FAIL or ABORT when it is over. Every dataset is named as the hub names it, in one namespace.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value as Json, json};
use weir_catalog::{Input, Lineage, ObjectId, RelationBody, Run, RunOutput, RunStatus, Store, TableBody};

use super::errors::catalog_error;
use super::types::shown_type;
use crate::clock::Micros;
use crate::error::Result;

const NAMESPACE: &str = "weir";
const PRODUCER: &str = concat!("urn:weir:hub:", env!("CARGO_PKG_VERSION"));
const RUN_EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// One event, and by what it is found.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEvent {
    /// START, RUNNING, COMPLETE, FAIL, ABORT.
    pub kind: &'static str,
    pub at: Micros,
    pub json: Json,
}

/// What the events of several runs have in common.
pub struct Teller<'a> {
    store: &'a dyn Store,
    lineage: HashMap<(ObjectId, i64), Vec<Lineage>>,
}

impl<'a> Teller<'a> {
    /// # Errors
    /// Whatever the catalog says.
    pub fn new(store: &'a dyn Store) -> Result<Self> {
        let mut lineage: HashMap<(ObjectId, i64), Vec<Lineage>> = HashMap::new();
        for edge in store.lineage().map_err(catalog_error)? {
            lineage.entry((edge.pipeline_id, edge.pipeline_version)).or_default().push(edge);
        }
        Ok(Self { store, lineage })
    }

    /// The events of a run so far, in order.
    ///
    /// # Errors
    /// Whatever the catalog says.
    pub fn events(&self, run: &Run) -> Result<Vec<RunEvent>> {
        let mut events = vec![self.event(run, "START", run.created_at, None)?];
        if run.status == RunStatus::Running && run.attempt > 1 {
            events.push(self.event(run, "RUNNING", run.created_at, run.error.as_deref())?);
        }
        let kind = match run.status {
            RunStatus::Succeeded => "COMPLETE",
            RunStatus::Failed => "FAIL",
            RunStatus::Cancelled => "ABORT",
            RunStatus::Queued | RunStatus::Running | RunStatus::Skipped => return Ok(events),
        };
        events.push(self.event(run, kind, run.ended_at.unwrap_or(run.created_at), run.error.as_deref())?);
        Ok(events)
    }

    fn event(&self, run: &Run, kind: &'static str, at: Micros, failure: Option<&str>) -> Result<RunEvent> {
        let mut facets = Map::new();
        if let Some(message) = failure {
            let of = json!({"message": message, "programmingLanguage": "SQL"});
            facets.insert("errorMessage".to_owned(), facet("1-0-1/ErrorMessageRunFacet", of));
        }
        let json = json!({
            "eventType": kind,
            "eventTime": time(at),
            "producer": PRODUCER,
            "schemaURL": RUN_EVENT,
            "run": {"runId": run.run_id.to_string(), "facets": facets},
            "job": self.job(run)?,
            "inputs": self.inputs(run)?,
            "outputs": self.outputs(run, kind)?,
        });
        Ok(RunEvent { kind, at, json })
    }

    fn job(&self, run: &Run) -> Result<Json> {
        let versions = self.store.versions(Some(run.pipeline_id)).map_err(catalog_error)?;
        let then = versions.into_iter().find(|known| known.version == run.pipeline_version);
        let mut facets = Map::new();
        facets.insert(
            "jobType".to_owned(),
            facet("2-0-3/JobTypeJobFacet", json!({"processingType": "BATCH", "integration": "WEIR", "jobType": "PIPELINE"})),
        );
        if let Some(then) = then {
            let text = std::iter::once(then.definition).chain(then.alters).collect::<Vec<_>>().join(";\n");
            facets.insert("sql".to_owned(), facet("1-0-1/SQLJobFacet", json!({"query": text})));
        }
        Ok(json!({"namespace": NAMESPACE, "name": run.pipeline, "facets": facets}))
    }

    fn inputs(&self, run: &Run) -> Result<Vec<Json>> {
        // One relation may be frozen twice: what is read of it, and where.
        let mut inputs: BTreeMap<&str, Map<String, Json>> = BTreeMap::new();
        for input in &run.inputs {
            let facets = inputs.entry(input.relation.as_str()).or_default();
            if let Some(columns) = self.columns_then(input.relation_id, input.schema_version)? {
                facets.insert("schema".to_owned(), schema_facet(&columns));
            }
            if let Input::Version { version } = input.input {
                facets.insert("version".to_owned(), version_facet(version));
            }
        }
        let dataset = |(name, facets): (&str, Map<String, Json>)| json!({"namespace": NAMESPACE, "name": name, "facets": facets});
        Ok(inputs.into_iter().map(dataset).collect())
    }

    fn outputs(&self, run: &Run, kind: &str) -> Result<Vec<Json>> {
        let outputs = self.store.run_outputs(Some(run.run_id)).map_err(catalog_error)?;
        outputs.iter().filter(|_| kind == "COMPLETE").map(|output| self.output(run, output)).collect()
    }

    fn output(&self, run: &Run, output: &RunOutput) -> Result<Json> {
        let mut facets = Map::new();
        if let Some(columns) = self.columns_then(output.target_id, None)? {
            facets.insert("schema".to_owned(), schema_facet(&columns));
        }
        if let Some(version) = output.table_version {
            facets.insert("version".to_owned(), version_facet(version));
        }
        if let Some(edges) = self.lineage.get(&(run.pipeline_id, run.pipeline_version)) {
            facets.insert("columnLineage".to_owned(), column_lineage(edges, &output.target));
        }
        let statistics = facet("1-0-2/OutputStatisticsOutputDatasetFacet", json!({"rowCount": output.rows}));
        Ok(json!({
            "namespace": NAMESPACE,
            "name": output.target,
            "facets": facets,
            "outputFacets": {"outputStatistics": statistics},
        }))
    }

    /// The columns that a run read a relation by; without a version those it has now.
    fn columns_then(&self, relation: ObjectId, version: Option<i64>) -> Result<Option<SchemaRef>> {
        if let Some(version) = version {
            let known = self.store.schema_versions(Some(relation)).map_err(catalog_error)?;
            return Ok(known.into_iter().find(|known| known.version == version).map(|known| Arc::clone(&known.columns)));
        }
        let Some(object) = self.store.object_by_id(relation).map_err(catalog_error)? else { return Ok(None) };
        if let Ok(table) = serde_json::from_value::<TableBody>(object.body.clone()) {
            return Ok(Some(table.columns));
        }
        Ok(serde_json::from_value::<RelationBody>(object.body).unwrap_or_default().columns)
    }
}

fn time(at: Micros) -> String {
    DateTime::from_timestamp_micros(at).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn facet(of: &str, content: Json) -> Json {
    let name = of.rsplit('/').next().unwrap_or(of);
    let mut all = Map::new();
    all.insert("_producer".to_owned(), PRODUCER.into());
    all.insert("_schemaURL".to_owned(), format!("https://openlineage.io/spec/facets/{of}.json#/$defs/{name}").into());
    if let Json::Object(content) = content {
        all.extend(content);
    }
    Json::Object(all)
}

fn version_facet(version: u64) -> Json {
    facet("1-0-1/DatasetVersionDatasetFacet", json!({"datasetVersion": version.to_string()}))
}

fn schema_facet(columns: &SchemaRef) -> Json {
    let fields: Vec<Json> = columns.fields().iter().map(|field| json!({"name": field.name(), "type": shown_type(field)})).collect();
    facet("1-1-1/SchemaDatasetFacet", json!({"fields": fields}))
}

/// Direct edges by the column they make; indirect ones, which concern every column, of the dataset.
fn column_lineage(edges: &[Lineage], target: &str) -> Json {
    let mut fields: BTreeMap<&str, Vec<Json>> = BTreeMap::new();
    let mut dataset: Vec<Json> = Vec::new();
    for edge in edges.iter().filter(|edge| edge.to_relation == target) {
        let (Some(from), Some(how)) = (&edge.from_column, &edge.transformation) else { continue };
        let (kind, subtype) = transformation(how);
        let input = json!({
            "namespace": NAMESPACE,
            "name": edge.from_relation,
            "field": from,
            "transformations": [{"type": kind, "subtype": subtype, "masking": false}],
        });
        match &edge.to_column {
            Some(to) => fields.entry(to.as_str()).or_default().push(input),
            None => dataset.push(input),
        }
    }
    let fields: Map<String, Json> = fields.into_iter().map(|(name, inputs)| (name.to_owned(), json!({"inputFields": inputs}))).collect();
    facet("1-2-0/ColumnLineageDatasetFacet", json!({"fields": fields, "dataset": dataset}))
}

fn transformation(how: &str) -> (&'static str, &'static str) {
    match how {
        "identity" => ("DIRECT", "IDENTITY"),
        "aggregate" => ("DIRECT", "AGGREGATION"),
        "filter" => ("INDIRECT", "FILTER"),
        "join" => ("INDIRECT", "JOIN"),
        "group" => ("INDIRECT", "GROUP_BY"),
        "sort" => ("INDIRECT", "SORT"),
        _ => ("DIRECT", "TRANSFORMATION"),
    }
}
