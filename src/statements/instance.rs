//! `CREATE PIPELINE name FROM TEMPLATE template (arguments) header..` and `ALTER PIPELINE name REFRESH FROM TEMPLATE`
//!
//! An instance is what its template says for its arguments, as ordinary objects: a template that changes later changes no instance before that
//! is refreshed. All statements of an instance are one transaction.

use weir_catalog::{Change, Kind, Object, PipelineBody, TemplateUse};
use weir_sql::statements::create_pipeline::{CreatePipeline, Header};
use weir_sql::{Argument, Name, Statement, StatementKind};

use super::names::{self, Place};
use super::{columns, dispatch};
use crate::engine::{definition as effective, privileges};
use crate::error::{Code, Error, Result};
use crate::session::{Modes, Outcome, Session};

/// Makes the objects of an instance.
pub(super) async fn create(session: &Session, statement: &CreatePipeline, template: &Name, arguments: &[Argument]) -> Result<Outcome> {
    let CreatePipeline { name, or_replace, if_not_exists, temporary, parameters: _, header, body: _ } = statement;
    if *or_replace || *temporary {
        let message = "CREATE OR REPLACE or TEMP PIPELINE .. FROM TEMPLATE is not supported";
        let hint = "ALTER PIPELINE .. REFRESH FROM TEMPLATE makes an instance anew.".to_owned();
        return Err(Error::new(Code::NotSupported, message).hint(hint).at(name.position()));
    }
    let definitions = session.definitions();
    let place = names::place(session, &*definitions, name)?;
    let occupant = names::occupant(&*definitions, Kind::Pipeline, &place)?;
    let wanted = names::Wanted { kind: Kind::Pipeline, or_replace: false, if_not_exists: *if_not_exists, position: name.position() };
    if let names::Existing::Skip = names::existing(session, occupant, &wanted)? {
        return Ok(Outcome::done("CREATE PIPELINE"));
    }
    let found = names::get(session, &*definitions, Kind::Template, template)?;
    let position = template.position();
    let made = effective::template(&found)?.instance(&full(&place), arguments, position)?;
    let statements = statements_of(&found, &made, &place, position)?;
    let later = header_changes(&full(&place), header)?;
    let usage = TemplateUse { template: found.id, name: found.full_name(), version: found.version, arguments: arguments_text(arguments) };
    at_once(session, async {
        run(session, &statements, &found, position).await?;
        run(session, &later, &found, position).await?;
        remember(session, &place, usage)
    })
    .await?;
    Ok(Outcome::done("CREATE PIPELINE"))
}

/// Makes them again, as the template is now. Offsets, runs and rights stay with the pipeline.
pub(super) async fn refresh(session: &Session, pipeline: &Object, position: usize) -> Result<()> {
    let definitions = session.definitions();
    let body: PipelineBody = columns::read_body(pipeline)?;
    let Some(usage) = body.template else {
        return Err(
            Error::new(Code::WrongState, format!("pipeline \"{}\" was not made from a template", pipeline.full_name())).at(position)
        );
    };
    let Some(template) = definitions.object_by_id(usage.template)? else {
        return Err(Error::new(Code::WrongState, format!("template \"{}\" was dropped", usage.name)).at(position));
    };
    privileges::require_usage(&*definitions, &session.role(), &template.schema).map_err(|error| error.at(position))?;
    let place = Place { schema: pipeline.schema.clone(), name: pipeline.name.clone() };
    let arguments = arguments_of(&usage.arguments)?;
    let made = effective::template(&template)?.instance(&full(&place), &arguments, position)?;
    let statements = replacing(statements_of(&template, &made, &place, position)?);
    let usage = TemplateUse { name: template.full_name(), version: template.version, ..usage };
    // What was altered since is part of the instance, not of the template.
    let later: Vec<Statement> = weir_sql::parse_stored(&pipeline.alters.join(";\n"))?;
    at_once(session, async {
        run(session, &statements, &template, position).await?;
        run(session, &later, &template, position).await?;
        remember(session, &place, usage)
    })
    .await
}

fn full(place: &Place) -> Name {
    let ident = |value: &str| weir_sql::Ident { value: value.to_owned(), position: 1 };
    Name { schema: Some(ident(&place.schema)), name: ident(&place.name) }
}

/// Everything or nothing, also where the client has opened no transaction.
async fn at_once(session: &Session, work: impl Future<Output = Result<()>>) -> Result<()> {
    if session.in_block() {
        return work.await;
    }
    session.begin(Modes::default())?;
    match work.await {
        Ok(()) => match session.commit().await? {
            Some(true) => Ok(()),
            _ => Err(Error::internal("the transaction of an instance was lost")),
        },
        Err(error) => {
            session.rollback().await?;
            Err(error)
        }
    }
}

/// The statements of an instance: definitions only, and one of them is the pipeline itself.
fn statements_of(template: &Object, made: &str, place: &Place, position: usize) -> Result<Vec<Statement>> {
    let statements = weir_sql::parse_stored(made).map_err(|error| in_template(template, Error::from(error), made, position))?;
    let mut has_self = false;
    for statement in &statements {
        match &statement.kind {
            StatementKind::CreatePipeline(pipeline) => {
                let schema = pipeline.name.schema.as_ref().map_or(place.schema.as_str(), |schema| schema.value.as_str());
                has_self |= schema == place.schema && pipeline.name.name.value == place.name;
            }
            StatementKind::CreateSource(_)
            | StatementKind::CreateView(_)
            | StatementKind::CreateTable(_)
            | StatementKind::CreateConnection(_)
            | StatementKind::CreateSecret(_)
            | StatementKind::AlterTable(_)
            | StatementKind::AlterPipeline(_)
            | StatementKind::CommentOn(_)
            | StatementKind::Grant(_) => {}
            _ => {
                let error = Error::new(Code::NotSupported, "a template holds definitions only")
                    .hint("CREATE SOURCE, VIEW, TABLE, PIPELINE, CONNECTION or SECRET, ALTER, COMMENT and GRANT.".to_owned());
                return Err(in_template(template, error, &statement.text, position));
            }
        }
    }
    if has_self {
        return Ok(statements);
    }
    let message = format!("template \"{}\" does not make pipeline \"{}.{}\"", template.full_name(), place.schema, place.name);
    Err(Error::new(Code::InvalidDefinition, message).hint("One of its statements is CREATE PIPELINE {{self}}.".to_owned()).at(position))
}

/// The same statements over what is there.
fn replacing(mut statements: Vec<Statement>) -> Vec<Statement> {
    for statement in &mut statements {
        match &mut statement.kind {
            StatementKind::CreatePipeline(it) => it.or_replace = true,
            StatementKind::CreateSource(it) => it.or_replace = true,
            StatementKind::CreateView(it) => it.or_replace = true,
            StatementKind::CreateConnection(it) => it.or_replace = true,
            StatementKind::CreateSecret(it) => it.or_replace = true,
            StatementKind::CreateTable(it) => it.if_not_exists = true,
            _ => {}
        }
    }
    statements
}

async fn run(session: &Session, statements: &[Statement], template: &Object, position: usize) -> Result<()> {
    for statement in statements {
        dispatch::execute_kind(session, statement, Vec::new())
            .await
            .map_err(|error| in_template(template, error, &statement.text, position))?;
    }
    Ok(())
}

/// An error of a statement that the user did not type: the place in it means nothing in what was typed.
fn in_template(template: &Object, error: Error, text: &str, position: usize) -> Error {
    let detail = format!("In template \"{}\": {text}", template.full_name());
    let detail = match error.detail_text() {
        Some(own) => format!("{own} {detail}"),
        None => detail,
    };
    error.detail(detail).at(position)
}

/// The clauses of the instance itself, as ALTERs.
fn header_changes(name: &Name, header: &Header) -> Result<Vec<Statement>> {
    let Header { triggers, reject_limit, options: _, options_text, comment } = header;
    if reject_limit.is_some() {
        return Err(
            Error::new(Code::NotSupported, "REJECT LIMIT of an instance is not supported").hint("It belongs into the template.".to_owned())
        );
    }
    let mut changes = Vec::new();
    for trigger in triggers {
        changes.push(format!("ALTER PIPELINE {name} ADD {}", trigger.text));
    }
    if !options_text.is_empty() {
        changes.push(format!("ALTER PIPELINE {name} SET {options_text}"));
    }
    if let Some(comment) = comment {
        changes.push(format!("COMMENT ON PIPELINE {name} IS '{}'", comment.replace('\'', "''")));
    }
    Ok(weir_sql::parse_stored(&changes.join(";\n"))?)
}

/// As `name => value, ..`, to be read again.
fn arguments_text(arguments: &[Argument]) -> String {
    let one = |argument: &Argument| match &argument.name {
        Some(name) => format!("{name} => {}", argument.value.text),
        None => argument.value.text.clone(),
    };
    arguments.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn arguments_of(text: &str) -> Result<Vec<Argument>> {
    let statements = weir_sql::parse_stored(&format!("CREATE PIPELINE p FROM TEMPLATE t ({text})"))?;
    match statements.into_iter().next().map(|statement| statement.kind) {
        Some(StatementKind::CreatePipeline(pipeline)) => match pipeline.body {
            weir_sql::statements::create_pipeline::Body::Template { arguments, .. } => Ok(arguments),
            _ => Err(Error::internal("the arguments of an instance cannot be read")),
        },
        _ => Err(Error::internal("the arguments of an instance cannot be read")),
    }
}

/// Notes in the pipeline what it was made from.
fn remember(session: &Session, place: &Place, usage: TemplateUse) -> Result<()> {
    let definitions = session.definitions();
    let Some(pipeline) = definitions.object(Kind::Pipeline, &place.schema, &place.name)? else {
        return Err(Error::internal("an instance was made without its pipeline"));
    };
    let body: PipelineBody = columns::read_body(&pipeline)?;
    let body = columns::body(&PipelineBody { template: Some(usage), ..body })?;
    session.stage(&[Change::Body { id: pipeline.id, body }])
}
