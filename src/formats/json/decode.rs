//! Records to columns.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use arrow::array::{BinaryArray, BooleanArray, Int64Array};
use arrow::datatypes::{Field, Schema};

use super::path::{self, Found, Step};
use super::tape::{Kind, Tape, Value};
use crate::error::Result;
use crate::formats::column::{Column, Failure, Patterns, Rest, batch, projected};
use crate::formats::contract::{ColumnSpec, Decoded, Reject};
use crate::formats::types::Logical;

/// More names of unknown fields than this help nobody.
const MAX_UNKNOWN: usize = 16;

/// A record and its position.
pub(in crate::formats) struct Record<'a> {
    pub raw: &'a [u8],
    pub position: i64,
}

/// Turns records into rows; those that do not become one are rejects.
pub(in crate::formats) fn rows<'a>(
    records: impl Iterator<Item = Record<'a>>,
    columns: &[ColumnSpec],
    projection: Option<&[usize]>,
    want_raw: bool,
    patterns: &Patterns,
) -> Result<Decoded> {
    let records: Vec<Record<'a>> = records.collect();
    let mut filler = Filler::new(columns, patterns, records.len())?;
    let mut tape = Tape::default();
    let mut rejects = Vec::new();
    let mut good = Vec::with_capacity(records.len());
    for record in &records {
        let parsed = std::str::from_utf8(record.raw).map_err(|_| "record is not valid UTF-8").and_then(|text| tape.parse(text));
        let failure = match parsed.and_then(|value| filler.fits(value).map(|()| value)) {
            Ok(value) => filler.row(value),
            Err(error) => {
                filler.empty_row();
                Some(Failure { rule: "record".to_owned(), error: error.to_owned() })
            }
        };
        good.push(failure.is_none());
        if let Some(Failure { rule, error }) = failure {
            rejects.push(Reject { rule, error, raw: record.raw.to_vec(), position: record.position });
        }
    }
    let count = records.len();
    let kept = || records.iter().zip(&good).filter(|(_, good)| **good).map(|(record, _)| record);
    let positions: Int64Array = kept().map(|record| record.position).collect();
    let raw = want_raw.then(|| BinaryArray::from_iter_values(kept().map(|record| record.raw)));
    let mask = (!rejects.is_empty()).then(|| good.iter().map(|good| Some(*good)).collect::<BooleanArray>());
    let unknown_fields = filler.unknown.into_iter().map(|(name, ())| name).collect();
    let arrays: Vec<_> = filler.columns.into_iter().map(|(column, _)| column.finish()).collect();
    let taken = match projection {
        None => arrays,
        Some(wanted) => wanted.iter().filter_map(|index| arrays.get(*index).cloned()).collect(),
    };
    let batch = batch(&projected(columns, projection), taken, mask.as_ref(), count)?;
    Ok(Decoded { batch, positions, raw, rejects, unknown_fields })
}

/// The places where a column's value may lie; the first that is there counts.
type Ways = Vec<Vec<Step>>;

/// # Errors
/// `InvalidDefinition` for a path that is none.
pub(super) fn ways(spec: &ColumnSpec) -> Result<Ways> {
    let own = match &spec.path {
        Some(path) => path::parse(path)?,
        None => vec![Step::Member(spec.name.clone())],
    };
    let renamed = spec.renamed.as_deref().map(path::parse).transpose()?;
    Ok(renamed.into_iter().chain([own]).collect())
}

fn find<'a>(value: Value<'a>, ways: &Ways) -> Found<'a> {
    let found = ways.iter().map(|steps| path::find(value, steps)).find(|found| !matches!(found, Found::Absent));
    found.unwrap_or(Found::Absent)
}

/// Columns whose field no record has had so far.
pub(super) struct Missing(Vec<(usize, Ways)>);

impl Missing {
    pub(super) fn of(columns: &[ColumnSpec]) -> Result<Self> {
        if whole(columns).is_some() {
            return Ok(Self(Vec::new()));
        }
        let needed = columns.iter().enumerate().filter(|(_, column)| !column.rescues && !column.gone && column.default.is_none());
        needed.map(|(place, column)| Ok((place, ways(column)?))).collect::<Result<_>>().map(Self)
    }

    pub(super) fn see(&mut self, value: Value<'_>) {
        self.0.retain(|(_, ways)| match find(value, ways) {
            Found::Absent => true,
            Found::One(_) => false,
            Found::Many(values) => values.is_empty(),
        });
    }

    pub(super) fn places(&self) -> Vec<usize> {
        self.0.iter().map(|(place, _)| *place).collect()
    }
}

struct Filler<'a> {
    columns: Vec<(Column<'a>, Ways)>,
    /// The column that takes what no other takes, by its place.
    rescuer: Option<usize>,
    rest: Rest,
    /// The only column, when it takes the whole record unless the record has a field of its name.
    whole: Option<&'a str>,
    has_names: bool,
    known: HashSet<String>,
    unknown: BTreeMap<String, ()>,
}

impl<'a> Filler<'a> {
    fn new(specs: &'a [ColumnSpec], patterns: &'a Patterns, rows: usize) -> Result<Self> {
        let mut columns = Vec::with_capacity(specs.len());
        for spec in specs {
            columns.push((Column::new(spec, patterns, rows)?, ways(spec)?));
        }
        let rescuer = specs.iter().position(|spec| spec.rescues);
        let has_names = specs.iter().any(|spec| spec.path.is_none() && !spec.rescues);
        let known = known(specs)?;
        Ok(Self { columns, rescuer, rest: Rest::default(), whole: whole(specs), has_names, known, unknown: BTreeMap::new() })
    }

    fn fits(&self, value: Value<'_>) -> Result<(), &'static str> {
        let is_object = value.kind() == Kind::Object;
        if is_object || self.whole.is_some() || !self.has_names { Ok(()) } else { Err("record is not an object") }
    }

    fn empty_row(&mut self) {
        for (column, _) in &mut self.columns {
            // The row is thrown out in any case.
            let _ = column.null();
        }
    }

    fn row(&mut self, value: Value<'_>) -> Option<Failure> {
        if let Some(name) = self.whole
            && value.member(name).is_none()
        {
            for (place_of, (column, _)) in self.columns.iter_mut().enumerate() {
                match self.rescuer == Some(place_of) {
                    true => self.rest.put(column),
                    false => column.json(&value.compact()),
                }
            }
            return None;
        }
        let mut failure = None;
        for (place_of, (column, ways)) in self.columns.iter_mut().enumerate() {
            if self.rescuer == Some(place_of) {
                continue;
            }
            let outcome = match find(value, ways) {
                Found::Absent => column.absent(),
                Found::One(value) => place(column, value),
                Found::Many(values) => {
                    let parts: Vec<Cow<'_, str>> = values.into_iter().map(Value::compact).collect();
                    nested(column, &format!("[{}]", parts.join(",")))
                }
            };
            if let Err(wrong) = outcome {
                failure.get_or_insert(wrong);
            }
        }
        if self.rescuer.is_some() || (self.whole.is_none() && self.unknown.len() < MAX_UNKNOWN) {
            self.see_unknown(value);
        }
        if let Some((column, _)) = self.rescuer.and_then(|rescuer| self.columns.get_mut(rescuer)) {
            self.rest.put(column);
        }
        failure
    }

    fn see_unknown(&mut self, value: Value<'_>) {
        for (name, value) in value.members() {
            let name = name.meaning();
            if self.known.contains(name.as_ref()) {
                continue;
            }
            if self.rescuer.is_some() {
                self.rest.json(&name, &value.compact());
            }
            if self.unknown.len() < MAX_UNKNOWN {
                self.unknown.entry(name.into_owned()).or_insert(());
            }
        }
    }
}

/// The only column, when it takes the whole record.
fn whole(specs: &[ColumnSpec]) -> Option<&str> {
    let mut own = specs.iter().filter(|spec| !spec.rescues);
    match (own.next(), own.next()) {
        (Some(only), None) if only.logical == Logical::Jsonb && only.path.is_none() => Some(only.name.as_str()),
        _ => None,
    }
}

/// Members of a record that columns take, as a whole or in parts.
fn known(specs: &[ColumnSpec]) -> Result<HashSet<String>> {
    let mut known = HashSet::new();
    for spec in specs.iter().filter(|spec| !spec.rescues) {
        let first = ways(spec)?.into_iter().filter_map(|steps| steps.into_iter().next());
        known.extend(first.filter_map(|step| if let Step::Member(name) = step { Some(name) } else { None }));
    }
    Ok(known)
}

/// Of the fields that records were found to have, those that no column takes.
pub(super) fn new_fields(found: &Schema, columns: &[ColumnSpec]) -> Result<Vec<Field>> {
    if whole(columns).is_some() {
        return Ok(Vec::new());
    }
    let known = known(columns)?;
    Ok(found.fields().iter().filter(|field| !known.contains(field.name())).map(|field| field.as_ref().clone()).collect())
}

fn place(column: &mut Column<'_>, value: Value<'_>) -> Result<(), Failure> {
    match value.kind() {
        Kind::Null => column.null(),
        _ if column.is_jsonb() => {
            column.json(&value.compact());
            Ok(())
        }
        Kind::String { .. } => column.text(&value.meaning()),
        Kind::Number if column.takes_number() => column.text(value.raw()),
        Kind::True | Kind::False if column.takes_boolean() => column.text(value.raw()),
        Kind::Number | Kind::True | Kind::False => column.mismatch(value.raw()),
        Kind::Object | Kind::Array => nested(column, &value.compact()),
    }
}

fn nested(column: &mut Column<'_>, json: &str) -> Result<(), Failure> {
    if column.is_jsonb() {
        column.json(json);
        Ok(())
    } else if column.is_text() {
        column.text(json)
    } else {
        column.mismatch(json)
    }
}
