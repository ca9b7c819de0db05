//! Columns and types guessed from the start of a file.
//!
//! A type is taken only when every value seen converts. Numbers with leading zeros stay text: they are codes, and would lose their zeros.

use std::collections::{HashMap, HashSet};

use arrow::datatypes::{DataType, Field, Schema};

use super::decode::Table;
use crate::formats::convert;
use crate::formats::types::{timestamp, timestamptz};

/// What all values of a column seen so far could be.
struct Guess {
    seen: bool,
    integer: bool,
    double: bool,
    boolean: bool,
    date: bool,
    timestamp: bool,
    timestamptz: bool,
}

impl Guess {
    fn new() -> Self {
        Self { seen: false, integer: true, double: true, boolean: true, date: true, timestamp: true, timestamptz: true }
    }

    fn see(&mut self, text: &str) {
        let text = text.trim_ascii();
        let unsigned = text.trim_start_matches(['-', '+']);
        let is_code = unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.bytes().all(|byte| byte.is_ascii_digit());
        let zone = convert::names_zone(text);
        self.seen = true;
        self.integer &= !is_code && convert::integer(text).is_ok();
        self.double &= !is_code && text.bytes().any(|byte| byte.is_ascii_digit()) && convert::double(text).is_ok();
        self.boolean &= text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false");
        self.date &= text.len() == 10 && zone == Some(false);
        self.timestamp &= zone == Some(false);
        self.timestamptz &= zone == Some(true);
    }

    fn data_type(&self) -> DataType {
        match self {
            Guess { seen: false, .. } => DataType::Utf8,
            Guess { boolean: true, .. } => DataType::Boolean,
            Guess { integer: true, .. } => DataType::Int64,
            Guess { double: true, .. } => DataType::Float64,
            Guess { date: true, .. } => DataType::Date32,
            Guess { timestamp: true, .. } => timestamp(),
            Guess { timestamptz: true, .. } => timestamptz(),
            _ => DataType::Utf8,
        }
    }
}

pub(super) fn schema(tables: &[Table], names: Option<&[String]>, nulls: &[String]) -> Schema {
    let width = names.map_or_else(|| tables.first().map_or(0, Table::width), <[String]>::len);
    let mut guesses: Vec<Guess> = (0..width).map(|_| Guess::new()).collect();
    for table in tables.iter().filter(|table| table.width() == width) {
        let texts = table.texts();
        for row in 0..table.row_count() {
            for (index, guess) in guesses.iter_mut().enumerate() {
                let (text, is_quoted) = texts.field(row, index);
                if !text.trim_ascii().is_empty() && (is_quoted || !nulls.iter().any(|null| null == text)) {
                    guess.see(text);
                }
            }
        }
    }
    let names = unique_names(width, names);
    Schema::new(guesses.iter().zip(names).map(|(guess, name)| Field::new(name, guess.data_type(), true)).collect::<Vec<_>>())
}

/// Names for all fields: `column3` where there is none, `name_2` for a second `name`.
pub(super) fn unique_names(width: usize, names: Option<&[String]>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::with_capacity(width);
    let mut taken = HashSet::with_capacity(width);
    let mut counts: HashMap<String, usize> = HashMap::new();
    for index in 0..width {
        let given = names.and_then(|names| names.get(index)).map(String::as_str).filter(|name| !name.is_empty());
        let wanted = given.map_or_else(|| format!("column{}", index + 1), str::to_owned);
        let mut name = wanted.clone();
        while !taken.insert(name.clone()) {
            let count = counts.entry(wanted.clone()).or_insert(1);
            *count += 1;
            name = format!("{wanted}_{count}");
        }
        unique.push(name);
    }
    unique
}
