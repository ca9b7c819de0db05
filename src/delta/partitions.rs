//! Whole partitions replaced in one commit.
//!
//! A file belongs to one partition, so files are taken out as they are and no row is read: the work grows with the files of the partitions
//! and the length of the log, not with rows. Readers of changes see each row that goes and each that comes, as in any replacement.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::SchemaRef;
use arrow::row::{OwnedRow, RowConverter, SortField};

use super::commit::{Draft, Reads};
use super::contract::{Committed, Facts, RowCounts, Token};
use super::files::LiveFile;
use super::log::Action;
use super::rewrite::same_columns;
use super::schema;
use super::table::Table;
use super::writer::Written;
use crate::error::{Code, Error, Result};

impl Table {
    /// The columns that the table is partitioned by.
    pub fn partition_by(&self) -> Vec<String> {
        self.layout().partition_by
    }

    /// Puts written rows in the place of all rows of the partitions that they belong to. Other partitions stay as they are; without rows
    /// nothing is replaced.
    ///
    /// # Errors
    /// `InvalidDefinition` when the table has no partitions; `Conflict` when another writer changed the table or its columns meanwhile.
    pub async fn replace_partitions(&self, written: Vec<Written>, token: Option<&Token>, facts: &Facts) -> Result<Committed> {
        let _turn = self.turn().await?;
        if let Some(done) = self.repeated(token).await? {
            return Ok(done);
        }
        let by = self.partition_by();
        if by.is_empty() {
            return Err(Error::new(Code::InvalidDefinition, "the table is not partitioned"));
        }
        let rewrite = self.begin_rewrite().await?;
        if written.iter().any(|files| !same_columns(&files.schema, &rewrite.columns)) {
            return Err(Error::new(Code::Conflict, "the table's columns changed while rows were written")
                .hint("Run the statement again.".to_owned()));
        }
        let keys = Keys::new(&by, &rewrite.columns)?;
        let given = written.iter().flat_map(|written| &written.files).map(|file| &file.partition_values);
        let given: HashSet<OwnedRow> = keys.of(given)?.into_iter().collect();
        let there = keys.of(rewrite.files.iter().map(|file| &file.data.partition))?;
        let gone: Vec<&LiveFile> = rewrite.files.iter().zip(there).filter(|(_, key)| given.contains(key)).map(|(file, _)| file).collect();
        let deleted = gone.iter().map(|file| file.rows()).sum::<Result<i64>>()?;
        let mut actions = gone.iter().map(|file| file.remove(self.clock.now())).collect::<Result<Vec<_>>>()?;
        let rows = RowCounts { inserted: written.iter().map(Written::rows).sum(), deleted, ..RowCounts::default() };
        actions.extend(written.into_iter().flat_map(Written::hand_over).map(Action::Add));
        let parameters = vec![("partitionBy", by.join(", "))];
        self.land(Draft { actions, reads: Reads::Rows(rewrite.version), rows, token, parameters, ..Draft::new("REPLACE", facts) }).await
    }
}

/// Partitions as values: two texts of one value are one partition.
struct Keys<'a> {
    by: &'a [String],
    columns: &'a SchemaRef,
    converter: RowConverter,
}

impl<'a> Keys<'a> {
    fn new(by: &'a [String], columns: &'a SchemaRef) -> Result<Self> {
        let fields = by.iter().map(|name| Ok(SortField::new(columns.field_with_name(name).map_err(lost)?.data_type().clone())));
        let converter = RowConverter::new(fields.collect::<Result<Vec<_>>>()?).map_err(lost)?;
        Ok(Self { by, columns, converter })
    }

    fn of<'v>(&self, partitions: impl Iterator<Item = &'v BTreeMap<String, Option<String>>>) -> Result<Vec<OwnedRow>> {
        let partitions: Vec<_> = partitions.collect();
        let column = |name: &String| -> Result<ArrayRef> {
            let field = self.columns.field_with_name(name).map_err(lost)?;
            let value = |values: &&'v BTreeMap<String, Option<String>>| values.get(name).and_then(|value| value.as_deref());
            let texts: ArrayRef = Arc::new(partitions.iter().map(value).collect::<StringArray>());
            schema::cast(&texts, field.data_type(), name)
        };
        let columns = self.by.iter().map(column).collect::<Result<Vec<_>>>()?;
        let rows = self.converter.convert_columns(&columns).map_err(lost)?;
        Ok(rows.iter().map(|row| row.owned()).collect())
    }
}

fn lost(error: arrow::error::ArrowError) -> Error {
    Error::internal("partition values cannot be compared").caused_by(error)
}
