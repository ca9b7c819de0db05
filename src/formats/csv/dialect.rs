//! What a delimited file looks like: the options, checked.

use super::super::column::Patterns;
use super::super::encoding::Encoding;
use crate::error::{Code, Error, Result};
use crate::spec::{Opt, Options, Spec};

/// A record longer than this is turned away instead of being held in memory.
const MAX_RECORD_BYTES: usize = 16 << 20;

pub(super) const SPEC: Spec = Spec {
    name: "csv",
    summary: "Delimited text, one record per line, with or without a header.",
    options: &[
        Opt::bool("header").default("true").doc("The first record names the fields."),
        Opt::text("delimiter").default(",").doc("One ASCII character, 'tab', or 'auto' to find it out."),
        Opt::text("quote").default("\"").doc("The character around fields that contain delimiters or line ends; 'none' for files without."),
        Opt::char("escape").doc("What stands before a quote inside a quoted field; by default the quote is doubled."),
        Opt::choice("encoding", Encoding::WORDS)
            .default("auto")
            .doc("How characters are stored; auto is UTF-8 unless a mark at the start says UTF-16."),
        Opt::text("null").default("").doc("Unquoted texts that mean NULL, separated by '|'."),
        Opt::integer("skip").default("0").doc("Lines to pass over at the start of each file."),
        Opt::char("comment").doc("Lines that begin with it are passed over."),
        Opt::text("date_format").doc("How dates are written, as in strftime; ISO by default."),
        Opt::text("timestamp_format").doc("How timestamps are written, as in strftime; ISO by default."),
    ],
};

#[derive(Debug, Clone)]
pub(super) struct Dialect {
    pub header: bool,
    /// None: found out per file.
    pub delimiter: Option<u8>,
    pub quote: Option<u8>,
    /// None: a quote inside quotes is doubled.
    pub escape: Option<u8>,
    pub encoding: Encoding,
    pub nulls: Vec<String>,
    pub skip: usize,
    pub comment: Option<u8>,
    pub patterns: Patterns,
    pub max_record: usize,
}

impl Dialect {
    pub(super) fn from_options(options: &Options) -> Result<Self> {
        let delimiter = match options.text("delimiter").unwrap_or(",") {
            "auto" => None,
            "tab" | "\\t" => Some(b'\t'),
            text => Some(ascii("delimiter", text)?),
        };
        let quote = match options.text("quote").unwrap_or("\"") {
            "none" | "" => None,
            text => Some(ascii("quote", text)?),
        };
        let escape = options.text("escape").map(|text| ascii("escape", text)).transpose()?.filter(|escape| Some(*escape) != quote);
        let comment = options.text("comment").map(|text| ascii("comment", text)).transpose()?;
        if delimiter.is_some() && delimiter == quote {
            return Err(Error::new(Code::InvalidOption, "options \"delimiter\" and \"quote\" must differ"));
        }
        let skip = usize::try_from(options.integer("skip").unwrap_or(0))
            .map_err(|_| Error::new(Code::InvalidOption, "option \"skip\" must not be negative"))?;
        Ok(Self {
            header: options.flag("header"),
            delimiter,
            quote,
            escape,
            encoding: Encoding::from_word(options.text("encoding").unwrap_or("auto")),
            nulls: options.text("null").unwrap_or("").split('|').map(str::to_owned).collect(),
            skip,
            comment,
            patterns: Patterns {
                date: options.text("date_format").map(str::to_owned),
                timestamp: options.text("timestamp_format").map(str::to_owned),
            },
            max_record: MAX_RECORD_BYTES,
        })
    }
}

fn ascii(key: &str, text: &str) -> Result<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(*byte),
        _ => Err(Error::new(Code::InvalidOption, format!("option \"{key}\" takes one ASCII character"))),
    }
}
