//! A block to columns: records are taken apart first, then each column is converted on its own.
//!
//! A value that fails marks its row; marked rows become rejects and leave the batch at the end, so good rows never pay for bad ones.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::{BinaryArray, BooleanArray, Int64Array};
use bytes::Bytes;
use memchr::{memchr, memchr_iter};

use super::dialect::Dialect;
use super::split::{KEPT_OF_LONG, too_long};
use super::tokens::{Found, Marks, Span};
use crate::error::{Error, Result};
use crate::formats::column::{Column, Failure, Rest, batch, projected};
use crate::formats::contract::{ColumnSpec, Decoded, Layout, Reject};

/// Records of a block, taken apart.
pub(super) struct Table {
    bytes: Bytes,
    /// Texts of fields that had escapes.
    unescaped: Vec<u8>,
    /// `width` spans per row.
    spans: Vec<Span>,
    rows: Vec<Row>,
    width: usize,
    rejects: Vec<Reject>,
    /// Whether any of its texts may hold a zero byte.
    has_zero: bool,
}

#[derive(Clone, Copy)]
struct Row {
    start: usize,
    end: usize,
    line: i64,
}

impl Table {
    /// `width` None: as wide as the first record.
    pub(super) fn read(bytes: Bytes, marks: &Marks, width: Option<usize>, first_line: i64) -> Self {
        let has_zero = memchr(0, &bytes).is_some();
        let (unescaped, spans, rows, rejects) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut table = Self { bytes, unescaped, spans, rows, width: width.unwrap_or(0), rejects, has_zero };
        let is_utf8 = std::str::from_utf8(&table.bytes).is_ok();
        let bytes = table.bytes.clone();
        let (mut at, mut line) = (0, first_line);
        while at < bytes.len() {
            let before = table.spans.len();
            let found = marks.record(&bytes, at, &mut table.spans, &mut table.unescaped);
            // Only a quoted field can hold line ends, so most records are a line without a second look.
            let is_plain = matches!(found, Found::Record { .. } if !Span::any_quoted(table.spans.get(before..).unwrap_or_default()));
            let next = match found {
                Found::Nothing { next } => next,
                Found::Broken { text_end, next, reason } => {
                    table.refuse(&bytes, at..text_end, line, reason.to_owned());
                    next
                }
                Found::Record { text_end, next } => {
                    table.keep(at..text_end, line, before, width.is_none(), is_utf8);
                    next
                }
            };
            line += match is_plain {
                true => 1,
                false => i64::try_from(memchr_iter(b'\n', bytes.get(at..next).unwrap_or_default()).count()).unwrap_or(0),
            };
            at = next;
        }
        table
    }

    fn keep(&mut self, record: std::ops::Range<usize>, line: i64, before: usize, free_width: bool, is_utf8: bool) {
        let found = self.spans.len() - before;
        if free_width && self.rows.is_empty() {
            self.width = found;
        }
        let text = self.bytes.get(record.clone()).unwrap_or_default();
        let wrong = if found != self.width {
            Some(format!("expected {} fields, found {found}", self.width))
        } else if !is_utf8 && std::str::from_utf8(text).is_err() {
            Some("record is not valid UTF-8".to_owned())
        } else {
            None
        };
        match wrong {
            None => self.rows.push(Row { start: record.start, end: record.end, line }),
            Some(error) => {
                self.spans.truncate(before);
                let bytes = self.bytes.clone();
                self.refuse(&bytes, record, line, error);
            }
        }
    }

    fn refuse(&mut self, bytes: &[u8], record: std::ops::Range<usize>, position: i64, error: String) {
        let raw = bytes.get(record).unwrap_or_default();
        self.rejects.push(match raw.get(..KEPT_OF_LONG) {
            Some(start) if error.starts_with("record is longer") => too_long(start.to_vec(), position),
            _ => Reject { rule: "record".to_owned(), error, raw: raw.to_vec(), position },
        });
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// The fields as text, for reading many of them.
    pub(super) fn texts(&self) -> Texts<'_> {
        Texts { table: self, whole: std::str::from_utf8(&self.bytes).ok(), unescaped: std::str::from_utf8(&self.unescaped).ok() }
    }

    fn raw(&self, row: &Row) -> &[u8] {
        self.bytes.get(row.start..row.end).unwrap_or_default()
    }
}

/// The fields of a table. Checking a block once as a whole is far cheaper than checking each of its fields.
#[derive(Clone, Copy)]
pub(super) struct Texts<'a> {
    table: &'a Table,
    /// None where some record of the block is not valid; those that were kept are.
    whole: Option<&'a str>,
    unescaped: Option<&'a str>,
}

impl<'a> Texts<'a> {
    /// The text of a field and whether it was quoted.
    #[inline]
    pub(super) fn field(&self, row: usize, index: usize) -> (&'a str, bool) {
        let Some(span) = self.table.spans.get(row * self.table.width + index).copied() else {
            return ("", false);
        };
        let (checked, bytes) = match span.is_unescaped() {
            true => (self.unescaped, self.table.unescaped.as_slice()),
            false => (self.whole, self.table.bytes.as_ref()),
        };
        let text = match checked {
            Some(text) => text.get(span.range()),
            // Every record that was kept is valid, and fields are cut at ASCII characters.
            None => bytes.get(span.range()).and_then(|bytes| std::str::from_utf8(bytes).ok()),
        };
        (text.unwrap_or_default(), span.is_quoted())
    }
}

/// Which field of a record each column takes.
pub(super) struct Mapping {
    /// Per column; None where the file has no such field.
    pub sources: Vec<Option<usize>>,
    /// Fields that no column takes, with their place.
    pub unknown: Vec<(usize, String)>,
    pub width: usize,
}

impl Mapping {
    /// By name where there is a header (exactly, then whatever the case), otherwise by place.
    pub(super) fn new(columns: &[ColumnSpec], layout: Option<&Layout>) -> Self {
        let Some(fields) = layout.and_then(|layout| layout.fields.as_ref()) else {
            let mut places = 0..;
            let sources = columns.iter().map(|column| if column.rescues { None } else { places.next() }).collect();
            return Self { sources, unknown: Vec::new(), width: places.start };
        };
        let (mut exact, mut folded) = (HashMap::with_capacity(fields.len()), HashMap::with_capacity(fields.len()));
        for (index, field) in fields.iter().enumerate() {
            exact.entry(field.as_str()).or_insert(index);
            folded.entry(field.to_lowercase()).or_insert(index);
        }
        let source = |column: &ColumnSpec| {
            let found = column.field_names().find_map(|name| exact.get(name).or_else(|| folded.get(&name.to_lowercase())));
            found.copied().filter(|_| !column.rescues)
        };
        let sources: Vec<Option<usize>> = columns.iter().map(source).collect();
        let taken: HashSet<usize> = sources.iter().flatten().copied().collect();
        let unknown = fields.iter().enumerate().filter(|(index, _)| !taken.contains(index)).map(|(index, name)| (index, name.clone()));
        Self { unknown: unknown.collect(), width: fields.len(), sources }
    }
}

/// All that one block needs to become rows.
pub(super) struct Job<'a> {
    pub dialect: &'a Dialect,
    pub columns: &'a [ColumnSpec],
    pub projection: Option<&'a [usize]>,
    pub want_raw: bool,
}

impl Job<'_> {
    pub(super) fn run(&self, bytes: Bytes, first_line: i64, layout: Option<&Layout>, delimiter: u8) -> Result<Decoded> {
        let marks = Marks::new(self.dialect, delimiter);
        let mapping = Mapping::new(self.columns, layout);
        let mut table = Table::read(bytes, &marks, Some(mapping.width), first_line);
        let mut failures: BTreeMap<usize, Failure> = BTreeMap::new();
        let mut arrays: Vec<Option<arrow::array::ArrayRef>> = vec![None; self.columns.len()];
        let texts = table.texts();
        let wanted: Option<HashSet<usize>> = self.projection.map(|wanted| wanted.iter().copied().collect());
        for (index, spec) in self.columns.iter().enumerate() {
            let is_wanted = wanted.as_ref().is_none_or(|wanted| wanted.contains(&index));
            let mut column = Column::new(spec, &self.dialect.patterns, table.row_count())?;
            if !is_wanted && (spec.rescues || (column.is_text() && !spec.not_null)) {
                continue;
            }
            if spec.rescues {
                self.rescue(&mut column, texts, &mapping.unknown, &mut failures);
            } else {
                self.fill(&mut column, texts, mapping.sources.get(index).copied().flatten(), &mut failures);
            }
            if is_wanted && let Some(slot) = arrays.get_mut(index) {
                *slot = Some(column.finish());
            }
        }
        let mut rejects = std::mem::take(&mut table.rejects);
        rejects.extend(failures.iter().filter_map(|(row, failure)| {
            let row = table.rows.get(*row)?;
            Some(Reject { rule: failure.rule.clone(), error: failure.error.clone(), raw: table.raw(row).to_vec(), position: row.line })
        }));
        rejects.sort_by_key(|reject| reject.position);
        let unknown = mapping.unknown.into_iter().map(|(_, name)| name).collect();
        self.assemble(&table, &failures, arrays, rejects, unknown)
    }

    /// What the fields without a column hold, as text; those that hold nothing are left out.
    fn rescue(&self, column: &mut Column<'_>, texts: Texts<'_>, unknown: &[(usize, String)], failures: &mut BTreeMap<usize, Failure>) {
        let mut rest = Rest::default();
        for row in 0..texts.table.row_count() {
            for (index, name) in unknown {
                let (text, is_quoted) = texts.field(row, *index);
                let is_null = !is_quoted && (text.is_empty() || self.dialect.nulls.iter().any(|null| null == text));
                if texts.table.has_zero && text.contains('\0') {
                    failures.entry(row).or_insert_with(|| column.zero_failure(text));
                } else if !is_null {
                    rest.text(name, text);
                }
            }
            rest.put(column);
        }
    }

    fn fill(&self, column: &mut Column<'_>, texts: Texts<'_>, source: Option<usize>, failures: &mut BTreeMap<usize, Failure>) {
        let is_text = column.is_text();
        let empty_is_null = self.dialect.nulls.iter().any(String::is_empty);
        let only_empty = empty_is_null && self.dialect.nulls.len() == 1;
        for row in 0..texts.table.row_count() {
            let outcome = match source {
                None => column.absent(),
                Some(index) => {
                    let (text, is_quoted) = texts.field(row, index);
                    let is_null = if text.is_empty() {
                        !is_text || (empty_is_null && !is_quoted)
                    } else {
                        (!only_empty && !is_quoted && self.dialect.nulls.iter().any(|null| null == text))
                            || (!is_text && text.trim_ascii().is_empty())
                    };
                    match (is_null, texts.table.has_zero) {
                        (true, _) => column.null(),
                        (false, false) => column.text(text),
                        (false, true) => column.unchecked_text(text),
                    }
                }
            };
            if let Err(failure) = outcome {
                failures.entry(row).or_insert(failure);
            }
        }
    }

    fn assemble(
        &self,
        table: &Table,
        failures: &BTreeMap<usize, Failure>,
        arrays: Vec<Option<arrow::array::ArrayRef>>,
        rejects: Vec<Reject>,
        unknown_fields: Vec<String>,
    ) -> Result<Decoded> {
        let rows = table.row_count();
        let good = (!failures.is_empty()).then(|| (0..rows).map(|row| Some(!failures.contains_key(&row))).collect::<BooleanArray>());
        let wanted: Vec<usize> = self.projection.map_or_else(|| (0..self.columns.len()).collect(), <[usize]>::to_vec);
        let mut taken = Vec::with_capacity(wanted.len());
        for index in wanted {
            // One that is wanted twice shares its values.
            let array = arrays.get(index).cloned().flatten();
            taken.push(array.ok_or_else(|| Error::internal("a projected column was not decoded"))?);
        }
        let specs = projected(self.columns, self.projection);
        let batch = batch(&specs, taken, good.as_ref(), rows)?;
        let is_good = |row: usize| !failures.contains_key(&row);
        let kept = || table.rows.iter().enumerate().filter(|(index, _)| is_good(*index)).map(|(_, row)| row);
        let positions: Int64Array = kept().map(|row| row.line).collect();
        let raw = self.want_raw.then(|| BinaryArray::from_iter_values(kept().map(|row| table.raw(row))));
        Ok(Decoded { batch, positions, raw, rejects, unknown_fields })
    }
}
