//! Which relations a pipeline reads as streams, from its text alone.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, ObjectNamePart, Query, TableFactor, Visit, Visitor};
use weir_catalog::{Object, Store};
use weir_sql::statements::create_pipeline::{Body, CreatePipeline, Outputs};

use super::definition;
use super::errors::catalog_error;
use super::resolve::folded;
use crate::error::Result;

/// The sources and tables inside `STREAM(..)`, as the catalog knows them now: a renamed relation is found by its dependency.
pub(super) fn of_pipeline(store: &dyn Store, pipeline: &Object) -> Result<Vec<Object>> {
    let Ok(definition) = definition::pipeline(pipeline) else { return Ok(Vec::new()) };
    let names = names(&definition);
    let on = store.depends_on(pipeline.id).map_err(catalog_error)?;
    let named = |object: &Object| {
        names.iter().any(|parts| match parts.as_slice() {
            [name] => *name == object.name,
            [.., schema, name] => *schema == object.schema && *name == object.name,
            [] => false,
        })
    };
    Ok(on.into_iter().filter(|object| object.kind.is_relation() && named(object)).collect())
}

/// The names inside `STREAM(..)` of every query of the pipeline.
fn names(pipeline: &CreatePipeline) -> Vec<Vec<String>> {
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
