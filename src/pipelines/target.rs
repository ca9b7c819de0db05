//! The table an output fills: found or made, and how the query's columns meet its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use weir_catalog::{Change, Definitions, Kind, Object, SchemaVersion, TableBody};
use weir_sql::Privilege;
use weir_sql::statements::create_pipeline::{Mode, Output};
use weir_sql::statements::create_source::SchemaChange;

use super::bind::Bound;
use super::history;
use super::runner::path_of;
use super::sequence::{self, SEQUENCE_COLUMN, Sequence};
use crate::delta::{self, Facts, Table, VALID_FROM, is_validity};
use crate::engine::{Engine, Scope, catalog_error, definition, is_dead_letters, privileges};
use crate::error::{Code, Error, Result};
use crate::formats::is_wider;
use crate::sources::{POSITION_COLUMN, SOURCE_COLUMN};

pub const RUN_COLUMN: &str = "_run_id";
pub const INGESTED_COLUMN: &str = "_ingested_at";

/// Columns that lead a row back to its record.
fn provenance_fields() -> Vec<Field> {
    vec![
        Field::new(RUN_COLUMN, DataType::Utf8, true),
        Field::new(INGESTED_COLUMN, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new(SOURCE_COLUMN, DataType::Utf8, true),
        Field::new(POSITION_COLUMN, DataType::Int64, true),
    ]
}

pub(super) fn is_provenance(name: &str) -> bool {
    matches!(name, RUN_COLUMN | INGESTED_COLUMN | SOURCE_COLUMN | POSITION_COLUMN)
}

/// A target that is there, and what a run writes into it.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) object: Object,
    pub(super) table: Arc<Table>,
    /// The table's columns that the query fills, in the table's order, as they will be after this run. Of a history, behind them the sequence
    /// where it is none of them.
    pub(super) columns: Vec<FieldRef>,
    /// Those of the four provenance columns that the table has.
    pub(super) provenance: Vec<FieldRef>,
    /// Columns of the query that the table does not have yet.
    pub(super) added: Vec<FieldRef>,
    /// Columns of the table that the query gives with a wider type, with that type.
    pub(super) widened: Vec<FieldRef>,
    /// What holds the moment of the run, where a history is in that order.
    pub(super) moment: Option<FieldRef>,
    /// All columns of the table once all its rows are replaced, if they become others by that.
    pub(super) reshaped: Option<SchemaRef>,
}

/// The catalog object of the target, if it exists.
pub(super) fn find(engine: &Engine, output: &Output, scope: &Scope) -> Result<Option<Object>> {
    let store = engine.store();
    let name = &output.target.name.value;
    let schemas: Vec<&str> = match &output.target.schema {
        Some(schema) => {
            privileges::require_usage(store.as_ref(), scope.judged(), &schema.value).map_err(|error| error.at(schema.position))?;
            vec![schema.value.as_str()]
        }
        None => scope.search_path.iter().map(String::as_str).collect(),
    };
    for schema in schemas {
        if let Some(object) = store.relation(schema, name).map_err(catalog_error)? {
            return match object.kind {
                Kind::Table => Ok(Some(object)),
                kind => Err(Error::new(
                    Code::WrongType,
                    format!("{} \"{}\" cannot be the target of a pipeline", kind.noun(), object.full_name()),
                )
                .hint("INTO takes a lake table; it is made when it does not exist.".to_owned())
                .at(output.target.position())),
            };
        }
    }
    Ok(None)
}

/// The tables that a pipeline fills, as far as they exist: its definition says, by name.
///
/// # Errors
/// When the definitions cannot be read.
pub fn targets_of(pipeline: &Object, definitions: &dyn Definitions) -> Result<Vec<Object>> {
    Ok(filled(pipeline, definitions)?.into_iter().map(|(_, target)| target).collect())
}

/// The outputs of a pipeline whose targets exist, with them.
pub(super) fn filled(pipeline: &Object, definitions: &dyn Definitions) -> Result<Vec<(Output, Object)>> {
    let definition = definition::pipeline(pipeline)?;
    let mut targets = Vec::new();
    for output in definition.outputs() {
        let schemas = match &output.target.schema {
            Some(schema) => vec![schema.value.clone()],
            None => path_of(pipeline),
        };
        for schema in schemas {
            if let Some(object) = definitions.relation(&schema, &output.target.name.value).map_err(catalog_error)? {
                targets.extend(Some((output.clone(), object)).filter(|(_, object)| object.kind == Kind::Table));
                break;
            }
        }
    }
    Ok(targets)
}

/// Schema and name that a new target gets.
///
/// # Errors
/// `UndefinedSchema` when the schema does not exist.
pub(super) fn new_name(engine: &Engine, output: &Output, scope: &Scope) -> Result<(String, String)> {
    let store = engine.store();
    let may_create = |schema: &str| privileges::require_create(store.as_ref(), scope.judged(), schema);
    let exists = |schema: &str| store.object(Kind::Schema, "", schema).map(|found| found.is_some()).map_err(catalog_error);
    let name = output.target.name.value.clone();
    match &output.target.schema {
        Some(schema) if exists(&schema.value)? => {
            may_create(&schema.value).map_err(|error| error.at(schema.position))?;
            Ok((schema.value.clone(), name))
        }
        Some(schema) => Err(Error::new(Code::UndefinedSchema, format!("schema \"{}\" does not exist", schema.value))
            .hint(format!("CREATE SCHEMA {schema};"))
            .at(schema.position)),
        None => {
            for schema in &scope.search_path {
                if exists(schema)? {
                    may_create(schema)?;
                    return Ok((schema.clone(), name));
                }
            }
            Err(Error::new(Code::UndefinedSchema, "no schema has been selected to create in").at(output.target.position()))
        }
    }
}

/// The target of a bound pipeline; made now when it does not exist.
pub(super) async fn ensure(engine: &Arc<Engine>, pipeline: &Object, bound: &Bound, scope: &Scope) -> Result<Target> {
    let object = match find(engine, &bound.output, scope)? {
        Some(object) => object,
        None => match create(engine, pipeline, bound, scope).await {
            // A first run and the statement that made the pipeline may meet here: the other one was faster.
            Err(error) if matches!(error.code(), Code::DuplicateTable | Code::DuplicateObject) => {
                find(engine, &bound.output, scope)?.ok_or(error)?
            }
            made => made?,
        },
    };
    may_fill(engine, &object, bound, scope)?;
    let table = engine.table(&object).await?;
    let body: TableBody = serde_json::from_value(object.body.clone())
        .map_err(|error| Error::internal(format!("the body of table \"{}\" cannot be read", object.full_name())).caused_by(error))?;
    let policy = policy(&bound.output, body.made_by == Some(pipeline.id));
    let schema = table.schema();
    history::fits(&object, &schema, bound)?;
    let (provenance, own): (Vec<FieldRef>, Vec<FieldRef>) = schema.fields().iter().cloned().partition(|field| is_provenance(field.name()));
    let added = lacking(&object, &schema, bound, policy)?;
    let mut widened = wider(&schema, bound, policy);
    let names: Vec<&str> = widened.iter().map(|field| field.name().as_str()).collect();
    if !names.is_empty() && !table.can_widen(&names).await? {
        // As before: values are made to fit, and those that cannot are records of their own.
        widened.clear();
    }
    let as_wide = |field: FieldRef| widened.iter().find(|wide| wide.name() == field.name()).cloned().unwrap_or(field);
    let is_history = matches!(bound.mode, Mode::ScdType2 { .. });
    let own = own.into_iter().filter(|field| !(is_history && is_validity(field.name()))).map(as_wide);
    let columns = own.chain(added.iter().cloned()).chain(history::travelling(bound)).collect();
    let moment = (bound.sequence == Sequence::Moment).then(history::moment_field);
    Ok(Target { object, table, columns, provenance, added, widened, moment, reshaped: None })
}

/// What becomes of columns that the table lacks.
fn policy(output: &Output, own_table: bool) -> SchemaChange {
    output.schema_change.unwrap_or(if own_table { SchemaChange::Evolve } else { SchemaChange::Fail })
}

/// Columns of the query that the table lacks and may get.
fn lacking(object: &Object, schema: &SchemaRef, bound: &Bound, policy: SchemaChange) -> Result<Vec<FieldRef>> {
    let normal = delta::normalise(&bound.columns);
    let mut added = Vec::new();
    // The column of the sequence is ours, and no matter of policy: `sequence` adds it.
    let is_own = |name: &str| name == SEQUENCE_COLUMN && matches!(bound.sequence, Sequence::Stored(_));
    for field in normal.fields().iter().filter(|field| schema.column_with_name(field.name()).is_none() && !is_own(field.name())) {
        match policy {
            SchemaChange::Evolve => added.push(Arc::new(field.as_ref().clone().with_nullable(true))),
            SchemaChange::Ignore => {}
            SchemaChange::Fail | SchemaChange::Rescue => {
                let message = format!("table \"{}\" has no column \"{}\"", object.full_name(), field.name());
                return Err(Error::new(Code::InvalidDefinition, message)
                    .hint(
                        "Leave the column out of the query, add it with ALTER TABLE .. ADD COLUMN, or write ON SCHEMA CHANGE EVOLVE."
                            .to_owned(),
                    )
                    .at(bound.output.query.position));
            }
        }
    }
    Ok(added)
}

/// Columns of the table that hold every value of the query only with a wider type, and may get it.
fn wider(schema: &SchemaRef, bound: &Bound, policy: SchemaChange) -> Vec<FieldRef> {
    if policy != SchemaChange::Evolve {
        return Vec::new();
    }
    let normal = delta::normalise(&bound.columns);
    let wide = |field: &FieldRef| {
        let given = normal.fields().iter().find(|given| given.name() == field.name() && !is_provenance(given.name()))?;
        is_wider(field.data_type(), given.data_type()).then(|| Arc::new(field.as_ref().clone().with_data_type(given.data_type().clone())))
    };
    // Of a history, `valid_from` has the type of the sequence.
    let is_fixed =
        |name: &str| name == SEQUENCE_COLUMN || (matches!(bound.mode, Mode::ScdType2 { .. }) && bound.sequence.column() == Some(name));
    schema.fields().iter().filter(|field| !is_fixed(field.name())).filter_map(wide).collect()
}

/// Whether the pipeline's owner may do to the target what its mode does.
///
/// # Errors
/// `NoPrivilege`.
pub(super) fn may_fill(engine: &Engine, object: &Object, bound: &Bound, scope: &Scope) -> Result<()> {
    let store = engine.store().as_ref();
    // New columns and other types are for the owner alone.
    let body = table_body(object)?;
    let policy = policy(&bound.output, body.made_by.is_some());
    let grows = !lacking(object, &body.columns, bound, policy).unwrap_or_default().is_empty();
    if grows || !wider(&body.columns, bound, policy).is_empty() {
        privileges::require_owner(store, scope.judged(), object)?;
    }
    may_change(engine, object, &bound.mode, scope)
}

/// The rights on a target that a mode needs, whatever its columns.
pub(super) fn may_change(engine: &Engine, object: &Object, mode: &Mode, scope: &Scope) -> Result<()> {
    let needed: &[Privilege] = match mode {
        Mode::Append => &[Privilege::Insert],
        Mode::Upsert { keyed, .. } if keyed.delete_when.is_none() => &[Privilege::Insert, Privilege::Update],
        _ => &[Privilege::Insert, Privilege::Update, Privilege::Delete],
    };
    if is_dead_letters(object) {
        return Err(Error::new(Code::NoPrivilege, "only runs put rows into hub.dead_letters"));
    }
    let store = engine.store().as_ref();
    needed.iter().try_for_each(|privilege| privileges::require(store, scope.judged(), object, *privilege))
}

fn table_body(object: &Object) -> Result<TableBody> {
    serde_json::from_value(object.body.clone())
        .map_err(|error| Error::internal(format!("the body of table \"{}\" cannot be read", object.full_name())).caused_by(error))
}

/// Whether a target that exists can take the columns of the query, as far as that is sure before the pipeline has an identity.
///
/// Answers with what a client should know of it.
pub(super) fn fits(object: &Object, bound: &Bound) -> Result<Option<String>> {
    let body: TableBody = serde_json::from_value(object.body.clone())
        .map_err(|error| Error::internal(format!("the body of table \"{}\" cannot be read", object.full_name())).caused_by(error))?;
    let kept = history::fits(object, &body.columns, bound)?;
    lacking(object, &body.columns, bound, policy(&bound.output, body.made_by.is_some()))?;
    Ok(sequence::notice(&body, bound)?.or(kept))
}

/// Makes the table and its object. A crash in between leaves a folder that nothing names; the next try uses another.
async fn create(engine: &Arc<Engine>, pipeline: &Object, bound: &Bound, scope: &Scope) -> Result<Object> {
    let (schema, name) = new_name(engine, &bound.output, scope)?;
    let store = engine.store();
    let id = store.next_id().map_err(catalog_error)?;
    let location = delta::location(&schema, &name, id.0);
    let mut fields: Vec<Field> =
        delta::normalise(&bound.columns).fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    fields.retain(|field| !history::only_travels(bound, field.name()));
    fields.extend(history::columns(bound, None));
    if bound.settings.lineage_columns {
        fields.extend(provenance_fields().into_iter().filter(|field| bound.columns.column_with_name(field.name()).is_none()));
    }
    let columns: SchemaRef = Arc::new(Schema::new(fields));
    let partition_by: Vec<String> = bound.output.partitioned_by.iter().map(|column| column.value.clone()).collect();
    if let Some(column) = bound.output.partitioned_by.iter().find(|column| columns.column_with_name(&column.value).is_none()) {
        return Err(Error::new(Code::UndefinedColumn, format!("column \"{}\" does not exist", column.value)).at(column.position));
    }
    let facts = Facts { run_id: None, user: scope.role.clone(), extra: BTreeMap::new() };
    engine.lake().create(&location, &columns, &partition_by, &facts).await?;
    let mut key: Vec<String> = bound.mode.keyed().into_iter().flat_map(|keyed| &keyed.key).map(|column| column.value.clone()).collect();
    if matches!(bound.mode, Mode::ScdType2 { .. }) {
        key.push(VALID_FROM.to_owned());
    }
    let body = TableBody { location: location.clone(), columns: Arc::clone(&columns), key, made_by: Some(pipeline.id) };
    let now = engine.clock().now();
    let object = Object {
        id,
        kind: Kind::Table,
        schema,
        name,
        owner: pipeline.owner.clone(),
        version: 1,
        definition: String::new(),
        alters: Vec::new(),
        body: serde_json::to_value(body).map_err(|error| Error::internal("a table's body cannot be written").caused_by(error))?,
        comment: None,
        created_at: now,
        changed_at: now,
    };
    let made = store.apply(&[Change::Create { object: object.clone(), depends_on: Vec::new() }], &scope.role, now);
    if let Err(error) = made {
        // Nothing names the folder; one that stays behind does no harm.
        if let Err(left) = engine.lake().drop_table(&location).await {
            tracing::warn!(location, error = %left.chain(), "an unused table folder could not be removed");
        }
        return Err(catalog_error(error));
    }
    store
        .add_schema_version(&SchemaVersion { relation_id: id, version: 1, columns, valid_from: now, run_id: None })
        .map_err(catalog_error)?;
    Ok(object)
}

impl Target {
    /// Adds the columns that the table lacks and widens those that are too narrow, and tells the catalog.
    pub(super) async fn evolve(&mut self, engine: &Arc<Engine>, facts: &Facts) -> Result<()> {
        if self.added.is_empty() && self.widened.is_empty() && self.is_told()? {
            return Ok(());
        }
        let fields = |refs: &[FieldRef]| refs.iter().map(|field| field.as_ref().clone()).collect::<Vec<Field>>();
        self.table.widen(&fields(&self.widened), facts).await?;
        self.table.evolve(&fields(&self.added), facts).await?;
        self.added.clear();
        self.widened.clear();
        let body = self.body()?;
        self.tell(engine, body, facts)
    }

    /// Whether the catalog knows the table's columns: an attempt may have ended between the table's commit and the catalog's.
    fn is_told(&self) -> Result<bool> {
        let (body, schema) = (self.body()?, self.table.schema());
        let shape = |columns: &SchemaRef| columns.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect::<Vec<_>>();
        Ok(shape(&body.columns) == shape(&schema))
    }

    /// Tells the catalog of the columns that hold the sequence, if it does not know what the table has. A run that is taken up again does
    /// so, too: the one before may have ended between the table's commit and here.
    pub(super) fn tell_sequence(&mut self, engine: &Arc<Engine>, facts: &Facts) -> Result<()> {
        let (body, schema) = (self.body()?, self.table.schema());
        let of_order = |columns: &SchemaRef| [SEQUENCE_COLUMN, VALID_FROM].map(|name| columns.field_with_name(name).ok().cloned());
        match of_order(&schema) == of_order(&body.columns) {
            true => Ok(()),
            false => self.tell(engine, body, facts),
        }
    }

    fn body(&self) -> Result<TableBody> {
        serde_json::from_value(self.object.body.clone()).map_err(|error| Error::internal("a table's body cannot be read").caused_by(error))
    }

    /// Writes the table's columns into the catalog.
    fn tell(&mut self, engine: &Arc<Engine>, body: TableBody, facts: &Facts) -> Result<()> {
        let columns = self.table.schema();
        let body = TableBody { columns: Arc::clone(&columns), ..body };
        let body = serde_json::to_value(body).map_err(|error| Error::internal("a table's body cannot be written").caused_by(error))?;
        self.object.body = body.clone();
        let (store, now) = (engine.store(), engine.clock().now());
        store.apply(&[Change::Body { id: self.object.id, body }], &facts.user, now).map_err(catalog_error)?;
        let known = store.schema_versions(Some(self.object.id)).map_err(catalog_error)?;
        let version = known.iter().map(|known| known.version).max().unwrap_or(0) + 1;
        store
            .add_schema_version(&SchemaVersion { relation_id: self.object.id, version, columns, valid_from: now, run_id: facts.run_id })
            .map_err(catalog_error)
    }

    /// Columns as a run hands them to the writer: own, then provenance, then the moment.
    pub(super) fn written(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().chain(&self.provenance).chain(&self.moment).cloned().collect::<Vec<_>>()))
    }
}
