//! The file ledger.

use std::time::Instant;

use super::fixture::{Fixture, NOW};
use crate::*;

pub(super) fn file(path: &str, etag: &str) -> FileSeen {
    FileSeen { path: path.into(), etag: etag.into(), size: 10, modified_at: NOW }
}

fn shown(entries: &[FileEntry]) -> Vec<(i64, &str, &str, bool)> {
    entries.iter().map(|e| (e.seq, e.file.path.as_str(), e.file.etag.as_str(), e.replaced)).collect()
}

#[test]
fn files_are_entered_once_in_order_and_replaced_by_newer_ones() {
    let f = Fixture::new();
    let (s, t) = (f.make(Kind::Source, "s", &[]).id, f.make(Kind::Source, "t", &[]).id);
    assert_eq!(f.store.newest_file(s).unwrap(), 0);
    let new = f.store.register_files(s, &[file("b", "1"), file("a", "1")], NOW).unwrap();
    assert_eq!(shown(&new), [(1, "b", "1", false), (2, "a", "1", false)]);
    assert!(f.store.register_files(s, &[file("a", "1"), file("b", "1")], NOW).unwrap().is_empty());
    assert_eq!(shown(&f.store.register_files(t, &[file("a", "1")], NOW).unwrap()), [(1, "a", "1", false)]);
    let f = f.reopen();
    let new = f.store.register_files(s, &[file("a", "2"), file("b", "1"), file("c", "1")], NOW + 1).unwrap();
    assert_eq!(shown(&new), [(3, "a", "2", false), (4, "c", "1", false)]);
    let all = f.store.files(s, 0, None, None).unwrap();
    assert_eq!(shown(&all), [(1, "b", "1", false), (2, "a", "1", true), (3, "a", "2", false), (4, "c", "1", false)]);
    assert_eq!((all[0].seen_at, all[2].seen_at, all[2].rows), (NOW, NOW + 1, None));
    // The old content comes back: that is a new version of the path.
    assert_eq!(shown(&f.store.register_files(s, &[file("a", "1")], NOW).unwrap()), [(5, "a", "1", false)]);
    assert_eq!(f.store.newest_file(s).unwrap(), 5);
}

#[test]
fn a_forgotten_file_is_not_offered_and_new_when_it_comes_back() {
    let f = Fixture::new();
    let s = f.make(Kind::Source, "s", &[]).id;
    f.store.register_files(s, &[file("a", "1"), file("b", "1")], NOW).unwrap();
    f.store.forget_files(s, &[1]).unwrap();
    assert_eq!(shown(&f.store.files(s, 0, None, None).unwrap()), [(1, "a", "1", true), (2, "b", "1", false)]);
    assert_eq!(shown(&f.store.register_files(s, &[file("a", "1"), file("b", "1")], NOW).unwrap()), [(3, "a", "1", false)]);
}

#[test]
fn of_a_path_listed_twice_the_last_counts() {
    let f = Fixture::new();
    let s = f.make(Kind::Source, "s", &[]).id;
    let listing = [file("a", "1"), file("b", "1"), file("a", "2")];
    assert_eq!(shown(&f.store.register_files(s, &listing, NOW).unwrap()), [(1, "b", "1", false), (2, "a", "2", false)]);
    assert!(f.store.register_files(s, &listing, NOW).unwrap().is_empty());
}

#[test]
fn ranges_of_the_ledger_are_half_open_and_limited() {
    let f = Fixture::new();
    let s = f.make(Kind::Source, "s", &[]).id;
    let files: Vec<_> = (0..10).map(|n| file(&format!("f{n}"), "1")).collect();
    f.store.register_files(s, &files, NOW).unwrap();
    let seqs = |after, to, limit| f.store.files(s, after, to, limit).unwrap().iter().map(|e| e.seq).collect::<Vec<_>>();
    assert_eq!(seqs(2, Some(5), None), [3, 4, 5]);
    assert_eq!(seqs(8, None, None), [9, 10]);
    assert_eq!(seqs(0, None, Some(2)), [1, 2]);
    assert!(seqs(10, None, None).is_empty());
}

#[test]
fn a_short_listing_of_a_long_ledger_is_looked_up_one_by_one() {
    let f = Fixture::new();
    let s = f.make(Kind::Source, "s", &[]).id;
    let files: Vec<_> = (0..100).map(|n| file(&format!("f{n}"), "1")).collect();
    f.store.register_files(s, &files, NOW).unwrap();
    let new = f.store.register_files(s, &[file("f7", "1"), file("new", "1"), file("f8", "2")], NOW).unwrap();
    assert_eq!(shown(&new), [(101, "new", "1", false), (102, "f8", "2", false)]);
}

#[test]
fn ten_thousand_known_files_cost_a_moment() {
    let f = Fixture::new();
    let s = f.make(Kind::Source, "s", &[]).id;
    let files: Vec<_> = (0..10_000).map(|n| file(&format!("in/2026/01/orders-{n:06}.ndjson.gz"), "\"0123456789abcdef\"")).collect();
    assert_eq!(f.store.register_files(s, &files, NOW).unwrap().len(), 10_000);
    let best = (0..5)
        .map(|_| {
            let start = Instant::now();
            assert!(f.store.register_files(s, &files, NOW).unwrap().is_empty());
            start.elapsed()
        })
        .min()
        .unwrap();
    println!("10,000 known files: {best:?}");
    // Ten times the aim of a release build, since this one is not optimised and shares its machine.
    assert!(best.as_millis() < 100, "{best:?}");
}

#[test]
fn a_dropped_source_takes_its_ledger_along() {
    let f = Fixture::new();
    let s = f.make(Kind::Source, "s", &[]).id;
    f.store.register_files(s, &[file("a", "1")], NOW).unwrap();
    f.store.apply(&[Change::Drop { id: s }], "admin", NOW).unwrap();
    assert!(f.store.files(s, 0, None, None).unwrap().is_empty());
}
