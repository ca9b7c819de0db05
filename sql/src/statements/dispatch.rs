//! Finds a statement by its leading words.
//!
//! Words count only here and where a statement asks for them; none is reserved. What is known and not built is told
//! apart from what is wrong, so that it can be answered by name.

use crate::cursor::Cursor;
use crate::error::{Result, SyntaxError};
use crate::{ObjectKind, Statement, StatementKind};

use super::alter_object::AlterObject;
use super::alter_pipeline::AlterPipeline;
use super::alter_source::AlterSource;
use super::alter_table::AlterTable;
use super::cancel_run::CancelRun;
use super::comment_on::CommentOn;
use super::copy::Copy;
use super::create_alert::CreateAlert;
use super::create_connection::CreateConnection;
use super::create_pipeline::CreatePipeline;
use super::create_schema::CreateSchema;
use super::create_secret::{AlterSecret, CreateSecret};
use super::create_source::CreateSource;
use super::create_table::CreateTable;
use super::create_template::CreateTemplate;
use super::create_view::CreateView;
use super::cursor::{CloseCursor, DeclareCursor, FetchCursor};
use super::describe_history::DescribeHistory;
use super::describe_object::DescribeObject;
use super::drop_object::DropObject;
use super::explain::Explain;
use super::grant::{self, DefaultPrivileges, Direction};
use super::import_foreign_schema::ImportForeignSchema;
use super::notify::Bus;
use super::optimize::Optimize;
use super::prepared::{Deallocate, Execute, Prepare};
use super::replay_pipeline::ReplayPipeline;
use super::restore_table::RestoreTable;
use super::roles::{self, AlterRole, CreateRole, DropRole};
use super::run_pipeline::RunPipeline;
use super::set_variable::{Discard, ResetVariable, SetVariable, ShowVariable};
use super::show_create::ShowCreate;
use super::show_objects::ShowObjects;
use super::show_runs::ShowRuns;
use super::transaction::{Transaction, TransactionModes};
use super::truncate::Truncate;
use super::vacuum::Vacuum;
use super::validate_connection::ValidateConnection;

type Parse = fn(&mut Cursor<'_>) -> Result<StatementKind>;

/// Every statement by its first words; of two that begin alike the longer stands first.
const STATEMENTS: &[(&[&str], Parse)] = &[
    (&["SELECT"], query),
    (&["WITH"], query),
    (&["VALUES"], query),
    (&["TABLE"], query),
    (&["INSERT"], dml),
    (&["UPDATE"], dml),
    (&["DELETE"], dml),
    (&["EXPLAIN"], |p| after_word(p, Explain::parse_any)),
    (&["CREATE"], |p| after_word(p, create)),
    (&["ALTER"], |p| after_word(p, alter)),
    (&["DROP"], |p| after_word(p, drop)),
    (ShowRuns::WORDS, |p| after(p, ShowRuns::WORDS, ShowRuns::parse).map(StatementKind::ShowRuns)),
    (&["SHOW"], |p| after_word(p, show)),
    (&["DESCRIBE"], |p| after_word(p, describe)),
    (&["COMMENT"], |p| after_word(p, comment)),
    (ValidateConnection::WORDS, |p| after(p, ValidateConnection::WORDS, ValidateConnection::parse).map(StatementKind::ValidateConnection)),
    (ImportForeignSchema::WORDS, |p| {
        after(p, ImportForeignSchema::WORDS, ImportForeignSchema::parse).map(StatementKind::ImportForeignSchema)
    }),
    (RunPipeline::WORDS, |p| after(p, RunPipeline::WORDS, RunPipeline::parse).map(StatementKind::RunPipeline)),
    (ReplayPipeline::WORDS, |p| after(p, ReplayPipeline::WORDS, ReplayPipeline::parse).map(StatementKind::ReplayPipeline)),
    (CancelRun::WORDS, |p| after(p, CancelRun::WORDS, CancelRun::parse).map(StatementKind::CancelRun)),
    (RestoreTable::WORDS, |p| after(p, RestoreTable::WORDS, RestoreTable::parse).map(StatementKind::RestoreTable)),
    (Optimize::WORDS, |p| after(p, Optimize::WORDS, Optimize::parse).map(StatementKind::Optimize)),
    (Vacuum::WORDS, |p| after(p, Vacuum::WORDS, Vacuum::parse).map(StatementKind::Vacuum)),
    (&["TRUNCATE"], |p| after_word(p, Truncate::parse).map(StatementKind::Truncate)),
    (&["SET"], |p| after_word(p, set)),
    (&["RESET"], |p| after_word(p, ResetVariable::parse).map(StatementKind::ResetVariable)),
    (&["DISCARD"], |p| after_word(p, Discard::parse).map(StatementKind::Discard)),
    (&["LISTEN"], |p| after_word(p, Bus::parse_listen).map(StatementKind::Bus)),
    (&["UNLISTEN"], |p| after_word(p, Bus::parse_unlisten).map(StatementKind::Bus)),
    (&["NOTIFY"], |p| after_word(p, Bus::parse_notify).map(StatementKind::Bus)),
    (&["DECLARE"], |p| after_word(p, DeclareCursor::parse).map(StatementKind::DeclareCursor)),
    (&["FETCH"], |p| after_word(p, |p| FetchCursor::parse(p, false)).map(StatementKind::FetchCursor)),
    (&["MOVE"], |p| after_word(p, |p| FetchCursor::parse(p, true)).map(StatementKind::FetchCursor)),
    (&["CLOSE"], |p| after_word(p, CloseCursor::parse).map(StatementKind::CloseCursor)),
    (&["PREPARE"], |p| after_word(p, Prepare::parse).map(StatementKind::Prepare)),
    (&["EXECUTE"], |p| after_word(p, Execute::parse).map(StatementKind::Execute)),
    (&["DEALLOCATE"], |p| after_word(p, Deallocate::parse).map(StatementKind::Deallocate)),
    (&["GRANT"], |p| after_word(p, |p| grant::parse(p, Direction::Grant))),
    (&["REVOKE"], |p| after_word(p, |p| grant::parse(p, Direction::Revoke))),
    (&["COPY"], |p| after_word(p, Copy::parse).map(StatementKind::Copy)),
];

/// Statements of the language, or of PostgreSQL, that are known and not built.
const NOT_BUILT: &[&str] = &[
    "MERGE",
    "ANALYZE",
    "CALL",
    "CHECKPOINT",
    "CLUSTER",
    "DO",
    "LOAD",
    "LOCK",
    "REASSIGN",
    "REFRESH",
    "REINDEX",
    "SECURITY",
    "IMPORT",
    "ATTACH",
    "DETACH",
    "USE",
];

/// Objects that are known and not built; `CREATE`, `ALTER`, `DROP` and `SHOW` answer with their name.
const NOUNS_NOT_BUILT: &[&[&str]] = &[
    &["SINK"],
    &["FUNCTION"],
    &["AGGREGATE"],
    &["PROCEDURE"],
    &["DATABASE"],
    &["SERVER"],
    &["FOREIGN", "TABLE"],
    &["FOREIGN", "DATA", "WRAPPER"],
    &["USER", "MAPPING"],
    &["MATERIALIZED", "VIEW"],
    &["INDEX"],
    &["UNIQUE", "INDEX"],
    &["SEQUENCE"],
    &["TYPE"],
    &["DOMAIN"],
    &["TRIGGER"],
    &["EXTENSION"],
    &["POLICY"],
    &["RULE"],
    &["PUBLICATION"],
    &["SUBSCRIPTION"],
    &["OWNED"],
    &["CAST"],
    &["COLLATION"],
    &["OPERATOR"],
    &["LANGUAGE"],
    &["TABLESPACE"],
    &["EVENT", "TRIGGER"],
    &["STATISTICS"],
    &["SYSTEM"],
    &["UNLOGGED", "TABLE"],
];

/// The same nouns in the plural, for SHOW.
const PLURALS_NOT_BUILT: &[&str] = &["SINKS", "FUNCTIONS", "ROLES", "GRANTS", "CONNECTORS"];

/// Parses the statement that the cursor holds, to its end.
pub(crate) fn parse(p: &mut Cursor<'_>) -> Result<Statement> {
    let range = p.rest();
    let position = p.position();
    let kind = parse_kind(p)?;
    if !matches!(kind, StatementKind::NotBuilt { .. }) {
        p.finish()?;
    }
    Ok(Statement { text: p.input().text(range).to_owned(), position, kind })
}

fn parse_kind(p: &mut Cursor<'_>) -> Result<StatementKind> {
    if p.sees_symbol(&sqlparser::tokenizer::Token::LParen) {
        return query(p);
    }
    if let Some((_, parse)) = STATEMENTS.iter().find(|(words, _)| p.sees(words)) {
        return parse(p);
    }
    if Transaction::WORDS.iter().any(|word| p.sees(&[word])) {
        return Transaction::parse(p).map(StatementKind::Transaction);
    }
    if let Some(word) = NOT_BUILT.iter().find(|word| p.sees(&[word])) {
        return Ok(not_built(p, (*word).to_owned()));
    }
    Err(unknown(p))
}

/// The error about a statement that begins like none; it suggests the nearest.
fn unknown(p: &Cursor<'_>) -> SyntaxError {
    let mut words: Vec<&[&str]> = STATEMENTS.iter().map(|(words, _)| *words).collect();
    // `RUN x` and `REPLAY x`: the first word is right, the second is missing.
    if let Some(words) = words.iter().find(|words| words.first().is_some_and(|word| p.sees(&[word]))) {
        let mut behind = p.clone();
        behind.move_to(p.index() + 1);
        return behind.expected_one_of(words.get(1..2).unwrap_or_default());
    }
    words.sort_unstable();
    let first = words.iter().filter_map(|words| words.first().copied());
    let all = first.chain(Transaction::WORDS.iter().copied()).chain(NOT_BUILT.iter().copied());
    let hint = p.peek_word().and_then(|word| crate::nearest(word, all));
    p.unexpected().hint(hint.map(|word| format!("Did you mean {word}?")))
}

pub(super) fn not_built(p: &Cursor<'_>, what: String) -> StatementKind {
    StatementKind::NotBuilt { what, position: p.position() }
}

fn after_word<'a, T>(p: &mut Cursor<'a>, parse: impl FnOnce(&mut Cursor<'a>) -> Result<T>) -> Result<T> {
    p.move_to(p.index() + 1);
    parse(p)
}

fn after<'a, T>(p: &mut Cursor<'a>, words: &[&str], parse: impl FnOnce(&mut Cursor<'a>) -> Result<T>) -> Result<T> {
    p.move_to(p.index() + words.len());
    parse(p)
}

/// A CREATE or ALTER, for who explains it.
pub(super) fn definition(p: &mut Cursor<'_>) -> Result<StatementKind> {
    if p.word("CREATE") {
        return create(p);
    }
    p.expect(&["ALTER"])?;
    alter(p)
}

fn query(p: &mut Cursor<'_>) -> Result<StatementKind> {
    p.query_to_end().map(StatementKind::Query)
}

fn dml(p: &mut Cursor<'_>) -> Result<StatementKind> {
    p.dml_to_end().map(StatementKind::Dml)
}

/// What stands between CREATE and the noun.
pub(crate) struct Create {
    pub(crate) or_replace: bool,
    pub(crate) temporary: bool,
    /// Where OR REPLACE, or the statement, starts.
    position: usize,
}

impl Create {
    /// `[IF NOT EXISTS]`, which contradicts OR REPLACE.
    pub(super) fn if_not_exists(&self, p: &mut Cursor<'_>) -> Result<bool> {
        let position = p.position();
        let present = p.words(&["IF", "NOT", "EXISTS"]);
        if present && self.or_replace {
            let message = "OR REPLACE and IF NOT EXISTS contradict each other";
            return Err(SyntaxError::syntax(message).at(position));
        }
        Ok(present)
    }

    pub(super) fn refuse_or_replace(&self) -> Result<()> {
        if self.or_replace {
            return Err(SyntaxError::not_supported("OR REPLACE is not supported here").at(self.position));
        }
        Ok(())
    }
}

fn create(p: &mut Cursor<'_>) -> Result<StatementKind> {
    let position = p.position();
    let or_replace = p.words(&["OR", "REPLACE"]);
    let before_temporary = p.clone();
    if p.sees(&["LOCAL", "TEMP"]) || p.sees(&["LOCAL", "TEMPORARY"]) || p.sees(&["GLOBAL", "TEMP"]) || p.sees(&["GLOBAL", "TEMPORARY"]) {
        p.move_to(p.index() + 1);
    }
    let temporary = p.word("TEMP") || p.word("TEMPORARY");
    let create = Create { or_replace, temporary, position };
    if p.word("PIPELINE") {
        return CreatePipeline::parse(p, &create).map(Box::new).map(StatementKind::CreatePipeline);
    }
    if temporary {
        if p.word("TABLE") {
            return CreateTable::parse(p, &create).map(Box::new).map(StatementKind::CreateTable);
        }
        if p.sees(&["VIEW"]) || p.sees(&["SEQUENCE"]) {
            let noun = p.peek_word().unwrap_or_default().to_ascii_uppercase();
            return Ok(not_built(&before_temporary, format!("CREATE TEMPORARY {noun}")));
        }
        return Err(p.expected_one_of(&["PIPELINE", "TABLE"]));
    }
    if let Some(noun) = roles::noun(p) {
        return CreateRole::parse(p, &create, noun);
    }
    let Some(kind) = singular(p) else {
        return no_such_noun(p, "CREATE");
    };
    match kind {
        ObjectKind::Schema => CreateSchema::parse(p, &create).map(StatementKind::CreateSchema),
        ObjectKind::Secret => CreateSecret::parse(p, &create).map(StatementKind::CreateSecret),
        ObjectKind::Connection => CreateConnection::parse(p, &create).map(StatementKind::CreateConnection),
        ObjectKind::Source => CreateSource::parse(p, &create).map(Box::new).map(StatementKind::CreateSource),
        ObjectKind::Table => CreateTable::parse(p, &create).map(Box::new).map(StatementKind::CreateTable),
        ObjectKind::View => CreateView::parse(p, &create).map(StatementKind::CreateView),
        ObjectKind::Pipeline => CreatePipeline::parse(p, &create).map(Box::new).map(StatementKind::CreatePipeline),
        ObjectKind::Alert => CreateAlert::parse(p, &create).map(Box::new).map(StatementKind::CreateAlert),
        ObjectKind::Template => CreateTemplate::parse(p, &create).map(StatementKind::CreateTemplate),
    }
}

fn singular(p: &mut Cursor<'_>) -> Option<ObjectKind> {
    ObjectKind::NOUNS.iter().find_map(|(kind, noun, _)| p.word(noun).then_some(*kind))
}

fn plural(p: &mut Cursor<'_>) -> Option<ObjectKind> {
    ObjectKind::NOUNS.iter().find_map(|(kind, _, nouns)| p.word(nouns).then_some(*kind))
}

/// A noun that is not built, or none at all.
fn no_such_noun(p: &Cursor<'_>, verb: &str) -> Result<StatementKind> {
    let longest = NOUNS_NOT_BUILT.iter().filter(|words| p.sees(words)).max_by_key(|words| words.len());
    match longest {
        Some(words) => Ok(not_built(p, format!("{verb} {}", words.join(" ")))),
        None => Err(expected_noun(p, &[])),
    }
}

fn expected_noun(p: &Cursor<'_>, more: &[&str]) -> SyntaxError {
    let nouns: Vec<&str> = ObjectKind::NOUNS.iter().map(|(_, noun, _)| *noun).chain(more.iter().copied()).collect();
    p.expected_one_of(&nouns)
}

fn alter(p: &mut Cursor<'_>) -> Result<StatementKind> {
    if roles::noun(p).is_some() {
        return AlterRole::parse(p);
    }
    if p.words(&["DEFAULT", "PRIVILEGES"]) {
        return DefaultPrivileges::parse(p);
    }
    let Some(kind) = singular(p) else {
        return no_such_noun(p, "ALTER");
    };
    let if_exists = p.if_exists();
    let name = p.name()?;
    match kind {
        ObjectKind::Secret if AlterSecret::begins(p) => AlterSecret::parse(p, name, if_exists).map(StatementKind::AlterSecret),
        ObjectKind::Source if AlterSource::begins(p) => AlterSource::parse(p, name, if_exists).map(StatementKind::AlterSource),
        ObjectKind::Pipeline => AlterPipeline::parse(p, name, if_exists).map(StatementKind::AlterPipeline),
        ObjectKind::Table => AlterTable::parse(p, name, if_exists).map(StatementKind::AlterTable),
        _ => AlterObject::parse(p, kind, name, if_exists).map(StatementKind::AlterObject),
    }
}

fn drop(p: &mut Cursor<'_>) -> Result<StatementKind> {
    if roles::noun(p).is_some() {
        return DropRole::parse(p).map(StatementKind::DropRole);
    }
    match singular(p) {
        Some(kind) => DropObject::parse(p, kind).map(StatementKind::DropObject),
        None => no_such_noun(p, "DROP"),
    }
}

fn show(p: &mut Cursor<'_>) -> Result<StatementKind> {
    if p.word("CREATE") {
        return match singular(p) {
            Some(kind) => ShowCreate::parse(p, kind).map(StatementKind::ShowCreate),
            None => no_such_noun(p, "SHOW CREATE"),
        };
    }
    if let Some(kind) = plural(p) {
        return ShowObjects::parse(p, kind).map(StatementKind::ShowObjects);
    }
    if let Some(noun) = PLURALS_NOT_BUILT.iter().find(|noun| p.sees(&[noun])) {
        return Ok(not_built(p, format!("SHOW {noun}")));
    }
    ShowVariable::parse(p).map(StatementKind::ShowVariable)
}

fn describe(p: &mut Cursor<'_>) -> Result<StatementKind> {
    // A relation may be called "history" or "view": the noun counts only when a name stands behind it.
    let name_behind = p.nth(1).is_some_and(|tok| matches!(tok.token.token, sqlparser::tokenizer::Token::Word(_)));
    if name_behind && p.word("HISTORY") {
        return DescribeHistory::parse(p).map(StatementKind::DescribeHistory);
    }
    let kind = if name_behind { singular(p) } else { None };
    if name_behind && kind.is_none() {
        return no_such_noun(p, "DESCRIBE");
    }
    DescribeObject::parse(p, kind).map(StatementKind::DescribeObject)
}

fn comment(p: &mut Cursor<'_>) -> Result<StatementKind> {
    p.expect(&["ON"])?;
    if p.word("COLUMN") {
        return CommentOn::parse_column(p).map(StatementKind::CommentOn);
    }
    match singular(p) {
        Some(kind) => CommentOn::parse(p, kind).map(StatementKind::CommentOn),
        None => no_such_noun(p, "COMMENT ON"),
    }
}

fn set(p: &mut Cursor<'_>) -> Result<StatementKind> {
    if p.words(&["SESSION", "CHARACTERISTICS", "AS", "TRANSACTION"]) {
        let modes = TransactionModes::parse(p)?;
        return Ok(StatementKind::Transaction(Transaction::SetModes { modes, session: true }));
    }
    if p.word("TRANSACTION") {
        let modes = TransactionModes::parse(p)?;
        return Ok(StatementKind::Transaction(Transaction::SetModes { modes, session: false }));
    }
    if p.sees(&["CONSTRAINTS"]) {
        return Ok(not_built(p, "SET CONSTRAINTS".to_owned()));
    }
    SetVariable::parse(p).map(StatementKind::SetVariable)
}
