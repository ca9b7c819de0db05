//! A statement: the user's own text, and what it asks for.

use crate::query::{Dml, Query};
use crate::statements::alter_object::AlterObject;
use crate::statements::alter_pipeline::AlterPipeline;
use crate::statements::alter_source::AlterSource;
use crate::statements::alter_table::AlterTable;
use crate::statements::cancel_run::CancelRun;
use crate::statements::comment_on::CommentOn;
use crate::statements::copy::Copy;
use crate::statements::create_alert::CreateAlert;
use crate::statements::create_connection::CreateConnection;
use crate::statements::create_pipeline::CreatePipeline;
use crate::statements::create_schema::CreateSchema;
use crate::statements::create_secret::{AlterSecret, CreateSecret};
use crate::statements::create_source::CreateSource;
use crate::statements::create_table::CreateTable;
use crate::statements::create_template::CreateTemplate;
use crate::statements::create_view::CreateView;
use crate::statements::cursor::{CloseCursor, DeclareCursor, FetchCursor};
use crate::statements::describe_history::DescribeHistory;
use crate::statements::describe_object::DescribeObject;
use crate::statements::drop_object::DropObject;
use crate::statements::explain::Explain;
use crate::statements::explain_change::ExplainChange;
use crate::statements::explain_pipeline::ExplainPipeline;
use crate::statements::grant::{DefaultPrivileges, Grant, GrantRole};
use crate::statements::import_foreign_schema::ImportForeignSchema;
use crate::statements::notify::Bus;
use crate::statements::optimize::Optimize;
use crate::statements::prepared::{Deallocate, Execute, Prepare};
use crate::statements::replay_pipeline::ReplayPipeline;
use crate::statements::restore_table::RestoreTable;
use crate::statements::roles::{AlterRole, CreateRole, DropRole};
use crate::statements::run_pipeline::RunPipeline;
use crate::statements::set_variable::{Discard, ResetVariable, SetVariable, ShowVariable};
use crate::statements::show_create::ShowCreate;
use crate::statements::show_objects::ShowObjects;
use crate::statements::show_runs::ShowRuns;
use crate::statements::transaction::Transaction;
use crate::statements::truncate::Truncate;
use crate::statements::vacuum::Vacuum;
use crate::statements::validate_connection::ValidateConnection;

/// One statement of the input.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The user's own text, trimmed, without the semicolon.
    pub text: String,
    /// Where the text starts: 1-based character offset in the whole input.
    pub position: usize,
    pub kind: StatementKind,
}

/// What a statement asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum StatementKind {
    Query(Query),
    Dml(Dml),
    Explain(Explain),
    CreateSchema(CreateSchema),
    CreateSecret(CreateSecret),
    AlterSecret(AlterSecret),
    CreateConnection(CreateConnection),
    ValidateConnection(ValidateConnection),
    ImportForeignSchema(ImportForeignSchema),
    CreateSource(Box<CreateSource>),
    CreateView(CreateView),
    CreateTable(Box<CreateTable>),
    CreateTemplate(CreateTemplate),
    CreatePipeline(Box<CreatePipeline>),
    CreateAlert(Box<CreateAlert>),
    AlterObject(AlterObject),
    AlterPipeline(AlterPipeline),
    AlterSource(AlterSource),
    AlterTable(AlterTable),
    DropObject(DropObject),
    ShowObjects(ShowObjects),
    ShowCreate(ShowCreate),
    ShowRuns(ShowRuns),
    DescribeObject(DescribeObject),
    DescribeHistory(DescribeHistory),
    CommentOn(CommentOn),
    RunPipeline(RunPipeline),
    ReplayPipeline(ReplayPipeline),
    CancelRun(CancelRun),
    ExplainChange(ExplainChange),
    ExplainPipeline(ExplainPipeline),
    RestoreTable(RestoreTable),
    Optimize(Optimize),
    Vacuum(Vacuum),
    Truncate(Truncate),
    Transaction(Transaction),
    SetVariable(SetVariable),
    ResetVariable(ResetVariable),
    ShowVariable(ShowVariable),
    Discard(Discard),
    Bus(Bus),
    DeclareCursor(DeclareCursor),
    FetchCursor(FetchCursor),
    CloseCursor(CloseCursor),
    Prepare(Prepare),
    Execute(Execute),
    Deallocate(Deallocate),
    Copy(Copy),
    CreateRole(CreateRole),
    AlterRole(AlterRole),
    DropRole(DropRole),
    Grant(Box<Grant>),
    GrantRole(GrantRole),
    DefaultPrivileges(Box<DefaultPrivileges>),
    /// Known, but not built: answered `0A000` with this name.
    NotBuilt {
        what: String,
        position: usize,
    },
}

/// The kinds of object that DROP, SHOW, DESCRIBE and COMMENT speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    Schema,
    Secret,
    Connection,
    Source,
    Table,
    View,
    Pipeline,
    Alert,
    Template,
}

impl ObjectKind {
    /// Every kind, in the order of their noun's singular, plural.
    pub(crate) const NOUNS: &[(ObjectKind, &str, &str)] = &[
        (ObjectKind::Schema, "SCHEMA", "SCHEMAS"),
        (ObjectKind::Secret, "SECRET", "SECRETS"),
        (ObjectKind::Connection, "CONNECTION", "CONNECTIONS"),
        (ObjectKind::Source, "SOURCE", "SOURCES"),
        (ObjectKind::Table, "TABLE", "TABLES"),
        (ObjectKind::View, "VIEW", "VIEWS"),
        (ObjectKind::Pipeline, "PIPELINE", "PIPELINES"),
        (ObjectKind::Alert, "ALERT", "ALERTS"),
        (ObjectKind::Template, "TEMPLATE", "TEMPLATES"),
    ];

    /// The noun in capitals, as in a command tag.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Schema => "SCHEMA",
            Self::Secret => "SECRET",
            Self::Connection => "CONNECTION",
            Self::Source => "SOURCE",
            Self::Table => "TABLE",
            Self::View => "VIEW",
            Self::Pipeline => "PIPELINE",
            Self::Alert => "ALERT",
            Self::Template => "TEMPLATE",
        }
    }
}
