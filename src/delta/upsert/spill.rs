//! Rows set aside on disk: one file without a name for each spill, in segments that are read back one by one.
//!
//! The file is gone from its folder before the first byte is written, so neither an error nor a crash leaves anything behind.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use super::super::failure::{io_failed, spill_failed};
use crate::error::Result;

pub(super) struct Spill {
    file: Arc<File>,
    schema: SchemaRef,
    end: u64,
}

/// A run of batches in a spill.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    start: u64,
    end: u64,
}

impl Spill {
    pub(super) fn create(folder: &Path, schema: SchemaRef) -> Result<Self> {
        let file = std::fs::create_dir_all(folder)
            .and_then(|()| tempfile::tempfile_in(folder))
            .map_err(|source| io_failed("a spill file cannot be created", source))?;
        Ok(Self { file: Arc::new(file), schema, end: 0 })
    }

    pub(super) fn write(&mut self, batches: impl Iterator<Item = Result<RecordBatch>>) -> Result<Segment> {
        let mut writer = StreamWriter::try_new(BufWriter::new(self.file.as_ref()), &self.schema).map_err(spill_failed)?;
        for batch in batches {
            writer.write(&batch?).map_err(spill_failed)?;
        }
        writer
            .into_inner()
            .and_then(|file| file.into_inner().map_err(|error| ArrowError::from(error.into_error())))
            .map_err(spill_failed)?;
        let start = self.end;
        self.end = self.file.as_ref().stream_position().map_err(|source| io_failed("a spill file cannot be measured", source))?;
        Ok(Segment { start, end: self.end })
    }

    /// The batches of a segment, in the order in which they were written.
    pub(super) fn read(&self, segment: Segment) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
        let bytes = Bytes { file: self.file.clone(), at: segment.start, end: segment.end };
        let reader = StreamReader::try_new(BufReader::new(bytes), None).map_err(spill_failed)?;
        Ok(reader.map(|batch| batch.map_err(spill_failed)))
    }
}

/// A part of a file, read without moving the place at which others write.
struct Bytes {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(buffer.get_mut(..rest).unwrap_or_default(), self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
