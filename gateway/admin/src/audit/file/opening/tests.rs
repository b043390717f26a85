use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// Regression: with a link in its place, the owner of the folder chose the file that root created, gave away or cut.
#[test]
fn link_is_neither_followed_nor_created_through() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("audit.jsonl"), folder.path().join("other"));

    symlink(&other, &path).unwrap();
    let dangling = open_or_create(&path).unwrap_err();
    let is_created = other.exists();
    fs::write(&other, "of another").unwrap();
    let linked = open_or_create(&path).unwrap_err();
    fs::remove_file(&path).unwrap();
    fs::hard_link(&other, &path).unwrap();
    let twice = open_or_create(&path).unwrap_err();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let directory = open_or_create(&path).unwrap_err();

    for error in [dangling, linked, twice] {
        assert!(matches!(error, FileError::Linked), "{error}");
    }
    assert!(matches!(directory, FileError::Io(_)), "{directory}");
    assert!(!is_created && fs::read_to_string(&other).unwrap() == "of another");
}

/// Needs root, who may give files away.
#[test]
fn file_of_a_third_user_is_refused_and_a_new_one_is_the_folder_owners() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    if std::os::unix::fs::chown(folder.path(), Some(990), Some(991)).is_err() {
        println!("skipped: only root can give a folder to another user");
        return;
    }

    let created = open_or_create(&path).unwrap().metadata().unwrap();
    let opened = open(&path).is_ok();
    std::os::unix::fs::chown(&path, Some(992), None).unwrap();
    let foreign = open(&path).unwrap_err();

    assert_eq!((created.uid(), created.gid(), created.mode() & 0o777), (990, 991, 0o600));
    assert!(opened && matches!(foreign, FileError::Foreign { owner: 992 }), "{foreign}");
}

#[test]
fn absent_file_is_not_opened_and_its_folder_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/audit.jsonl");

    let absent = open(&path).unwrap_err();

    assert!(matches!(absent, FileError::Absent), "{absent}");
    assert!(!folder.path().join("data").exists());
}
