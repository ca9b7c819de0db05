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

async fn listed(store: &dyn ObjectStore, folder: &Path, offset: &Path) -> Vec<String> {
    use futures::TryStreamExt;
    let found: Vec<_> = store.list_with_offset(Some(folder), offset).try_collect().await.unwrap();
    let mut found: Vec<_> = found.into_iter().map(|meta| format!("{} {}", meta.location, meta.size)).collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_is_that_of_the_library() {
    let plain = object_store::local::LocalFileSystem::new();
    for odd in [None, Some("a b.json"), Some("below/7.json")] {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["00.json", "01.json", "01.json#77", "02.checkpoint.parquet", "02.json", "_last_checkpoint", "zz"] {
            std::fs::write(path(name), name).unwrap();
        }
        if let Some(odd) = odd {
            std::fs::create_dir_all(path(odd).parent().unwrap()).unwrap();
            std::fs::write(path(odd), odd).unwrap();
        }
        let prefix = Path::from_absolute_path(folder.path()).unwrap();
        for offset in ["0", "00.json", "01", "02.json", "a", "below/6.json", "zzz"] {
            let offset = place(folder.path(), offset);
            let ours = listed(&FsyncStore::default(), &prefix, &offset).await;
            assert_eq!(ours, listed(&plain, &prefix, &offset).await, "from {offset} with {odd:?}");
        }
    }
    let nowhere = Path::from("nowhere/at/all");
    assert!(listed(&FsyncStore::default(), &nowhere, &nowhere.clone().join("x")).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_shows_no_more_than_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["log/0.json", "log/1.json", "log/2.json", "log/below/3.json", "data"] {
        std::fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
        std::fs::write(folder.path().join(name), name).unwrap();
    }
    let shown = ["1.json", "2.json", "gone.json"].map(str::to_owned).into();
    let store = FsyncStore::showing(&folder.path().join("log"), shown).unwrap();
    let prefix = place(folder.path(), "log");
    let names = |found: Vec<String>| found.iter().map(|line| line.rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(listed(&store, &prefix, &place(folder.path(), "log/0")).await), ["1.json 10", "2.json 10"]);
    assert_eq!(names(listed(&store, &prefix, &place(folder.path(), "log/1.json")).await), ["2.json 10"]);
    for (name, is_there) in
        [("log/0.json", false), ("log/1.json", true), ("log/gone.json", false), ("log/below/3.json", true), ("data", true)]
    {
        let got = store.get(&place(folder.path(), name)).await;
        assert_eq!(got.is_ok(), is_there, "{name}");
        assert!(is_there || matches!(got, Err(Error::NotFound { .. })));
    }
}
