//! From an accepted socket to a session: encryption, the start-up packet, the password.
//!
//! Nothing a client sends here reaches a session: until the password is proven there is none. The caller bounds the time.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{BufMut, Bytes};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::startup::{Authentication, NegotiateProtocolVersion};
use rand::Rng;
use tokio_rustls::TlsAcceptor;
use weir_catalog::Role;

use super::backend::Door;
use super::connection::Connection;
use super::error::Fault;
use super::frontend::{Body, utf8};
use super::scram::{Exchange, MECHANISM, Verifier};
use super::tls::Tls;
use crate::config::TlsMode;
use crate::error::Error;

const MAX_PACKET_BYTES: usize = 10_000;
const CANCEL_REQUEST: i32 = 80_877_102;
const SSL_REQUEST: i32 = 80_877_103;
const GSSENC_REQUEST: i32 = 80_877_104;
const PROTOCOL_MAJOR: i32 = 3;
const PROTOCOL_3_0: i32 = PROTOCOL_MAJOR << 16;
/// The first byte of a TLS record: a client that does not ask.
const TLS_HANDSHAKE: u8 = 0x16;
const DEFAULT_ITERATIONS: u32 = 4096;

/// What the first packet of a connection turned out to be.
pub(super) enum Opening {
    /// A session is wanted; the role is not proven yet.
    Session { connection: Connection, hello: Hello },
    /// On a socket of its own: stop what that session runs.
    Cancel { process: i32, secret: i32 },
}

pub(super) struct Hello {
    pub(super) role: String,
    pub(super) database: String,
    /// All parameters as they came, `user` and `database` left out.
    pub(super) settings: Vec<(String, String)>,
}

/// What the password has shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proven {
    pub(super) is_superuser: bool,
}

/// Negotiates encryption and reads the start-up packet.
pub(super) async fn open(mut connection: Connection, tls: Option<&Tls>) -> Result<Opening, (Option<Connection>, Fault)> {
    let mut is_encrypted = false;
    if tls.is_some() && matches!(connection.peek().await, Ok(TLS_HANDSHAKE)) {
        connection = encrypt_direct(connection, tls).await?;
        is_encrypted = true;
    }
    // A client may ask for each kind of encryption once, then has to start.
    for _ in 0..3 {
        let (code, mut body) = match first_packet(&mut connection).await {
            Ok(packet) => packet,
            Err(fault) => return Err((Some(connection), fault)),
        };
        match (code, tls) {
            (SSL_REQUEST, Some(tls)) if !is_encrypted => {
                connection = encrypt(connection, tls).await?;
                is_encrypted = true;
            }
            (SSL_REQUEST | GSSENC_REQUEST, _) => {
                connection.out.put_u8(b'N');
                connection.flush().await.map_err(|fault| (None, fault))?;
            }
            (CANCEL_REQUEST, _) => {
                return match (body.i32(), body.i32(), body.finish()) {
                    (Ok(process), Ok(secret), Ok(())) => Ok(Opening::Cancel { process, secret }),
                    _ => Err((None, Fault::Closed)),
                };
            }
            (version, tls) => {
                let hello = match (tls, is_encrypted) {
                    (Some(Tls { mode: TlsMode::Require, .. }), false) => Err(Fault::fatal("28000", "connection requires TLS")),
                    _ => hello(&mut connection, version, body),
                };
                return match hello {
                    Ok(hello) => Ok(Opening::Session { connection, hello }),
                    Err(fault) => Err((Some(connection), fault)),
                };
            }
        }
    }
    Err((Some(connection), Fault::protocol("too many requests for encryption")))
}

async fn first_packet(connection: &mut Connection) -> Result<(i32, Body), Fault> {
    let mut body = Body(connection.packet(MAX_PACKET_BYTES).await?);
    let code = body.i32()?;
    Ok((code, body))
}

async fn encrypt(mut connection: Connection, tls: &Tls) -> Result<Connection, (Option<Connection>, Fault)> {
    // What came before the handshake was not protected by it, and must not be read as if it were.
    if connection.has_unread() {
        return Err((Some(connection), Fault::protocol("received unencrypted data after SSL request")));
    }
    connection.out.put_u8(b'S');
    connection.flush().await.map_err(|fault| (None, fault))?;
    let (stream, read) = connection.into_parts();
    handshake(stream, read, tls).await
}

async fn encrypt_direct(connection: Connection, tls: Option<&Tls>) -> Result<Connection, (Option<Connection>, Fault)> {
    let Some(tls) = tls else { return Ok(connection) };
    let (stream, read) = connection.into_parts();
    handshake(stream, read, tls).await
}

async fn handshake(
    stream: std::pin::Pin<Box<dyn super::connection::Stream>>,
    read: Bytes,
    tls: &Tls,
) -> Result<Connection, (Option<Connection>, Fault)> {
    let (reader, writer) = tokio::io::split(stream);
    let stream = tokio::io::join(tokio::io::AsyncReadExt::chain(std::io::Cursor::new(read), reader), writer);
    match TlsAcceptor::from(Arc::clone(&tls.config)).accept(stream).await {
        Ok(stream) => Ok(Connection::new(stream)),
        Err(error) => Err((None, error.into())),
    }
}

/// Reads the parameters of a start-up packet, and answers a version that is too new.
fn hello(connection: &mut Connection, version: i32, mut body: Body) -> Result<Hello, Fault> {
    let (major, minor) = (version >> 16, version & 0xffff);
    if major != PROTOCOL_MAJOR {
        return Err(Fault::fatal("0A000", format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0")));
    }
    let mut settings = Vec::new();
    loop {
        let name = body.text().map_err(|_| bad_layout())?;
        if name.is_empty() {
            break;
        }
        settings.push((name, body.text().map_err(|_| bad_layout())?));
    }
    body.finish().map_err(|_| bad_layout())?;
    let unknown: Vec<String> = settings.iter().filter(|(name, _)| name.starts_with("_pq_.")).map(|(name, _)| name.clone()).collect();
    if minor > 0 || !unknown.is_empty() {
        connection.put(&PgWireBackendMessage::NegotiateProtocolVersion(NegotiateProtocolVersion::new(PROTOCOL_3_0, unknown)))?;
    }
    let mut take = |wanted: &str| settings.iter().rposition(|(name, _)| name == wanted).map(|at| settings.remove(at).1);
    let role = take("user").filter(|name| !name.is_empty());
    let database = take("database").filter(|name| !name.is_empty());
    let role = role.ok_or_else(|| Fault::fatal("28000", "no PostgreSQL user name specified in startup packet"))?;
    settings.retain(|(name, _)| !name.starts_with("_pq_."));
    Ok(Hello { database: database.unwrap_or_else(|| role.clone()), role, settings })
}

fn bad_layout() -> Fault {
    Fault::protocol("invalid startup packet layout: expected terminator as last byte")
}

/// Makes the client prove that it knows the role's password. Returns only when it does.
pub(super) async fn authenticate(
    connection: &mut Connection,
    door: &dyn Door,
    role: &str,
    peer: Option<SocketAddr>,
) -> Result<Proven, Fault> {
    let (verifier, proven) = verifier(door, role)?;
    connection.put(&PgWireBackendMessage::Authentication(Authentication::SASL(vec![MECHANISM.to_owned()])))?;
    connection.flush().await?;

    let mut first = Body(password_message(connection).await?);
    let mechanism = first.text()?;
    if mechanism != MECHANISM {
        return Err(Fault::protocol("client selected an invalid SASL authentication mechanism"));
    }
    let client_first = first.value()?.ok_or_else(|| Fault::protocol("malformed SCRAM message"))?;
    first.finish()?;
    let exchange = Exchange::begin(utf8(&client_first)?, verifier)?;
    let answer = Bytes::copy_from_slice(exchange.server_first().as_bytes());
    connection.put(&PgWireBackendMessage::Authentication(Authentication::SASLContinue(answer)))?;
    connection.flush().await?;

    let client_final = password_message(connection).await?;
    let Some(server_final) = exchange.finish(utf8(&client_final)?)? else {
        tracing::warn!(role, "password authentication failed");
        door.refused(role, peer, "28P01");
        return Err(Fault::fatal("28P01", format!("password authentication failed for user \"{role}\"")));
    };
    connection.put(&PgWireBackendMessage::Authentication(Authentication::SASLFinal(server_final.into())))?;
    Ok(proven)
}

/// What to compare with, and what it will have shown.
fn verifier(door: &dyn Door, name: &str) -> Result<(Verifier, Proven), Error> {
    // A role without a password looks like one that does not exist.
    if let Some(role) = door.role(name)?.filter(|role| !role.stored_key.is_empty()) {
        let is_real = door.password_counts(&role);
        let proven = Proven { is_superuser: role.superuser };
        let Role { salt, iterations, stored_key, server_key, .. } = role;
        return Ok((Verifier { salt, iterations, stored_key, server_key, is_real }, proven));
    }
    let made_up = match door.any_role()? {
        Some(other) => Verifier::made_up(name, &other.stored_key, other.iterations),
        None => Verifier::made_up(name, &rand::rng().random::<[u8; 32]>(), DEFAULT_ITERATIONS),
    };
    Ok((made_up, Proven { is_superuser: false }))
}

async fn password_message(connection: &mut Connection) -> Result<Bytes, Fault> {
    let only_passwords = |kind| (kind == b'p').then_some(MAX_PACKET_BYTES);
    match connection.frame(only_passwords).await {
        Ok((_, body)) => Ok(body),
        Err(fault) => Err(fault),
    }
}
