//! `CREATE [OR REPLACE] [TEMP] PIPELINE [IF NOT EXISTS] name [(parameters)] header.. { INTO .. AS query | AS body }`

use crate::statements::create_source::SchemaChange;
use crate::{Argument, Columns, Expr, Ident, Interval, Name, Options, Query, Rule, TypeName};

#[derive(Debug, Clone, PartialEq)]
pub struct CreatePipeline {
    pub name: Name,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub temporary: bool,
    pub parameters: Vec<Parameter>,
    pub header: Header,
    pub body: Body,
}

/// `name type [DEFAULT expr]`, used as `$name`.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    pub name: Ident,
    pub data_type: TypeName,
    pub default: Option<Expr>,
}

/// The clauses before the body, which may come in any order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Header {
    pub triggers: Vec<Trigger>,
    pub reject_limit: Option<RejectLimit>,
    pub options: Options,
    pub comment: Option<String>,
}

/// How many rows of a run may be refused before the run fails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RejectLimit {
    Rows(u64),
    Percent(f64),
}

/// What starts a run. `text` is the user's own, for catalog views.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    pub kind: TriggerKind,
    pub text: String,
    pub position: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub enum TriggerKind {
    Every {
        interval: Interval,
        offset: Option<Interval>,
    },
    /// The five fields as typed, and the zone's name.
    Cron {
        expression: String,
        expression_position: usize,
        time_zone: Option<String>,
    },
    /// Empty `of` means every STREAM input.
    Update {
        of: Vec<Name>,
        wait: UpdateWait,
        at_most_every: Option<Interval>,
    },
    After {
        pipelines: Vec<Name>,
        on: AfterOutcome,
    },
    Event {
        name: String,
        when: Option<Expr>,
    },
}

/// Whether one or all of the inputs must have something new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateWait {
    Any,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterOutcome {
    Success,
    Failure,
    Completion,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// `INTO target .. AS query`.
    Single(Box<Output>),
    /// `AS [WITH ..] INTO .. AS (query) INTO ..`.
    Outputs(Outputs),
    /// `AS STEP a (..) STEP b (..)`.
    Steps(Vec<Step>),
    /// `FROM TEMPLATE name (..)`.
    Template {
        template: Name,
        arguments: Vec<Argument>,
    },
}

/// Outputs that read the same input once.
#[derive(Debug, Clone, PartialEq)]
pub struct Outputs {
    /// The shared `WITH name AS (query)` list.
    pub shared: Vec<(Ident, Query)>,
    pub outputs: Vec<Output>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub name: Ident,
    /// `ON FAILURE CONTINUE`; the default is to stop.
    pub continue_on_failure: bool,
    pub outputs: Outputs,
}

/// One target and what lands there.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    pub target: Name,
    /// `None` when not written.
    pub mode: Option<Mode>,
    pub rules: Vec<Rule>,
    pub schema_change: Option<SchemaChange>,
    pub partitioned_by: Columns,
    pub returning_into: Option<Name>,
    pub query: Query,
    pub position: usize,
}

/// How rows meet the rows that are already there.
#[derive(Debug, Clone, PartialEq)]
pub enum Mode {
    Append,
    Upsert {
        keyed: Keyed,
        ignore_null_updates: bool,
    },
    Replace,
    ReplaceWhere(Expr),
    ReplacePartitions,
    ScdType2 {
        keyed: Keyed,
        track: Track,
    },
}

/// `KEY (..) [SEQUENCE BY expr] [DELETE WHEN (expr)]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Keyed {
    pub key: Columns,
    pub sequence_by: Option<Expr>,
    pub delete_when: Option<Expr>,
}

/// Which columns open a new period when they change.
#[derive(Debug, Clone, PartialEq)]
pub enum Track {
    All,
    Only(Columns),
    AllExcept(Columns),
}
