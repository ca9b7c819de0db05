//! Options as data: one `const SPEC` per connector, format and statement says what may be set, checks it, documents it, fills defaults.
//!
//! `Spec::read` turns the options of a statement into typed `Options`; nothing else looks at raw option values. Secrets stay references
//! until the moment a connection is opened.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_sql::{Name, OptionValue};

use crate::error::{Code, Error, Result};

/// What may be set on one kind of thing.
#[derive(Debug)]
pub struct Spec {
    /// `postgres`, `csv`, `pipeline`.
    pub name: &'static str,
    pub summary: &'static str,
    pub options: &'static [Opt],
}

/// One key: its type, default and meaning.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    pub key: &'static str,
    pub kind: OptKind,
    pub required: bool,
    pub default: Option<&'static str>,
    pub doc: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptKind {
    Text,
    /// Exactly one character.
    Char,
    Integer,
    Bool,
    Duration,
    /// Bytes: a number, or '64 MB'.
    Size,
    Secret,
    Choice(&'static [&'static str]),
}

impl OptKind {
    /// The type as `hub.option_catalog` shows it.
    pub fn label(self) -> String {
        match self {
            OptKind::Text => "text".to_owned(),
            OptKind::Char => "character".to_owned(),
            OptKind::Integer => "integer".to_owned(),
            OptKind::Bool => "boolean".to_owned(),
            OptKind::Duration => "interval".to_owned(),
            OptKind::Size => "size".to_owned(),
            OptKind::Secret => "secret".to_owned(),
            OptKind::Choice(words) => words.join("|"),
        }
    }
}

impl Opt {
    const fn of(key: &'static str, kind: OptKind) -> Self {
        Self { key, kind, required: false, default: None, doc: "" }
    }
    pub const fn text(key: &'static str) -> Self {
        Self::of(key, OptKind::Text)
    }
    pub const fn char(key: &'static str) -> Self {
        Self::of(key, OptKind::Char)
    }
    pub const fn integer(key: &'static str) -> Self {
        Self::of(key, OptKind::Integer)
    }
    pub const fn bool(key: &'static str) -> Self {
        Self::of(key, OptKind::Bool)
    }
    pub const fn duration(key: &'static str) -> Self {
        Self::of(key, OptKind::Duration)
    }
    pub const fn size(key: &'static str) -> Self {
        Self::of(key, OptKind::Size)
    }
    pub const fn secret(key: &'static str) -> Self {
        Self::of(key, OptKind::Secret)
    }
    pub const fn choice(key: &'static str, words: &'static [&'static str]) -> Self {
        Self::of(key, OptKind::Choice(words))
    }
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }
    pub const fn default(mut self, text: &'static str) -> Self {
        self.default = Some(text);
        self
    }
    pub const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }
}

/// A checked value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Integer(i64),
    Bool(bool),
    Duration(Duration),
    Size(u64),
    Secret(SecretRef),
}

/// A credential by reference, or (in tests and files that allow it) in place.
#[derive(Clone, PartialEq)]
pub enum SecretRef {
    Named { name: Name, key: Option<String> },
    Inline(String),
}

impl std::fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SecretRef::Named { name, .. } => write!(f, "SECRET {name}"),
            SecretRef::Inline(_) => f.write_str("SecretRef::Inline(..)"),
        }
    }
}

/// Checked options of one thing. A getter of a key that its `Spec` does not have is a mistake of ours and yields the type's zero.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options(BTreeMap<String, Value>);

impl Spec {
    /// Checks `given` against this spec and fills in defaults.
    ///
    /// # Errors
    /// `InvalidOption` for an unknown key (with the nearest one as hint), a wrong type, a key given twice or a required key left out.
    pub fn read(&self, given: &weir_sql::Options) -> Result<Options> {
        Self::read_all(&[self], given)
    }

    /// The same over several specs that share one option list (a source has its connector's and its own keys).
    pub fn read_all(specs: &[&Spec], given: &weir_sql::Options) -> Result<Options> {
        let known: Vec<&Opt> = specs.iter().flat_map(|spec| spec.options).collect();
        let name = specs.first().map_or("", |spec| spec.name);
        let mut values = BTreeMap::new();
        for entry in &given.entries {
            let Some(opt) = known.iter().find(|opt| opt.key == entry.key) else {
                return Err(unknown(name, &entry.key, &known).at(entry.position));
            };
            let value = opt.read(&entry.value).map_err(|error| error.at(entry.position))?;
            if values.insert(entry.key.clone(), value).is_some() {
                return Err(Error::new(Code::InvalidOption, format!("option \"{}\" is given twice", entry.key)).at(entry.position));
            }
        }
        for opt in known {
            if values.contains_key(opt.key) {
                continue;
            }
            match opt.default {
                Some(text) => {
                    values.insert(opt.key.to_owned(), opt.read(&OptionValue::Text(text.to_owned()))?);
                }
                None if opt.required => {
                    return Err(Error::new(Code::InvalidOption, format!("option \"{}\" of {name} is required", opt.key))
                        .hint(format!("Add {} = … to WITH. {}", opt.key, opt.doc)));
                }
                None => {}
            }
        }
        Ok(Options(values))
    }
}

fn unknown(name: &str, key: &str, known: &[&Opt]) -> Error {
    let keys: Vec<&str> = known.iter().map(|opt| opt.key).collect();
    let hint = match weir_sql::nearest(key, keys.iter().copied()) {
        Some(near) => format!("Did you mean \"{near}\"?"),
        None if keys.is_empty() => format!("{name} has no options."),
        None => format!("Known options: {}.", keys.join(", ")),
    };
    Error::new(Code::InvalidOption, format!("option \"{key}\" is unknown for {name}")).hint(hint)
}

impl Opt {
    fn read(&self, value: &OptionValue) -> Result<Value> {
        let wrong = || {
            Error::new(Code::InvalidOption, format!("option \"{}\" takes a value of type {}", self.key, self.kind.label()))
                .hint(Some(self.doc.to_owned()).filter(|doc| !doc.is_empty()))
        };
        let text = match value {
            OptionValue::Text(text) | OptionValue::Number(text) => Some(text.clone()),
            OptionValue::Bool(flag) => Some(flag.to_string()),
            _ => None,
        };
        let read = match self.kind {
            OptKind::Text => text.map(Value::Text),
            OptKind::Char => text.map(|t| t.replace("\\t", "\t")).filter(|t| t.chars().count() == 1).map(Value::Text),
            OptKind::Integer => text.and_then(|t| t.trim().parse().ok()).map(Value::Integer),
            OptKind::Bool => text.and_then(|t| parse_bool(&t)).map(Value::Bool),
            OptKind::Duration => parse_duration(value).map(Value::Duration),
            OptKind::Size => text.and_then(|t| parse_size(&t)).map(Value::Size),
            OptKind::Secret => match value {
                OptionValue::Secret { name, key } => Some(Value::Secret(SecretRef::Named { name: name.clone(), key: key.clone() })),
                _ => {
                    return Err(
                        wrong().hint(format!("Keep it out of the definition: CREATE SECRET s AS '…', then {} = SECRET s.", self.key))
                    );
                }
            },
            OptKind::Choice(words) => match text.map(|t| t.to_ascii_lowercase()) {
                Some(word) if words.contains(&word.as_str()) => Some(Value::Text(word)),
                Some(word) => {
                    let near = weir_sql::nearest(&word, words.iter().copied()).map(|near| format!("Did you mean \"{near}\"?"));
                    return Err(wrong().hint(near.unwrap_or_else(|| format!("One of {}.", words.join(", ")))));
                }
                None => None,
            },
        };
        read.ok_or_else(wrong)
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Some(true),
        "false" | "off" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn parse_duration(value: &OptionValue) -> Option<Duration> {
    let interval = match value {
        OptionValue::Interval(interval) => *interval,
        OptionValue::Text(text) => weir_sql::parse_interval(text).ok()?,
        OptionValue::Number(text) => return text.parse().ok().map(Duration::from_secs),
        _ => return None,
    };
    interval.as_micros().and_then(|micros| u64::try_from(micros).ok()).map(Duration::from_micros)
}

/// Reads '64 MB', '1 GiB', '512': decimal units are powers of 1000, binary ones of 1024.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

impl Options {
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
    pub fn integer(&self, key: &str) -> Option<i64> {
        match self.0.get(key) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }
    pub fn flag(&self, key: &str) -> bool {
        matches!(self.0.get(key), Some(Value::Bool(true)))
    }
    pub fn duration(&self, key: &str) -> Option<Duration> {
        match self.0.get(key) {
            Some(Value::Duration(time)) => Some(*time),
            _ => None,
        }
    }
    pub fn size(&self, key: &str) -> Option<u64> {
        match self.0.get(key) {
            Some(Value::Size(bytes)) => Some(*bytes),
            _ => None,
        }
    }
    /// Every named secret, for the dependencies of a definition.
    pub fn secrets(&self) -> impl Iterator<Item = &Name> {
        self.0.values().filter_map(|value| match value {
            Value::Secret(SecretRef::Named { name, .. }) => Some(name),
            _ => None,
        })
    }

    /// Replaces every secret by its value, just before use.
    ///
    /// # Errors
    /// Whatever `look_up` answers for a secret that is missing or cannot be read.
    pub fn reveal(&self, look_up: &dyn Fn(&Name, Option<&str>) -> Result<String>) -> Result<Options> {
        let mut revealed = self.0.clone();
        for value in revealed.values_mut() {
            if let Value::Secret(SecretRef::Named { name, key }) = value {
                *value = Value::Secret(SecretRef::Inline(look_up(name, key.as_deref())?));
            }
        }
        Ok(Options(revealed))
    }

    /// The value of a revealed secret.
    pub fn revealed(&self, key: &str) -> Option<&str> {
        match self.0.get(key) {
            Some(Value::Secret(SecretRef::Inline(value))) => Some(value),
            _ => None,
        }
    }
}
