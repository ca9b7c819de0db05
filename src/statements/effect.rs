//! What a statement does to the world, told before it runs.

use weir_sql::statements::copy::CopyDirection;
use weir_sql::statements::grant::Direction;
use weir_sql::statements::run_pipeline::RunHow;
use weir_sql::statements::transaction::Transaction;
use weir_sql::{ObjectKind, StatementKind};

/// What a statement may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Reads,
    /// Definitions or data. The command as messages name it, which is also the tag of a definition's statement.
    Writes(&'static str),
    /// Only the session itself.
    Session,
    /// Allowed in a failed transaction.
    EndsTransaction,
}

pub(super) fn effect(kind: &StatementKind) -> Effect {
    match kind {
        StatementKind::Query(_)
        | StatementKind::Explain(_)
        | StatementKind::ValidateConnection(_)
        | StatementKind::ShowObjects(_)
        | StatementKind::ShowCreate(_)
        | StatementKind::ShowRuns(_)
        | StatementKind::DescribeObject(_)
        | StatementKind::DescribeHistory(_)
        | StatementKind::ExplainChange(_)
        | StatementKind::ExplainPipeline(_) => Effect::Reads,
        StatementKind::Dml(dml) => Effect::Writes(dml_command(&dml.ast)),
        StatementKind::CreateSchema(_) => Effect::Writes("CREATE SCHEMA"),
        StatementKind::CreateSecret(_) => Effect::Writes("CREATE SECRET"),
        StatementKind::AlterSecret(_) => Effect::Writes("ALTER SECRET"),
        StatementKind::CreateConnection(_) => Effect::Writes("CREATE CONNECTION"),
        StatementKind::ImportForeignSchema(_) => Effect::Writes("IMPORT FOREIGN SCHEMA"),
        StatementKind::CreateSource(_) => Effect::Writes("CREATE SOURCE"),
        StatementKind::CreateView(_) => Effect::Writes("CREATE VIEW"),
        StatementKind::CreateTable(_) => Effect::Writes("CREATE TABLE"),
        StatementKind::CreatePipeline(_) => Effect::Writes("CREATE PIPELINE"),
        StatementKind::CreateAlert(_) => Effect::Writes("CREATE ALERT"),
        StatementKind::CreateTemplate(_) => Effect::Writes("CREATE TEMPLATE"),
        StatementKind::AlterObject(statement) => Effect::Writes(alter_command(statement.kind)),
        StatementKind::AlterPipeline(_) => Effect::Writes("ALTER PIPELINE"),
        StatementKind::AlterSource(_) => Effect::Writes("ALTER SOURCE"),
        StatementKind::AlterTable(_) => Effect::Writes("ALTER TABLE"),
        StatementKind::DropObject(statement) => Effect::Writes(drop_command(statement.kind)),
        StatementKind::CommentOn(_) => Effect::Writes("COMMENT"),
        StatementKind::RunPipeline(statement) => match statement.how {
            RunHow::Dry { .. } => Effect::Reads,
            RunHow::New | RunHow::FullRefresh | RunHow::Backfill { .. } => Effect::Writes("RUN PIPELINE"),
        },
        StatementKind::ReplayPipeline(_) => Effect::Writes("REPLAY PIPELINE"),
        StatementKind::CancelRun(_) => Effect::Writes("CANCEL RUN"),
        StatementKind::RestoreTable(_) => Effect::Writes("RESTORE TABLE"),
        StatementKind::Optimize(_) => Effect::Writes("OPTIMIZE"),
        StatementKind::Vacuum(_) => Effect::Writes("VACUUM"),
        StatementKind::Truncate(_) => Effect::Writes("TRUNCATE TABLE"),
        StatementKind::Transaction(statement) => match statement {
            Transaction::Commit { .. } | Transaction::Rollback { .. } | Transaction::RollbackTo(_) => Effect::EndsTransaction,
            Transaction::Begin(_) | Transaction::Savepoint(_) | Transaction::Release(_) | Transaction::SetModes { .. } => Effect::Session,
        },
        StatementKind::Copy(statement) => match statement.direction {
            CopyDirection::IntoRelation { .. } | CopyDirection::IntoPipeline { .. } => Effect::Writes("COPY FROM"),
            CopyDirection::OutOfRelation { .. } | CopyDirection::OutOfQuery(_) => Effect::Reads,
        },
        StatementKind::CreateRole(_) => Effect::Writes("CREATE ROLE"),
        StatementKind::AlterRole(_) => Effect::Writes("ALTER ROLE"),
        StatementKind::DropRole(_) => Effect::Writes("DROP ROLE"),
        StatementKind::Grant(statement) => Effect::Writes(match statement.direction {
            Direction::Grant => "GRANT",
            Direction::Revoke => "REVOKE",
        }),
        StatementKind::GrantRole(statement) => Effect::Writes(match statement.direction {
            Direction::Grant => "GRANT ROLE",
            Direction::Revoke => "REVOKE ROLE",
        }),
        StatementKind::DefaultPrivileges(_) => Effect::Writes("ALTER DEFAULT PRIVILEGES"),
        StatementKind::Execute(_)
        | StatementKind::SetVariable(_)
        | StatementKind::ResetVariable(_)
        | StatementKind::ShowVariable(_)
        | StatementKind::Discard(_)
        | StatementKind::Bus(_)
        | StatementKind::DeclareCursor(_)
        | StatementKind::FetchCursor(_)
        | StatementKind::CloseCursor(_)
        | StatementKind::Prepare(_)
        | StatementKind::Deallocate(_)
        | StatementKind::NotBuilt { .. } => Effect::Session,
    }
}

fn dml_command(ast: &sqlparser::ast::Statement) -> &'static str {
    match ast {
        sqlparser::ast::Statement::Update { .. } => "UPDATE",
        sqlparser::ast::Statement::Delete(_) => "DELETE",
        _ => "INSERT",
    }
}

pub(super) fn alter_command(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Schema => "ALTER SCHEMA",
        ObjectKind::Secret => "ALTER SECRET",
        ObjectKind::Connection => "ALTER CONNECTION",
        ObjectKind::Source => "ALTER SOURCE",
        ObjectKind::Table => "ALTER TABLE",
        ObjectKind::View => "ALTER VIEW",
        ObjectKind::Pipeline => "ALTER PIPELINE",
        ObjectKind::Alert => "ALTER ALERT",
        ObjectKind::Template => "ALTER TEMPLATE",
    }
}

pub(super) fn drop_command(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Schema => "DROP SCHEMA",
        ObjectKind::Secret => "DROP SECRET",
        ObjectKind::Connection => "DROP CONNECTION",
        ObjectKind::Source => "DROP SOURCE",
        ObjectKind::Table => "DROP TABLE",
        ObjectKind::View => "DROP VIEW",
        ObjectKind::Pipeline => "DROP PIPELINE",
        ObjectKind::Alert => "DROP ALERT",
        ObjectKind::Template => "DROP TEMPLATE",
    }
}
