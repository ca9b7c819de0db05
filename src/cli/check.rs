//! `weir check FILE.sql`: parses and binds every statement of a script, runs none of them.
//!
//! The script meets a hub of its own in a temporary folder, inside one transaction that is rolled back. Definitions are made there, so that
//! later statements find them; queries and changes of data are only bound. A pipeline's new target counts as made. Files are checked in the
//! order given, as one script: the second may build on the first.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use weir_sql::statements::create_pipeline::CreatePipeline;
use weir_sql::{Statement, StatementKind, quote_ident};

use super::args::{CheckArgs, print};
use super::serve::runtime;
use crate::clock::Clock;
use crate::config::{Config, Layers};
use crate::engine::shown_type;
use crate::error::{Code, Error, Result};
use crate::hub::Hub;
use crate::session::Session;
use crate::statements;

/// Where the definitions of the script so far are safe from the next statement's error.
const SAVED: &str = "checked";
/// Columns a pipeline adds to a table it makes.
const PROVENANCE: [(&str, &str); 4] =
    [("_run_id", "text"), ("_ingested_at", "timestamptz"), ("_source", "text"), ("_source_position", "bigint")];

pub(super) fn check(args: &CheckArgs) -> Result<ExitCode> {
    let folder = tempfile::Builder::new()
        .prefix("weir-check-")
        .tempdir()
        .map_err(|e| Error::new(Code::Io, "cannot make a temporary folder").caused_by(e))?;
    let flags = vec![("data_dir".to_owned(), folder.path().to_string_lossy().into_owned())];
    let config = Config::load(&Layers { file: None, environment: Vec::new(), flags })?;
    let runtime = runtime(config.workers)?;
    let found = runtime.block_on(async {
        let hub = Hub::open(config, Clock::real()).await?;
        let session = Session::new(hub.clone(), "admin".to_owned(), hub.database().to_owned(), &[])?;
        let found = check_files(&session, args).await;
        session.close().await;
        hub.close().await;
        found
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(if found? == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns how many errors there are.
async fn check_files(session: &Session, args: &CheckArgs) -> Result<usize> {
    command(session, "BEGIN").await?;
    let mut found = 0;
    for file in &args.files {
        let text = fs::read_to_string(file).map_err(|e| Error::new(Code::Io, format!("cannot read {}", file.display())).caused_by(e))?;
        found += check_file(session, file, &text).await?;
    }
    command(session, "ROLLBACK").await?;
    Ok(found)
}

async fn check_file(session: &Session, file: &Path, text: &str) -> Result<usize> {
    let text = without_commands(text);
    let statements = match weir_sql::parse_each(&text) {
        Ok(statements) => statements,
        Err(e) => {
            print(&shown(file, &text, 1, &e.into()))?;
            return Ok(1);
        }
    };
    let (total, mut found) = (statements.len(), 0);
    for statement in statements {
        let (position, outcome) = match statement {
            Ok(statement) => (statement.position, check_statement(session, &statement).await),
            Err(e) => (e.position.unwrap_or(1), Err(e.into())),
        };
        for notice in session.take_notices() {
            let (line, column) = place(&text, position);
            print(&format!("{}:{line}:{column}: {}: {}\n", file.display(), notice.severity.to_lowercase(), notice.message))?;
        }
        if let Err(e) = outcome {
            found += 1;
            print(&shown(file, &text, position, &e))?;
        }
    }
    if found == 0 {
        print(&format!("{}: {total} statements, no errors\n", file.display()))?;
    }
    Ok(found)
}

/// psql's own commands are psql's to check; their lines become blanks, so every position stays.
fn without_commands(text: &str) -> String {
    let blank = |line: &str| line.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect::<String>();
    text.split_inclusive('\n').map(|line| if line.trim_start().starts_with('\\') { blank(line) } else { line.to_owned() }).collect()
}

async fn check_statement(session: &Session, statement: &Statement) -> Result<()> {
    command(session, &format!("SAVEPOINT {SAVED}")).await?;
    let checked = bind(session, statement).await;
    if checked.is_err() {
        command(session, &format!("ROLLBACK TO SAVEPOINT {SAVED}")).await?;
    }
    command(session, &format!("RELEASE SAVEPOINT {SAVED}")).await?;
    checked
}

/// Definitions are made, inside the transaction; everything that would do something is only described.
async fn bind(session: &Session, statement: &Statement) -> Result<()> {
    match &statement.kind {
        StatementKind::CreateSchema(_)
        | StatementKind::CreateSecret(_)
        | StatementKind::AlterSecret(_)
        | StatementKind::CreateConnection(_)
        | StatementKind::CreateSource(_)
        | StatementKind::CreateView(_)
        | StatementKind::CreateTable(_)
        | StatementKind::AlterObject(_)
        | StatementKind::AlterPipeline(_)
        | StatementKind::AlterTable(_)
        | StatementKind::DropObject(_)
        | StatementKind::CommentOn(_)
        | StatementKind::SetVariable(_)
        | StatementKind::ResetVariable(_) => statements::execute(session, statement, Vec::new()).await.map(drop),
        StatementKind::CreatePipeline(pipeline) => {
            statements::execute(session, statement, Vec::new()).await?;
            make_targets(session, pipeline).await
        }
        // Opening or ending a transaction would end the one all this happens in.
        StatementKind::Transaction(_) => Ok(()),
        StatementKind::NotBuilt { what, position } => {
            Err(Error::new(Code::NotSupported, format!("{what} is not supported yet")).at(*position))
        }
        _ => statements::describe(session, statement, &[]).await.map(drop),
    }
}

/// Tables that the pipeline would make by its first run exist for the rest of the script.
async fn make_targets(session: &Session, pipeline: &CreatePipeline) -> Result<()> {
    let checked = session.hub().runner().check(pipeline, &session.scope(Vec::new()), &*session.definitions()).await?;
    for (target, given) in checked.outputs {
        let mut columns: Vec<String> =
            given.fields().iter().map(|field| format!("{} {}", quote_ident(field.name()), shown_type(field))).collect();
        for (name, data_type) in PROVENANCE {
            if given.column_with_name(name).is_none() {
                columns.push(format!("{name} {data_type}"));
            }
        }
        command(session, &format!("CREATE TABLE IF NOT EXISTS {target} ({})", columns.join(", "))).await?;
    }
    Ok(())
}

/// Runs statements of our own making.
async fn command(session: &Session, text: &str) -> Result<()> {
    for statement in statements::parse(session, text)? {
        statements::execute(session, &statement, Vec::new()).await?;
    }
    session.take_notices();
    Ok(())
}

fn shown(file: &Path, text: &str, position: usize, e: &Error) -> String {
    let (line, column) = place(text, e.position().unwrap_or(position));
    let mut out = format!("{}:{line}:{column}: error: {} ({})\n", file.display(), e.message(), e.code().sqlstate());
    for (word, more) in [("detail", e.detail_text()), ("hint", e.hint_text())] {
        if let Some(more) = more {
            out.push_str(&format!("    {word}: {more}\n"));
        }
    }
    out
}

/// Line and column, both from 1, of a 1-based character offset.
fn place(text: &str, position: usize) -> (usize, usize) {
    let before = text.chars().take(position.saturating_sub(1));
    before.fold((1, 1), |(line, column), c| if c == '\n' { (line + 1, 1) } else { (line, column + 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_lines_and_columns() {
        assert_eq!(place("ab\ncd", 1), (1, 1));
        assert_eq!(place("ab\ncd", 5), (2, 2));
        assert_eq!(place("é\nx", 3), (2, 1));
        assert_eq!(place("", 9), (1, 1));
    }

    #[test]
    fn commands_of_psql_become_blanks() {
        assert_eq!(without_commands("\\set a 1\nSELECT 1;\n"), "        \nSELECT 1;\n");
    }
}
