//! RESET OFFSETS: where a pipeline's streams go on reading.

use std::sync::Arc;

use weir_catalog::Object;
use weir_sql::Name;
use weir_sql::statements::alter_pipeline::OffsetTarget;

use super::arguments;
use super::bind::bind;
use super::runner::Runner;
use crate::engine::{Engine, Scope, catalog_error, definition};
use crate::error::{Code, Error, Result};
use crate::sources::StartPoint;

impl Runner {
    /// Moves the offsets of one stream, or of all.
    ///
    /// # Errors
    /// `UndefinedObject` when the pipeline does not read that source.
    pub async fn reset_offsets(&self, pipeline: &Object, source: Option<&Name>, to: &OffsetTarget, scope: &Scope) -> Result<()> {
        let point = match to {
            OffsetTarget::Earliest => StartPoint::Earliest,
            OffsetTarget::Latest => StartPoint::Latest,
            OffsetTarget::At(expr) => StartPoint::At(constant(&self.engine, expr, scope)?),
        };
        let definition = definition::pipeline(pipeline)?;
        let owner = self.owner_scope(pipeline);
        let values = super::arguments::values(&self.engine, &definition, &super::Arguments::default(), &owner).await.unwrap_or_default();
        let store = Arc::clone(self.engine.store());
        let bound = bind(&self.engine, &definition, &owner, store.as_ref(), values, Some(pipeline.id)).await?;
        let wanted = |object: &Object| {
            source.is_none_or(|name| {
                object.name == name.name.value && name.schema.as_ref().is_none_or(|schema| schema.value == object.schema)
            })
        };
        let streams: Vec<_> = bound.streams().into_iter().filter(|stream| wanted(&stream.object)).collect();
        if streams.is_empty() {
            let name = source.map_or_else(|| "any source".to_owned(), |name| format!("source \"{name}\""));
            return Err(Error::new(
                Code::UndefinedObject,
                format!("pipeline \"{}\" does not read {name} as a stream", pipeline.full_name()),
            ));
        }
        for stream in streams {
            let position = stream.source.position_at(&point).await?;
            store.set_offset(pipeline.id, stream.object.id, position.as_ref(), self.clock.now()).map_err(catalog_error)?;
        }
        self.definitions_changed();
        Ok(())
    }
}

/// A time or a value that a user gave for a position, as text.
pub(super) fn constant(engine: &Engine, expr: &weir_sql::Expr, scope: &Scope) -> Result<String> {
    let value = engine.constant(expr, scope)?;
    match value.is_null() {
        true => Err(Error::new(Code::InvalidParameter, "a position cannot be NULL").at(expr.position)),
        false => Ok(arguments::text_of(&value)),
    }
}
