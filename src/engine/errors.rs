//! What DataFusion, Arrow and the catalog report, in terms a client can act on.
//!
//! Our own errors travel through DataFusion as `External` and come out here unchanged; everything else is classified by kind, and by the
//! wording only where the kind says too little. Whether the wording still fits is what the table-driven test is for.

use std::error::Error as StdError;

use arrow_schema::ArrowError;
use datafusion::common::{Column, DataFusionError, SchemaError};
use weir_catalog::ErrorKind;
use weir_udfs::failure::{Failure, Kind as FailureKind};

use crate::error::{Code, Error};

/// A line and column of the whole input, as the parser counts them.
pub(super) type Spot = (u64, u64);

/// Turns an error of planning or execution into ours.
pub(super) fn error(error: DataFusionError) -> Error {
    if let Some(own) = own(&error) {
        return own;
    }
    let root = root(&error);
    classify(root).caused_by(error)
}

/// Where in the text the planner saw the error.
pub(super) fn spot(error: &DataFusionError) -> Option<Spot> {
    match error {
        DataFusionError::Diagnostic(diagnostic, inner) => {
            diagnostic.span.map(|span| (span.start.line, span.start.column)).or_else(|| spot(inner))
        }
        DataFusionError::Context(_, inner) => spot(inner),
        DataFusionError::Collection(errors) => errors.first().and_then(spot),
        DataFusionError::Shared(inner) => spot(inner),
        _ => None,
    }
}

/// Turns an error of the catalog into ours.
pub fn catalog_error(error: weir_catalog::Error) -> Error {
    let code = match error.kind() {
        ErrorKind::NotFound => Code::UndefinedObject,
        ErrorKind::Duplicate => Code::DuplicateObject,
        ErrorKind::InUse => Code::InUse,
        ErrorKind::InvalidGrant => Code::InvalidGrant,
        ErrorKind::Conflict => Code::Conflict,
        ErrorKind::TooNew => Code::WrongState,
        ErrorKind::Corrupt | ErrorKind::Io => Code::Io,
        ErrorKind::Internal => Code::Internal,
    };
    let mapped = Error::new(code, error.message().to_owned()).hint(error.hint().map(str::to_owned));
    let mapped = match error.detail() {
        Some(detail) => mapped.detail(detail.to_owned()),
        None => mapped,
    };
    mapped.caused_by(error)
}

/// An error of the hub on its way through a plan.
pub(super) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// What a write of the lake says of rows that could not be computed, in the words of a query.
pub(super) fn computed(error: Error) -> Error {
    if let Some(own) = std::error::Error::source(&error).and_then(innermost).filter(|_| error.code() == Code::DataException) {
        return own;
    }
    let inside = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<DataFusionError>());
    match inside.map(|inside| classify(root(inside))) {
        Some(told) if error.code() == Code::DataException && told.code() != Code::Internal => told,
        _ => error,
    }
}

/// The hub's own error inside, however deeply it is wrapped.
fn own(error: &DataFusionError) -> Option<Error> {
    innermost(error)
}

/// As [`own`], in any error.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> Option<Error> {
    let mut next = Some(error);
    let mut steps = 0;
    while let Some(current) = next {
        steps += 1;
        if steps > 64 {
            return None;
        }
        if let Some(found) = current.downcast_ref::<Error>() {
            return Some(found.clone());
        }
        if let Some(found) = current.downcast_ref::<Failure>() {
            return Some(refused(found));
        }
        if let Some(found) = current.downcast_ref::<weir_catalog::Error>() {
            return Some(catalog_error(found.clone()));
        }
        next = match current.downcast_ref::<DataFusionError>() {
            Some(inner) => step(inner),
            None => match current.downcast_ref::<ArrowError>() {
                Some(ArrowError::ExternalError(inner)) => Some(&**inner as &(dyn StdError + 'static)),
                _ => current.source(),
            },
        };
    }
    None
}

/// What a function refuses.
fn refused(failure: &Failure) -> Error {
    let code = match failure.kind {
        FailureKind::InvalidText => Code::InvalidText,
        FailureKind::NumericOutOfRange => Code::NumericOutOfRange,
        FailureKind::DatetimeOutOfRange => Code::DatetimeOutOfRange,
        FailureKind::InvalidDatetime => Code::InvalidDatetime,
        FailureKind::StringTooLong => Code::StringTooLong,
        FailureKind::InvalidParameter => Code::InvalidParameter,
        FailureKind::NotSupported => Code::NotSupported,
        FailureKind::TooComplex => Code::TooComplex,
        FailureKind::Untranslatable => Code::Untranslatable,
        FailureKind::OutOfArray => Code::OutOfArray,
        FailureKind::Syntax => Code::Syntax,
        FailureKind::InvalidRegex => Code::InvalidRegex,
        FailureKind::NoJsonMember => Code::NoJsonMember,
        FailureKind::JsonItem => Code::JsonItem,
        FailureKind::Substring => Code::Substring,
    };
    let error = Error::new(code, failure.message.clone());
    match &failure.detail {
        Some(detail) => error.detail(detail.clone()),
        None => error,
    }
}

fn step(error: &DataFusionError) -> Option<&(dyn StdError + 'static)> {
    match error {
        DataFusionError::External(inner) => Some(&**inner as &(dyn StdError + 'static)),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => Some(&**inner as &(dyn StdError + 'static)),
        DataFusionError::Shared(inner) => Some(&**inner as &(dyn StdError + 'static)),
        DataFusionError::Collection(errors) => errors.first().map(|first| first as &(dyn StdError + 'static)),
        DataFusionError::ArrowError(inner, _) => Some(&**inner as &(dyn StdError + 'static)),
        other => other.source(),
    }
}

/// The innermost DataFusion error.
fn root(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => root(inner),
        DataFusionError::Shared(inner) => root(inner),
        DataFusionError::Collection(errors) => errors.first().map_or(error, root),
        DataFusionError::External(inner) => inner.downcast_ref::<DataFusionError>().map_or(error, root),
        DataFusionError::ArrowError(inner, _) => match &**inner {
            ArrowError::ExternalError(inner) => inner.downcast_ref::<DataFusionError>().map_or(error, root),
            _ => error,
        },
        _ => error,
    }
}

fn classify(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::ArrowError(arrow, _) => classify_arrow(arrow),
        DataFusionError::External(inner) => match inner.downcast_ref::<ArrowError>() {
            Some(arrow) => classify_arrow(arrow),
            None if inner.to_string().contains("regex parse error") => invalid_regex(&inner.to_string()),
            None => Error::internal("the query could not be run"),
        },
        DataFusionError::SchemaError(schema, _) => classify_schema(schema),
        DataFusionError::Plan(text) => classify_plan(text),
        DataFusionError::Execution(text) => classify_execution(text),
        // A sub-query that could not be joined to the row it refers to.
        DataFusionError::NotImplemented(text) if is_about_query(text) => {
            Error::new(Code::NotSupported, "this form of a correlated subquery is not supported")
                .hint("Write it as a join, or with the condition as an equality.".to_owned())
        }
        DataFusionError::NotImplemented(text) => Error::new(Code::NotSupported, sentence(text)),
        DataFusionError::SQL(parser, _) => Error::new(Code::Syntax, sentence(&parser.to_string())),
        DataFusionError::ResourcesExhausted(text) if text.contains("disk") || text.contains("max_temp_directory_size") => {
            Error::new(Code::DiskFull, "no room left for the query's temporary files").detail(first_line(text))
        }
        DataFusionError::ResourcesExhausted(text) => Error::new(Code::OutOfMemory, "out of memory")
            .detail(first_line(text))
            .hint("Read less at once, or raise the hub's memory limit.".to_owned()),
        DataFusionError::IoError(io) => classify_io(io),
        DataFusionError::Configuration(text) => Error::new(Code::InvalidParameter, sentence(text)),
        // A filter that is evaluated while the file is read.
        DataFusionError::ParquetError(inner) if shown_failure(&inner.to_string()).is_some() || is_of_values(&inner.to_string()) => {
            let text = inner.to_string();
            shown_failure(&text).unwrap_or_else(|| classify_execution(&text))
        }
        DataFusionError::ParquetError(_) | DataFusionError::ObjectStore(_) => Error::new(Code::Io, "a file of the lake could not be read"),
        DataFusionError::ExecutionJoin(_) => Error::internal("a task of the query ended early"),
        _ => Error::internal("the query could not be run"),
    }
}

fn classify_io(io: &std::io::Error) -> Error {
    match io.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Error::new(Code::DiskFull, "the disk is full"),
        _ => Error::new(Code::Io, "input or output failed").detail(io.to_string()),
    }
}

fn classify_schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => missing_column(field, valid_fields),
        SchemaError::AmbiguousReference { field } => {
            Error::new(Code::AmbiguousColumn, format!("column reference \"{}\" is ambiguous", field.name))
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => twice(name),
    }
}

fn twice(name: &str) -> Error {
    Error::new(Code::AmbiguousColumn, format!("column \"{name}\" is there twice")).hint("Give one of them another name with AS.".to_owned())
}

fn missing_column(field: &Column, valid: &[Column]) -> Error {
    let Some(relation) = &field.relation else {
        let hint = weir_sql::nearest(&field.name, valid.iter().map(|column| column.name.as_str()));
        return Error::new(Code::UndefinedColumn, format!("column \"{}\" does not exist", field.name)).hint(hint.map(did_you_mean));
    };
    let table = relation.table();
    // The planner's own, for a sub-query that it could not untie from the row outside.
    if table.starts_with("__correlated_sq") {
        return Error::new(Code::NotSupported, "this sub-query depends on the row outside in a way that is not supported")
            .hint("Write it with EXISTS or NOT EXISTS, or as a join.".to_owned());
    }
    let mut beside = valid.iter().filter(|column| column.relation.as_ref().is_some_and(|own| own.table() == table)).peekable();
    if beside.peek().is_none() && !valid.is_empty() {
        let tables = valid.iter().filter_map(|column| column.relation.as_ref().map(|own| own.table()));
        return Error::new(Code::UndefinedTable, format!("missing FROM-clause entry for table \"{table}\""))
            .hint(weir_sql::nearest(table, tables).map(did_you_mean));
    }
    let hint = weir_sql::nearest(&field.name, beside.map(|column| column.name.as_str()));
    Error::new(Code::UndefinedColumn, format!("column {table}.{} does not exist", field.name)).hint(hint.map(did_you_mean))
}

pub(super) fn did_you_mean(name: &str) -> String {
    format!("Did you mean \"{name}\"?")
}

/// PostgreSQL's words for the usual slips; the reason is the library's.
fn invalid_regex(text: &str) -> Error {
    let reason = text.lines().find_map(|line| line.strip_prefix("error: ")).unwrap_or("it cannot be read");
    Error::new(Code::InvalidRegex, format!("invalid regular expression: {reason}"))
}

/// Whether an expression that holds a sub-query came to where rows are computed.
fn is_about_query(text: &str) -> bool {
    ["OuterReferenceColumn", "ScalarSubquery(", "InSubquery(", "Exists(Exists"].iter().any(|word| text.contains(word))
}

/// What the planner says of places and groups, by the words it begins with.
const REFERENCES: &[(&str, Code)] = &[
    ("Order by column out of bounds", Code::InvalidReference),
    ("Order by index starts at 1", Code::InvalidReference),
    ("Cannot find column with position", Code::InvalidReference),
    ("SELECT DISTINCT ON expressions must match", Code::InvalidReference),
    ("must be in GROUP BY or an aggregate function", Code::Grouping),
    ("aggregate functions are not allowed in", Code::Grouping),
    ("Aggregate functions are not allowed in", Code::Grouping),
    ("calls cannot be nested", Code::Grouping),
    ("Cannot coerce arithmetic expression", Code::UndefinedFunction),
];

/// What PostgreSQL has a sentence of its own for.
fn in_its_words(text: &str) -> Option<Error> {
    if let Some(name) = between(text, "column \"", "\"").filter(|_| text.contains("must be in GROUP BY or an aggregate function")) {
        let mut parts = name.rsplit('.').take(2).collect::<Vec<_>>();
        parts.reverse();
        let told = format!("column \"{}\" must appear in the GROUP BY clause or be used in an aggregate function", parts.join("."));
        return Some(Error::new(Code::Grouping, told));
    }
    if text.contains("calls cannot be nested") {
        return Some(Error::new(Code::Grouping, "aggregate function calls cannot be nested"));
    }
    if text.contains("non-boolean predicate") {
        return Some(Error::new(Code::WrongType, "argument of WHERE must be type boolean"));
    }
    if text.contains("subquery should only return one column") {
        return Some(Error::new(Code::Syntax, "subquery must return only one column"));
    }
    if text.contains("orrelated scalar subquery can only be used") {
        return Some(Error::new(Code::NotSupported, "this form of a correlated subquery is not supported"));
    }
    if text.contains("LIMIT must be >= 0") {
        return Some(Error::new(Code::InvalidLimit, "LIMIT must not be negative"));
    }
    if text.contains("OFFSET must be >=") {
        return Some(Error::new(Code::InvalidOffset, "OFFSET must not be negative"));
    }
    if let Some(place) = between(text, "Order by column out of bounds, specified: ", ",") {
        return Some(Error::new(Code::InvalidReference, format!("ORDER BY position {place} is not in select list")));
    }
    if let Some(place) = between(text, "Cannot find column with position ", " ") {
        return Some(Error::new(Code::InvalidReference, format!("GROUP BY position {place} is not in select list")));
    }
    if text.contains("For SELECT DISTINCT, ORDER BY expressions") {
        let told = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
        return Some(Error::new(Code::InvalidReference, told));
    }
    None
}

fn classify_plan(text: &str) -> Error {
    if let Some(told) = in_its_words(text) {
        return told;
    }
    if let Some((_, code)) = REFERENCES.iter().find(|(words, _)| text.contains(words)) {
        return Error::new(*code, sentence(text));
    }
    if let Some(name) = between(text, "Invalid function '", "'") {
        let near = between(text, "Did you mean '", "'");
        return Error::new(Code::UndefinedFunction, format!("function {name} does not exist")).hint(near.map(did_you_mean));
    }
    if let Some(name) = between(text, "table function '", "' not found") {
        return Error::new(Code::UndefinedFunction, format!("function {name} does not exist"));
    }
    if let Some(name) = between(text, "table '", "' not found") {
        return Error::new(Code::UndefinedTable, format!("relation \"{name}\" does not exist"));
    }
    if let Some(name) = between(text, "expression \"", "\"").filter(|_| text.contains("unique expression names")) {
        return twice(name.rsplit('.').next().unwrap_or(name));
    }
    if let Some(name) = between(text, "No value found for placeholder with id ", ".")
        .or_else(|| between(text, "No value found for placeholder with name ", "."))
    {
        return Error::new(Code::UndefinedParameter, format!("there is no value for parameter {name}"));
    }
    if text.contains("no built-in digest algorithm") {
        return Error::new(Code::NotSupported, sentence(text)).hint("Use md5, sha224, sha256, sha384 or sha512.".to_owned());
    }
    let function = ["No function matches", "Failed to coerce arguments", "does not support zero arguments", "Function '"];
    if function.iter().any(|words| text.contains(words)) {
        return Error::new(Code::UndefinedFunction, sentence(text));
    }
    let types = [
        "Cannot coerce",
        "cannot be coerced",
        "coerce",
        "Cannot infer common",
        "incompatible type",
        "Unsupported CAST",
        "Cannot automatically convert",
        "must be of Boolean",
        "must return boolean",
        "non-boolean predicate",
    ];
    if types.iter().any(|words| text.contains(words)) {
        return Error::new(Code::WrongType, sentence(text));
    }
    if text.contains("valid types") || text.contains("Unsupported SQL type") {
        return Error::new(Code::UndefinedObject, sentence(text));
    }
    Error::new(Code::Syntax, sentence(text))
}

/// Whether values, not the file, are to blame.
/// Failures of functions that Parquet's reader keeps as text only, by the names of their kinds.
const SHOWN: &[(&str, Code)] = &[
    ("InvalidText", Code::InvalidText),
    ("InvalidDatetime", Code::InvalidDatetime),
    ("DatetimeOutOfRange", Code::DatetimeOutOfRange),
    ("NumericOutOfRange", Code::NumericOutOfRange),
    ("InvalidParameter", Code::InvalidParameter),
    ("InvalidLogarithm", Code::InvalidLogarithm),
    ("InvalidPower", Code::InvalidPower),
    ("InvalidRegex", Code::InvalidRegex),
    ("DivisionByZero", Code::DivisionByZero),
    ("Untranslatable", Code::Untranslatable),
    ("StringTooLong", Code::StringTooLong),
    ("Substring", Code::Substring),
    ("NotSupported", Code::NotSupported),
];

type OfText = fn(String) -> ArrowError;

/// The failure of a function that was evaluated while a file was read.
fn shown_failure(text: &str) -> Option<Error> {
    if let Some((_, behind)) = text.split_once("code: ").or_else(|| text.split_once("kind: ")) {
        let word: String = behind.chars().take_while(char::is_ascii_alphanumeric).collect();
        let (_, code) = SHOWN.iter().find(|(name, _)| *name == word)?;
        return Some(Error::new(*code, quoted_behind(behind, "message: \"")?));
    }
    if let Some(message) = quoted_behind(text, "Execution(\"") {
        return Some(classify_execution(&message));
    }
    let of_arrow: [(&str, OfText); 3] =
        [("CastError(\"", ArrowError::CastError), ("ParseError(\"", ArrowError::ParseError), ("ComputeError(\"", ArrowError::ComputeError)];
    of_arrow.iter().find_map(|(mark, error)| quoted_behind(text, mark).map(|message| classify_arrow(&error(message))))
}

/// A text in quotes as it is shown when it is debugged.
fn quoted_behind(text: &str, mark: &str) -> Option<String> {
    let (_, quoted) = text.split_once(mark)?;
    let mut message = String::new();
    let mut signs = quoted.chars();
    while let Some(sign) = signs.next().filter(|sign| *sign != '"') {
        message.push(if sign == '\\' { signs.next()? } else { sign });
    }
    Some(message)
}

fn is_of_values(text: &str) -> bool {
    ["out of range", "division by zero", "Divide by zero", "DivideByZero", "invalid input syntax"].iter().any(|words| text.contains(words))
}

fn classify_execution(text: &str) -> Error {
    let lower = text.to_lowercase();
    if lower.contains("scalar subquery returned more than one row") {
        return Error::new(Code::Cardinality, "more than one row returned by a subquery used as an expression");
    }
    if lower.contains("regex parse error") || lower.contains("regular expression did not compile") {
        return invalid_regex(text);
    }
    if let Some((_, value)) = text.split_once("invalid input syntax for type ") {
        return Error::new(Code::InvalidText, format!("invalid input syntax for type {}", first_line(value)));
    }
    if lower.contains("cannot take square root of a negative number") {
        return Error::new(Code::InvalidPower, "cannot take square root of a negative number");
    }
    if text.contains("zero raised to a negative power") {
        return Error::new(Code::InvalidPower, "zero raised to a negative power is undefined");
    }
    if let Some(kind) = ["smallint", "integer", "bigint"].iter().find(|kind| lower.contains(&format!("{kind} out of range"))) {
        return Error::new(Code::NumericOutOfRange, format!("{kind} out of range"));
    }
    if lower.contains("granularity") || lower.contains("date part") || lower.contains("field position must not be zero") {
        return Error::new(Code::InvalidParameter, sentence(text));
    }
    if lower.contains("invalid hexadecimal digit") {
        return Error::new(Code::InvalidParameter, sentence(text));
    }
    if lower.contains("negative count not allowed") || lower.contains("negative substring length") {
        return Error::new(Code::Substring, "negative substring length not allowed");
    }
    if lower.contains("unable to parse date from") {
        return Error::new(Code::DatetimeOutOfRange, "date field value out of range");
    }
    if lower.contains("divide by zero") || lower.contains("dividebyzero") || lower.contains("division by zero") {
        return Error::new(Code::DivisionByZero, "division by zero");
    }
    if lower.contains("overflow") || lower.contains("out of range") {
        return Error::new(Code::NumericOutOfRange, sentence(text));
    }
    if lower.contains("placeholder") {
        return Error::new(Code::UndefinedParameter, sentence(text));
    }
    if lower.contains("error parsing") || lower.contains("cannot parse") || lower.contains("error parsing timestamp") {
        return Error::new(Code::InvalidText, sentence(text));
    }
    Error::new(Code::DataException, sentence(text))
}

fn classify_arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::DivideByZero => Error::new(Code::DivisionByZero, "division by zero"),
        ArrowError::ArithmeticOverflow(text) => Error::new(Code::NumericOutOfRange, "value out of range").detail(first_line(text)),
        ArrowError::CastError(text) if text.contains("Can't cast value") || text.contains("too large") || text.contains("out of range") => {
            Error::new(Code::NumericOutOfRange, "value out of range").detail(first_line(text))
        }
        ArrowError::CastError(text) => unreadable_value(text),
        ArrowError::ParseError(text) => unreadable_value(text),
        ArrowError::InvalidArgumentError(text) if text.contains("is too large to store") || text.contains("too large") => {
            Error::new(Code::NumericOutOfRange, "numeric field overflow").detail(first_line(text))
        }
        ArrowError::ComputeError(text) | ArrowError::InvalidArgumentError(text) => classify_execution(text),
        ArrowError::NotYetImplemented(text) => Error::new(Code::NotSupported, sentence(text)),
        ArrowError::MemoryError(text) => Error::new(Code::OutOfMemory, "out of memory").detail(first_line(text)),
        ArrowError::IoError(_, io) => classify_io(io),
        ArrowError::JsonError(text) => Error::new(Code::InvalidText, "invalid input syntax for type json").detail(first_line(text)),
        ArrowError::CsvError(text) | ArrowError::AvroError(text) => Error::new(Code::DataException, sentence(text)),
        ArrowError::ParquetError(text) if shown_failure(text).is_some() || is_of_values(text) => {
            shown_failure(text).unwrap_or_else(|| classify_execution(text))
        }
        ArrowError::ParquetError(_) | ArrowError::IpcError(_) => Error::new(Code::Io, "a file of the lake could not be read"),
        ArrowError::OffsetOverflowError(_) => Error::new(Code::OutOfMemory, "a text value is too long"),
        _ => Error::internal("the query could not be run"),
    }
}

/// `invalid input syntax for type integer: "abc"`, as PostgreSQL words it.
fn unreadable_value(text: &str) -> Error {
    let value = between(text, "string '", "'").or_else(|| between(text, "from '", "'")).or_else(|| between(text, "'", "'"));
    let type_name = between(text, "to value of ", " type").map_or_else(|| type_in(text), pg_name);
    match value {
        Some(value) => Error::new(Code::InvalidText, format!("invalid input syntax for type {type_name}: \"{value}\"")),
        None => Error::new(Code::InvalidText, sentence(text)),
    }
}

fn type_in(text: &str) -> &'static str {
    let lower = text.to_lowercase();
    ["timestamp", "date", "time", "interval"].into_iter().find(|name| lower.contains(name)).unwrap_or("value")
}

fn pg_name(arrow: &str) -> &'static str {
    match arrow {
        "Boolean" => "boolean",
        "Uuid" => "uuid",
        "timestamptz" => "timestamp with time zone",
        "timestamp" => "timestamp",
        "Int8" | "Int16" => "smallint",
        "Int32" => "integer",
        "Int64" => "bigint",
        "Float32" => "real",
        "Float64" => "double precision",
        name if name.starts_with("Decimal") => "numeric",
        name if name.starts_with("Date") => "date",
        name if name.starts_with("Timestamp") => "timestamp",
        name if name.starts_with("Time") => "time",
        name if name.starts_with("Interval") => "interval",
        _ => "value",
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    match after {
        "." => Some(rest.split(['.', ' ', '\n']).next().unwrap_or(rest)),
        _ => rest.split_once(after).map(|(found, _)| found),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or("").trim().to_owned()
}

/// The first line as a primary message: lower case, no full stop.
fn sentence(text: &str) -> String {
    let line = first_line(text);
    let line = line.trim_end_matches('.');
    let mut chars = line.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => first.to_lowercase().chain(chars).collect(),
        _ => line.to_owned(),
    }
}
