//! The statement that is sent, and the values that go beside it.
//!
//! COPY takes no parameters. Values are therefore bound to settings of the transaction (`set_config('weir.p1', $1, true)`), which the statement
//! reads by `current_setting('weir.p1')`: no value is ever part of a statement's text.

use tokio_postgres::types::{ToSql, Type};

use super::cursor::Placed;
use super::describe::quoted;
use super::filter;
use super::link::{Link, Target};
use super::refusal;
use super::types::{Fitted, Select};
use crate::error::Result;
use crate::sources::contract::Range;

/// How many values are bound by one statement.
const VALUES_AT_ONCE: usize = 500;

/// Collects values and hands out what stands for them in the text.
#[derive(Debug)]
pub(super) struct Binder {
    values: Vec<String>,
    /// The statement takes parameters of its own.
    is_direct: bool,
}

impl Binder {
    /// For a COPY.
    pub(super) fn by_settings() -> Self {
        Self { values: Vec::new(), is_direct: false }
    }

    /// For any other statement.
    pub(super) fn by_parameters() -> Self {
        Self { values: Vec::new(), is_direct: true }
    }

    pub(super) fn bind(&mut self, value: &str, cast: &str) -> String {
        self.values.push(value.to_owned());
        let number = self.values.len();
        if self.is_direct { format!("${number}::{cast}") } else { format!("current_setting('weir.p{number}')::{cast}") }
    }

    pub(super) fn values(&self) -> &[String] {
        &self.values
    }
}

/// What to read of a relation.
pub(super) struct Wanted<'a> {
    pub(super) from: &'a str,
    pub(super) columns: &'a [Fitted],
    pub(super) cursor: Option<&'a Placed>,
    pub(super) range: Option<&'a Range>,
    /// Conditions that `filter::accepts` said yes to, on `table`'s columns.
    pub(super) filters: &'a [datafusion::logical_expr::Expr],
    pub(super) table: &'a [Fitted],
    pub(super) is_utf8: bool,
    pub(super) is_ordered: bool,
    pub(super) limit: Option<usize>,
}

/// All of a row but what columns take, as an object; NULL when that is nothing.
fn rest(table: &[Fitted], binder: &mut Binder) -> String {
    let element = |fitted: &Fitted| format!("\"{}\"", fitted.remote.replace('\\', "\\\\").replace('"', "\\\""));
    let taken: Vec<String> = table.iter().filter(|fitted| fitted.select != Select::Rest).map(element).collect();
    let taken = binder.bind(&format!("{{{}}}", taken.join(",")), "text[]");
    format!("nullif(to_jsonb(r) - {taken}, '{{}}'::jsonb)")
}

/// A statement and its values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Copy {
    pub(super) text: String,
    pub(super) values: Vec<String>,
}

impl Copy {
    /// # Errors
    /// A range that is not one of a cursor.
    pub(super) fn new(wanted: &Wanted<'_>) -> Result<Self> {
        let mut binder = Binder::by_settings();
        let mut columns = Vec::with_capacity(wanted.columns.len());
        for fitted in wanted.columns {
            columns.push(match fitted.select {
                Select::Rest => rest(wanted.table, &mut binder),
                select => select.around(&format!("r.{}", quoted(&fitted.remote))),
            });
        }
        let mut conditions = Vec::new();
        if let (Some(range), Some(cursor)) = (wanted.range, wanted.cursor) {
            conditions.push(cursor.within(range, &mut binder)?);
        }
        for expr in wanted.filters {
            conditions.extend(filter::condition(expr, wanted.table, wanted.is_utf8, &mut binder));
        }
        let mut select = format!("SELECT {} FROM {} AS r", columns.join(", "), wanted.from);
        if !conditions.is_empty() {
            select.push_str(&format!(" WHERE ({})", conditions.join(") AND (")));
        }
        if let (true, Some(cursor)) = (wanted.is_ordered, wanted.cursor) {
            select.push_str(&format!(" ORDER BY {}", cursor.column));
        }
        if let Some(limit) = wanted.limit {
            select.push_str(&format!(" LIMIT {limit}"));
        }
        Ok(Self { text: format!("COPY ({select}) TO STDOUT (FORMAT binary)"), values: binder.values })
    }

    /// Begins a transaction that sees one state of the data, and binds the values in it.
    ///
    /// # Errors
    /// What the server says.
    pub(super) async fn prepare(&self, target: &Target, link: &Link, what: &str) -> Result<()> {
        let refused = |error| refusal::reading(target, what, error);
        link.client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(refused)?;
        let numbered: Vec<(usize, &String)> = self.values.iter().enumerate().collect();
        for some in numbered.chunks(VALUES_AT_ONCE) {
            let calls: Vec<String> = some
                .iter()
                .enumerate()
                .map(|(place, (index, _))| format!("set_config('weir.p{}', ${}, true)", index + 1, place + 1))
                .collect();
            let values: Vec<(&(dyn ToSql + Sync), Type)> =
                some.iter().map(|(_, value)| (*value as &(dyn ToSql + Sync), Type::TEXT)).collect();
            link.client.query_typed(&format!("SELECT {}", calls.join(", ")), &values).await.map_err(refused)?;
        }
        Ok(())
    }
}
