//! The messages of a COPY in both directions.
//!
//! While rows come in, only CopyData, CopyDone and CopyFail mean something; Flush and Sync are passed over, as a client that pipelines sends
//! them early. The work of writing is dropped before its end when anything fails: then nothing is left of it.

use std::panic::AssertUnwindSafe;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyDone, CopyInResponse, CopyOutResponse};
use tokio::sync::mpsc;

use super::super::encode::Rows;
use super::super::error::{Fault, error_message};
use super::super::frontend::{Body, max_body_bytes};
use super::super::handler::{Line, Step};
use super::read::Reader;
use super::write::Writer;
use crate::engine::Engine;
use crate::error::{Code, Error, Result};
use crate::session::{CopyFile, CopyForm, CopyIn, CopyStyle};

type Sender = mpsc::Sender<Result<RecordBatch, DataFusionError>>;
type Done = BoxFuture<'static, Result<String>>;

impl Line {
    pub(in super::super) async fn copy_out(&mut self, schema: &SchemaRef, mut rows: SendableRecordBatchStream, style: CopyStyle) -> Step {
        let mut writer = match Writer::new(schema, style) {
            Ok(writer) => writer,
            Err(error) => return Ok(Err(error)),
        };
        let formats = writer.formats();
        let count = i16::try_from(formats.len()).unwrap_or(i16::MAX);
        let response = CopyOutResponse::new(i8::from(writer.is_binary()), count, formats);
        self.connection.put(&PgWireBackendMessage::CopyOutResponse(response))?;
        let mut sent = 0_u64;
        if let Err(error) = writer.begin(&mut self.connection.out) {
            return Ok(Err(error));
        }
        loop {
            let next = AssertUnwindSafe(rows.next()).catch_unwind();
            let batch = match self.watched(next).await? {
                Ok(Some(Ok(batch))) => batch,
                Ok(Some(Err(error))) => return Ok(Err(Engine::error(error))),
                Ok(None) => break,
                Err(_) => return Ok(Err(Error::internal("a query ended by a panic"))),
            };
            let batch = match Rows::new(&batch, &writer.columns, &self.zone) {
                Ok(batch) => batch,
                Err(error) => return Ok(Err(error)),
            };
            for row in 0..batch.len() {
                if let Err(error) = writer.put(&batch, row, &mut self.connection.out) {
                    return Ok(Err(error));
                }
                sent += 1;
                if self.connection.is_full() {
                    self.flush().await?;
                }
            }
        }
        if let Err(error) = writer.end(&mut self.connection.out) {
            return Ok(Err(error));
        }
        self.connection.put(&PgWireBackendMessage::CopyDone(CopyDone::new()))?;
        self.complete(format!("COPY {sent}")).map(Ok)
    }

    pub(in super::super) async fn copy_in(&mut self, copy: CopyIn) -> Step {
        let CopyIn { columns, style, table, rows, done } = copy;
        let width = columns.fields().len();
        let is_binary = style.form == CopyForm::Binary;
        let reader = Reader::new(&columns, style, table, self.zone.clone());
        self.take(is_binary, width, Taker::Rows(Box::new(reader), rows), done).await
    }

    pub(in super::super) async fn copy_file(&mut self, copy: CopyFile) -> Step {
        let CopyFile { is_binary, bytes, done } = copy;
        self.take(is_binary, 1, Taker::File(bytes), done).await
    }

    async fn take(&mut self, is_binary: bool, width: usize, mut taker: Taker, done: Done) -> Step {
        let format = i16::from(is_binary);
        let response = CopyInResponse::new(i8::from(is_binary), i16::try_from(width).unwrap_or(i16::MAX), vec![format; width]);
        self.connection.put(&PgWireBackendMessage::CopyInResponse(response))?;
        self.flush().await?;
        let mut done = AssertUnwindSafe(done).catch_unwind().map(ended).boxed();
        let backend = std::sync::Arc::clone(&self.backend);
        loop {
            let (kind, body) = tokio::select! {
                biased;
                // It ends before the rows do only when it fails.
                result = &mut done => return Ok(result.and_then(|_| Err(too_early()))),
                frame = self.connection.frame(max_body_bytes) => frame?,
                () = backend.terminated() => return Err(Fault::shutting_down()),
            };
            match kind {
                b'd' => {
                    if let Err(error) = taker.take(body, &mut done).await {
                        return Ok(Err(error));
                    }
                }
                b'c' => {
                    if let Err(error) = taker.end(&mut done).await {
                        return Ok(Err(error));
                    }
                    return match self.watched(done).await? {
                        Ok(tag) => self.complete(tag).map(Ok),
                        Err(error) => Ok(Err(error)),
                    };
                }
                b'f' => {
                    let reason = Body(body).text().unwrap_or_default();
                    return Ok(Err(Error::new(Code::Cancelled, format!("COPY from stdin failed: {reason}"))));
                }
                b'H' | b'S' => {}
                b'X' => return Err(Fault::Closed),
                other => {
                    let message = format!("unexpected message type 0x{other:02X} during COPY from stdin");
                    self.connection.put(&error_message(&Error::new(Code::Protocol, message)))?;
                    return Err(Fault::fatal("08P01", "terminating connection because protocol synchronization was lost"));
                }
            }
        }
    }
}

/// What becomes of the bytes that a client sends.
enum Taker {
    Rows(Box<Reader>, Sender),
    /// They are handed on as they come.
    File(mpsc::Sender<Bytes>),
}

impl Taker {
    async fn take(&mut self, body: Bytes, done: &mut Done) -> Result<()> {
        match self {
            Taker::Rows(reader, rows) => {
                reader.push(&body);
                hand_on(reader, false, rows, done).await
            }
            Taker::File(bytes) => tokio::select! {
                biased;
                result = &mut *done => result.and_then(|_| Err(too_early())),
                sent = bytes.send(body) => match sent {
                    Ok(()) => Ok(()),
                    // Why nobody takes them, it is about to say.
                    Err(_) => done.await.and_then(|_| Err(too_early())),
                },
            },
        }
    }

    /// There is no more: from here on the work goes to its end.
    async fn end(self, done: &mut Done) -> Result<()> {
        match self {
            Taker::Rows(mut reader, rows) => hand_on(&mut reader, true, &rows, done).await,
            Taker::File(_) => Ok(()),
        }
    }
}

fn too_early() -> Error {
    Error::internal("a COPY ended before its rows")
}

fn ended(result: std::thread::Result<Result<String>>) -> Result<String> {
    result.unwrap_or_else(|_| Err(Error::internal("a COPY ended by a panic")))
}

/// Gives the batches that are ready to the writer, and waits while it has enough.
async fn hand_on(reader: &mut Reader, is_end: bool, rows: &Sender, done: &mut Done) -> Result<()> {
    while let Some(batch) = reader.next(is_end)? {
        tokio::select! {
            biased;
            result = &mut *done => return result.and_then(|_| Err(too_early())),
            sent = rows.send(Ok(batch)) => sent.map_err(|_| Error::internal("nobody takes the rows of a COPY"))?,
        }
    }
    Ok(())
}
