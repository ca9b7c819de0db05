//! A lake in a temporary folder, and rows as text.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::TableProvider;
use datafusion::prelude::SessionContext;
use tempfile::TempDir;

use crate::clock::Clock;
use crate::delta::{Committed, Facts, Lake, Scratch, Table, Token, WriterOptions, Written};

/// 2026-01-01 00:00 UTC.
pub const START: i64 = 1_767_225_600_000_000;

pub struct Setting {
    pub folder: TempDir,
    pub clock: Clock,
    pub lake: Arc<Lake>,
}

pub fn setting() -> Setting {
    setting_with(64 << 20)
}

/// With so much memory for the rows of a keyed write.
pub fn setting_with(memory_bytes: usize) -> Setting {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::test(START);
    let scratch = Scratch { folder: folder.path().join("spill"), memory_bytes };
    let lake = Lake::open(folder.path().to_str().unwrap(), scratch, clock.clone()).unwrap();
    Setting { folder, clock, lake }
}

impl Setting {
    pub async fn table(&self, columns: &[(&str, DataType)], partition_by: &[&str]) -> Arc<Table> {
        let partition_by: Vec<String> = partition_by.iter().map(|name| (*name).to_owned()).collect();
        self.lake.create("shop/orders", &schema(columns), &partition_by, &facts()).await.unwrap()
    }

    /// The same folder seen by another process: nothing is shared in memory.
    pub fn elsewhere(&self) -> Arc<Lake> {
        let scratch = Scratch::of(self.folder.path().join("spill"), 1 << 30);
        Lake::open(self.folder.path().to_str().unwrap(), scratch, self.clock.clone()).unwrap()
    }

    pub fn path(&self, below: &str) -> std::path::PathBuf {
        self.folder.path().join("shop/orders").join(below)
    }
}

pub fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect::<Vec<_>>()))
}

pub fn facts() -> Facts {
    Facts { user: "ana".to_owned(), ..Facts::default() }
}

pub fn token(batch: i64) -> Token {
    Token { app_id: "pipeline/out".to_owned(), batch }
}

pub fn pairs(rows: &[(i64, &str)]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1)));
    RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap()
}

pub const PAIRS: &[(&str, DataType)] = &[("id", DataType::Int64), ("name", DataType::Utf8)];

pub async fn write(table: &Table, batch: RecordBatch) -> Written {
    let mut writer = table.writer(WriterOptions::default()).await.unwrap();
    writer.write(batch).await.unwrap();
    writer.finish().await.unwrap()
}

pub async fn append(table: &Table, rows: &[(i64, &str)]) -> Committed {
    let written = write(table, pairs(rows)).await;
    table.append(vec![written], None, &facts()).await.unwrap()
}

/// The rows of a provider as sorted lines.
pub async fn lines(provider: Arc<dyn TableProvider>) -> Vec<String> {
    let batches = SessionContext::new().read_table(provider).unwrap().collect().await.unwrap();
    let mut lines = Vec::new();
    for batch in &batches {
        let options = FormatOptions::new().with_null("-");
        let columns: Vec<_> = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            lines.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" "));
        }
    }
    lines.sort();
    lines
}

pub async fn newest(table: &Table) -> Vec<String> {
    lines(table.scan(None).await.unwrap()).await
}

pub fn data_files(setting: &Setting) -> usize {
    let entries = std::fs::read_dir(setting.path("")).unwrap();
    entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".parquet")).count()
}
