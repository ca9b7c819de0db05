//! `COPY {table [(columns)] | (query)} TO STDOUT`, `COPY table [(columns)] FROM STDIN`
//!
//! Rows stream in both directions. COPY FROM is one commit, and its tag is sent once that is durable.

use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::FutureExt;
use tokio::sync::mpsc;
use weir_catalog::Kind;
use weir_sql::statements::copy::{Copy, CopyDirection};
use weir_sql::{Columns, Name, OptionEntry, OptionValue, Options};

use super::{copy_pipeline, names, query};
use crate::engine::line_behind;
use crate::error::{Code, Error, Result};
use crate::session::{CopyForm, CopyIn, CopyStyle, Force, Header, Notice, Outcome, Session};

/// Batches that may wait between the client and the writer.
const WAITING_BATCHES: usize = 2;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Direction {
    In,
    Out,
}

pub(super) async fn execute(session: &Session, statement: &Copy) -> Result<Outcome> {
    let Copy { direction, options } = statement;
    match direction {
        CopyDirection::IntoPipeline { name, arguments } => copy_pipeline::execute(session, name, arguments, options).await,
        CopyDirection::IntoRelation { name, columns } => copy_in(session, name, columns, style(options, &Direction::In)?).await,
        CopyDirection::OutOfQuery(query) => {
            let style = style(options, &Direction::Out)?;
            let planned = query::plan(session, query, Vec::new()).await?;
            out(session, planned, style).await
        }
        CopyDirection::OutOfRelation { name, columns } => {
            let style = style(options, &Direction::Out)?;
            names::relation(session, &*session.definitions(), name)?;
            let listed = match columns.is_empty() {
                true => "*".to_owned(),
                false => columns.iter().map(|column| quoted(&column.value)).collect::<Vec<_>>().join(", "),
            };
            let from = name.schema.iter().chain([&name.name]).map(|part| quoted(&part.value)).collect::<Vec<_>>().join(".");
            let query = weir_sql::parse_query(&format!("SELECT {listed} FROM {from}"))?;
            let planned = query::plan(session, &query, Vec::new()).await.map_err(|error| error.at(name.position()))?;
            out(session, planned, style).await
        }
    }
}

async fn out(session: &Session, planned: crate::engine::Planned, style: CopyStyle) -> Result<Outcome> {
    let rows = session.hub().engine().rows(planned).await?;
    let schema = rows.schema();
    check_columns(&style.force_quote, |name| schema.field_with_name(name).is_ok())?;
    Ok(Outcome::CopyOut { schema, rows, style })
}

async fn copy_in(session: &Session, name: &Name, columns: &Columns, style: CopyStyle) -> Result<Outcome> {
    let definitions = session.definitions();
    let object = names::get(session, &*definitions, Kind::Table, name)?;
    session.check_changeable(&object).map_err(|error| error.at(name.position()))?;
    let engine = session.hub().engine().clone();
    let listed: Vec<String> = columns.iter().map(|column| column.value.clone()).collect();
    let scope = session.scope(Vec::new());
    if scope.as_of.is_some() {
        return Err(Error::new(Code::ReadOnly, "nothing can be changed while hub.as_of is set").hint("RESET hub.as_of first.".to_owned()));
    }
    let position = columns.first().map_or(name.position(), |column| column.position);
    let columns = engine.copy_columns(&object, &listed, &scope, &*definitions).await.map_err(|error| error.at(position))?;
    for force in [&style.force_null, &style.force_not_null] {
        check_columns(force, |name| columns.field_with_name(name).is_ok())?;
    }
    let table = object.name.clone();
    let (sender, mut receiver) = mpsc::channel(WAITING_BATCHES);
    let received = futures::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    let rows = Box::pin(RecordBatchStreamAdapter::new(line_behind(&columns), received));
    let notices = session.later_notices();
    let done = async move {
        let done = engine.copy_in(object, &listed, rows, &scope, &*definitions).await?;
        if let Some(notices) = notices {
            notices.lock().extend(done.notices.into_iter().map(|notice| Notice::new("00000", notice)));
        }
        Ok(format!("COPY {}", done.rows))
    };
    Ok(Outcome::CopyIn(CopyIn { columns, style, table, rows: sender, done: done.boxed() }))
}

fn check_columns(force: &Force, is_there: impl Fn(&str) -> bool) -> Result<()> {
    let Force::Columns(names) = force else { return Ok(()) };
    match names.iter().find(|name| !is_there(name)) {
        Some(name) => Err(Error::new(Code::UndefinedColumn, format!("column \"{name}\" is not copied by this COPY"))),
        None => Ok(()),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Reads the options, in the words of PostgreSQL for what is wrong with them.
fn style(options: &Options, direction: &Direction) -> Result<CopyStyle> {
    let form = match options.entries.iter().find(|entry| entry.key == "format") {
        None => CopyForm::Text,
        Some(entry) => match text(entry)?.to_ascii_lowercase().as_str() {
            "text" => CopyForm::Text,
            "csv" => CopyForm::Csv,
            "binary" => CopyForm::Binary,
            other => {
                return Err(Error::new(Code::InvalidParameter, format!("COPY format \"{other}\" not recognized")).at(entry.value_position));
            }
        },
    };
    let mut style = CopyStyle::new(form);
    for entry in &options.entries {
        read(&mut style, entry, direction)?;
    }
    if !options.entries.iter().any(|entry| entry.key == "escape") {
        style.escape = style.quote;
    }
    check(&style)?;
    Ok(style)
}

fn read(style: &mut CopyStyle, entry: &OptionEntry, direction: &Direction) -> Result<()> {
    let form = style.form;
    let in_lines = || allowed(entry, form, &[CopyForm::Text, CopyForm::Csv], direction, None);
    let in_csv = |way| allowed(entry, form, &[CopyForm::Csv], direction, way);
    match entry.key.as_str() {
        "format" | "freeze" => return Ok(()),
        "delimiter" | "null" | "header" => in_lines()?,
        "quote" | "escape" => in_csv(None)?,
        "force_quote" => in_csv(Some(Direction::Out))?,
        "force_not_null" | "force_null" => in_csv(Some(Direction::In))?,
        "encoding" => return encoding(entry),
        other => return Err(Error::new(Code::Syntax, format!("option \"{other}\" not recognized")).at(entry.position)),
    }
    match entry.key.as_str() {
        "delimiter" => style.delimiter = one_byte(entry)?,
        "null" => style.null = text(entry)?,
        "header" => style.header = header(entry, direction)?,
        "quote" => style.quote = one_byte(entry)?,
        "escape" => style.escape = one_byte(entry)?,
        "force_quote" => style.force_quote = force(entry)?,
        "force_not_null" => style.force_not_null = force(entry)?,
        _ => style.force_null = force(entry)?,
    }
    Ok(())
}

fn encoding(entry: &OptionEntry) -> Result<()> {
    let name = text(entry)?;
    if ["utf8", "utf-8", "unicode"].contains(&name.to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(Error::new(Code::NotSupported, format!("encoding \"{name}\" is not supported"))
        .hint("Text is always UTF-8.".to_owned())
        .at(entry.value_position))
}

fn allowed(entry: &OptionEntry, form: CopyForm, forms: &[CopyForm], direction: &Direction, way: Option<Direction>) -> Result<()> {
    let name = entry.key.to_ascii_uppercase();
    if !forms.contains(&form) {
        let message = match form {
            CopyForm::Binary => format!("cannot specify {name} in BINARY mode"),
            _ => format!("COPY {name} requires CSV mode"),
        };
        return Err(Error::new(Code::NotSupported, message).at(entry.position));
    }
    match way {
        Some(way) if way != *direction => {
            let other = if *direction == Direction::In { "COPY FROM" } else { "COPY TO" };
            Err(Error::new(Code::NotSupported, format!("COPY {name} cannot be used with {other}")).at(entry.position))
        }
        _ => Ok(()),
    }
}

/// What no reader could tell apart.
fn check(style: &CopyStyle) -> Result<()> {
    let refuse = |message: &str| Err(Error::new(Code::InvalidParameter, message));
    let null = style.null.as_bytes();
    if style.form == CopyForm::Binary {
        return Ok(());
    }
    if matches!(style.delimiter, b'\n' | b'\r') || null.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return refuse("COPY delimiter and null representation cannot use newline or carriage return");
    }
    if style.form == CopyForm::Text && (style.delimiter.is_ascii_alphanumeric() || matches!(style.delimiter, b'\\' | b'.')) {
        return refuse(&format!("COPY delimiter cannot be \"{}\"", char::from(style.delimiter)));
    }
    if null.contains(&style.delimiter) {
        return refuse("COPY delimiter character must not appear in the NULL specification");
    }
    if style.form == CopyForm::Csv && style.delimiter == style.quote {
        return refuse("COPY delimiter and quote must be different");
    }
    if style.form == CopyForm::Csv && null.contains(&style.quote) {
        return refuse("CSV quote character must not appear in the NULL specification");
    }
    Ok(())
}

fn header(entry: &OptionEntry, direction: &Direction) -> Result<Header> {
    let refused = || Err(Error::new(Code::Syntax, "header requires a Boolean value or \"match\"").at(entry.value_position));
    Ok(match &entry.value {
        OptionValue::Bool(true) => Header::Yes,
        OptionValue::Bool(false) => Header::No,
        OptionValue::Number(number) if number == "1" => Header::Yes,
        OptionValue::Number(number) if number == "0" => Header::No,
        OptionValue::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "on" => Header::Yes,
            "false" | "off" => Header::No,
            "match" if *direction == Direction::In => Header::Match,
            "match" => return Err(Error::new(Code::InvalidParameter, "cannot use \"match\" with HEADER in COPY TO").at(entry.position)),
            _ => return refused(),
        },
        _ => return refused(),
    })
}

fn text(entry: &OptionEntry) -> Result<String> {
    match &entry.value {
        OptionValue::Text(text) | OptionValue::Number(text) => Ok(text.clone()),
        _ => Err(Error::new(Code::Syntax, format!("{} requires a text", entry.key)).at(entry.value_position)),
    }
}

fn one_byte(entry: &OptionEntry) -> Result<u8> {
    let text = text(entry)?;
    match text.as_bytes() {
        [byte] => Ok(*byte),
        _ => {
            let message = format!("COPY {} must be a single one-byte character", entry.key);
            Err(Error::new(Code::NotSupported, message).at(entry.value_position))
        }
    }
}

fn force(entry: &OptionEntry) -> Result<Force> {
    match &entry.value {
        OptionValue::List(items) => {
            let name = |item: &OptionValue| match item {
                OptionValue::Text(text) => Ok(text.clone()),
                _ => Err(Error::new(Code::Syntax, format!("argument to option \"{}\" must be a list of column names", entry.key))
                    .at(entry.value_position)),
            };
            Ok(Force::Columns(items.iter().map(name).collect::<Result<_>>()?))
        }
        OptionValue::Text(text) if text == "*" => Ok(Force::All),
        OptionValue::Text(text) => Ok(Force::Columns(vec![text.clone()])),
        _ => Err(Error::new(Code::Syntax, format!("argument to option \"{}\" must be a list of column names", entry.key))
            .at(entry.value_position)),
    }
}
