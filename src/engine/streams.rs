//! Which relations a pipeline reads as streams, from its text alone.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, ObjectNamePart, Query, TableFactor, Visit, Visitor};
use weir_catalog::{Kind, Object, ObjectId, Store};
use weir_sql::statements::create_pipeline::{Body, CreatePipeline, Outputs};

use super::errors::catalog_error;
use super::resolve::folded;
use super::{Engine, definition};
use crate::error::Result;

/// `STREAM(upload)`: the file that a client sends with COPY PIPELINE. It is no object of the catalog, and hides none: a source of that name is
/// reached with its schema.
pub const UPLOAD: &str = "upload";

/// No object has it.
pub const UPLOAD_ID: ObjectId = ObjectId(0);

/// What stands for the file where a source would stand.
pub fn upload_object() -> Object {
    Object {
        id: UPLOAD_ID,
        kind: Kind::Source,
        schema: String::new(),
        name: UPLOAD.to_owned(),
        owner: String::new(),
        version: 1,
        definition: String::new(),
        alters: Vec::new(),
        body: serde_json::Value::Null,
        comment: None,
        created_at: 0,
        changed_at: 0,
    }
}

/// Whether any query of the pipeline reads the file.
pub fn reads_upload(pipeline: &CreatePipeline) -> bool {
    names(pipeline).iter().any(|parts| matches!(parts.as_slice(), [name] if name == UPLOAD))
}

impl Engine {
    /// The relations that a pipeline reads as streams, whether or not they can be reached.
    ///
    /// # Errors
    /// Whatever the catalog says.
    pub fn streams_of(&self, pipeline: &Object) -> Result<Vec<Object>> {
        of_pipeline(self.store().as_ref(), pipeline)
    }
}

/// The sources and tables inside `STREAM(..)`, as the catalog knows them now: a renamed relation is found by its dependency.
///
/// # Errors
/// When the catalog cannot be read.
pub fn of_pipeline(store: &dyn Store, pipeline: &Object) -> Result<Vec<Object>> {
    let Ok(definition) = definition::pipeline(pipeline) else { return Ok(Vec::new()) };
    let names = names(&definition);
    let on = store.depends_on(pipeline.id).map_err(catalog_error)?;
    let named = |object: &Object| {
        names.iter().any(|parts| match parts.as_slice() {
            [name] if name == UPLOAD => false,
            [name] => *name == object.name,
            [.., schema, name] => *schema == object.schema && *name == object.name,
            [] => false,
        })
    };
    Ok(on.into_iter().filter(|object| object.kind.is_relation() && named(object)).collect())
}

/// Whether a pipeline reads the log of events.
pub fn reads_events(pipeline: &Object) -> bool {
    let is_log = |parts: &Vec<String>| matches!(parts.as_slice(), [.., schema, name] if schema == "hub" && name == "events");
    definition::pipeline(pipeline).is_ok_and(|definition| names(&definition).iter().any(is_log))
}

/// The names inside `STREAM(..)` of every query of the pipeline.
pub fn names(pipeline: &CreatePipeline) -> Vec<Vec<String>> {
    let mut streams = Streams(Vec::new());
    for query in queries(&pipeline.body) {
        let _ = query.visit(&mut streams);
    }
    streams.0
}

fn queries(body: &Body) -> Vec<&Query> {
    match body {
        Body::Single(output) => vec![&*output.query.ast],
        Body::Outputs(outputs) => of_outputs(outputs),
        Body::Steps(steps) => steps.iter().flat_map(|step| of_outputs(&step.outputs)).collect(),
        Body::Template { .. } => Vec::new(),
    }
}

fn of_outputs(outputs: &Outputs) -> Vec<&Query> {
    let shared = outputs.shared.iter().map(|(_, query)| &*query.ast);
    shared.chain(outputs.outputs.iter().map(|output| &*output.query.ast)).collect()
}

struct Streams(Vec<Vec<String>>);

impl Visitor for Streams {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: Some(args), .. } = factor
            && let [ObjectNamePart::Identifier(function)] = name.0.as_slice()
            && folded(function) == "stream"
            && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = args.args.as_slice()
        {
            match argument {
                Expr::Identifier(ident) => self.0.push(vec![folded(ident)]),
                Expr::CompoundIdentifier(idents) => self.0.push(idents.iter().map(folded).collect()),
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}
