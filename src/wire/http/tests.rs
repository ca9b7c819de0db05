//! Health over a real socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Probe, serve};
use crate::error::{Code, Error, Result};

#[derive(Default)]
struct Parts {
    lake_is_gone: AtomicBool,
}

#[async_trait]
impl Probe for Parts {
    async fn catalog(&self) -> Result<()> {
        Ok(())
    }

    async fn lake(&self) -> Result<()> {
        if self.lake_is_gone.load(Ordering::SeqCst) { Err(Error::new(Code::Io, "secret reason")) } else { Ok(()) }
    }
}

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn readiness_follows_the_parts() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (parts, shutdown) = (Arc::new(Parts::default()), CancellationToken::new());
    let task = tokio::spawn(serve(Arc::clone(&parts) as _, listener, shutdown.clone()));

    assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
    assert!(get(address, "/readyz").await.ends_with("{\"status\":\"ok\",\"reasons\":[]}"));
    parts.lake_is_gone.store(true, Ordering::SeqCst);
    let answer = get(address, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.ends_with("{\"status\":\"unavailable\",\"reasons\":[\"lake\"]}"), "{answer}");
    assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
    assert!(get(address, "/").await.starts_with("HTTP/1.1 404"));

    // A client that keeps its connection open does not keep the hub.
    let _idle = TcpStream::connect(address).await.unwrap();
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(20), task).await.expect("it ends").unwrap();
}
