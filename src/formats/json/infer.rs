//! Columns and types guessed from the first records: the union of their fields.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, Schema};

use super::tape::{Kind, Tape, Value};
use crate::formats::convert;
use crate::formats::types::Logical;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Guess {
    Nothing,
    Boolean,
    Integer,
    Double,
    Text,
    Jsonb,
}

impl Guess {
    fn of(value: Value<'_>) -> Self {
        match value.kind() {
            Kind::Null => Guess::Nothing,
            Kind::True | Kind::False => Guess::Boolean,
            Kind::Number if convert::integer(value.raw()).is_ok() => Guess::Integer,
            Kind::Number => Guess::Double,
            Kind::String { .. } => Guess::Text,
            Kind::Object | Kind::Array => Guess::Jsonb,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (one, two) if one == two => one,
            (Guess::Nothing, known) | (known, Guess::Nothing) => known,
            (Guess::Integer | Guess::Double, Guess::Integer | Guess::Double) => Guess::Double,
            (Guess::Jsonb, _) | (_, Guess::Jsonb) => Guess::Jsonb,
            _ => Guess::Text,
        }
    }

    fn field(self, name: &str) -> Field {
        let data_type = match self {
            Guess::Boolean => DataType::Boolean,
            Guess::Integer => DataType::Int64,
            Guess::Double => DataType::Float64,
            Guess::Nothing | Guess::Text | Guess::Jsonb => DataType::Utf8,
        };
        let logical = if self == Guess::Jsonb { Logical::Jsonb } else { Logical::Plain };
        logical.mark(Field::new(name, data_type, true))
    }
}

/// The fields of all records seen, in the order they were first met. Records that are no objects make one column `value`.
#[derive(Default)]
pub(super) struct Fields {
    found: Vec<(String, Guess)>,
    places: HashMap<String, usize>,
}

impl Fields {
    pub(super) fn see<'a>(&mut self, records: impl Iterator<Item = &'a [u8]>) {
        let mut tape = Tape::default();
        for record in records {
            let Ok(text) = std::str::from_utf8(record) else { continue };
            if let Ok(value) = tape.parse(text) {
                self.see_one(value);
            }
        }
    }

    pub(super) fn see_one(&mut self, value: Value<'_>) {
        if value.kind() == Kind::Object {
            value.members().for_each(|(name, value)| self.field(&name.meaning(), Guess::of(value)));
        } else {
            self.field("value", Guess::Jsonb);
        }
    }

    fn field(&mut self, name: &str, guess: Guess) {
        match self.places.get(name).and_then(|place| self.found.get_mut(*place)) {
            Some((_, known)) => *known = known.and(guess),
            None => {
                self.places.insert(name.to_owned(), self.found.len());
                self.found.push((name.to_owned(), guess));
            }
        }
    }

    pub(super) fn schema(&self) -> Schema {
        Schema::new(self.found.iter().map(|(name, guess)| guess.field(name)).collect::<Vec<_>>())
    }
}
