//! A table, view or query of a server as a `Source`.
//!
//! Without INCREMENTAL BY it is a picture of now, which can be read but not followed. With it, the end of a batch is the largest cursor value
//! at the time of asking.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use parking_lot::RwLock;
use tokio_postgres::types::{ToSql, Type};

use super::again::Again;
use super::cursor::{Cursor, Placed, Point};
use super::describe::{Relation, describe};
use super::link::{Link, Target};
use super::query::Binder;
use super::refusal;
use super::table::{PostgresTable, Shape, schema_of};
use super::types::{RemoteColumn, fit};
use crate::clock::Micros;
use crate::error::{Code, Error, Result};
use crate::formats::ColumnSpec;
use crate::sources::contract::{BatchLimit, Position, Range, RawRecord, ScanRequest, Source, StartPoint};

pub(super) struct PostgresSource {
    /// `schema.name`, for messages.
    pub(super) name: String,
    /// The connection's name.
    pub(super) connection: String,
    pub(super) target: Target,
    pub(super) relation: Relation,
    pub(super) cursor: Option<Cursor>,
    /// A column on the server that is not among ours is an error.
    pub(super) refuses_new_columns: bool,
    /// Declared or found; None until the server was asked.
    pub(super) columns: RwLock<Option<Vec<ColumnSpec>>>,
}

impl PostgresSource {
    /// Asks the server what the relation looks like, and keeps the columns if none were known.
    pub(super) async fn look(&self) -> Result<(Arc<Shape>, Link)> {
        let link = self.target.dial().await?;
        let described = describe(&self.target, &link, &self.relation).await?;
        let columns = self.columns.write().get_or_insert_with(|| described.columns.iter().map(RemoteColumn::found).collect()).clone();
        let mut fitted = Vec::with_capacity(columns.len());
        for spec in columns {
            let remote = described.columns.iter().find(|remote| remote.name == spec.field_name());
            fitted.push(fit(spec.clone(), remote.ok_or_else(|| missing(&spec, &described.label, &described.columns))?)?);
        }
        if let (true, Some(new)) =
            (self.refuses_new_columns, described.columns.iter().find(|remote| fitted.iter().all(|fitted| fitted.remote != remote.name)))
        {
            return Err(Error::new(Code::DataException, format!("{} has a new column \"{}\"", described.label, new.name))
                .hint("Declare the column, or use ON SCHEMA CHANGE IGNORE.".to_owned()));
        }
        let shape = Shape {
            source: self.provenance(&described.label).into(),
            target: self.target.clone(),
            from: described.from,
            label: described.label,
            cursor: self.cursor.as_ref().map(|cursor| cursor.place(&fitted)).transpose()?,
            columns: fitted,
            is_utf8: link.is_utf8,
        };
        Ok((Arc::new(shape), link))
    }

    fn provenance(&self, label: &str) -> String {
        format!("{} {} {label}", self.connection, self.target.database)
    }

    fn cursor(&self) -> Result<&Cursor> {
        self.cursor.as_ref().ok_or_else(|| {
            Error::new(Code::NotSupported, format!("source \"{}\" is a snapshot and cannot be read as a stream", self.name))
                .hint("Add INCREMENTAL BY column to the source, or read it without STREAM in a pipeline of mode REPLACE.".to_owned())
        })
    }

    /// The relation with its cursor in place.
    async fn follow(&self) -> Result<(Arc<Shape>, Placed, Link)> {
        self.cursor()?;
        let (shape, link) = self.look().await?;
        let placed = shape.cursor.clone().ok_or_else(|| Error::internal("a cursor was not placed"))?;
        Ok((shape, placed, link))
    }
}

fn missing(spec: &ColumnSpec, label: &str, remote: &[RemoteColumn]) -> Error {
    let near = weir_sql::nearest(spec.field_name(), remote.iter().map(|column| column.name.as_str()));
    Error::new(Code::UndefinedColumn, format!("column \"{}\" does not exist in {label} on the server", spec.field_name()))
        .hint(near.map(|near| format!("Did you mean \"{near}\"? PATH gives a column another name than the server's.")))
}

/// One question with one row as answer: `text` refers to values by way of `binder`.
async fn ask<T>(shape: &Shape, link: &Link, text: &str, binder: &Binder) -> Result<Option<T>>
where
    T: for<'a> tokio_postgres::types::FromSql<'a>,
{
    let refused = |error| refusal::reading(&shape.target, &shape.label, error);
    let values: Vec<(&(dyn ToSql + Sync), Type)> = binder.values().iter().map(|value| (value as &(dyn ToSql + Sync), Type::TEXT)).collect();
    let rows = link.client.query_typed(text, &values).await.map_err(refused)?;
    match rows.first() {
        Some(row) => row.try_get::<_, Option<T>>(0).map_err(refused),
        None => Ok(None),
    }
}

impl PostgresSource {
    /// The largest cursor value behind `from`.
    async fn newest(&self, shape: &Shape, link: &Link, placed: &Placed, from: Option<&Point>) -> Result<Option<Point>> {
        let mut binder = Binder::by_parameters();
        let mut condition = placed.in_order();
        if let Some(from) = from {
            condition = format!("{condition} AND {}", placed.after(from, &mut binder));
        }
        let text = format!("SELECT max({})::text FROM {} AS r WHERE {condition}", placed.column, shape.from);
        let value = ask::<String>(shape, link, &text, &binder).await?;
        Ok(value.map(|value| Point { value, is_inclusive: false }))
    }
}

#[async_trait]
impl Source for PostgresSource {
    fn schema(&self) -> SchemaRef {
        schema_of(self.columns.read().iter().flatten(), false)
    }

    async fn next(&self, from: Option<&Position>, _limit: &BatchLimit) -> Result<Option<Position>> {
        let from = from.map(Point::read).transpose()?.or_else(|| self.cursor.as_ref().and_then(Cursor::start));
        let (shape, placed, link) = self.follow().await?;
        Ok(self.newest(&shape, &link, &placed, from.as_ref()).await?.map(|point| point.position()))
    }

    async fn scan(&self, range: Option<Range>, request: ScanRequest) -> Result<Arc<dyn TableProvider>> {
        if range.is_some() {
            self.cursor()?;
        }
        let (shape, link) = self.look().await?;
        Ok(Arc::new(PostgresTable::new(shape, range, request, link)))
    }

    async fn decode_again(&self, records: Vec<RawRecord>, request: ScanRequest) -> Result<Arc<dyn TableProvider>> {
        if self.columns.read().is_none() {
            self.look().await?;
        }
        let columns = self.columns.read().clone().unwrap_or_default();
        Again { columns, records, request }.table()
    }

    async fn release(&self, _to: &Position) -> Result<()> {
        Ok(())
    }

    async fn position_at(&self, point: &StartPoint) -> Result<Option<Position>> {
        self.cursor()?;
        if *point == StartPoint::Earliest {
            return Ok(None);
        }
        let (shape, placed, link) = self.follow().await?;
        let StartPoint::At(value) = point else {
            return Ok(self.newest(&shape, &link, &placed, None).await?.map(|point| point.position()));
        };
        let mut binder = Binder::by_parameters();
        let text = format!("SELECT ({})::text", binder.bind(value, placed.cast));
        let value = ask::<String>(&shape, &link, &text, &binder).await.map_err(|error| {
            if error.code() != Code::DataException {
                return error;
            }
            Error::new(Code::InvalidParameter, format!("\"{value}\" is not a value of type {}", placed.cast)).caused_by(error)
        })?;
        Ok(value.map(|value| Point { value, is_inclusive: true }.position()))
    }

    async fn oldest_unread(&self, from: Option<&Position>) -> Result<Option<Micros>> {
        if self.cursor.is_none() {
            return Ok(None);
        }
        let from = from.map(Point::read).transpose()?.or_else(|| self.cursor.as_ref().and_then(Cursor::start));
        let (shape, placed, link) = self.follow().await?;
        if !matches!(placed.cast, "date" | "timestamp" | "timestamptz") {
            return Ok(None);
        }
        let mut binder = Binder::by_parameters();
        let mut condition = format!("{} AND {} > '-infinity'", placed.in_order(), placed.column);
        if let Some(from) = &from {
            condition = format!("{condition} AND {}", placed.after(from, &mut binder));
        }
        let text = format!(
            "SELECT (extract(epoch FROM min({})::timestamp) * 1000000)::bigint FROM {} AS r WHERE {condition}",
            placed.column, shape.from
        );
        ask::<i64>(&shape, &link, &text, &binder).await
    }
}
