//! The format `csv` as the sources see it.

use std::io::Read;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;

use super::decode::{Job, Mapping, Table};
use super::dialect::{Dialect, SPEC};
use super::infer;
use super::split::{Piece, Splitter, unreadable};
use super::tokens::{Found, Marks, line};
use crate::error::{Code, Error, Result};
use crate::formats::column::refused;
use crate::formats::contract::{Block, BlockContent, ColumnSpec, Decoded, Decoder, Depth, Format, Input, Layout, Survey, missing};
use crate::formats::encoding;
use crate::spec::{Options, Spec};

/// How much of a file is looked at to find its delimiter.
const PROBE_BYTES: usize = 64 << 10;
/// How much of a file is looked at to guess the types of new fields.
const SAMPLE_BYTES: usize = 1 << 20;
const CANDIDATES: &[u8] = b",;\t|";

pub(in crate::formats) struct Csv;

impl Format for Csv {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn open(&self, options: &Options) -> Result<Arc<dyn Decoder>> {
        Ok(Arc::new(CsvDecoder { dialect: Dialect::from_options(options)? }))
    }
}

pub(super) struct CsvDecoder {
    pub(super) dialect: Dialect,
}

fn stream(input: Input) -> Result<Box<dyn Read + Send>> {
    match input {
        Input::Stream(stream) => Ok(stream),
        Input::File(path) => Ok(Box::new(std::fs::File::open(path).map_err(unreadable)?)),
    }
}

impl CsvDecoder {
    /// Reads what stands before the first record, and says what it tells.
    fn begin(&self, input: Input, drop_tail: bool) -> Result<(Splitter, Layout)> {
        let text = encoding::utf8(stream(input)?, self.dialect.encoding).map_err(unreadable)?;
        let mut splitter = Splitter::new(text, drop_tail);
        splitter.fill(PROBE_BYTES)?;
        for _ in 0..self.dialect.skip {
            let (_, next) = line(splitter.buffered(), 0);
            splitter.consume(next);
            splitter.fill(PROBE_BYTES)?;
        }
        if self.has_old_line_ends(splitter.buffered()) {
            return Err(Error::new(Code::DataException, "the lines of the file end with a carriage return only")
                .hint("Convert the file to line feeds: tr '\\r' '\\n' < OLD > NEW.".to_owned()));
        }
        let delimiter = self.dialect.delimiter.unwrap_or_else(|| self.probe(splitter.buffered()));
        let fields = if self.dialect.header { self.header(&mut splitter, delimiter)? } else { None };
        Ok((splitter, Layout { fields, delimiter }))
    }

    /// Whether lines end with a carriage return and nothing else: all of the file would then be its header.
    fn has_old_line_ends(&self, start: &[u8]) -> bool {
        if memchr::memchr(b'\n', start).is_some() {
            return false;
        }
        let mut is_quoted = false;
        start.trim_ascii_end().iter().any(|byte| {
            is_quoted ^= Some(*byte) == self.dialect.quote;
            *byte == b'\r' && !is_quoted
        })
    }

    /// The delimiter that cuts the first lines into the same number of fields, and the most of them.
    fn probe(&self, bytes: &[u8]) -> u8 {
        let whole = memchr::memrchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        let sample = Bytes::copy_from_slice(bytes.get(..whole).unwrap_or_default());
        let score = |delimiter: u8| {
            let table = Table::read(sample.clone(), &Marks::new(&self.dialect, delimiter), None, 1);
            if table.width() > 1 { table.row_count() * 1000 + table.width().min(999) } else { 0 }
        };
        CANDIDATES.iter().copied().rev().max_by_key(|delimiter| score(*delimiter)).filter(|best| score(*best) > 0).unwrap_or(b',')
    }

    fn header(&self, splitter: &mut Splitter, delimiter: u8) -> Result<Option<Vec<String>>> {
        let marks = Marks::new(&self.dialect, delimiter);
        loop {
            if splitter.buffered().is_empty() {
                return Ok(None);
            }
            let (mut spans, mut unescaped) = (Vec::new(), Vec::new());
            let found = marks.record(splitter.buffered(), 0, &mut spans, &mut unescaped);
            let (Found::Record { next, .. } | Found::Broken { next, .. } | Found::Nothing { next }) = found;
            // The record may go on behind what has been read so far.
            if next >= splitter.buffered().len() && !splitter.is_over() {
                if splitter.buffered().len() > marks.max_record {
                    return Err(Error::new(Code::DataException, "the header is longer than 16 MiB"));
                }
                splitter.fill(splitter.buffered().len() * 2)?;
                continue;
            }
            match found {
                Found::Nothing { next } => {
                    splitter.consume(next);
                    splitter.fill(PROBE_BYTES)?;
                }
                Found::Broken { reason, .. } => {
                    return Err(Error::new(Code::DataException, format!("the header cannot be read: {reason}")));
                }
                Found::Record { next, .. } => {
                    let record = splitter.consume(next);
                    let names = spans.iter().map(|span| {
                        let from = if span.is_unescaped() { unescaped.as_slice() } else { &record };
                        std::str::from_utf8(from.get(span.range()).unwrap_or_default()).map(|name| name.trim().to_owned())
                    });
                    let names: Vec<String> = names.collect::<Result<_, _>>().map_err(|error| {
                        Error::new(Code::DataException, "the header is not valid UTF-8")
                            .hint("Set encoding in the FORMAT options.".to_owned())
                            .caused_by(error)
                    })?;
                    // A field is found by its name, so each needs one of its own, the same that inferring gives it.
                    return Ok(Some(infer::unique_names(names.len(), Some(&names))));
                }
            }
        }
    }
}

impl Decoder for CsvDecoder {
    fn infer(&self, input: Input, max_bytes: usize) -> Result<SchemaRef> {
        let mut sample = Vec::new();
        stream(input)?.take(max_bytes as u64).read_to_end(&mut sample).map_err(unreadable)?;
        let is_cut = sample.len() >= max_bytes;
        let (mut splitter, layout) = self.begin(Input::Stream(Box::new(std::io::Cursor::new(sample))), is_cut)?;
        let marks = Marks::new(&self.dialect, layout.delimiter);
        let width = layout.fields.as_ref().map(Vec::len);
        let mut tables = Vec::new();
        while let Some(piece) = splitter.next(&marks, max_bytes)? {
            if let Piece::Records { first_line, bytes } = piece {
                tables.push(Table::read(bytes, &marks, width, first_line));
            }
        }
        Ok(Arc::new(infer::schema(&tables, layout.fields.as_deref(), &self.dialect.nulls)))
    }

    /// The header says what fields there are; a sample, what they hold.
    fn survey(&self, input: Input, columns: &[ColumnSpec], _depth: Depth) -> Result<Survey> {
        if !self.dialect.header {
            return Ok(Survey::default());
        }
        let schema = self.infer(input, SAMPLE_BYTES)?;
        if schema.fields().is_empty() {
            return Ok(Survey::default());
        }
        let names = schema.fields().iter().map(|field| field.name().clone()).collect();
        let layout = Layout { fields: Some(names), delimiter: 0 };
        let Mapping { sources, unknown, .. } = Mapping::new(columns, Some(&layout));
        let new = unknown.iter().filter_map(|(index, _)| schema.fields().get(*index)).map(|field| field.as_ref().clone());
        Ok(Survey { new: new.collect(), missing: missing(columns, &sources), is_strict: true })
    }

    fn blocks(&self, input: Input, columns: &[ColumnSpec], target_bytes: usize) -> Result<Box<dyn Iterator<Item = Result<Block>> + Send>> {
        let (mut splitter, layout) = self.begin(input, false)?;
        let mapping = Mapping::new(columns, Some(&layout));
        if layout.fields.is_some() && !columns.is_empty() && mapping.sources.iter().all(Option::is_none) {
            return Err(Error::new(Code::DataException, "the header names none of the declared columns")
                .detail(format!("The header is: {}.", layout.fields.iter().flatten().cloned().collect::<Vec<_>>().join(", ")))
                .hint("Check the delimiter, or set header = false in the FORMAT options.".to_owned()));
        }
        let marks = Marks::new(&self.dialect, layout.delimiter);
        let layout = Arc::new(layout);
        Ok(Box::new(std::iter::from_fn(move || {
            let piece = splitter.next(&marks, target_bytes).transpose()?;
            Some(piece.map(|piece| match piece {
                Piece::Records { first_line, bytes } => {
                    Block { first_position: first_line, layout: Some(layout.clone()), content: BlockContent::Bytes(bytes) }
                }
                Piece::TooLong(reject) => {
                    Block { first_position: reject.position, layout: Some(layout.clone()), content: BlockContent::Refused(reject) }
                }
            }))
        })))
    }

    fn decode(&self, block: Block, columns: &[ColumnSpec], projection: Option<&[usize]>, want_raw: bool) -> Result<Decoded> {
        let Block { first_position, layout, content } = block;
        let delimiter = layout.as_ref().map(|layout| layout.delimiter).or(self.dialect.delimiter).unwrap_or(b',');
        match content {
            BlockContent::Bytes(bytes) => {
                Job { dialect: &self.dialect, columns, projection, want_raw }.run(bytes, first_position, layout.as_deref(), delimiter)
            }
            BlockContent::Refused(reject) => refused(reject, columns, projection, want_raw),
            BlockContent::Records { .. } | BlockContent::RowGroup { .. } => Err(Error::internal("csv was given a block of another format")),
        }
    }
}
