//! The Postgres protocol, version 3.0: sockets, passwords, messages, values.
//!
//! A statement's way: `listen` accepts, `startup` proves the role, `handler` turns messages (`frontend`) into calls of the
//! session (`backend`), `params` decodes what is bound, `encode` appends rows to the buffer of `connection`, `error` says what
//! went wrong. No SQL is understood here.

mod backend;
mod connection;
mod copy;
mod encode;
mod error;
mod frontend;
mod handler;
mod listen;
mod params;
mod portal;
mod scram;
mod starting;
mod startup;
mod tls;
mod types;

#[cfg(test)]
mod tests;

pub(super) use backend::{Backend, Door};
pub(super) use listen::{Limits, serve};
pub use tls::{Tls, load_tls};
