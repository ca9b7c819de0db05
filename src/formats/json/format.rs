//! The formats `json` and `ndjson` as the sources see them.

use std::io::Read;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};

use super::cut::Cutter;
use super::decode::{self, Missing, Record, rows};
use super::infer;
use super::path::{self, Step};
use super::tape::Tape;
use crate::error::{Code, Error, Result};
use crate::formats::column::{Patterns, refused};
use crate::formats::contract::{Block, BlockContent, ColumnSpec, Decoded, Decoder, Depth, Format, Input, Survey};
use crate::formats::csv::{lines, unreadable};
use crate::formats::encoding::{self, Encoding};
use crate::spec::{Opt, Options, Spec};

/// Held in memory while all records of a file are looked at.
const BLOCK_BYTES: usize = 1 << 20;
/// The start of a file, where that has to do.
const START_BYTES: u64 = 1 << 20;

const JSON: Spec = Spec {
    name: "json",
    summary: "JSON documents: an array of records, one record, or records at a path.",
    options: &[
        Opt::text("records").default("$").doc("Where the records lie: '$.orders[*]'. An array there holds one record per element."),
        Opt::choice("encoding", Encoding::WORDS)
            .default("auto")
            .doc("How characters are stored; auto is UTF-8 unless a mark at the start says UTF-16."),
    ],
};

const NDJSON: Spec = Spec {
    name: "ndjson",
    summary: "One JSON value per line.",
    options: &[Opt::choice("encoding", Encoding::WORDS)
        .default("auto")
        .doc("How characters are stored; auto is UTF-8 unless a mark at the start says UTF-16.")],
};

pub(in crate::formats) struct Json;
pub(in crate::formats) struct Ndjson;

impl Format for Json {
    fn spec(&self) -> &'static Spec {
        &JSON
    }

    fn open(&self, options: &Options) -> Result<Arc<dyn Decoder>> {
        let records = members(options.text("records").unwrap_or("$"))?;
        Ok(Arc::new(JsonDecoder { records: Some(records), encoding: encoding_of(options), patterns: Patterns::default() }))
    }
}

impl Format for Ndjson {
    fn spec(&self) -> &'static Spec {
        &NDJSON
    }

    fn open(&self, options: &Options) -> Result<Arc<dyn Decoder>> {
        Ok(Arc::new(JsonDecoder { records: None, encoding: encoding_of(options), patterns: Patterns::default() }))
    }
}

fn encoding_of(options: &Options) -> Encoding {
    Encoding::from_word(options.text("encoding").unwrap_or("auto"))
}

/// The members that lead to the records; a `[*]` at the end says what is meant anyway.
fn members(text: &str) -> Result<Vec<String>> {
    let wrong = || {
        Error::new(Code::InvalidOption, format!("records = '{text}' is not a path to records"))
            .hint("It names members and may end with [*]: '$', '$.orders[*]', '$.data.items'.".to_owned())
    };
    if !text.starts_with('$') {
        return Err(wrong());
    }
    let mut steps = path::parse(text).map_err(|_| wrong())?;
    if steps.last() == Some(&Step::All) {
        steps.pop();
    }
    let member = |step: Step| match step {
        Step::Member(name) => Ok(name),
        Step::Element(_) | Step::All => Err(wrong()),
    };
    steps.into_iter().map(member).collect()
}

pub(super) struct JsonDecoder {
    /// None: one value per line.
    records: Option<Vec<String>>,
    encoding: Encoding,
    patterns: Patterns,
}

fn stream(input: Input) -> Result<Box<dyn Read + Send>> {
    Ok(match input {
        Input::Stream(stream) => stream,
        Input::File(path) => Box::new(std::fs::File::open(path).map_err(unreadable)?),
    })
}

impl JsonDecoder {
    fn cut(&self, input: Input, target: usize) -> Result<Box<dyn Iterator<Item = Result<Block>> + Send>> {
        let text = encoding::utf8(stream(input)?, self.encoding).map_err(unreadable)?;
        Ok(match &self.records {
            Some(path) => Box::new(Cutter::new(text, path.clone(), target)),
            None => Box::new(lines(text, target)),
        })
    }

    fn fields(&self, blocks: impl Iterator<Item = Result<Block>>) -> Result<Schema> {
        let mut fields = infer::Fields::default();
        for block in blocks {
            let block = block?;
            fields.see(self.records(&block.content, block.first_position).iter().map(|record| record.raw));
        }
        Ok(fields.schema())
    }

    fn records<'a>(&self, content: &'a BlockContent, first: i64) -> Vec<Record<'a>> {
        match content {
            BlockContent::Records { bytes, ends } => {
                let starts = std::iter::once(0).chain(ends.iter().map(|end| *end as usize));
                let ranges = starts.zip(ends).zip(first..);
                ranges
                    .map(|((start, end), position)| Record { raw: bytes.get(start..*end as usize).unwrap_or_default(), position })
                    .collect()
            }
            BlockContent::Bytes(bytes) if self.records.is_some() => vec![Record { raw: bytes, position: first }],
            BlockContent::Bytes(bytes) => {
                let numbered = bytes.split(|byte| *byte == b'\n').zip(first..);
                let trimmed = numbered.map(|(raw, position)| Record { raw: raw.strip_suffix(b"\r").unwrap_or(raw), position });
                trimmed.filter(|record| !record.raw.trim_ascii().is_empty()).collect()
            }
            BlockContent::Refused(_) | BlockContent::RowGroup { .. } => Vec::new(),
        }
    }
}

impl Decoder for JsonDecoder {
    fn infer(&self, input: Input, max_bytes: usize) -> Result<SchemaRef> {
        let blocks = self.cut(Input::Stream(Box::new(stream(input)?.take(max_bytes as u64))), max_bytes)?;
        Ok(Arc::new(self.fields(blocks)?))
    }

    fn survey(&self, input: Input, columns: &[ColumnSpec], depth: Depth) -> Result<Survey> {
        let blocks = match depth {
            // Any record may be the first that has a field: nothing less than all of them tells.
            Depth::Whole => self.cut(input, BLOCK_BYTES)?,
            Depth::Start => self.cut(Input::Stream(Box::new(stream(input)?.take(START_BYTES))), BLOCK_BYTES)?,
        };
        let (mut fields, mut missing) = (infer::Fields::default(), Missing::of(columns)?);
        let (mut tape, mut records) = (Tape::default(), 0_usize);
        for block in blocks {
            let block = block?;
            for record in self.records(&block.content, block.first_position) {
                let Ok(text) = std::str::from_utf8(record.raw) else { continue };
                let Ok(value) = tape.parse(text) else { continue };
                records += 1;
                fields.see_one(value);
                missing.see(value);
            }
        }
        let missing = if records == 0 { Vec::new() } else { missing.places() };
        Ok(Survey { new: decode::new_fields(&fields.schema(), columns)?, missing, is_strict: false })
    }

    fn blocks(&self, input: Input, columns: &[ColumnSpec], target_bytes: usize) -> Result<Box<dyn Iterator<Item = Result<Block>> + Send>> {
        columns.iter().try_for_each(|column| decode::ways(column).map(drop))?;
        self.cut(input, target_bytes)
    }

    fn decode(&self, block: Block, columns: &[ColumnSpec], projection: Option<&[usize]>, want_raw: bool) -> Result<Decoded> {
        let Block { first_position, layout: _, content } = block;
        match content {
            BlockContent::Refused(reject) => refused(reject, columns, projection, want_raw),
            BlockContent::RowGroup { .. } => Err(Error::internal("json was given a block of another format")),
            content => rows(self.records(&content, first_position).into_iter(), columns, projection, want_raw, &self.patterns),
        }
    }
}
