//! Wider types for columns that are there.
//!
//! Delta has a feature for it by which old files stay as they are; readers that do not know it, our own library among them, refuse such a
//! table. So all files are written anew, once, and every reader opens the result. Old versions keep their files and their columns.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::commit::{Draft, Reads};
use super::contract::{Committed, Facts};
use super::failure::blocking_failed;
use super::log::{Action, AddFile};
use super::schema;
use super::table::{State, Table};
use super::writer::{Layout, Purpose, Writer, WriterOptions};
use crate::error::{Error, Result};

impl Table {
    /// Gives columns the types of these fields, which must hold every value of the present ones. One commit; the rows do not change, so the
    /// change feed has nothing of it. None when the table has the types already.
    ///
    /// The work grows with the table. What waits in memory is that of one writer.
    ///
    /// # Errors
    /// `Conflict` when another writer changed the table meanwhile; `NumericOutOfRange` for a value that the new type does not hold.
    pub async fn widen(&self, wide: &[Field], facts: &Facts) -> Result<Option<Committed>> {
        let _turn = self.turn().await?;
        self.check_writable()?;
        let state = self.refresh().await?;
        let columns = widened(&state.schema, wide);
        if columns == state.schema {
            return Ok(None);
        }
        let files = self.live_files(&*self.snapshot().await?).await?;
        let mut actions = self.reshape(&columns)?;
        for file in &files {
            actions.push(file.move_away(self.clock.now())?);
        }
        let layout = Layout { schema: Arc::clone(&columns), ..self.layout() };
        let mut writer = Writer::new(layout, WriterOptions::default(), Purpose::Data)?;
        let copy = move || {
            for file in files {
                for batch in file.data.read(&columns)? {
                    writer.push(&batch?)?;
                }
            }
            Ok::<_, Error>(writer)
        };
        let writer = tokio::task::spawn_blocking(copy).await.map_err(blocking_failed)??;
        let moved = writer.finish().await?.hand_over().into_iter().map(|file| AddFile { data_change: false, ..file });
        actions.extend(moved.map(Action::Add));
        self.commit(Draft { actions, reads: Reads::Rows(state.version), ..Draft::new("CHANGE COLUMNS", facts) }).await.map(Some)
    }

    /// Whether the types of these columns may change: not those that name the folders of the files, nor those by which deleted keys are
    /// remembered.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn can_widen(&self, columns: &[&str]) -> Result<bool> {
        let State { metadata, .. } = self.refresh().await?;
        let remembered = self.tombstones().await?.filter(|tombstones| !tombstones.is_empty());
        let is_fixed = |column: &&str| {
            let by_key =
                remembered.as_ref().is_some_and(|dead| dead.list.sequence == *column || dead.list.key.iter().any(|key| key == column));
            by_key || metadata.partition_columns.iter().any(|partition| partition == column)
        };
        Ok(!columns.iter().any(is_fixed))
    }
}

fn widened(schema: &SchemaRef, wide: &[Field]) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match wide.iter().find(|wide| wide.name() == field.name()) {
        Some(wide) => Arc::new(field.as_ref().clone().with_data_type(wide.data_type().clone())),
        None => Arc::clone(field),
    });
    schema::normalise(&Schema::new(fields.collect::<Vec<_>>()))
}
