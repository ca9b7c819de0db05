//! Which files are found for a version, whatever the log looks like.

use std::path::Path;

use proptest::prelude::*;

use super::*;

fn log(names: &[String]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    folder
}

fn commits(versions: std::ops::RangeInclusive<Version>) -> Vec<String> {
    versions.map(commit_name).collect()
}

fn names(segment: &Segment) -> Vec<&str> {
    segment.names.iter().map(String::as_str).collect()
}

fn say(log: &Path, version: Version) {
    std::fs::write(log.join(HINT), format!("{{\"version\":{version},\"size\":7}}")).unwrap();
}

#[test]
fn a_version_is_its_checkpoint_and_what_follows() {
    let folder = log(&[commits(0..=9), vec![checkpoint_name(3), checkpoint_name(7)]].concat());
    let log = folder.path();
    assert_eq!(Segment::newest(log).unwrap().unwrap().version, 9);
    let of = |version| Segment::of(log, version).unwrap().unwrap();
    assert_eq!(names(&of(2)), [commit_name(0), commit_name(1), commit_name(2)]);
    assert_eq!(names(&of(3)), [checkpoint_name(3), commit_name(3)]);
    assert_eq!(names(&of(5)), [checkpoint_name(3), commit_name(3), commit_name(4), commit_name(5)]);
    assert_eq!(of(9).checkpoint, Some(7));
    assert_eq!(Segment::of(log, 10).unwrap(), None);
    // A hint is only where the search begins.
    for hint in [3, 7, 9] {
        say(log, hint);
        assert_eq!(Segment::newest(log).unwrap().unwrap(), of(9));
    }
    std::fs::write(log.join(HINT), "{\"ver").unwrap();
    assert_eq!(Segment::newest(log).unwrap().unwrap(), of(9));
    assert_eq!(oldest(log).unwrap(), Some(0));
}

#[test]
fn what_is_not_kept_is_not_found() {
    let folder = log(&[commits(4..=6), commits(9..=12), vec![checkpoint_name(10)]].concat());
    let log = folder.path();
    assert_eq!(oldest(log).unwrap(), Some(10));
    assert_eq!(Segment::newest(log).unwrap().unwrap().version, 12);
    for version in [0, 5, 8, 9, 13] {
        assert_eq!(Segment::of(log, version).unwrap(), None, "{version}");
    }
    assert_eq!(Segment::newest(Path::new("/nowhere/at/all")).unwrap(), None);
}

#[test]
fn other_writers_checkpoints_are_found_by_listing() {
    let part = |version: Version, part: u32| format!("{version:020}.checkpoint.{part:010}.0000000002.parquet");
    let named = format!("{:020}.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json", 700);
    let folder = log(&[commits(300..=720), vec![part(340, 1), part(340, 2), part(650, 1), named.clone()]].concat());
    let log = folder.path();
    assert_eq!(Segment::of(log, 720).unwrap().unwrap().checkpoint, Some(700));
    assert!(Segment::of(log, 720).unwrap().unwrap().names.contains(&named));
    // Of 650 only one part of two is there.
    assert_eq!(Segment::of(log, 699).unwrap().unwrap().checkpoint, Some(340));
    assert_eq!(Segment::of(log, 339).unwrap(), None);
    assert_eq!(oldest(log).unwrap(), Some(340));
    assert_eq!(Segment::newest(log).unwrap().unwrap().version, 720);
}

proptest! {
    /// What is tried out and what is listed are the same files.
    #[test]
    fn trying_out_finds_what_a_listing_finds(first in 0..3_u64, checkpoints in prop::collection::btree_set(0..40_u64, 0..6), missing in prop::option::of(0..40_u64)) {
        let mut all: Vec<String> = (first..40).filter(|version| Some(*version) != missing).map(commit_name).collect();
        all.extend(checkpoints.iter().map(|version| checkpoint_name(*version)));
        let folder = log(&all);
        for version in 0..41 {
            let listed = Segment::listed(folder.path(), version).unwrap();
            prop_assert_eq!(Segment::of(folder.path(), version).unwrap(), listed, "version {}", version);
        }
    }
}
