//! What a keyed write does to the table's tombstones: new ones, outdated ones, and files that are merged.
//!
//! Nothing is read or written when no key was deleted and none came back.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use roaring::RoaringTreemap;

use super::super::tombstones::{Part, copy, to_merge, writer};
use super::super::writer::{Layout, Writer};
use super::decision::Decision;
use crate::error::Result;

/// The tombstones of a table while a keyed write goes on.
pub(super) struct Burial {
    pub layout: Layout,
    /// Files of the present set; their numbers follow those of the data files.
    pub parts: Vec<Part>,
    pub first: u32,
    pub columns: Option<SchemaRef>,
    /// Columns of the key, where its values are looked up in the files.
    pub filtered: Vec<String>,
    pub writer: Option<Writer>,
    pub fresh: u64,
    pub outdated: BTreeMap<u32, RoaringTreemap>,
}

/// The next set: files of the old one that stay, and what was written anew.
pub(super) struct Buried {
    pub parts: Vec<Part>,
    pub writer: Option<Writer>,
}

impl Burial {
    pub(super) fn gather(&mut self, decision: &dyn Decision) -> Result<()> {
        for (file, row) in decision.outdated() {
            self.outdated.entry(file).or_default().insert(row);
        }
        for rows in decision.remembered() {
            let rows = rows?;
            self.fresh += rows.num_rows() as u64;
            if rows.num_rows() > 0
                && let Some(writer) = self.writer()?
            {
                writer.push(&rows)?;
            }
        }
        Ok(())
    }

    /// The writer, opened when it is first needed.
    fn writer(&mut self) -> Result<Option<&mut Writer>> {
        if let (None, Some(columns)) = (&self.writer, &self.columns) {
            self.writer = Some(writer(&self.layout, columns, &self.filtered)?);
        }
        Ok(self.writer.as_mut())
    }

    /// Merges files where that pays. None when the set stays as it is.
    pub(super) fn finish(mut self) -> Result<Option<Buried>> {
        if self.fresh == 0 && self.outdated.is_empty() {
            return Ok(None);
        }
        for (number, part) in (self.first..).zip(&mut self.parts) {
            if let Some(outdated) = self.outdated.remove(&number) {
                part.gone |= outdated;
            }
        }
        for part in to_merge(&mut self.parts, self.fresh) {
            let (root, columns) = (self.layout.root.clone(), self.columns.clone());
            if let (Some(writer), Some(columns)) = (self.writer()?, columns) {
                copy(&part, &root, &columns, writer)?;
            }
        }
        Ok(Some(Buried { parts: self.parts, writer: self.writer }))
    }
}
