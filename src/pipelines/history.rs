//! SCD TYPE 2: what a history needs of its target, and what the target says of the history that it holds.
//!
//! `valid_from`, `valid_to` and `is_current` are filled by the write; a query gives none of them. `valid_from` says of itself by which key, in
//! which order and of which columns the history is kept: events that were written in another way are never mixed with these. When a
//! definition brings another one, the table must be filled anew, unless it is empty. No other mode writes into a history: it would take
//! several rows of a key for one, or add rows that hold at no time.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, TimestampMicrosecondArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use serde_json::json;
use weir_catalog::Object;
use weir_sql::statements::create_pipeline::{Mode, Output, Track};
use weir_sql::{Columns, Element, Ident, RuleKind};

use super::assemble::DELETE_COLUMN;
use super::bind::Bound;
use super::sequence::{SEQUENCE_COLUMN, Sequence, is_orderly};
use super::target::{Target, is_provenance};
use crate::clock::Micros;
use crate::delta::{self, Effect, Facts, HISTORY, HistorySpec, IS_CURRENT, VALID_FROM, VALID_TO, is_validity};
use crate::engine::{definition, shown_type};
use crate::error::{Code, Error, Result};
use crate::formats::{Logical, type_name};

/// The type of moments.
fn moment() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The column in which a run without SEQUENCE BY hands on its moment.
pub(super) fn moment_field() -> FieldRef {
    Arc::new(Field::new(SEQUENCE_COLUMN, moment(), true))
}

/// Whether the query of a history can fill one.
///
/// # Errors
/// `InvalidDefinition` for columns that the history fills by itself, `UndefinedColumn` for tracked ones that there are not, `WrongType` for a
/// sequence without an order.
pub(super) fn check(output: &Output, columns: &SchemaRef, sequence: &Sequence) -> Result<()> {
    let Some(Mode::ScdType2 { track, .. }) = &output.mode else { return Ok(()) };
    let is_taken = |name: &str| is_validity(name) || (*sequence == Sequence::Moment && name.eq_ignore_ascii_case(SEQUENCE_COLUMN));
    if let Some(taken) = columns.fields().iter().find(|field| is_taken(field.name())) {
        return Err(Error::new(Code::InvalidDefinition, format!("column name \"{}\" is reserved by SCD TYPE 2", taken.name()))
            .hint("The history fills it by itself. Leave the column out of the query, or give it another name with AS.".to_owned())
            .at(output.query.position));
    }
    if let Track::Only(named) | Track::AllExcept(named) = track
        && let Some(unknown) = named.iter().find(|column| columns.column_with_name(&column.value).is_none())
    {
        let near = weir_sql::nearest(&unknown.value, columns.fields().iter().map(|field| field.name().as_str()));
        return Err(Error::new(Code::UndefinedColumn, format!("column \"{}\" does not exist", unknown.value))
            .hint(near.map(|near| format!("Did you mean \"{near}\"?")))
            .at(unknown.position));
    }
    let by_column = sequence.column().and_then(|name| columns.field_with_name(name).ok());
    if let Some(field) = by_column.filter(|field| !is_orderly(field.data_type())) {
        let message = format!("SEQUENCE BY gives a value of type {}, which has no order", shown_type(field));
        let position = output.mode.as_ref().and_then(Mode::keyed).and_then(|keyed| keyed.sequence_by.as_ref()).map(|expr| expr.position);
        return Err(Error::new(Code::WrongType, message)
            .hint("Use a number, a text, a date or a time stamp.".to_owned())
            .at(position.unwrap_or(output.position)));
    }
    Ok(())
}

/// What `valid_from` says of itself where the history is kept as the output says.
fn mark(bound: &Bound) -> Option<String> {
    let Mode::ScdType2 { keyed, track } = &bound.mode else { return None };
    let names = |columns: &Columns| {
        let mut names: Vec<&str> = columns.iter().map(|column| column.value.as_str()).collect();
        names.sort_unstable();
        names.into_iter().map(str::to_owned).collect::<Vec<String>>()
    };
    let track = match track {
        Track::All => json!({ "except": [] }),
        Track::Only(columns) => json!({ "only": names(columns) }),
        Track::AllExcept(columns) => json!({ "except": names(columns) }),
    };
    let sequence = match &bound.sequence {
        Sequence::Column(text) | Sequence::Stored(text) => Some(text),
        Sequence::Moment | Sequence::Arrival => None,
    };
    Some(json!({ "key": names(&keyed.key), "sequence": sequence, "track": track }).to_string())
}

fn mark_of(columns: &SchemaRef) -> Option<&str> {
    let field = columns.fields().iter().find(|field| field.name() == VALID_FROM)?;
    field.metadata().get(HISTORY).map(String::as_str).filter(|mark| !mark.is_empty())
}

/// Whether a table holds a history.
pub(super) fn is_history(columns: &SchemaRef) -> bool {
    mark_of(columns).is_some()
}

/// The type of the sequence in a table with these columns, or in one that is yet to be made.
fn time(bound: &Bound, table: Option<&SchemaRef>) -> DataType {
    let Some(name) = bound.sequence.column().filter(|_| bound.sequence != Sequence::Moment) else { return moment() };
    if let Some(stored) = table.and_then(|table| table.field_with_name(name).ok()) {
        return stored.data_type().clone();
    }
    let normal = delta::normalise(&bound.columns);
    normal.field_with_name(name).map_or_else(|_| moment(), |field| field.data_type().clone())
}

/// The columns that the history fills by itself; none where the output keeps none.
pub(super) fn columns(bound: &Bound, table: Option<&SchemaRef>) -> Vec<Field> {
    let Some(mark) = mark(bound) else { return Vec::new() };
    let time = time(bound, table);
    vec![
        Field::new(VALID_FROM, time.clone(), true).with_metadata([(HISTORY.to_owned(), mark)].into()),
        Field::new(VALID_TO, time, true),
        Field::new(IS_CURRENT, DataType::Boolean, true),
    ]
}

/// Whether a column only travels with the rows of this output and is not stored.
pub(super) fn only_travels(bound: &Bound, name: &str) -> bool {
    name == SEQUENCE_COLUMN && matches!((&bound.mode, &bound.sequence), (Mode::ScdType2 { .. }, Sequence::Stored(_)))
}

/// The columns of the target that a column of the query fills: that of the sequence fills those of the time, too.
pub(super) fn filled_by(bound: &Bound, column: Option<String>) -> Vec<Option<String>> {
    let of_time = [VALID_FROM, VALID_TO].map(|name| Some(name.to_owned()));
    match column {
        Some(name) if matches!(bound.mode, Mode::ScdType2 { .. }) && bound.sequence.column() == Some(&name) => {
            let itself = (!only_travels(bound, &name)).then_some(Some(name));
            itself.into_iter().chain(of_time).collect()
        }
        other => vec![other],
    }
}

/// What travels with the rows to the write, behind the columns that are stored.
pub(super) fn travelling(bound: &Bound) -> Option<FieldRef> {
    let normal = delta::normalise(&bound.columns);
    let field = normal.fields().iter().find(|field| only_travels(bound, field.name()))?;
    Some(Arc::new(field.as_ref().clone().with_nullable(true)))
}

/// Whether the table can take what the output writes. Answers with what a client should know before the first run.
///
/// # Errors
/// `WrongState` for a history that is to be written in another mode; `UndefinedColumn`, `WrongType` and `InvalidDefinition` for a table that
/// cannot be one.
pub(super) fn fits(object: &Object, table: &SchemaRef, bound: &Bound) -> Result<Option<String>> {
    let Some(wanted) = mark(bound) else {
        return match is_history(table) {
            true => {
                Err(Error::new(Code::WrongState, format!("table \"{}\" is a history, which only SCD TYPE 2 writes", object.full_name()))
                    .detail("It has several rows of a key, each with the time in which it held.".to_owned())
                    .hint("Fill another table, or DROP TABLE it first.".to_owned())
                    .at(bound.output.position))
            }
            false => Ok(None),
        };
    };
    let is_other = mark_of(table).is_some_and(|mark| mark != wanted);
    for field in columns(bound, Some(table)) {
        let shown = type_name(field.data_type(), Logical::Plain);
        let Some(known) = table.fields().iter().find(|known| known.name() == field.name()) else {
            return Err(Error::new(Code::UndefinedColumn, format!("table \"{}\" has no column \"{}\"", object.full_name(), field.name()))
                .hint(format!(
                    "SCD TYPE 2 keeps the time of a row there. ALTER TABLE {} ADD COLUMN {} {shown}; or let the pipeline make its table.",
                    object.full_name(),
                    field.name()
                ))
                .at(bound.output.position));
        };
        // The types of a history that is kept in another order change with its rows.
        if known.data_type() != field.data_type() && !is_other {
            let message =
                format!("column \"{}\" of table \"{}\" is of type {}, not {shown}", field.name(), object.full_name(), shown_type(known));
            return Err(Error::new(Code::WrongType, message)
                .hint("It must be of the type of SEQUENCE BY, and is_current a boolean.".to_owned())
                .at(bound.output.position));
        }
    }
    if matches!(bound.sequence, Sequence::Stored(_) | Sequence::Moment) && table.column_with_name(SEQUENCE_COLUMN).is_some() {
        let message = format!("table \"{}\" has a column \"{SEQUENCE_COLUMN}\", by whose name a history is ordered", object.full_name());
        return Err(Error::new(Code::InvalidDefinition, message)
            .hint("Order the events by a column of the query, or fill another table.".to_owned())
            .at(bound.output.position));
    }
    rules_hold(object, bound)?;
    let is_same = mark_of(table) == Some(wanted.as_str());
    Ok((!is_same).then(|| "the table may hold rows of another kind: if so, the next run must be a FULL REFRESH".to_owned()))
}

/// # Errors
/// `InvalidDefinition` for rules of the table that no history can keep.
fn rules_hold(object: &Object, bound: &Bound) -> Result<()> {
    let key: Vec<&str> = bound.mode.keyed().into_iter().flat_map(|keyed| &keyed.key).map(|column| column.value.as_str()).collect();
    let refuse = |what: String| {
        Err(Error::new(Code::InvalidDefinition, format!("{what} of table \"{}\" cannot hold in a history", object.full_name()))
            .hint(format!("A key has a row for each time. What is unique is ({}, {VALID_FROM}).", key.join(", ")))
            .at(bound.output.position))
    };
    let unique = |what: &str, columns: &[Ident]| match is_unique(columns, &key) {
        true => Ok(()),
        false => refuse(format!("{what} ({})", columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))),
    };
    for element in &definition::table(object)?.elements {
        match element {
            Element::PrimaryKey(columns) => unique("PRIMARY KEY", columns)?,
            Element::Column(column) if column.primary_key => unique("PRIMARY KEY", std::slice::from_ref(&column.name))?,
            Element::Column(column) if column.unique => unique("UNIQUE", std::slice::from_ref(&column.name))?,
            Element::Column(column) if column.not_null && column.name.value == VALID_TO => refuse(format!("NOT NULL ({VALID_TO})"))?,
            Element::Rule(rule) => match &rule.kind {
                RuleKind::Unique(columns) => unique("UNIQUE", columns)?,
                RuleKind::NotNull(columns) if columns.iter().any(|column| column.value == VALID_TO) => {
                    refuse(format!("NOT NULL ({VALID_TO})"))?;
                }
                _ => {}
            },
            Element::Column(_) | Element::LookupKey(_) => {}
        }
    }
    Ok(())
}

/// Whether no two rows of a history have the same values in these columns, whatever its events are.
pub(super) fn is_unique(columns: &[Ident], key: &[&str]) -> bool {
    let has = |name: &str| columns.iter().any(|column| column.value == name);
    has(VALID_FROM) && key.iter().all(|name| has(name))
}

/// Whether a write can go on with what the table holds.
fn is_settled(table: &SchemaRef, bound: &Bound) -> bool {
    let is_same = |field: &Field| table.field_with_name(field.name()).is_ok_and(|known| known.data_type() == field.data_type());
    mark_of(table) == mark(bound).as_deref() && columns(bound, Some(table)).iter().all(is_same)
}

/// What `columns` are once the table holds the history of `bound`.
fn renewed(table: &SchemaRef, bound: &Bound) -> SchemaRef {
    let own = columns(bound, Some(table));
    let renewed = |field: &FieldRef| match own.iter().find(|own| own.name() == field.name()) {
        Some(own) => Arc::new(own.clone().with_nullable(field.is_nullable())),
        None => Arc::clone(field),
    };
    Arc::new(Schema::new(table.fields().iter().map(renewed).collect::<Vec<_>>()))
}

fn other_rows(target: &Target, bound: &Bound) -> Error {
    Error::new(Code::WrongState, format!("the rows of table \"{}\" are not the history that the pipeline keeps", target.object.full_name()))
        .detail("They were written by another KEY, SEQUENCE BY or TRACK HISTORY, or not by SCD TYPE 2.".to_owned())
        .hint("Fill the table anew with RUN PIPELINE .. FULL REFRESH, or go back to the definition that it had.".to_owned())
        .at(bound.output.position)
}

/// What the next run would do with rows, each of which lands or does not: the effects of those that land, batch by batch.
///
/// # Errors
/// As the run, before its first row.
pub(super) async fn effects(
    bound: &Bound,
    target: &Target,
    rows: &[(RecordBatch, Vec<bool>)],
    now: Micros,
) -> Result<Vec<Vec<Option<&'static str>>>> {
    let table = target.table.schema();
    if !is_settled(&table, bound) && !target.table.is_blank().await? {
        return Err(other_rows(target, bound));
    }
    let as_written = |field: &FieldRef| target.columns.iter().find(|own| own.name() == field.name()).unwrap_or(field).clone();
    let fields: Vec<FieldRef> = table.fields().iter().map(as_written).chain(target.added.iter().cloned()).collect();
    let columns = renewed(&Arc::new(Schema::new(fields)), bound);
    let spec = spec(bound, &columns)?;
    let mut events = Vec::with_capacity(rows.len());
    for (batch, lands) in rows {
        let mut chosen: Vec<(&str, ArrayRef)> = Vec::new();
        for field in target.columns.iter().map(|field| field.name().as_str()).chain([DELETE_COLUMN]) {
            chosen.extend(batch.column_by_name(field).map(|column| (field, Arc::clone(column))));
        }
        if target.moment.is_some() {
            let moment = TimestampMicrosecondArray::from(vec![now; batch.num_rows()]).with_timezone("UTC");
            chosen.push((SEQUENCE_COLUMN, Arc::new(moment)));
        }
        let whole = RecordBatch::try_from_iter_with_nullable(chosen.into_iter().map(|(name, column)| (name, column, true)));
        let odd = |error| Error::internal("the effects of a dry run could not be told").caused_by(error);
        events.push(filter_record_batch(&whole.map_err(odd)?, &BooleanArray::from(lands.clone())).map_err(odd)?);
    }
    let mut told = target.table.foretell_history(events, &spec, &columns).await?.into_iter().map(|effect| match effect {
        Effect::Insert => "insert",
        Effect::Update => "update",
        Effect::Delete => "delete",
        Effect::Nothing => "no-op",
    });
    Ok(rows.iter().map(|(_, lands)| lands.iter().map(|lands| if *lands { told.next() } else { None }).collect()).collect())
}

/// Writes down in the target which history it holds, or prepares that the refresh does. New columns of the query are there before.
///
/// # Errors
/// `WrongState` when the table has rows that came in another way, or remembers events that did.
pub(super) async fn settle(target: &mut Target, bound: &Bound, is_refresh: bool, facts: &Facts) -> Result<()> {
    let table = target.table.schema();
    if mark(bound).is_none() || is_settled(&table, bound) {
        return Ok(());
    }
    let new = renewed(&table, bound);
    if !is_refresh && !target.table.reshape_empty(&new, facts).await? {
        return Err(other_rows(target, bound));
    }
    target.reshaped = is_refresh.then_some(new);
    Ok(())
}

/// How the write makes periods of the rows of a run.
///
/// # Errors
/// `Internal` for another mode.
pub(super) fn spec(bound: &Bound, table: &SchemaRef) -> Result<HistorySpec> {
    let (Mode::ScdType2 { keyed, track }, Some(sequence)) = (&bound.mode, bound.sequence.column()) else {
        return Err(Error::internal("a history is asked of another mode"));
    };
    let key: Vec<String> = keyed.key.iter().map(|column| column.value.clone()).collect();
    let is_in = |columns: &Columns, name: &str| columns.iter().any(|column| column.value == name);
    let is_tracked = |name: &str| match track {
        Track::All => name != sequence,
        Track::Only(columns) => is_in(columns, name),
        Track::AllExcept(columns) => name != sequence && !is_in(columns, name),
    };
    let names = || table.fields().iter().map(|field| field.name()).filter(|name| !is_validity(name));
    // What the query does not give says nothing of an event.
    let is_given = |name: &str| bound.columns.column_with_name(name).is_some() && (!is_provenance(name) || is_named(track, name));
    Ok(HistorySpec {
        tracked: names().filter(|name| is_given(name) && !key.contains(name) && is_tracked(name)).cloned().collect(),
        provenance: names().filter(|name| !is_given(name) && !key.contains(name)).cloned().collect(),
        key,
        sequence: sequence.to_owned(),
        delete: keyed.delete_when.as_ref().map(|_| DELETE_COLUMN.to_owned()),
        is_remembered: bound.sequence != Sequence::Moment,
    })
}

fn is_named(track: &Track, name: &str) -> bool {
    matches!(track, Track::Only(columns) if columns.iter().any(|column| column.value == name))
}

/// What EXPLAIN says of the history.
pub(super) fn explained(bound: &Bound) -> Option<String> {
    let Mode::ScdType2 { keyed, track } = &bound.mode else { return None };
    let list = |columns: &Columns| columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let order = match &bound.sequence {
        Sequence::Column(text) | Sequence::Stored(text) => format!("in the order of {text}"),
        Sequence::Moment | Sequence::Arrival => "in the order of the runs".to_owned(),
    };
    let track = match track {
        Track::All => String::new(),
        Track::Only(columns) => format!(", tracking {}", list(columns)),
        Track::AllExcept(columns) => format!(", tracking all but {}", list(columns)),
    };
    Some(format!("scd type 2 by {}, {order}{track}", list(&keyed.key)))
}
