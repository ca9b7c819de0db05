//! A file that a client sent, read in the place of a source's stream: with the source's columns, and what becomes of fields that none takes.
//!
//! It is one range that never grows. What cannot be read to its end fails the read: the client still has the file and can send it again.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{Field, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use weir_catalog::{ObjectId, Upload, UploadLayout};
use weir_sql::statements::create_source::{CreateSource, Meta, SchemaChange};
use weir_sql::{OptionEntry, OptionValue};

use super::connector::{blocking, found_columns, included, input, known_columns};
use super::drift;
use super::feed::{Item, Reading};
use super::source::columns;
use super::table::FileTable;
use crate::clock::Micros;
use crate::error::{Code, Error, Result};
use crate::formats::{self, ColumnSpec, Decoder, Layout};
use crate::sources::columns::schema_change;
use crate::sources::contract::{BatchLimit, Drift, Position, Range, RawRecord, ScanRequest, Seen, Source, StartPoint};
use crate::stores::Folder;

/// Such a file is one version of one file; the ledger has no number for it.
pub const UPLOAD_NUMBER: i64 = 0;

/// How much of a file is looked at to find its columns.
const INFER_BYTES: usize = 1 << 20;

/// A file, and whose stream it stands for.
pub struct UploadRequest {
    pub source_id: ObjectId,
    /// `schema.name` of the source, for messages.
    pub name: String,
    pub columns: UploadColumns,
    /// Where the file lies, if it still does.
    pub folder: PathBuf,
    pub upload: Upload,
}

/// Where the columns of a file come from.
pub enum UploadColumns {
    /// From a source.
    Of {
        definition: Box<CreateSource>,
        /// As they were stored last.
        found: Option<SchemaRef>,
        /// Whether the source reads files itself; the columns of any other are what it found.
        reads_files: bool,
    },
    /// From the file: what [`upload_columns`] has found.
    Own(SchemaRef),
}

/// Opens the file as a source.
///
/// # Errors
/// `InvalidOption` for options that its format does not take; `DataException` when the columns have to be found and the file does not tell.
pub async fn open_upload(request: UploadRequest) -> Result<Arc<dyn Source>> {
    let UploadRequest { source_id, name, columns: wanted, folder, upload } = request;
    let mut reading = reading(folder, &upload)?;
    let known = match wanted {
        UploadColumns::Of { definition, found, reads_files: true } => {
            reading.schema_change = schema_change(&definition);
            reading.includes = definition.include.iter().map(included).collect::<Result<Vec<(Meta, String)>>>()?;
            known_columns(&definition, found, &reading.includes)?
        }
        UploadColumns::Of { definition, found, reads_files: false } => {
            // The columns of a database follow the database: a file cannot add to them, and what does not fit is not passed over.
            reading.schema_change =
                Some(schema_change(&definition)).filter(|policy| *policy != SchemaChange::Evolve).unwrap_or(SchemaChange::Fail);
            found.map(|found| plain(&found))
        }
        UploadColumns::Own(found) => Some(plain(&found)),
    };
    reading.columns = match known {
        Some(columns) => columns.into(),
        None => {
            let (looked, shown) = (reading.clone(), upload.name.clone());
            let schema = blocking(move || infer(&looked, &shown)).await?;
            found_columns(&schema, reading.schema_change, &reading.includes)?.into()
        }
    };
    let (schema, included) = columns(&reading)?;
    Ok(Arc::new(UploadSource { source_id, name, reading: Arc::new(reading), included, schema, upload }))
}

fn plain(found: &SchemaRef) -> Vec<ColumnSpec> {
    found.fields().iter().map(|field| ColumnSpec::from_field(field)).collect()
}

/// The columns that a file has by itself: those of its start with the types of their values there, then fields that come later.
///
/// # Errors
/// `DataException` when it does not tell.
pub async fn upload_columns(folder: PathBuf, upload: &Upload) -> Result<SchemaRef> {
    let (mut reading, shown) = (reading(folder, upload)?, upload.name.clone());
    blocking(move || {
        let schema = infer(&reading, &shown)?;
        reading.schema_change = SchemaChange::Evolve;
        reading.columns = plain(&schema).into();
        let drift = drift::drift(&shown, &reading, &[], std::slice::from_ref(&shown))?;
        Ok(drift.columns.unwrap_or(schema))
    })
    .await
}

/// What the start of the file says about its records.
///
/// # Errors
/// As [`open_upload`]; whatever makes the file unreadable is left to its reader.
pub async fn upload_layout(folder: PathBuf, upload: &Upload) -> Result<Option<UploadLayout>> {
    let (reading, name) = (reading(folder, upload)?, upload.name.clone());
    let layout = blocking(move || Ok(reading.layout(&name))).await?;
    Ok(layout.map(|layout| UploadLayout { fields: layout.fields.clone(), delimiter: layout.delimiter }))
}

fn reading(folder: PathBuf, upload: &Upload) -> Result<Reading> {
    let layout = upload.layout.clone();
    Ok(Reading {
        folder: Folder::of_file(folder, &upload.file),
        decoder: decoder(upload)?,
        columns: Arc::new([]),
        includes: Vec::new(),
        compression: upload.compression.clone(),
        max_decompressed: upload.max_decompressed,
        schema_change: SchemaChange::Fail,
        must_be_sound: true,
        known_layout: layout.map(|UploadLayout { fields, delimiter }| Arc::new(Layout { fields, delimiter })),
    })
}

fn decoder(upload: &Upload) -> Result<Arc<dyn Decoder>> {
    let format = formats::format(&upload.format)
        .ok_or_else(|| Error::new(Code::UndefinedObject, format!("format \"{}\" does not exist", upload.format)))?;
    let entry = |(key, value): &(String, String)| OptionEntry {
        key: key.clone(),
        position: 1,
        value: OptionValue::Text(value.clone()),
        value_position: 1,
    };
    let written = weir_sql::Options { entries: upload.options.iter().map(entry).collect() };
    format.open(&format.spec().read(&written)?)
}

fn infer(reading: &Reading, shown: &str) -> Result<SchemaRef> {
    let (place, file, _) = reading.folder.open(shown)?;
    let schema = reading.decoder.infer(input(reading, shown, place, file)?, INFER_BYTES)?;
    match schema.fields().is_empty() {
        true => Err(Error::new(Code::DataException, format!("file \"{shown}\" does not say what its columns are"))
            .hint("It is empty, or the options of its format do not fit it.".to_owned())),
        false => Ok(schema),
    }
}

struct UploadSource {
    source_id: ObjectId,
    name: String,
    reading: Arc<Reading>,
    included: Vec<Field>,
    schema: SchemaRef,
    upload: Upload,
}

impl UploadSource {
    fn table(&self, items: Vec<Item>, request: ScanRequest) -> Arc<dyn TableProvider> {
        Arc::new(FileTable::new(&self.name, self.schema.clone(), self.reading.clone(), items, request))
    }

    fn no_positions(&self) -> Error {
        Error::new(Code::NotSupported, format!("file \"{}\" was sent once and has no other positions", self.upload.name))
    }
}

#[async_trait]
impl Source for UploadSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    async fn next(&self, _from: Option<&Position>, _limit: &BatchLimit) -> Result<Option<Position>> {
        Ok(None)
    }

    async fn drift(&self, range: Option<&Range>) -> Result<Drift> {
        if range.is_none() {
            return Ok(Drift::default());
        }
        let (reading, included, name, shown) = (self.reading.clone(), self.included.clone(), self.name.clone(), self.upload.name.clone());
        blocking(move || drift::drift(&name, &reading, &included, &[shown])).await
    }

    async fn suits(&self, column: &str, records: Vec<RawRecord>) -> Result<Option<Seen>> {
        let (reading, column) = (self.reading.clone(), column.to_owned());
        blocking(move || Ok(drift::suits(&reading, &column, &records))).await
    }

    async fn scan(&self, _range: Option<Range>, request: ScanRequest) -> Result<Arc<dyn TableProvider>> {
        let (folder, shown, bytes) = (self.reading.folder.clone(), self.upload.name.clone(), self.upload.bytes);
        let is_whole = blocking(move || {
            let (_, file, _) = folder.open(&shown)?;
            Ok(file.metadata().is_ok_and(|file| file.len() == bytes))
        });
        if !is_whole.await? {
            return Err(Error::new(Code::DataException, format!("file \"{}\" is not as it was sent", self.upload.name))
                .hint("Somebody changed it in the hub's own folder. Send it again.".to_owned()));
        }
        let item = Item::File { path: self.upload.name.clone(), etag: None, entry: Some((self.source_id, UPLOAD_NUMBER)) };
        Ok(self.table(vec![item], request))
    }

    async fn decode_again(&self, records: Vec<RawRecord>, request: ScanRequest) -> Result<Arc<dyn TableProvider>> {
        Ok(self.table(records.into_iter().map(Item::Record).collect(), request))
    }

    async fn left_out(&self, _from: &Position) -> Result<Option<String>> {
        Ok(None)
    }

    async fn release(&self, _to: &Position) -> Result<()> {
        Ok(())
    }

    async fn position_at(&self, _point: &StartPoint) -> Result<Option<Position>> {
        Err(self.no_positions())
    }

    async fn oldest_unread(&self, _from: Option<&Position>) -> Result<Option<Micros>> {
        Ok(None)
    }
}
