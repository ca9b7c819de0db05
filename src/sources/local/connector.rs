//! The connector `local`: its options, and opening a source on it.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use parking_lot::Mutex;
use weir_sql::Options as Written;
use weir_sql::statements::create_source::{CreateSource, Envelope, Format, Include, Meta, SchemaChange};

use super::feed::Reading;
use super::offer::Offer;
use super::source::LocalSource;
use crate::error::{Code, Error, Result};
use crate::formats::{self, ColumnSpec, Decoder, Input, Logical};
use crate::sources::columns::{amend, declared_columns, evolved, rescue, schema_change};
use crate::sources::contract::{Check, Connector, OpenRequest, RemoteRelation, Source};
use crate::spec::{Opt, Options, Spec};
use crate::stores::{Compression, Folder, Pattern, decompressed};

/// How much of a file is looked at to find its columns, and of how many files.
const INFER_BYTES: usize = 1 << 20;
const INFER_FILES: usize = 3;

const SPEC: Spec = Spec {
    name: "local",
    summary: "A folder of the machine that the hub runs on.",
    options: &[Opt::text("root").required().doc("The folder; sources see nothing outside it.")],
};

const SOURCE_SPEC: Spec = Spec {
    name: "local source",
    summary: "Files of a folder that match a pattern.",
    options: &[
        Opt::text("path").required().doc("A pattern relative to the root: 'orders/*.csv', '**/*.json.gz'."),
        Opt::duration("settle").default("2 s").doc("A file changed more recently than this is not offered yet."),
        Opt::duration("poll").default("5 s").doc("How often to look for new files."),
        Opt::integer("max_files").doc("At most this many files in one batch."),
        Opt::choice("compression", &["auto", "none", "gzip", "zstd"]).default("auto").doc("auto goes by the file's name."),
        Opt::size("max_decompressed").doc("How large one file may grow; by default 200 times its size and at most 64 GiB."),
    ],
};

pub(in crate::sources) struct Local;

#[async_trait]
impl Connector for Local {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn source_spec(&self) -> &'static Spec {
        &SOURCE_SPEC
    }

    fn takes_format(&self) -> bool {
        true
    }

    fn reads_server_files(&self) -> bool {
        true
    }

    async fn open(&self, request: OpenRequest) -> Result<Arc<dyn Source>> {
        let OpenRequest { source_id, name, connection, options, definition, found, store, clock } = request;
        let CreateSource { format, envelope, incremental, include, verify, .. } = &definition;
        refuse_what_files_cannot(*envelope, incremental.is_some(), verify.is_some())?;
        let schema_change = schema_change(&definition);
        let decoder = open_format(format.as_ref())?;
        let folder = Folder::new(connection.text("root").unwrap_or_default());
        let pattern = Pattern::new(options.text("path").unwrap_or_default())?;
        let includes = include.iter().map(included).collect::<Result<Vec<_>>>()?;
        let mut reading = Reading {
            folder,
            decoder,
            columns: Arc::new([]),
            includes,
            compression: options.text("compression").unwrap_or("auto").to_owned(),
            max_decompressed: options.size("max_decompressed"),
            schema_change,
            must_be_sound: false,
            known_layout: None,
        };
        reading.columns = match known_columns(&definition, found, &reading.includes)? {
            Some(columns) => columns.into(),
            None => {
                let (looked, pattern) = (reading.clone(), pattern.clone());
                let schema = blocking(move || infer(&looked, &pattern)).await?;
                found_columns(&schema, schema_change, &reading.includes)?.into()
            }
        };
        let offer = Offer {
            source_id,
            pattern,
            settle: options.duration("settle").unwrap_or_default(),
            max_files: options.integer("max_files").and_then(|files| usize::try_from(files).ok()).filter(|files| *files > 0),
            store,
            clock,
            known: Mutex::new(HashMap::new()),
        };
        Ok(Arc::new(LocalSource::new(name, Arc::new(reading), Arc::new(offer))?))
    }

    async fn validate(&self, connection: &Options) -> Vec<Check> {
        let folder = Folder::new(connection.text("root").unwrap_or_default());
        let checks = blocking(move || {
            let root = folder.resolve();
            let found = root.as_ref().map_or_else(detail_of, |root| root.display().to_string());
            let mut checks = vec![Check { check: "folder exists".to_owned(), ok: root.is_ok(), detail: found }];
            if let Ok(root) = root {
                let listed = std::fs::read_dir(root).map(Iterator::count);
                checks.push(Check {
                    check: "folder can be listed".to_owned(),
                    ok: listed.is_ok(),
                    detail: listed.map_or_else(|error| error.to_string(), |count| format!("{count} entries")),
                });
            }
            Ok(checks)
        });
        checks.await.unwrap_or_else(|error| vec![Check { check: "folder exists".to_owned(), ok: false, detail: detail_of(&error) }])
    }

    async fn list_schema(&self, _connection: &Options, _schema: &str) -> Result<Vec<RemoteRelation>> {
        Err(Error::new(Code::NotSupported, "a folder has no schema to import")
            .hint("Write CREATE SOURCE for each set of files.".to_owned()))
    }
}

/// The columns of a definition, with what was found, accepted and followed since; None when nothing says what they are.
pub(super) fn known_columns(
    definition: &CreateSource,
    found: Option<SchemaRef>,
    includes: &[(Meta, String)],
) -> Result<Option<Vec<ColumnSpec>>> {
    let schema_change = schema_change(definition);
    let mut columns = declared_columns(definition)?;
    if columns.is_empty() {
        return found.map(|found| found_columns(&found, schema_change, includes)).transpose();
    }
    if let Some(stored) = &found {
        amend(&mut columns, stored);
        if schema_change == SchemaChange::Evolve {
            let new: Vec<ColumnSpec> = evolved(&columns, stored, |name| is_included(name, includes)).collect();
            columns.extend(new);
        }
    }
    if schema_change == SchemaChange::Rescue {
        rescue(&mut columns)?;
    }
    Ok(Some(columns))
}

/// Columns that nobody declared. Those of INCLUDE are stored with the rest of them.
pub(super) fn found_columns(found: &Schema, schema_change: SchemaChange, includes: &[(Meta, String)]) -> Result<Vec<ColumnSpec>> {
    let mut columns: Vec<ColumnSpec> = evolved(&[], found, |name| is_included(name, includes)).collect();
    if schema_change == SchemaChange::Rescue {
        rescue(&mut columns)?;
    }
    Ok(columns)
}

fn is_included(name: &str, includes: &[(Meta, String)]) -> bool {
    includes.iter().any(|(_, include)| include == name)
}

fn detail_of(error: &Error) -> String {
    match error.detail_text() {
        Some(detail) => format!("{}: {detail}", error.message()),
        None => error.message().to_owned(),
    }
}

/// Runs file work on a thread that may wait.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::internal("a file task ended early").caused_by(error)),
    }
}

fn refuse_what_files_cannot(envelope: Option<Envelope>, incremental: bool, verify: bool) -> Result<()> {
    let refused = |what: &str| Err(Error::new(Code::NotSupported, format!("{what} is not supported for files")));
    match envelope {
        None | Some(Envelope::None) => {}
        Some(Envelope::Upsert | Envelope::Debezium) => return refused("ENVELOPE"),
    }
    if incremental {
        return Err(Error::new(Code::InvalidDefinition, "INCREMENTAL BY does not apply to files")
            .hint("Files are incremental by themselves: each version of a file is read once.".to_owned()));
    }
    if verify {
        return refused("VERIFY");
    }
    Ok(())
}

fn open_format(format: Option<&Format>) -> Result<Arc<dyn Decoder>> {
    let Some(Format { name, options }) = format else {
        return Err(Error::new(Code::InvalidDefinition, "a source of files needs FORMAT")
            .hint(format!("One of {}.", formats::FORMATS.iter().map(|format| format.spec().name).collect::<Vec<_>>().join(", "))));
    };
    let found = formats::format(&name.value).ok_or_else(|| unknown_format(&name.value).at(name.position))?;
    let written: &Written = options;
    found.open(&found.spec().read(written)?)
}

fn unknown_format(name: &str) -> Error {
    let names: Vec<&str> = formats::FORMATS.iter().map(|format| format.spec().name).collect();
    let near = weir_sql::nearest(name, names.iter().copied()).map(|near| format!("Did you mean \"{near}\"?"));
    Error::new(Code::UndefinedObject, format!("format \"{name}\" does not exist"))
        .hint(near.unwrap_or_else(|| format!("One of {}.", names.join(", "))))
}

pub(super) fn included(include: &Include) -> Result<(Meta, String)> {
    let name = match include.meta {
        Meta::File => "file",
        Meta::Line => "line",
        Meta::Raw => "raw",
        Meta::Key | Meta::Partition | Meta::Offset | Meta::Timestamp | Meta::Headers => {
            return Err(Error::new(Code::InvalidDefinition, "files have no such metadata")
                .hint("INCLUDE takes FILE, LINE and RAW here.".to_owned())
                .at(include.position));
        }
    };
    Ok((include.meta, include.alias.as_ref().map_or_else(|| name.to_owned(), |alias| alias.value.clone())))
}

/// Where a decoder gets the bytes of a file.
pub(super) fn input(reading: &Reading, path: &str, place: PathBuf, file: File) -> Result<Input> {
    let compression = Compression::of(&reading.compression, path);
    if compression == Compression::None {
        return Ok(Input::File(place));
    }
    let plain = decompressed(file, compression, reading.max_decompressed);
    let plain = plain.map_err(|error| Error::new(Code::DataException, format!("file \"{path}\" cannot be read")).caused_by(error))?;
    Ok(Input::Stream(plain))
}

/// Columns of the first files that have any.
fn infer(reading: &Reading, pattern: &Pattern) -> Result<SchemaRef> {
    let mut merged: Option<Schema> = None;
    let mut files = 0;
    // Why a file that matches does not say what its columns are.
    let mut silent = None::<String>;
    for listed in reading.folder.list(pattern)? {
        let path = listed.file.path;
        let (place, file, _) = reading.folder.open(&path)?;
        let input = input(reading, &path, place, file)?;
        let schema = match reading.decoder.infer(input, INFER_BYTES) {
            Ok(schema) if schema.fields().is_empty() => {
                silent = Some(format!("File \"{path}\" is empty."));
                continue;
            }
            Ok(schema) => schema,
            Err(error) => {
                silent = Some(format!("File \"{path}\": {}.", error.message()));
                continue;
            }
        };
        merged = Some(merged.map_or_else(|| schema.as_ref().clone(), |merged| widened(&merged, &schema)));
        files += 1;
        if files == INFER_FILES {
            break;
        }
    }
    merged.map(Arc::new).ok_or_else(|| {
        let error = match silent {
            Some(why) => Error::new(Code::DataException, format!("no file that matches \"{}\" says what its columns are", pattern.text()))
                .detail(why),
            None => Error::new(Code::DataException, format!("no file matches \"{}\", so the columns cannot be found", pattern.text())),
        };
        error.hint("Declare the columns in CREATE SOURCE, or put a file there first.".to_owned())
    })
}

/// The columns of both, with types that hold the values of both.
pub(super) fn widened(one: &Schema, other: &Schema) -> Schema {
    let mut fields: Vec<Field> = one.fields().iter().map(|field| field.as_ref().clone()).collect();
    let places: HashMap<&str, usize> = one.fields().iter().enumerate().map(|(place, field)| (field.name().as_str(), place)).collect();
    for new in other.fields() {
        match places.get(new.name().as_str()).and_then(|place| fields.get_mut(*place)) {
            None => fields.push(new.as_ref().clone()),
            Some(field) if field.data_type() == new.data_type() && Logical::of(field) == Logical::of(new) => {}
            Some(field) => {
                let number = |field: &Field| matches!(field.data_type(), DataType::Int64 | DataType::Float64);
                let wide = if number(field) && number(new) { DataType::Float64 } else { DataType::Utf8 };
                *field = Field::new(field.name(), wide, true);
            }
        }
    }
    Schema::new(fields)
}
