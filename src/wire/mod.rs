//! Protocols: how bytes on a socket become calls of a session, and answers bytes. Nothing is decided here.

mod http;
mod postgres;
mod rooms;

pub use postgres::load_tls;
pub use rooms::{serve_http, serve_postgres};
