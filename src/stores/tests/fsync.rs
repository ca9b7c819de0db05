//! Puts are whole or absent, conditional puts have one winner, and nothing is left behind.

use std::sync::Arc;

use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use crate::stores::FsyncStore;

fn names(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn place(folder: &std::path::Path, name: &str) -> Path {
    Path::from_absolute_path(folder.join(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_creates_wins() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(FsyncStore::default());
    let target = place(folder.path(), "log/0.json");
    let mut tasks = Vec::new();
    for number in 0..16_u8 {
        let (store, target) = (store.clone(), target.clone());
        tasks.push(tokio::spawn(async move {
            let payload = PutPayload::from(vec![number; 1000]);
            store.put_opts(&target, payload, PutMode::Create.into()).await.map(|_| number)
        }));
    }
    let mut winners = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(number) => winners.push(number),
            Err(error) => assert!(matches!(error, Error::AlreadyExists { .. }), "{error}"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(store.get(&target).await.unwrap().bytes().await.unwrap(), vec![winners[0]; 1000]);
    assert_eq!(names(&folder.path().join("log")), ["0.json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overwrite_replaces_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = FsyncStore::default();
    let target = place(folder.path(), "a");
    store.put(&target, "a long first text".into()).await.unwrap();
    store.put(&target, "short".into()).await.unwrap();
    assert_eq!(store.get(&target).await.unwrap().bytes().await.unwrap(), "short");
    let copy = place(folder.path(), "b");
    store.copy(&target, &copy).await.unwrap();
    assert!(matches!(store.copy_if_not_exists(&target, &copy).await, Err(Error::AlreadyExists { .. })));
    store.rename(&copy, &place(folder.path(), "c")).await.unwrap();
    assert_eq!(names(folder.path()), ["a", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_appears_when_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let store = FsyncStore::default();
    let target = place(folder.path(), "big");
    let mut upload = store.put_multipart(&target).await.unwrap();
    let first = upload.put_part(vec![b'a'; 5000].into());
    let second = upload.put_part(vec![b'b'; 10].into());
    second.await.unwrap();
    first.await.unwrap();
    assert!(matches!(store.head(&target).await, Err(Error::NotFound { .. })));
    upload.complete().await.unwrap();
    let bytes = store.get(&target).await.unwrap().bytes().await.unwrap();
    assert_eq!((bytes.len(), bytes[4999], bytes[5000]), (5010, b'a', b'b'));
    let mut upload = store.put_multipart(&place(folder.path(), "never")).await.unwrap();
    upload.put_part(vec![1].into()).await.unwrap();
    upload.abort().await.unwrap();
    assert_eq!(names(folder.path()), ["big"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_put_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = FsyncStore::default();
    std::fs::write(folder.path().join("file"), "x").unwrap();
    assert!(store.put(&place(folder.path(), "file/below"), "y".into()).await.is_err());
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    assert!(store.put(&place(folder.path(), "folder"), "y".into()).await.is_err());
    assert_eq!(names(folder.path()), ["file", "folder"]);
}
