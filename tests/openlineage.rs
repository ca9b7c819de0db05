//! Lineage events on their way to others: each arrives, and no run waits for somebody who does not answer.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::hub::{Hub, until};

const PIPELINE: &str = "CREATE TABLE source (id bigint); INSERT INTO source VALUES (1), (2);
    CREATE PIPELINE p INTO target REPLACE AS SELECT id, id * 2 AS twice FROM source";

/// The body of one request, which is answered.
async fn body_of(socket: &mut TcpStream) -> Option<Value> {
    let mut request = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = socket.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        request.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("POST /api/v1/lineage?key=1 HTTP/1.1\r\n"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
        if body.len() == length.parse::<usize>().expect("a number") {
            let event = serde_json::from_str(body).expect("an event");
            socket.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await.expect("it is answered");
            return Some(event);
        }
    }
}

async fn collect(listener: TcpListener, events: Arc<Mutex<Vec<Value>>>) {
    while let Ok((mut socket, _)) = listener.accept().await {
        if let Some(event) = body_of(&mut socket).await {
            events.lock().expect("no panic before").push(event);
        }
    }
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["eventType"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_reach_a_file_and_an_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("openlineage.url=http://{}/api/v1/lineage?key=1", listener.local_addr().expect("an address"));
    let posted = Arc::new(Mutex::new(Vec::new()));
    tokio::spawn(collect(listener, posted.clone()));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("events.ndjson");
    let hub = Hub::start_with(&[&url, &format!("openlineage.file={}", file.display())]);
    let (client, _) = hub.connect().await;
    client.batch_execute(PIPELINE).await.expect("a pipeline");
    client.batch_execute("RUN PIPELINE p").await.expect("it runs");
    let events = || posted.lock().expect("no panic before").clone();
    until(async || events().len() >= 2).await;
    let posted = events();
    assert_eq!(kinds(&posted), ["START", "COMPLETE"]);
    let run = client.query_one("SELECT run_id::text FROM hub.runs", &[]).await.expect("a run").get::<_, String>(0);
    assert!(posted.iter().all(|event| event["run"]["runId"] == run.as_str()), "{posted:?}");
    assert_eq!(posted[1]["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"], 2);
    let lines = || std::fs::read_to_string(&file).unwrap_or_default();
    until(async || lines().lines().count() >= 2).await;
    let written: Vec<Value> = lines().lines().map(|line| serde_json::from_str(line).expect("a line is an event")).collect();
    assert_eq!(written, posted);
    let kept = client.query("SELECT event::text FROM hub.openlineage ORDER BY event_time, event_type DESC", &[]).await.expect("the events");
    let kept: Vec<Value> = kept.iter().map(|row| serde_json::from_str(row.get(0)).expect("an event")).collect();
    assert_eq!(kept, posted, "the same is in the table");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_an_address_that_does_not_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("openlineage.url=http://{}/", listener.local_addr().expect("an address"));
    let hub = Hub::start_with(&[&url, "openlineage.file=/nowhere/events.ndjson"]);
    let (client, _) = hub.connect().await;
    client.batch_execute(PIPELINE).await.expect("a pipeline");
    let began = Instant::now();
    for _ in 0..5 {
        client.batch_execute("RUN PIPELINE p").await.expect("it runs");
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let kept = client.query_one("SELECT count(*) FROM hub.openlineage", &[]).await.expect("a count").get::<_, i64>(0);
    assert_eq!(kept, 10);
    drop(listener);
}
