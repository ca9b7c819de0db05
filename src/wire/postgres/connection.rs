//! One socket: whole frames in, a buffer out.
//!
//! Guarantees: what is read ahead of the protocol is bounded, a frame is refused by its length before its body is awaited,
//! and a reader that is slow costs one write buffer.

use std::io;
use std::pin::Pin;

use bytes::{Buf, Bytes, BytesMut};
use pgwire::messages::PgWireBackendMessage;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::error::Fault;

/// Bytes read while a statement runs, to notice that the client is gone; more stays in the kernel.
const READ_AHEAD_BYTES: usize = 64 * 1024;
/// A write buffer this full is sent.
const FLUSH_BYTES: usize = 64 * 1024;
/// A buffer larger than this is given back when it is empty.
const KEEP_BYTES: usize = 128 * 1024;
const READ_CHUNK_BYTES: usize = 4 * 1024;

/// Plain or encrypted.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync {}
impl<T: AsyncRead + AsyncWrite + Send + Sync> Stream for T {}

pub(super) struct Connection {
    stream: Pin<Box<dyn Stream>>,
    read: BytesMut,
    /// What waits to be sent.
    pub(super) out: BytesMut,
}

impl Connection {
    pub(super) fn new(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::pin(stream), read: BytesMut::new(), out: BytesMut::new() }
    }

    /// The next frame of a client that is in: its type and body.
    ///
    /// `max_body_bytes` says how long a frame of a type may be, and which types there are.
    pub(super) async fn frame(&mut self, max_body_bytes: fn(u8) -> Option<usize>) -> Result<(u8, Bytes), Fault> {
        loop {
            if let Some(head) = self.read.first_chunk::<5>() {
                let [kind, length @ ..] = *head;
                let max = max_body_bytes(kind).ok_or_else(|| Fault::protocol(format!("invalid frontend message type {kind}")))?;
                let body = usize::try_from(i32::from_be_bytes(length)).ok().and_then(|length| length.checked_sub(4));
                let body = body.filter(|body| *body <= max).ok_or_else(|| Fault::protocol("invalid message length"))?;
                if self.read.len() >= 5 + body {
                    self.read.advance(5);
                    return Ok((kind, self.read.split_to(body).freeze()));
                }
            } else if let Some(kind) = self.read.first().filter(|kind| max_body_bytes(**kind).is_none()) {
                return Err(Fault::protocol(format!("invalid frontend message type {kind}")));
            }
            self.fill().await?;
        }
    }

    /// The next packet of the time before the start: it has a length, but no type.
    pub(super) async fn packet(&mut self, max_bytes: usize) -> Result<Bytes, Fault> {
        loop {
            if let Some(head) = self.read.first_chunk::<4>() {
                let length = usize::try_from(i32::from_be_bytes(*head)).unwrap_or(0);
                if !(8..=max_bytes).contains(&length) {
                    return Err(Fault::protocol("invalid length of startup packet"));
                }
                if self.read.len() >= length {
                    self.read.advance(4);
                    return Ok(self.read.split_to(length - 4).freeze());
                }
            }
            self.fill().await?;
        }
    }

    /// The first byte the client sends, without taking it.
    pub(super) async fn peek(&mut self) -> Result<u8, Fault> {
        loop {
            if let Some(first) = self.read.first() {
                return Ok(*first);
            }
            self.fill().await?;
        }
    }

    /// Whether bytes were read that no packet has taken.
    pub(super) fn has_unread(&self) -> bool {
        !self.read.is_empty()
    }

    /// Reads ahead until the client is gone; waits for ever once enough is read. May be dropped at any time.
    pub(super) async fn closed(&mut self) -> Fault {
        while self.read.len() < READ_AHEAD_BYTES {
            if let Err(fault) = self.fill().await {
                return fault;
            }
        }
        std::future::pending().await
    }

    async fn fill(&mut self) -> Result<(), Fault> {
        if self.read.is_empty() && self.read.capacity() > KEEP_BYTES {
            self.read = BytesMut::new();
        }
        self.read.reserve(READ_CHUNK_BYTES);
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(Fault::Closed),
            _ => Ok(()),
        }
    }

    /// Appends a message; it is sent by the next flush.
    pub(super) fn put(&mut self, message: &PgWireBackendMessage) -> Result<(), Fault> {
        message.encode(&mut self.out).map_err(|error| Fault::from(io::Error::from(error)))
    }

    pub(super) fn is_full(&self) -> bool {
        self.out.len() >= FLUSH_BYTES
    }

    pub(super) async fn flush(&mut self) -> Result<(), Fault> {
        self.stream.write_all_buf(&mut self.out).await?;
        if self.out.capacity() > KEEP_BYTES {
            self.out = BytesMut::new();
        }
        Ok(self.stream.flush().await?)
    }

    pub(super) async fn close(&mut self) -> Result<(), Fault> {
        Ok(self.stream.shutdown().await?)
    }

    /// The stream and what was read of it, to put encryption between.
    pub(super) fn into_parts(self) -> (Pin<Box<dyn Stream>>, Bytes) {
        (self.stream, self.read.freeze())
    }
}
