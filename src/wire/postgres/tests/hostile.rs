//! Bytes that no honest client sends: no panic, no hang, and others are served as before.

use bytes::Bytes;
use proptest::prelude::*;

use super::super::encode::Zone;
use super::super::frontend::Bind;
use super::super::frontend::{decode, max_body_bytes};
use super::super::params;
use super::super::portal::Prepared;
use super::super::scram::{Exchange, Verifier};
use super::super::types::PgType;
use super::{TestServer, frame};
use crate::session::Description;

const KINDS: &[u8] = b"QPBDECHSXFdcf";

proptest! {
    /// A body of any bytes is a message or an error.
    #[test]
    fn any_body_decodes_or_fails(kind in proptest::sample::select(KINDS), body in proptest::collection::vec(any::<u8>(), 0..200)) {
        assert!(max_body_bytes(kind).is_some());
        drop(decode(kind, Bytes::from(body)));
    }

    /// Parameters of any bytes, in every type we know, are values or errors.
    #[test]
    fn any_parameter_decodes_or_fails(oid in 16_u32..4000, is_binary: bool, body in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Some(pg_type) = PgType::of_oid(oid) {
            let prepared = Prepared { statement: None, parameters: vec![pg_type], announced: Vec::new(), description: Description::default() };
            let bind = Bind {
                portal: String::new(),
                statement: String::new(),
                parameter_formats: vec![i16::from(is_binary)],
                parameters: vec![Some(Bytes::from(body))],
                result_formats: Vec::new(),
            };
            drop(params::decode(&prepared, &bind, &Zone::UTC));
        }
    }

    #[test]
    fn any_scram_message_is_refused(first in "[nyp,=r*a-z]{0,20}", last in "[cbiws,=rp/+A-Z]{0,40}") {
        let verifier = || Verifier::made_up("x", b"secret", 4096);
        drop(Exchange::begin(&first, verifier()));
        let exchange = Exchange::begin("n,,n=,r=abc", verifier()).unwrap();
        assert!(!matches!(exchange.finish(&last), Ok(Some(_))));
    }
}

#[tokio::test]
async fn lies_about_lengths_cost_one_connection_or_one_statement() {
    let server = TestServer::start().await;
    let frames: &[&[u8]] = &[
        // More than may be sent, negative, and shorter than the length itself.
        b"Q\x7f\xff\xff\xff",
        b"Q\xff\xff\xff\xff",
        b"Q\x00\x00\x00\x03",
        b"S\x00\x01\x00\x00",
        // Types that are none, and a password after the password.
        b"!\x00\x00\x00\x04",
        b"p\x00\x00\x00\x05\x00",
        b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
    ];
    for bytes in frames {
        let mut raw = server.raw_session().await;
        raw.send(bytes).await;
        assert_eq!(raw.error_code().await.as_deref(), Some("08P01"), "{bytes:?}");
        assert_eq!(raw.message().await, None);
    }
    // Whole frames with a wrong inside: an error, and after Sync all is well.
    let bodies: &[(u8, &[u8])] = &[
        (b'P', b""),
        (b'P', b"\0SELECT 1\0\xff\xff"),
        (b'P', b"no end"),
        (b'P', b"\0\xff\xfe\0\0\0"),
        (b'B', b"\0\0\0\0\xff\xff\0\0\0\x04"),
        (b'B', b"\0\0\0\x01\0\x01\0\x01\x7f\xff\xff\xff"),
        (b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"),
        (b'D', b"X\0"),
        (b'D', b""),
        (b'E', b"\0"),
        (b'C', b"S"),
        (b'H', b"x"),
    ];
    let mut raw = server.raw_session().await;
    for (kind, body) in bodies {
        raw.put(*kind, body).await;
        raw.put(b'Q', b"SELECT 1\0").await;
        raw.put(b'S', b"").await;
        assert_eq!(raw.kinds().await, "EZ", "{} {body:?}", char::from(*kind));
    }
    raw.put(b'Q', b"SELECT '\xff'\0").await;
    assert_eq!(raw.kinds().await, "EZ");
    assert_eq!(server.executed(), 0);
    server.client().await.simple_query("SELECT 1").await.unwrap();
    server.stop().await;
}

/// Noise on fresh sockets and on open sessions, from a generator with a fixed seed.
#[tokio::test]
async fn noise_is_survived() {
    use rand::{Rng, SeedableRng};
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    let server = TestServer::start().await;
    for round in 0..60 {
        let mut noise = vec![0_u8; random.random_range(1..300)];
        random.fill(&mut noise[..]);
        let mut raw = if round % 2 == 0 { server.raw().await } else { server.raw_session().await };
        if round % 3 == 0 {
            noise = frame(KINDS[random.random_range(0..KINDS.len())], &noise);
        }
        raw.send(&noise).await;
        raw.put(b'X', b"").await;
        tokio::io::AsyncWriteExt::shutdown(&mut raw.stream).await.ok();
        while raw.message().await.is_some() {}
    }
    server.client().await.simple_query("SELECT 1").await.unwrap();
    server.stop().await;
}
