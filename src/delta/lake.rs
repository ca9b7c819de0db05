//! The folder of all tables: makes, opens and removes them.
//!
//! A table is opened once and shared, so that all its writers in this hub stand in one queue.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use deltalake::kernel::Version;
use parking_lot::Mutex;
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::commit::Draft;
use super::contract::Facts;
use super::failure::{blocking_failed, io_failed};
use super::feed::FEED;
use super::log::{Action, MetaData, Protocol};
use super::schema;
use super::table::Table;
use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::stores::{create_dir_durable, sync_dir};

/// Versions between two checkpoints: a cold reader replays at most so many commits.
const CHECKPOINT_INTERVAL: &str = "20";
const RETENTION: &str = "interval 30 days";

/// Room in which rows of a write wait when they do not fit in memory.
#[derive(Debug, Clone)]
pub struct Scratch {
    /// Made when it is needed. Files in it have no name, so nothing is left behind.
    pub folder: PathBuf,
    /// What a keyed write holds of its rows; a small multiple of it is used while they are written.
    pub memory_bytes: usize,
}

impl Scratch {
    /// A share of the hub's memory: enough that most runs need no disk.
    pub fn of(folder: PathBuf, hub_memory_bytes: usize) -> Self {
        Self { folder, memory_bytes: (hub_memory_bytes / 16).clamp(1 << 20, 64 << 20) }
    }
}

/// All Delta tables of a hub.
pub struct Lake {
    root: PathBuf,
    scratch: Scratch,
    clock: Clock,
    tables: Mutex<HashMap<String, Arc<Table>>>,
}

impl Lake {
    /// Opens the lake at a folder, given as a path or as a `file://` URL; it is created when missing.
    pub fn open(root: &str, scratch: Scratch, clock: Clock) -> Result<Arc<Self>> {
        let path = match Url::parse(root) {
            Ok(url) if url.scheme() == "file" => {
                url.to_file_path().map_err(|()| Error::new(Code::InvalidOption, format!("lake \"{root}\" is not a local folder")))?
            }
            Ok(url) if root.contains("://") => {
                return Err(Error::new(Code::NotSupported, format!("a lake on \"{}\" is not supported yet", url.scheme()))
                    .hint("Give a local folder.".to_owned()));
            }
            _ => PathBuf::from(root),
        };
        create_dir_durable(&path).map_err(|source| io_failed("the lake's folder cannot be created", source))?;
        let root = path.canonicalize().map_err(|source| io_failed("the lake's folder cannot be opened", source))?;
        Ok(Arc::new(Self { root, scratch, clock, tables: Mutex::default() }))
    }

    /// Creates an empty table whose columns are the normalised `schema`.
    ///
    /// # Errors
    /// `DuplicateTable` when there is one already.
    pub async fn create(&self, location: &str, columns: &SchemaRef, partition_by: &[String], facts: &Facts) -> Result<Arc<Table>> {
        let root = self.path_of(location)?;
        if has_log(&root) {
            return Err(duplicate(location));
        }
        let columns = schema::normalise(columns);
        check_columns(&columns, partition_by)?;
        let metadata = metadata_of(&columns, partition_by, self.clock.now())?;
        let actions = vec![Action::Protocol(protocol_for(&columns)), Action::MetaData(metadata)];
        let draft = Draft { actions, ..Draft::new("CREATE TABLE", facts) };
        Table::begin(&root, location, &self.clock, draft).await.map_err(|error| match error.code() {
            Code::Conflict => duplicate(location),
            _ => error,
        })?;
        self.table(location).await
    }

    /// The table at a location, shared by all who ask.
    ///
    /// # Errors
    /// `UndefinedTable` when there is none.
    pub async fn table(&self, location: &str) -> Result<Arc<Table>> {
        let root = self.path_of(location)?;
        if let Some(table) = self.tables.lock().get(location) {
            return Ok(table.clone());
        }
        if !has_log(&root) {
            return Err(Error::new(Code::UndefinedTable, format!("table \"{location}\" does not exist in the lake")));
        }
        let opened = Table::load(&root, location, &self.scratch, &self.clock).await?;
        // Of two that opened it at once, the first stays: there must be one queue.
        Ok(self.tables.lock().entry(location.to_owned()).or_insert(opened).clone())
    }

    /// Removes a table with its files and its history.
    pub async fn drop_table(&self, location: &str) -> Result<()> {
        let table = self.table(location).await?;
        let _turn = table.retire().await;
        self.tables.lock().remove(location);
        let root = self.path_of(location)?;
        let remove = move || {
            // Renamed first, so that a crash half-way leaves no half table under its name.
            let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let grave = root.with_file_name(format!(".{name}.dropped-{}", Uuid::new_v4()));
            std::fs::rename(&root, &grave)?;
            if let Some(parent) = root.parent() {
                sync_dir(parent)?;
            }
            std::fs::remove_dir_all(&grave)
        };
        tokio::task::spawn_blocking(remove)
            .await
            .map_err(blocking_failed)?
            .map_err(|source| io_failed("the table's folder cannot be removed", source))
    }

    /// Waits for what works in the background.
    pub async fn close(&self) {
        let tables: Vec<_> = self.tables.lock().values().cloned().collect();
        for table in tables {
            table.settle().await;
        }
    }

    fn path_of(&self, location: &str) -> Result<PathBuf> {
        let path = Path::new(location);
        if location.is_empty() || !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(Error::new(Code::InvalidParameter, format!("\"{location}\" is not a place in the lake")));
        }
        Ok(self.root.join(path))
    }
}

/// Bytes of a schema's or a table's name that its folder keeps; file systems end names at 255, and more is added to them.
const NAME_BYTES: usize = 80;

/// The place of a new table: readable for people, unique whatever is renamed or dropped later, and a path on every system.
pub fn location(schema: &str, name: &str, unique: i64) -> String {
    format!("{}/{}-{unique}", plain(schema), plain(name))
}

/// Only letters, digits and `_` of ASCII, so that the cut is never inside a character.
fn plain(name: &str) -> String {
    name.chars().take(NAME_BYTES).map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

/// Whether a commit or a checkpoint is there. A creation that broke off leaves at most an empty folder or a staged file behind.
fn has_log(root: &Path) -> bool {
    std::fs::read_dir(root.join("_delta_log")).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.ends_with(".json") || name.ends_with(".parquet")
        })
    })
}

fn duplicate(location: &str) -> Error {
    Error::new(Code::DuplicateTable, format!("table \"{location}\" already exists in the lake"))
}

fn check_columns(columns: &SchemaRef, partition_by: &[String]) -> Result<()> {
    for column in partition_by {
        let Some((_, field)) = columns.column_with_name(column) else {
            return Err(Error::new(Code::UndefinedColumn, format!("partition column \"{column}\" does not exist")));
        };
        if field.data_type().is_nested() || matches!(field.data_type(), DataType::Binary) {
            return Err(Error::new(
                Code::InvalidDefinition,
                format!("column \"{column}\" of type {} cannot be a partition column", field.data_type()),
            ));
        }
    }
    if columns.fields().len() == partition_by.len() {
        return Err(Error::new(Code::InvalidDefinition, "a table needs at least one column that is not a partition column"));
    }
    not_of_feed(columns)?;
    let mut seen: HashMap<String, &str> = HashMap::new();
    for field in columns.fields() {
        // Delta readers compare column names without case.
        if let Some(twin) = seen.insert(field.name().to_lowercase(), field.name()) {
            return Err(Error::new(Code::InvalidDefinition, format!("columns \"{twin}\" and \"{}\" differ only in case", field.name())));
        }
    }
    Ok(())
}

/// A table that records its changes cannot have columns called like those of its feed.
pub(super) fn not_of_feed(columns: &Schema) -> Result<()> {
    let taken = columns.fields().iter().find(|field| FEED.iter().any(|name| field.name().eq_ignore_ascii_case(name)));
    match taken {
        None => Ok(()),
        Some(field) => Err(Error::new(Code::ReservedName, format!("column name \"{}\" is reserved", field.name()))
            .detail("The change feed of a table has a column of that name.")
            .hint("Give the column another name, in a query with AS.".to_owned())),
    }
}

fn metadata_of(columns: &SchemaRef, partition_by: &[String], now: i64) -> Result<MetaData> {
    let schema_string = serde_json::to_string(&schema::to_delta(columns)?)
        .map_err(|source| Error::internal("a schema cannot be encoded").caused_by(source))?;
    let configuration = [
        ("delta.enableChangeDataFeed", "true"),
        ("delta.checkpointInterval", CHECKPOINT_INTERVAL),
        ("delta.logRetentionDuration", RETENTION),
        ("delta.deletedFileRetentionDuration", RETENTION),
    ];
    Ok(MetaData {
        id: Uuid::new_v4().to_string(),
        name: None,
        description: None,
        format: json!({"provider": "parquet", "options": {}}),
        schema_string,
        partition_columns: partition_by.to_vec(),
        configuration: configuration.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        created_time: Some(now.div_euclid(1000)),
    })
}

/// The oldest protocol that can hold the columns and a change feed, so that as many readers as possible follow.
pub(super) fn protocol_for(columns: &SchemaRef) -> Protocol {
    if columns.fields().iter().any(|field| has_local_time(field)) {
        let features = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        return Protocol {
            min_reader_version: 3,
            min_writer_version: 7,
            reader_features: features(&["timestampNtz"]),
            writer_features: features(&["timestampNtz", "changeDataFeed", "appendOnly", "invariants"]),
        };
    }
    Protocol { min_reader_version: 1, min_writer_version: 4, reader_features: None, writer_features: None }
}

pub(super) fn has_local_time(field: &Field) -> bool {
    match field.data_type() {
        DataType::Timestamp(_, None) => true,
        DataType::Struct(fields) => fields.iter().any(|field| has_local_time(field)),
        DataType::List(item) | DataType::Map(item, _) => has_local_time(item),
        _ => false,
    }
}

/// The version that a new table starts with.
pub(super) const FIRST: Version = 0;
