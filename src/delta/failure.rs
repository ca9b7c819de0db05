//! Failures of the layers below as the hub's own errors: a full disk and broken storage are told apart from broken data.

use std::error::Error as StdError;
use std::io;

use datafusion::error::DataFusionError;
use deltalake::DeltaTableError;
use parquet::errors::ParquetError;

use crate::error::{Code, Error};

pub(super) fn io_failed(message: &str, source: io::Error) -> Error {
    failed(io_code(&source), message).caused_by(source)
}

pub(super) fn parquet_failed(source: ParquetError) -> Error {
    let code = cause(&source).map_or(Code::Internal, io_code);
    failed(code, "a data file cannot be read or written").caused_by(source)
}

pub(super) fn delta_failed(source: DeltaTableError) -> Error {
    let code = match (cause(&source), &source) {
        (Some(io), _) => io_code(io),
        (None, DeltaTableError::ObjectStore { .. }) => Code::Io,
        (None, _) => Code::DataException,
    };
    failed(code, "the table's log cannot be read or written").caused_by(source)
}

pub(super) fn store_failed(source: deltalake::ObjectStoreError) -> Error {
    let code = cause(&source).map_or(Code::Io, io_code);
    failed(code, "the table's log cannot be read or written").caused_by(source)
}

pub(super) fn spill_failed(source: arrow::error::ArrowError) -> Error {
    match cause(&source).map(io_code) {
        Some(Code::DiskFull) => Error::new(Code::DiskFull, "the disk of the spill folder is full")
            .hint("Free some space, or use smaller batches.".to_owned())
            .caused_by(source),
        Some(code) => Error::new(code, "a spill file cannot be read or written").caused_by(source),
        None => Error::internal("a spill file cannot be read or written").caused_by(source),
    }
}

pub(super) fn blocking_failed(source: tokio::task::JoinError) -> Error {
    Error::internal("work beside the session broke off").caused_by(source)
}

/// A full disk is told as such, whatever it stood in the way of.
fn failed(code: Code, message: &str) -> Error {
    match code {
        Code::DiskFull => Error::new(code, "the disk of the lake is full")
            .detail(format!("For want of room {message}."))
            .hint("Free some space; what was not written is tried again or can be repeated.".to_owned()),
        _ => Error::new(code, message),
    }
}

fn io_code(error: &io::Error) -> Code {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::DiskFull,
        _ => Code::Io,
    }
}

/// The input or output error at the bottom, if there is one.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io);
        }
        next = error.source();
    }
    None
}

/// What went wrong while rows were computed: an error of ours that travelled through the plan, or the plan's own as the source.
pub(super) fn plan_failed(source: DataFusionError) -> Error {
    let mut next: Option<&(dyn StdError + 'static)> = Some(&source);
    while let Some(error) = next {
        if let Some(own) = error.downcast_ref::<Error>() {
            return own.clone();
        }
        next = error.source();
    }
    let code = match source.find_root() {
        DataFusionError::ResourcesExhausted(_) => Code::OutOfMemory,
        _ => Code::DataException,
    };
    Error::new(code, "the rows cannot be computed").caused_by(source)
}
