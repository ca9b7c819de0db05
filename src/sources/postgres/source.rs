//! A table, view or query of a server as a `Source`.
//!
//! Without INCREMENTAL BY it is a picture of now, which can be read but not followed. With it, the end of a batch is the largest cursor value
//! at the time of asking.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use parking_lot::{Mutex, RwLock};
use tokio_postgres::types::{ToSql, Type};
use weir_sql::statements::create_source::SchemaChange;

use super::again::Again;
use super::cursor::{Cursor, Placed, Point};
use super::describe::{Described, Relation, describe};
use super::drift::{new_column, remote_of};
use super::link::{Link, Target};
use super::query::Binder;
use super::refusal;
use super::table::{PostgresTable, Shape, schema_of};
use super::types::{Fitted, RemoteColumn, fit};
use crate::clock::Micros;
use crate::error::{Code, Error, Result};
use crate::formats::ColumnSpec;
use crate::sources::columns::rescue;
use crate::sources::contract::{BatchLimit, Drift, Position, Range, RawRecord, ScanRequest, Seen, Source, StartPoint};

pub(super) struct PostgresSource {
    /// `schema.name`, for messages.
    pub(super) name: String,
    /// The connection's name.
    pub(super) connection: String,
    pub(super) target: Target,
    pub(super) relation: Relation,
    pub(super) cursor: Option<Cursor>,
    /// What becomes of a column on the server that is not among ours.
    pub(super) schema_change: SchemaChange,
    /// Columns that the definition names; the others were found.
    pub(super) declared: HashSet<String>,
    /// What the last look saw, until somebody compares it with the columns.
    pub(super) described: Mutex<Option<Described>>,
    /// Declared or found; None until the server was asked.
    pub(super) columns: RwLock<Option<Vec<ColumnSpec>>>,
}

impl PostgresSource {
    /// Asks the server what the relation looks like, and keeps the columns if none were known.
    pub(super) async fn look(&self) -> Result<(Arc<Shape>, Link)> {
        let link = self.target.dial().await?;
        let described = describe(&self.target, &link, &self.relation).await?;
        *self.described.lock() = Some(described.clone());
        let columns = self.known_or(&described.columns)?;
        let mut fitted = Vec::with_capacity(columns.len());
        for spec in columns {
            if spec.rescues {
                fitted.push(Fitted::rest(spec));
                continue;
            }
            fitted.push(match remote_of(&spec, &described.columns) {
                Some(remote) => fit(spec.clone(), remote)?,
                None if spec.gone => Fitted::nothing(spec),
                None => return Err(missing(&spec, &described.label, &described.columns)),
            });
        }
        if let (SchemaChange::Fail, Some(new)) =
            (self.schema_change, described.columns.iter().find(|remote| fitted.iter().all(|fitted| fitted.remote != remote.name)))
        {
            return Err(new_column(&described.label, &new.name));
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

    /// The columns of ours; found from those of the server when none were known.
    pub(super) fn known_or(&self, remote: &[RemoteColumn]) -> Result<Vec<ColumnSpec>> {
        let mut columns = self.columns.write();
        if let Some(known) = columns.as_ref() {
            return Ok(known.clone());
        }
        let mut found: Vec<ColumnSpec> = remote.iter().map(RemoteColumn::found).collect();
        if self.schema_change == SchemaChange::Rescue {
            rescue(&mut found)?;
        }
        *columns = Some(found.clone());
        Ok(found)
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

pub(super) fn missing(spec: &ColumnSpec, label: &str, remote: &[RemoteColumn]) -> Error {
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

/// What a row takes when the server does not know.
const ROW_BYTES: i64 = 256;

/// How many rows one batch may have, by what the server's statistics say a row takes; None for no limit.
async fn limit_rows(shape: &Shape, link: &Link, limit: &BatchLimit) -> Result<Option<i64>> {
    let Ok(bytes) = i64::try_from(limit.bytes) else { return Ok(None) };
    let mut binder = Binder::by_parameters();
    let text = format!(
        "SELECT (pg_catalog.pg_relation_size(c.oid) / greatest(c.reltuples, 1))::bigint FROM pg_catalog.pg_class c \
         WHERE c.oid = pg_catalog.to_regclass({}) AND c.reltuples > 0",
        binder.bind(&shape.from, "text")
    );
    let row = ask::<i64>(shape, link, &text, &binder).await?.filter(|row| *row > 0).unwrap_or(ROW_BYTES);
    Ok(Some((bytes / row).max(1)))
}

/// How many rows stand outside the cursor's order.
async fn outside(shape: &Shape, link: &Link, placed: &Placed) -> Result<i64> {
    let binder = Binder::by_parameters();
    let text = format!("SELECT count(*) FROM {} AS r WHERE {}", shape.from, placed.out_of_order());
    Ok(ask::<i64>(shape, link, &text, &binder).await?.unwrap_or(0))
}

impl PostgresSource {
    /// The largest cursor value behind `from`; of the next so many rows, if there is a limit.
    async fn newest(&self, shape: &Shape, link: &Link, placed: &Placed, from: Option<&Point>, rows: Option<i64>) -> Result<Option<Point>> {
        let mut binder = Binder::by_parameters();
        let mut condition = placed.in_order();
        if let Some(from) = from {
            condition = format!("{condition} AND {}", placed.after(from, &mut binder));
        }
        let text = match rows {
            None => format!("SELECT max({})::text FROM {} AS r WHERE {condition}", placed.column, shape.from),
            // Rows that share the last value come along.
            Some(rows) => format!(
                "SELECT max(c)::text FROM (SELECT {0} AS c FROM {1} AS r WHERE {condition} ORDER BY {0} LIMIT {rows}) AS next",
                placed.column, shape.from
            ),
        };
        let value = ask::<String>(shape, link, &text, &binder).await?;
        Ok(value.map(|value| Point { value, is_inclusive: false, outside: 0 }))
    }
}

#[async_trait]
impl Source for PostgresSource {
    fn schema(&self) -> SchemaRef {
        schema_of(self.columns.read().iter().flatten(), false)
    }

    async fn next(&self, from: Option<&Position>, limit: &BatchLimit) -> Result<Option<Position>> {
        let from = from.map(Point::read).transpose()?.or_else(|| self.cursor.as_ref().and_then(Cursor::start));
        let (shape, placed, link) = self.follow().await?;
        let rows = limit_rows(&shape, &link, limit).await?;
        let Some(mut point) = self.newest(&shape, &link, &placed, from.as_ref(), rows).await? else { return Ok(None) };
        // The range from the very beginning has the rows outside the order as well; those that come later are told from them by their number.
        point.outside = match &from {
            None => outside(&shape, &link, &placed).await?,
            Some(from) => from.outside,
        };
        Ok(Some(point.position()))
    }

    async fn drift(&self, _range: Option<&Range>) -> Result<Drift> {
        self.drifted().await
    }

    async fn suits(&self, column: &str, records: Vec<RawRecord>) -> Result<Option<Seen>> {
        Ok(self.suited(column, &records))
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

    async fn left_out(&self, from: &Position) -> Result<Option<String>> {
        let read = Point::read(from)?.outside;
        let (shape, placed, link) = self.follow().await?;
        let missed = outside(&shape, &link, &placed).await? - read;
        let column = &self.cursor()?.column;
        Ok((missed > 0).then(|| {
            format!(
                "{missed} rows of {} are not read, because their value of the cursor column \"{column}\" has no place in its order",
                shape.label
            )
        }))
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
            let Some(mut point) = self.newest(&shape, &link, &placed, None, None).await? else { return Ok(None) };
            // What is there now is passed over on purpose.
            point.outside = outside(&shape, &link, &placed).await?;
            return Ok(Some(point.position()));
        };
        let mut binder = Binder::by_parameters();
        let text = format!("SELECT ({})::text", binder.bind(value, placed.cast));
        let value = ask::<String>(&shape, &link, &text, &binder).await.map_err(|error| {
            if error.code() != Code::DataException {
                return error;
            }
            Error::new(Code::InvalidParameter, format!("\"{value}\" is not a value of type {}", placed.cast)).caused_by(error)
        })?;
        Ok(value.map(|value| Point { value, is_inclusive: true, outside: 0 }.position()))
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
