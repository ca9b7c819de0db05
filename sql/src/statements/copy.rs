//! `COPY {name [(columns)] | PIPELINE name [(args)]} FROM STDIN [WITH (..)]` and `COPY {name [(columns)] | (query)} TO STDOUT [WITH (..)]`

use crate::{Argument, Columns, Name, Options, Query};

#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    pub direction: CopyDirection,
    /// Keys in lower case; a key without a value is TRUE, a bare word is text.
    pub options: Options,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CopyDirection {
    IntoRelation {
        name: Name,
        columns: Columns,
    },
    IntoPipeline {
        name: Name,
        arguments: Vec<Argument>,
    },
    OutOfRelation {
        name: Name,
        columns: Columns,
    },
    OutOfQuery(Query),
}
