//! How files differ from the columns of their source, before they are read.
//!
//! A file that cannot be read says nothing here; reading it will say why.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Schema};
use weir_catalog::ChangeKind;
use weir_sql::statements::create_source::SchemaChange;

use super::connector::{input, widened};
use super::feed::{BLOCK_BYTES, Reading};
use crate::error::{Code, Error, Result};
use crate::formats::{Block, BlockContent, ColumnSpec, Decoded, Depth, Layout, Logical, OnError, Survey, wider};
use crate::sources::columns::with_new;
use crate::sources::contract::{Drift, RawRecord, Seen};
use crate::sources::drift::{added, could_be, missing, renamed, retyped, unsuited};

/// What these files show. `included` are the columns of INCLUDE, which stand last.
pub(super) fn drift(name: &str, reading: &Reading, included: &[Field], paths: &[String]) -> Result<Drift> {
    let policy = reading.schema_change;
    let depth = if policy == SchemaChange::Evolve { Depth::Whole } else { Depth::Start };
    let mut drift = Drift::default();
    let mut new = Schema::empty();
    let mut first_seen: HashMap<String, String> = HashMap::new();
    for path in paths {
        let survey = reading.folder.open(path).and_then(|(place, file, _)| {
            let input = input(reading, path, place, file)?;
            reading.decoder.survey(input, &reading.columns, depth)
        });
        match survey {
            Ok(survey) => {
                compare(reading, path, &survey, &mut drift);
                for field in &survey.new {
                    first_seen.entry(field.name().clone()).or_insert_with(|| path.clone());
                }
                new = widened(&new, &Schema::new(survey.new));
            }
            Err(error) => tracing::debug!(file = path, error = %error.chain(), "a file does not say what its fields are"),
        }
    }
    if policy != SchemaChange::Evolve {
        return Ok(drift);
    }
    let mut columns = reading.columns.to_vec();
    for path in paths {
        widen(reading, path, &mut columns, &mut drift.seen);
    }
    let new: Vec<Field> = new.fields().iter().map(|field| field.as_ref().clone()).collect();
    let seen_in = |field: &Field| first_seen.get(field.name()).map_or("", String::as_str);
    drift.seen.extend(new.iter().map(|field| Seen { is_followed: true, ..added(field, seen_in(field)) }));
    if !new.is_empty() || columns != *reading.columns {
        drift.columns = Some(with_new(&columns, &new, included, &format!("a file of source \"{name}\""))?);
    }
    Ok(drift)
}

/// Fields and columns by name.
fn compare(reading: &Reading, path: &str, survey: &Survey, drift: &mut Drift) {
    let Survey { new, missing: gone, is_strict } = survey;
    let column = |place: &usize| reading.columns.get(*place);
    match (gone.as_slice(), new.as_slice()) {
        ([one], [other]) if column(one).is_some_and(|column| could_be(column, other)) => {
            drift.seen.extend(column(one).map(|column| renamed(column, other, path)));
        }
        _ => drift.seen.extend(gone.iter().filter_map(column).map(|column| missing(column, path))),
    }
    if reading.schema_change != SchemaChange::Fail {
        return;
    }
    drift.seen.extend(new.iter().map(|field| added(field, path)));
    let refused = match (new.first(), gone.first().and_then(column).filter(|_| *is_strict)) {
        (Some(field), _) => Some(unknown_field(path, field.name())),
        (None, Some(column)) => {
            let name = column.field_names().next().unwrap_or_default();
            Some(Error::new(Code::DataException, format!("file \"{path}\" has no field \"{name}\"")))
        }
        (None, None) => None,
    };
    drift.refused = drift.refused.take().or(refused);
}

/// ON SCHEMA CHANGE FAIL met a field that no column takes.
pub(super) fn unknown_field(path: &str, field: &str) -> Error {
    Error::new(Code::DataException, format!("file \"{path}\" has a new field \"{field}\""))
        .hint("Declare the column, or use ON SCHEMA CHANGE IGNORE.".to_owned())
}

/// Gives columns the wider types that values of a file need.
fn widen(reading: &Reading, path: &str, columns: &mut [ColumnSpec], seen: &mut Vec<Seen>) {
    if !columns.iter().any(may_widen) {
        return;
    }
    let blocks = reading.folder.open(path).and_then(|(place, file, _)| {
        let input = input(reading, path, place, file)?;
        reading.decoder.blocks(input, columns, BLOCK_BYTES)
    });
    // The first block that cannot be read ends it, as it ends the reading.
    for block in blocks.into_iter().flatten().map_while(Result::ok) {
        widen_for(reading, &block, path, columns, seen);
    }
}

fn may_widen(column: &ColumnSpec) -> bool {
    let narrow =
        matches!(column.data_type, DataType::Int16 | DataType::Int32 | DataType::Float32 | DataType::Date32 | DataType::Decimal128(..));
    narrow && column.on_error == OnError::Reject && !column.rescues
}

fn widen_for(reading: &Reading, block: &Block, path: &str, columns: &mut [ColumnSpec], seen: &mut Vec<Seen>) {
    let narrow: Vec<usize> = (0..columns.len()).filter(|place| columns.get(*place).is_some_and(may_widen)).collect();
    let failing = |columns: &[ColumnSpec], places: &[usize]| {
        let specs = others_as_text(columns, places);
        reading.decoder.decode(block.clone(), &specs, Some(places), false).is_ok_and(|decoded| has_misfit(&decoded))
    };
    // Mostly everything fits, and one look at all columns says so. A date fits where the time behind it is dropped: its text has to be read.
    let is_date = |place: &usize| columns.get(*place).is_some_and(|column| column.data_type == DataType::Date32);
    let (dates, others): (Vec<usize>, Vec<usize>) = narrow.into_iter().partition(is_date);
    let all_fit = others.is_empty() || !failing(columns, &others);
    let others: Vec<usize> = others.into_iter().filter(|place| !all_fit && failing(columns, &[*place])).collect();
    for place in dates.into_iter().chain(others) {
        let texts = texts(reading, block.clone(), columns, place);
        let Some(column) = columns.get_mut(place) else { continue };
        if let Some(wide) = wider(&column.data_type, texts.iter().map(String::as_str)) {
            let change = retyped(column, ChangeKind::Widen, wide.clone(), column.logical, path);
            match seen.iter_mut().find(|seen| seen.column == column.name && seen.is_followed) {
                Some(known) => *known = Seen { before: known.before.take(), is_followed: true, ..change },
                None => seen.push(Seen { is_followed: true, ..change }),
            }
            (column.data_type, column.amended) = (wide, true);
        }
    }
}

fn has_misfit(decoded: &Decoded) -> bool {
    decoded.rejects.iter().any(|reject| reject.rule.starts_with("type:"))
}

/// The columns with all but these as texts that take anything.
fn others_as_text(columns: &[ColumnSpec], places: &[usize]) -> Vec<ColumnSpec> {
    let text = |column: &ColumnSpec| ColumnSpec {
        data_type: DataType::Utf8,
        logical: if column.rescues { column.logical } else { Logical::Plain },
        not_null: false,
        on_error: OnError::Null,
        default: None,
        ..column.clone()
    };
    let as_needed = |(place, column): (usize, &ColumnSpec)| match places.contains(&place) {
        true => ColumnSpec { not_null: false, default: None, ..column.clone() },
        false => text(column),
    };
    columns.iter().enumerate().map(as_needed).collect()
}

/// The values of one column as they stand in the records.
fn texts(reading: &Reading, block: Block, columns: &[ColumnSpec], place: usize) -> Vec<String> {
    let specs = others_as_text(columns, &[]);
    let Ok(decoded) = reading.decoder.decode(block, &specs, Some(&[place]), false) else { return Vec::new() };
    let column = decoded.batch.columns().first().and_then(|column| column.as_string_opt::<i32>().cloned());
    column.iter().flat_map(|column| column.iter().flatten()).map(str::to_owned).collect()
}

/// What a column would have to be to take its values of these records, which it refused.
pub(super) fn suits(reading: &Reading, column: &str, records: &[RawRecord]) -> Option<Seen> {
    let place = reading.columns.iter().position(|known| known.name == column)?;
    let mut layouts: HashMap<&str, Option<Arc<Layout>>> = HashMap::new();
    let mut all = Vec::new();
    for record in records.iter().filter(|record| !record.raw.is_empty()) {
        let layout = layouts.entry(record.source.as_str()).or_insert_with(|| reading.layout(&record.source)).clone();
        let content = BlockContent::Bytes(record.raw.clone().into());
        all.extend(texts(reading, Block { first_position: record.position, layout, content }, &reading.columns, place));
    }
    let seen_in = records.first().map_or("", |record| record.source.as_str());
    unsuited(reading.columns.get(place)?, &all, seen_in)
}
