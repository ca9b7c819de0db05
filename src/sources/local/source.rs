//! A set of files as a `Source`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use weir_catalog::FileEntry;
use weir_sql::statements::create_source::Meta;

use super::connector::blocking;
use super::drift;
use super::feed::{Item, Reading};
use super::offer::Offer;
use super::table::FileTable;
use crate::clock::Micros;
use crate::error::{Code, Error, Result};
use crate::formats::ColumnSpec;
use crate::sources::contract::{BatchLimit, Drift, Position, Range, RawRecord, ScanRequest, Seen, Source, StartPoint};

pub(super) struct LocalSource {
    /// `schema.name`, for messages.
    name: String,
    reading: Arc<Reading>,
    offer: Arc<Offer>,
    /// The columns of INCLUDE, which stand last.
    included: Vec<Field>,
    schema: SchemaRef,
}

impl LocalSource {
    pub(super) fn new(name: String, reading: Arc<Reading>, offer: Arc<Offer>) -> Result<Self> {
        let (schema, included) = columns(&reading)?;
        Ok(Self { name, reading, offer, included, schema })
    }

    fn table(&self, items: Vec<Item>, request: ScanRequest) -> Arc<dyn TableProvider> {
        Arc::new(FileTable::new(&self.name, self.schema.clone(), self.reading.clone(), items, request))
    }
}

/// The columns that a reading shows, and those of INCLUDE among them, which stand last.
pub(super) fn columns(reading: &Reading) -> Result<(SchemaRef, Vec<Field>)> {
    let mut fields: Vec<Field> = reading.columns.iter().map(ColumnSpec::field).collect();
    let own = fields.len();
    for (meta, name) in &reading.includes {
        if fields.iter().any(|field| field.name() == name) {
            return Err(Error::new(Code::InvalidDefinition, format!("column \"{name}\" is declared twice"))
                .hint("Give the INCLUDE column another name with AS.".to_owned()));
        }
        let data_type = match meta {
            Meta::Line => DataType::Int64,
            Meta::Raw => DataType::Binary,
            _ => DataType::Utf8,
        };
        fields.push(Field::new(name, data_type, false));
    }
    let included = fields.iter().skip(own).cloned().collect();
    Ok((Arc::new(Schema::new(fields)), included))
}

#[async_trait]
impl Source for LocalSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    async fn next(&self, from: Option<&Position>, limit: &BatchLimit) -> Result<Option<Position>> {
        let (offer, reading, from, limit) = (self.offer.clone(), self.reading.clone(), from.cloned(), *limit);
        blocking(move || offer.next(&reading.folder, from.as_ref(), &limit)).await
    }

    async fn drift(&self, range: Option<&Range>) -> Result<Drift> {
        let Some(range) = range.cloned() else { return Ok(Drift::default()) };
        let (offer, reading, included, name) = (self.offer.clone(), self.reading.clone(), self.included.clone(), self.name.clone());
        blocking(move || {
            let paths: Vec<String> = offer.versions(&range)?.into_iter().map(|entry| entry.file.path).collect();
            drift::drift(&name, &reading, &included, &paths)
        })
        .await
    }

    async fn suits(&self, column: &str, records: Vec<RawRecord>) -> Result<Option<Seen>> {
        let (reading, column) = (self.reading.clone(), column.to_owned());
        blocking(move || Ok(drift::suits(&reading, &column, &records))).await
    }

    async fn scan(&self, range: Option<Range>, request: ScanRequest) -> Result<Arc<dyn TableProvider>> {
        let (offer, reading) = (self.offer.clone(), self.reading.clone());
        let items = blocking(move || match range {
            None => {
                let files = offer.list(&reading.folder)?;
                Ok(files.into_iter().map(|file| Item::File { path: file.path, etag: None, entry: None }).collect())
            }
            Some(range) => {
                let entries = offer.versions(&range)?;
                let item = |entry: FileEntry| Item::File {
                    path: entry.file.path,
                    etag: Some(entry.file.etag),
                    entry: Some((offer.source_id, entry.seq)),
                };
                Ok(entries.into_iter().map(item).collect())
            }
        });
        Ok(self.table(items.await?, request))
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

    async fn position_at(&self, point: &StartPoint) -> Result<Option<Position>> {
        let (offer, reading, point) = (self.offer.clone(), self.reading.clone(), point.clone());
        blocking(move || offer.position_at(&reading.folder, &point)).await
    }

    async fn oldest_unread(&self, from: Option<&Position>) -> Result<Option<Micros>> {
        let (offer, from) = (self.offer.clone(), from.cloned());
        blocking(move || offer.oldest_unread(from.as_ref())).await
    }
}
