//! Who gets in, and what happens to those who do not.

use std::time::{Duration, Instant};

use super::super::tls::{Tls, load_tls};
use super::{PASSWORD, TestServer, certificate, frame, until};
use crate::config::{self, TlsMode};
use crate::error::Result;

#[tokio::test]
async fn the_right_password_opens_a_session() {
    let server = TestServer::start().await;
    let mut raw = server.raw().await;
    raw.log_in("admin", PASSWORD).await;
    assert_eq!(raw.kinds().await, "RRSSSSSKZ");
    raw.put(b'Q', b"SELECT 1\0").await;
    assert_eq!(raw.kinds().await, "TDCZ");
    server.stop().await;
}

/// After a failed password nothing is run, whatever is sent and however early.
#[tokio::test]
async fn an_unproven_client_gets_nothing_executed() {
    let server = TestServer::start().await;
    let query = frame(b'Q', b"SELECT 1\0");

    let mut wrong = server.raw().await;
    wrong.log_in("admin", "wrong").await;
    wrong.send(&query).await;
    assert_eq!(wrong.error_code().await.as_deref(), Some("28P01"));
    wrong.send(&query).await;
    assert_eq!(wrong.message().await, None);

    let mut pipelined = server.raw().await;
    pipelined.startup(&[("user", "admin")]).await;
    pipelined.send(&query).await;
    assert_eq!(pipelined.error_code().await.as_deref(), Some("08P01"));
    assert_eq!(pipelined.message().await, None);

    let mut before = server.raw().await;
    before.send(&query).await;
    assert_eq!(before.error_code().await.as_deref(), Some("08P01"));
    assert_eq!(before.message().await, None);

    assert_eq!(server.executed(), 0);
    server.stop().await;
}

/// An unknown role gets a salt of its own, always the same, and the same answer as a wrong password.
#[tokio::test]
async fn an_unknown_role_looks_like_a_wrong_password() {
    let server = TestServer::start().await;
    let salt = async |name: &'static str| {
        let mut raw = server.raw().await;
        raw.startup(&[("user", name)]).await;
        raw.message().await.unwrap();
        let first = b"n,,n=,r=nonce";
        raw.put(b'p', &[b"SCRAM-SHA-256\0", &13_i32.to_be_bytes()[..], first].concat()).await;
        let (_, answer) = raw.message().await.unwrap();
        let answer = String::from_utf8(answer[4..].to_vec()).unwrap();
        answer.split_once(",").unwrap().1.to_owned()
    };
    assert_eq!(salt("nobody").await, salt("nobody").await);
    assert_ne!(salt("nobody").await, salt("somebody").await);
    assert_eq!(salt("nobody").await.len(), salt("admin").await.len());

    let mut raw = server.raw().await;
    raw.log_in("nobody", PASSWORD).await;
    assert_eq!(raw.error_code().await.as_deref(), Some("28P01"));
    assert_eq!(raw.message().await, None);
    server.stop().await;
}

/// Each socket has a nonce of its own: what proved a password on one is worth nothing on another.
#[tokio::test]
async fn a_proof_cannot_be_played_again() {
    let server = TestServer::start().await;
    let begin = async || {
        let mut raw = server.raw().await;
        raw.startup(&[("user", "admin")]).await;
        raw.message().await.unwrap();
        let scram = super::Scram::new(PASSWORD);
        let first = scram.client_first();
        raw.put(b'p', &[b"SCRAM-SHA-256\0", &i32::try_from(first.len()).unwrap().to_be_bytes()[..], first.as_bytes()].concat()).await;
        let (_, answer) = raw.message().await.unwrap();
        (raw, scram, String::from_utf8(answer[4..].to_vec()).unwrap())
    };
    let (_first, mut scram, server_first) = begin().await;
    let proof = scram.client_final(&server_first);
    let (mut second, _, other_first) = begin().await;
    assert_ne!(server_first, other_first);
    second.put(b'p', proof.as_bytes()).await;
    assert_eq!(second.error_code().await.as_deref(), Some("08P01"));
    assert_eq!(second.message().await, None);
    server.stop().await;
}

#[tokio::test]
async fn packets_before_the_password_are_small() {
    let server = TestServer::start().await;
    for length in [0_i32, 4, 7, 10_001, i32::MAX, -1] {
        let mut raw = server.raw().await;
        raw.send(&[&length.to_be_bytes()[..], &196_608_i32.to_be_bytes()].concat()).await;
        assert_eq!(raw.error_code().await.as_deref(), Some("08P01"), "length {length}");
        assert_eq!(raw.message().await, None);
    }
    let mut raw = server.raw().await;
    raw.startup(&[("user", "admin")]).await;
    raw.message().await.unwrap();
    raw.send(&[&b"p"[..], &100_000_i32.to_be_bytes()].concat()).await;
    assert_eq!(raw.error_code().await.as_deref(), Some("08P01"));
    server.stop().await;
}

/// A socket that says nothing, or says it slowly, is closed in time; others are served meanwhile.
#[tokio::test]
async fn a_slow_start_is_cut_off() {
    let server = TestServer::start().await;
    let mut silent = server.raw().await;
    let mut half = server.raw().await;
    half.send(&[0, 0, 0, 50, 0, 3]).await;
    let mut unproven = server.raw().await;
    unproven.startup(&[("user", "admin")]).await;
    unproven.message().await.unwrap();
    let started = Instant::now();
    server.client().await.simple_query("SELECT 1").await.unwrap();
    for raw in [&mut silent, &mut half, &mut unproven] {
        assert_eq!(raw.message().await, None);
    }
    let waited = started.elapsed();
    assert!((Duration::from_secs(8)..Duration::from_secs(15)).contains(&waited), "{waited:?}");
    server.stop().await;
}

#[tokio::test]
async fn one_client_too_many_is_told_so() {
    let server = TestServer::with(2, None).await;
    let (first, _second) = (server.client().await, server.client().await);
    let error = server.try_client(PASSWORD).await.expect_err("no place left");
    assert_eq!(error.code().map(|code| code.code()), Some("53300"));
    drop(first);
    let mut next = None;
    for _ in 0..1000 {
        next = server.try_client(PASSWORD).await.ok();
        if next.is_some() {
            break;
        }
    }
    next.expect("a place is free again").simple_query("SELECT 1").await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn other_protocols_are_refused_by_name() {
    let server = TestServer::start().await;
    let mut old = server.raw().await;
    old.send(&[&8_i32.to_be_bytes()[..], &131_072_i32.to_be_bytes()].concat()).await;
    assert_eq!(old.error_code().await.as_deref(), Some("0A000"));
    let mut newer = server.raw().await;
    let body = [&196_610_i32.to_be_bytes()[..], b"user\0admin\0_pq_.x\0y\0\0"].concat();
    newer.send(&[&i32::try_from(body.len() + 4).unwrap().to_be_bytes()[..], &body].concat()).await;
    let (kind, body) = newer.message().await.unwrap();
    assert_eq!((kind, &body[..]), (b'v', &[0, 3, 0, 0, 0, 0, 0, 1, b'_', b'p', b'q', b'_', b'.', b'x', 0][..]));
    server.stop().await;
}

/// With a certificate, plain text is refused, also after a polite request; with none, the request is answered `N`.
#[tokio::test]
async fn tls_is_tls_or_nothing() {
    use tokio::io::AsyncReadExt;
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let server = TestServer::with(10, Some(load(&certificate, &key, TlsMode::Require).unwrap())).await;
    assert_eq!(server.try_client(PASSWORD).await.err().and_then(|e| e.code().cloned()).unwrap().code(), "28000");

    let request = [&8_i32.to_be_bytes()[..], &80_877_103_i32.to_be_bytes()].concat();
    let mut stuffed = server.raw().await;
    stuffed.send(&[&request[..], b"more"].concat()).await;
    assert_eq!(stuffed.error_code().await.as_deref(), Some("08P01"));
    server.stop().await;

    let optional = TestServer::with(10, Some(load(&certificate, &key, TlsMode::Prefer).unwrap())).await;
    optional.client().await.simple_query("SELECT 1").await.unwrap();
    optional.stop().await;

    let plain = TestServer::start().await;
    let mut raw = plain.raw().await;
    raw.send(&request).await;
    assert_eq!(raw.stream.read_u8().await.unwrap(), b'N');
    raw.log_in("admin", PASSWORD).await;
    assert_eq!(raw.kinds().await, "RRSSSSSKZ");
    plain.stop().await;
}

fn load(certificate: &std::path::Path, key: &std::path::Path, mode: TlsMode) -> Result<Tls> {
    load_tls(&config::Tls { cert: certificate.to_owned(), key: key.to_owned(), client_ca: None, mode })
}

#[test]
fn a_certificate_that_does_not_load_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    assert!(load(&certificate, &key, TlsMode::Require).is_ok());
    for (certificate, key) in [(&empty, &key), (&certificate, &empty), (&key, &key), (&folder.path().join("none"), &key)] {
        assert!(load(certificate, key, TlsMode::Prefer).is_err());
    }
}

/// Idle sessions are told, a running statement is not cut off at once, and the listener ends.
#[tokio::test]
async fn a_stopping_hub_says_goodbye() {
    let server = TestServer::start().await;
    let mut idle = server.raw_session().await;
    let mut starting = server.raw().await;
    starting.startup(&[("user", "admin")]).await;
    starting.message().await.unwrap();
    let busy = server.client().await;
    let running = tokio::spawn(async move { busy.simple_query("SELECT count(*) FROM generate_series(1, 100000000000)").await });
    let seen = std::sync::Arc::clone(&server.seen);
    until("running", || seen.running.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    server.stop().await;
    assert_eq!(idle.error_code().await.as_deref(), Some("57P01"));
    assert_eq!(idle.message().await, None);
    assert_eq!(starting.message().await, None);
    let error = running.await.unwrap().expect_err("cancelled at the end of the drain time");
    assert!(error.code().is_none_or(|code| code.code() == "57014"), "{error:?}");
    assert_eq!(seen.running.load(std::sync::atomic::Ordering::SeqCst), 0);
}
