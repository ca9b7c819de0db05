//! What went wrong, in terms a client can act on.
//!
//! The primary message never contains the text of the wrapped error: that goes to `source`, and the log prints the chain.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use weir_catalog::ErrorKind;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error as it reaches a client: code, primary message, and what helps to act on it.
#[derive(Debug, Clone)]
pub struct Error {
    code: Code,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    /// 1-based character offset in the statement's text.
    position: Option<usize>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The kinds of failure. Each has one SQLSTATE and says whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    Syntax,
    UndefinedTable,
    UndefinedColumn,
    UndefinedFunction,
    UndefinedSchema,
    UndefinedObject,
    UndefinedParameter,
    AmbiguousColumn,
    /// A place in ORDER BY or GROUP BY that is none.
    InvalidReference,
    /// No cast between two types.
    CannotCast,
    StringTooLong,
    /// Text that is no date, time or interval.
    InvalidDatetime,
    Untranslatable,
    /// Bytes that are no text.
    InvalidEncoding,
    TooComplex,
    /// A value that would be larger than any may be.
    TooLarge,
    InvalidRegex,
    /// A pattern that ends with its escape character.
    InvalidEscape,
    InvalidPower,
    InvalidLogarithm,
    InvalidLimit,
    InvalidOffset,
    Grouping,
    NoJsonMember,
    JsonItem,
    OutOfArray,
    Substring,
    DuplicateObject,
    DuplicateTable,
    DuplicateSchema,
    InUse,
    WrongState,
    WrongType,
    /// The name is right, the kind of object is not: DROP TABLE of a view.
    WrongObjectKind,
    DuplicateColumn,
    UndefinedDatabase,
    UndefinedPrepared,
    DuplicatePrepared,
    UndefinedCursor,
    DuplicateCursor,
    UndefinedSavepoint,
    InvalidDefinition,
    /// A table where it cannot be.
    InvalidTable,
    InvalidOption,
    InvalidParameter,
    InvalidText,
    NumericOutOfRange,
    DatetimeOutOfRange,
    DivisionByZero,
    CheckViolated,
    ForeignKeyViolated,
    UniqueViolated,
    NotNullViolated,
    RejectLimit,
    DataException,
    /// A query that stands for one value gave several.
    Cardinality,
    NotSupported,
    NoPrivilege,
    BadPassword,
    /// A membership that cannot be, a right that cannot be given.
    InvalidGrant,
    ReservedName,
    /// The connection is refused whatever the password.
    BadAuthorization,
    ReadOnly,
    FailedTransaction,
    NoTransaction,
    ActiveTransaction,
    Conflict,
    Cancelled,
    ShuttingDown,
    TooManyConnections,
    OutOfMemory,
    DiskFull,
    Io,
    SourceUnavailable,
    SourceRefused,
    Protocol,
    /// Rows of a COPY that do not have the form they should have.
    BadCopyFormat,
    Internal,
}

impl Code {
    /// Every kind, for the way back from a stored SQLSTATE.
    const ALL: &[Code] = &[
        Code::Syntax,
        Code::UndefinedTable,
        Code::UndefinedColumn,
        Code::UndefinedFunction,
        Code::UndefinedSchema,
        Code::UndefinedObject,
        Code::UndefinedParameter,
        Code::AmbiguousColumn,
        Code::InvalidReference,
        Code::CannotCast,
        Code::StringTooLong,
        Code::InvalidDatetime,
        Code::Untranslatable,
        Code::InvalidEncoding,
        Code::TooComplex,
        Code::TooLarge,
        Code::InvalidRegex,
        Code::InvalidEscape,
        Code::InvalidPower,
        Code::InvalidLogarithm,
        Code::InvalidLimit,
        Code::InvalidOffset,
        Code::Grouping,
        Code::NoJsonMember,
        Code::JsonItem,
        Code::OutOfArray,
        Code::Substring,
        Code::DuplicateObject,
        Code::DuplicateTable,
        Code::DuplicateSchema,
        Code::InUse,
        Code::WrongState,
        Code::WrongType,
        Code::WrongObjectKind,
        Code::DuplicateColumn,
        Code::UndefinedDatabase,
        Code::UndefinedPrepared,
        Code::DuplicatePrepared,
        Code::UndefinedCursor,
        Code::DuplicateCursor,
        Code::UndefinedSavepoint,
        Code::InvalidDefinition,
        Code::InvalidTable,
        Code::InvalidOption,
        Code::InvalidParameter,
        Code::InvalidText,
        Code::NumericOutOfRange,
        Code::DatetimeOutOfRange,
        Code::DivisionByZero,
        Code::CheckViolated,
        Code::ForeignKeyViolated,
        Code::UniqueViolated,
        Code::NotNullViolated,
        Code::RejectLimit,
        Code::DataException,
        Code::Cardinality,
        Code::NotSupported,
        Code::NoPrivilege,
        Code::BadPassword,
        Code::InvalidGrant,
        Code::ReservedName,
        Code::BadAuthorization,
        Code::ReadOnly,
        Code::FailedTransaction,
        Code::NoTransaction,
        Code::ActiveTransaction,
        Code::Conflict,
        Code::Cancelled,
        Code::ShuttingDown,
        Code::TooManyConnections,
        Code::OutOfMemory,
        Code::DiskFull,
        Code::Io,
        Code::SourceUnavailable,
        Code::SourceRefused,
        Code::Protocol,
        Code::BadCopyFormat,
        Code::Internal,
    ];

    /// The kind that a stored SQLSTATE stood for; where several share one, the first.
    pub fn from_sqlstate(sqlstate: &str) -> Option<Code> {
        Self::ALL.iter().copied().find(|code| code.sqlstate() == sqlstate)
    }

    pub fn sqlstate(self) -> &'static str {
        match self {
            Code::Syntax => "42601",
            Code::UndefinedTable => "42P01",
            Code::UndefinedColumn => "42703",
            Code::UndefinedFunction => "42883",
            Code::UndefinedSchema => "3F000",
            Code::UndefinedObject => "42704",
            Code::UndefinedParameter => "42P02",
            Code::AmbiguousColumn => "42702",
            Code::InvalidReference => "42P10",
            Code::CannotCast => "42846",
            Code::StringTooLong => "22001",
            Code::InvalidDatetime => "22007",
            Code::Untranslatable => "22P05",
            Code::InvalidEncoding => "22021",
            Code::TooComplex => "54001",
            Code::TooLarge => "54000",
            Code::InvalidRegex => "2201B",
            Code::InvalidEscape => "22025",
            Code::InvalidPower => "2201F",
            Code::InvalidLogarithm => "2201E",
            Code::InvalidLimit => "2201W",
            Code::InvalidOffset => "2201X",
            Code::Grouping => "42803",
            Code::NoJsonMember => "2203A",
            Code::JsonItem => "22036",
            Code::OutOfArray => "2202E",
            Code::Substring => "22011",
            Code::DuplicateObject => "42710",
            Code::DuplicateTable => "42P07",
            Code::DuplicateSchema => "42P06",
            Code::InUse => "2BP01",
            Code::WrongState => "55000",
            Code::WrongType => "42804",
            Code::WrongObjectKind => "42809",
            Code::DuplicateColumn => "42701",
            Code::UndefinedDatabase => "3D000",
            Code::UndefinedPrepared => "26000",
            Code::DuplicatePrepared => "42P05",
            Code::UndefinedCursor => "34000",
            Code::DuplicateCursor => "42P03",
            Code::UndefinedSavepoint => "3B001",
            Code::InvalidDefinition => "42P17",
            Code::InvalidTable => "42P16",
            Code::InvalidOption => "HV00D",
            Code::InvalidParameter => "22023",
            Code::InvalidText => "22P02",
            Code::NumericOutOfRange => "22003",
            Code::DatetimeOutOfRange => "22008",
            Code::DivisionByZero => "22012",
            Code::CheckViolated => "23514",
            Code::ForeignKeyViolated => "23503",
            Code::UniqueViolated => "23505",
            Code::NotNullViolated => "23502",
            Code::RejectLimit | Code::DataException => "22000",
            Code::Cardinality => "21000",
            Code::NotSupported => "0A000",
            Code::NoPrivilege => "42501",
            Code::BadPassword => "28P01",
            Code::InvalidGrant => "0LP01",
            Code::ReservedName => "42939",
            Code::BadAuthorization => "28000",
            Code::ReadOnly => "25006",
            Code::FailedTransaction => "25P02",
            Code::NoTransaction => "25P01",
            Code::ActiveTransaction => "25001",
            Code::Conflict => "40001",
            Code::Cancelled => "57014",
            Code::ShuttingDown => "57P01",
            Code::TooManyConnections => "53300",
            Code::OutOfMemory => "53200",
            Code::DiskFull => "53100",
            Code::Io => "58030",
            Code::SourceUnavailable => "HV00N",
            Code::SourceRefused => "28000",
            Code::Protocol => "08P01",
            Code::BadCopyFormat => "22P04",
            Code::Internal => "XX000",
        }
    }

    /// Whether the same work may succeed later without anybody changing it.
    pub fn is_passing(self) -> bool {
        matches!(self, Code::Conflict | Code::ShuttingDown | Code::OutOfMemory | Code::DiskFull | Code::Io | Code::SourceUnavailable)
    }
}

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), detail: None, hint: None, position: None, source: None }
    }

    /// A broken promise inside the hub: shown to clients masked, with an id that the log repeats.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into().or(self.hint);
        self
    }

    #[must_use]
    pub fn at(mut self, position: impl Into<Option<usize>>) -> Self {
        self.position = position.into().or(self.position);
        self
    }

    #[must_use]
    pub fn caused_by(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Forgets the position: it belongs to another text than the client's.
    #[must_use]
    pub fn without_position(mut self) -> Self {
        self.position = None;
        self
    }

    pub fn code(&self) -> Code {
        self.code
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn detail_text(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub fn position(&self) -> Option<usize> {
        self.position
    }

    /// The message and every cause below it, for logs and for `hub.runs.error`.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut next = self.source.as_deref().map(|s| s as &(dyn StdError + 'static));
        while let Some(cause) = next {
            let more = cause.to_string();
            // Wrappers repeat what they wrap.
            if !text.ends_with(&more) {
                text.push_str(": ");
                text.push_str(&more);
            }
            next = cause.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}

impl From<weir_catalog::Error> for Error {
    fn from(error: weir_catalog::Error) -> Self {
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
        let mapped = Self::new(code, error.message()).hint(error.hint().map(str::to_owned));
        let mapped = match error.detail() {
            Some(detail) => mapped.detail(detail),
            None => mapped,
        };
        mapped.caused_by(error)
    }
}

impl From<weir_sql::SyntaxError> for Error {
    fn from(error: weir_sql::SyntaxError) -> Self {
        let code = match error.kind {
            weir_sql::SyntaxErrorKind::Syntax => Code::Syntax,
            weir_sql::SyntaxErrorKind::NotSupported => Code::NotSupported,
        };
        let mapped = Self::new(code, error.message).hint(error.hint).at(error.position);
        match error.detail {
            Some(detail) => mapped.detail(detail),
            None => mapped,
        }
    }
}
