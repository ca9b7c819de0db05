//! The words of the transaction log: actions as they are written, and what is read back of a commit.
//!
//! Commits are written here and not by the library, because its commit loads the whole table first. Only the actions that this room
//! must understand are decoded; a commit's file lists are skipped unread.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::contract::{Facts, RowCounts};
use crate::clock::Micros;
use crate::error::{Code, Error, Result};

/// One line of a commit, under its action's name.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Action {
    Add(AddFile),
    /// An action kept as another writer wrote it, or as the library spells it.
    #[serde(rename = "add")]
    AddRaw(Value),
    Remove(Value),
    Cdc(CdcFile),
    Txn(Txn),
    Protocol(Protocol),
    MetaData(MetaData),
    CommitInfo(Map<String, Value>),
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AddFile {
    /// Relative to the table, of safe characters only, so that its encoded form is itself.
    pub path: String,
    pub partition_values: BTreeMap<String, Option<String>>,
    pub size: i64,
    pub modification_time: i64,
    pub data_change: bool,
    pub stats: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CdcFile {
    pub path: String,
    pub partition_values: BTreeMap<String, Option<String>>,
    pub size: i64,
    pub data_change: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Txn {
    pub app_id: String,
    pub version: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Protocol {
    pub min_reader_version: i32,
    pub min_writer_version: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader_features: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer_features: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetaData {
    pub id: String,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
    pub format: Value,
    pub schema_string: String,
    pub partition_columns: Vec<String>,
    #[serde(default)]
    pub configuration: BTreeMap<String, String>,
    #[serde(default)]
    pub created_time: Option<i64>,
}

impl MetaData {
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.configuration.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// A file of a commit, by its path below the table's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    Added(String),
    Removed(String),
    Changes(String),
}

/// The files that a commit names.
pub(super) fn named(commit: &[u8]) -> Result<Vec<Named>> {
    #[derive(Deserialize)]
    struct File<'a> {
        #[serde(borrow)]
        path: std::borrow::Cow<'a, str>,
    }
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        add: Option<File<'a>>,
        #[serde(borrow)]
        remove: Option<File<'a>>,
        #[serde(borrow)]
        cdc: Option<File<'a>>,
    }
    let mut all = Vec::new();
    for line in commit.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        let unreadable = |source| Error::new(Code::DataException, "a commit of the table cannot be read").caused_by(source);
        let Line { add, remove, cdc } = serde_json::from_slice(line).map_err(unreadable)?;
        all.extend(add.map(|file| Named::Added(decoded(&file.path))));
        all.extend(remove.map(|file| Named::Removed(decoded(&file.path))));
        all.extend(cdc.map(|file| Named::Changes(decoded(&file.path))));
    }
    Ok(all)
}

/// A path as the file system has it: the log writes it as a URL does.
pub(super) fn decoded(path: &str) -> String {
    let hex = |digit: Option<&u8>| digit.and_then(|digit| char::from(*digit).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match (*byte, hex(behind.first()), hex(behind.get(1))) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(high << 4 | low);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| path.to_owned())
}

/// What a commit says beside its files.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    pub info: Map<String, Value>,
    pub txns: Vec<Txn>,
    pub protocol: Option<Protocol>,
    pub metadata: Option<MetaData>,
}

impl Entry {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let mut entry = Self::default();
        for line in bytes.split(|byte| *byte == b'\n') {
            let line = line.trim_ascii();
            if line.is_empty() || [&br#"{"add":"#[..], br#"{"remove":"#, br#"{"cdc":"#].iter().any(|skip| line.starts_with(skip)) {
                continue;
            }
            entry.take(line).map_err(|source| Error::new(Code::DataException, "a commit of the table cannot be read").caused_by(source))?;
        }
        Ok(entry)
    }

    fn take(&mut self, line: &[u8]) -> serde_json::Result<()> {
        let action: Map<String, Value> = serde_json::from_slice(line)?;
        for (name, body) in action {
            match name.as_str() {
                "commitInfo" => self.info = serde_json::from_value(body)?,
                "txn" => self.txns.push(serde_json::from_value(body)?),
                "protocol" => self.protocol = Some(serde_json::from_value(body)?),
                "metaData" => self.metadata = Some(serde_json::from_value(body)?),
                _ => {}
            }
        }
        Ok(())
    }

    /// When the commit was made; commits of other writers know it to the millisecond.
    pub(super) fn committed_at(&self) -> Option<Micros> {
        let own = self.own().and_then(|own| own.get("committedAt")).and_then(Value::as_i64);
        let millis = || self.info.get("inCommitTimestamp").or_else(|| self.info.get("timestamp")).and_then(Value::as_i64);
        own.or_else(|| millis().map(|millis| millis.saturating_mul(1000)))
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.info.get(key).and_then(Value::as_str).map(str::to_owned)
    }

    /// Whether the commit only put this hub's files together: then the rows are those of the version before.
    pub(super) fn is_compaction(&self) -> bool {
        let is_own = self.text("engineInfo").is_some_and(|engine| engine.starts_with("weir/"));
        is_own && self.text("operation").as_deref() == Some("OPTIMIZE") && self.metadata.is_none() && self.protocol.is_none()
    }

    pub(super) fn rows(&self) -> RowCounts {
        let count =
            |key: &str| self.own().and_then(|own| own.get("rows")).and_then(|rows| rows.get(key)).and_then(Value::as_i64).unwrap_or(0);
        RowCounts { inserted: count("inserted"), updated: count("updated"), deleted: count("deleted"), ignored: count("ignored") }
    }

    pub(super) fn facts(&self) -> Facts {
        let extra = self.own().and_then(|own| own.get("facts")).and_then(Value::as_object);
        Facts {
            run_id: self.text("runId").and_then(|id| id.parse().ok()),
            user: self.text("userName").unwrap_or_default(),
            extra: extra
                .map(|facts| facts.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect())
                .unwrap_or_default(),
        }
    }

    fn own(&self) -> Option<&Map<String, Value>> {
        self.info.get("weir").and_then(Value::as_object)
    }
}

/// What the commit's info line is made of.
pub(super) struct Info<'a> {
    pub operation: &'a str,
    pub parameters: &'a [(&'static str, String)],
    pub at: Micros,
    pub read_version: Option<u64>,
    pub is_blind_append: bool,
    pub rows: RowCounts,
    pub facts: &'a Facts,
}

impl Info<'_> {
    pub(super) fn action(&self) -> Action {
        let Self { operation, parameters, at, read_version, is_blind_append, rows, facts } = self;
        let mut info = Map::new();
        info.insert("timestamp".into(), json!(at.div_euclid(1000)));
        info.insert("operation".into(), json!(operation));
        // Other readers know parameters and metrics as maps of text.
        info.insert("operationParameters".into(), parameters.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect());
        info.insert(
            "operationMetrics".into(),
            json!({
                "numInsertedRows": rows.inserted.to_string(),
                "numUpdatedRows": rows.updated.to_string(),
                "numDeletedRows": rows.deleted.to_string(),
            }),
        );
        if let Some(version) = read_version {
            info.insert("readVersion".into(), json!(version));
        }
        info.insert("isBlindAppend".into(), json!(is_blind_append));
        info.insert("isolationLevel".into(), json!("Serializable"));
        info.insert("engineInfo".into(), json!(concat!("weir/", env!("CARGO_PKG_VERSION"))));
        if !facts.user.is_empty() {
            info.insert("userName".into(), json!(facts.user));
        }
        if let Some(run) = facts.run_id {
            info.insert("runId".into(), json!(run.to_string()));
        }
        info.insert(
            "weir".into(),
            json!({
                "committedAt": at,
                "rows": {"inserted": rows.inserted, "updated": rows.updated, "deleted": rows.deleted, "ignored": rows.ignored},
                "facts": facts.extra,
            }),
        );
        Action::CommitInfo(info)
    }
}

/// The bytes of a commit: one action per line.
pub(super) fn encode(actions: &[Action]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for action in actions {
        serde_json::to_writer(&mut bytes, action).map_err(|source| Error::internal("a commit cannot be encoded").caused_by(source))?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

impl From<AddFile> for CdcFile {
    fn from(file: AddFile) -> Self {
        Self { path: file.path, partition_values: file.partition_values, size: file.size, data_change: false }
    }
}
