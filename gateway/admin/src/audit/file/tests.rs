use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::audit::chain::next;

#[tokio::test]
async fn entries_are_appended_in_order_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/audit.jsonl");
    let file = AuditFile::new(path.clone());
    assert!(file.newest().await.unwrap().is_none() && file.read(0, 9).await.unwrap().is_empty());

    let mut entries: Vec<AuditEntry> = Vec::new();
    for number in 0..5 {
        // Longer than a block, once.
        entries.push(next(entries.last(), format!("{number} {}", "x".repeat(number * 5000))));
        assert!(file.append(entries.last().unwrap()).await.unwrap());
        assert!(!file.append(entries.last().unwrap()).await.unwrap(), "the entry is stored already");
        assert_eq!(file.newest().await.unwrap().as_ref(), entries.last());
    }

    assert_eq!(file.read(0, 9).await.unwrap(), entries);
    assert_eq!(file.read(2, 2).await.unwrap(), entries[2..4]);
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn incomplete_last_line_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let file = AuditFile::new(path.clone());
    let first = next(None, "one".to_owned());
    let second = next(Some(&first), "two".to_owned());

    for torn in ["{", "{\"seq\":1,\"prev"] {
        std::fs::write(&path, torn).unwrap();
        assert_eq!(file.newest().await.unwrap(), None);
        assert!(file.append(&first).await.unwrap());
        let mut half = std::fs::read(&path).unwrap();
        half.extend_from_slice(torn.as_bytes());
        std::fs::write(&path, half).unwrap();
        assert_eq!(file.newest().await.unwrap(), Some(first.clone()));
        assert!(file.append(&second).await.unwrap());
        assert_eq!(file.read(0, 9).await.unwrap(), [first.clone(), second.clone()]);
    }
}
