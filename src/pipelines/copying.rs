//! COPY PIPELINE: one run over a file that a client sent, in the place of one of the pipeline's streams.
//!
//! The file is on disk before the run is frozen and is removed once the run is over, so whatever is taken up after a crash finds it. The
//! positions of the streams themselves are neither looked at nor moved, and the other streams deliver nothing. The same file sent again is
//! another run.

use std::collections::HashSet;
use std::sync::Arc;

use weir_catalog::{Input, Kind, Object, ObjectId, Run, RunFilter, RunKind, Upload};
use weir_sql::Argument;
use weir_sql::statements::create_pipeline::CreatePipeline;

use super::arguments::{self, Arguments};
use super::bind::{Sent, bind_sent};
use super::fail_points::reached;
use super::inputs;
use super::runner::{Order, RunReport, Runner};
use crate::engine::{Scope, UPLOAD_ID, catalog_error, definition, is_temporary, reads_upload, upload_object};
use crate::error::{Code, Error, Result};
use crate::sources;
use crate::stores::{Spool, Spooled};

/// A file that was sent, and what is to be done with it.
#[derive(Debug)]
pub struct CopyRequest {
    pub pipeline: Object,
    pub arguments: Vec<Argument>,
    /// Whose stream the file stands for.
    pub source: Object,
    /// How it is read; where it lies and what its start says is filled in.
    pub upload: Upload,
    pub file: Spooled,
    pub scope: Scope,
}

/// The file of a run that is about to be frozen.
#[derive(Debug)]
pub(super) struct Sending {
    source: ObjectId,
    upload: Upload,
    pub(super) file: Spooled,
}

impl Runner {
    /// Where files lie that clients send.
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Judges what can be judged before a file is sent; answers with the source whose stream it stands for.
    ///
    /// # Errors
    /// `WrongState` for a suspended pipeline, what is wrong with the arguments, and `InvalidParameter` when no stream is meant.
    pub async fn check_copy(&self, pipeline: &Object, arguments: &[Argument], named: Option<&str>) -> Result<Object> {
        self.refuse_suspended(pipeline)?;
        let definition = definition::pipeline(pipeline)?;
        let given = Arguments { given: arguments.to_vec(), condition: None };
        arguments::values(&self.engine, &definition, &given, &self.owner_scope(pipeline)).await?;
        if reads_upload(&definition) {
            return match named {
                None | Some("upload") => Ok(upload_object()),
                Some(other) => Err(Error::new(Code::InvalidParameter, format!("the file cannot stand for \"{other}\""))
                    .hint("The pipeline reads STREAM(upload): that is what the file is.".to_owned())),
            };
        }
        let streams = self.engine.streams_of(pipeline)?;
        let names: Vec<String> = streams.iter().map(Object::full_name).collect();
        let name = pipeline.full_name();
        let source = match (named, streams.as_slice()) {
            (_, []) => {
                return Err(Error::new(Code::InvalidParameter, format!("pipeline \"{name}\" reads no stream that a file could stand for"))
                    .hint(format!("RUN PIPELINE {name} runs it.")));
            }
            (None, [only]) => only,
            (None, _) => {
                return Err(Error::new(Code::InvalidParameter, format!("pipeline \"{name}\" reads several streams"))
                    .detail(format!("They are: {}.", names.join(", ")))
                    .hint("Name the one that the file stands for: WITH (.., source = 'schema.name').".to_owned()));
            }
            (Some(wanted), streams) => {
                let is_meant = |stream: &&Object| stream.full_name() == wanted || stream.name == wanted;
                streams.iter().find(is_meant).ok_or_else(|| {
                    Error::new(Code::InvalidParameter, format!("pipeline \"{name}\" does not read \"{wanted}\" as a stream"))
                        .hint(format!("It reads: {}.", names.join(", ")))
                })?
            }
        };
        match source.kind {
            Kind::Source => Ok(source.clone()),
            kind => Err(Error::new(Code::NotSupported, format!("a file cannot stand for the {} \"{}\"", kind.noun(), source.full_name()))),
        }
    }

    /// Runs a pipeline once, on this file.
    ///
    /// # Errors
    /// Those of the run itself, with its id as detail.
    pub async fn copy(self: &Arc<Self>, request: CopyRequest) -> Result<RunReport> {
        let CopyRequest { pipeline, arguments, source, upload, file, scope } = request;
        reached("upload.spooled");
        let upload = Upload { file: file.name().to_owned(), bytes: file.bytes(), ..upload };
        let layout = sources::upload_layout(self.spool.folder().to_owned(), &upload).await?;
        let sending = Some(Arc::new(Sending { source: source.id, upload: Upload { layout, ..upload }, file }));
        let arguments = Arguments { given: arguments, condition: None };
        self.order(Order { sending, ..Order::by_hand(pipeline, arguments, RunKind::Copy, "COPY PIPELINE", scope.role) }).await
    }

    /// Binds the pipeline to the file and makes the run.
    pub(super) async fn prepare_copy(
        &self,
        pipeline: &Object,
        definition: &CreatePipeline,
        scope: &Scope,
        values: &arguments::Values,
        request: &Order,
        sending: &Sending,
    ) -> Result<(Option<Run>, Vec<String>)> {
        let store = Arc::clone(self.engine.store());
        let folder = self.spool.folder();
        let columns = match sending.source {
            UPLOAD_ID => Some(sources::upload_columns(folder.to_owned(), &sending.upload).await?),
            _ => None,
        };
        let own = is_temporary(&pipeline.schema).then(|| Box::new(pipeline.clone()));
        let upload = Upload { columns, pipeline: own, ..sending.upload.clone() };
        let sent = Sent { relation: sending.source, upload: &upload, folder };
        let bound = bind_sent(&self.engine, definition, scope, store.as_ref(), values.clone(), Some(sent), Some(pipeline.id)).await?;
        let mut inputs = inputs::sent(&bound, sent);
        let said = inputs::settle_columns(&self.engine, &bound, &mut inputs).await?;
        Ok((Some(self.new_run(pipeline, request, arguments::json(values), inputs)), said))
    }

    /// Removes the file of a run that is over.
    pub(super) fn let_go(&self, run: &Run) {
        if run.status.is_over() {
            files_of(run).for_each(|file| self.spool.remove(file));
        }
    }

    /// Removes files of no run, or of one that is over. Called before any client can send one.
    pub(super) fn sweep_spool(&self) {
        let filter = RunFilter { unfinished: true, ..RunFilter::default() };
        let swept = self.engine.store().runs(&filter).map_err(catalog_error).and_then(|runs| {
            let kept: HashSet<String> = runs.iter().flat_map(files_of).map(str::to_owned).collect();
            self.spool.sweep(&kept).map_err(|error| Error::new(Code::Io, "the folder of uploads cannot be read").caused_by(error))
        });
        if let Err(error) = swept {
            tracing::warn!(error = %error.chain(), "files that were sent and belong to no run could not be removed");
        }
    }
}

/// The temporary pipeline of a run, which ended with its session.
pub(super) fn temporary_of(run: &Run) -> Option<Object> {
    run.inputs.iter().find_map(|input| match &input.input {
        Input::Upload(upload) => upload.pipeline.as_deref().cloned(),
        _ => None,
    })
}

fn files_of(run: &Run) -> impl Iterator<Item = &str> {
    run.inputs.iter().filter_map(|input| match &input.input {
        Input::Upload(upload) => Some(upload.file.as_str()),
        _ => None,
    })
}
