use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::audit::AuditFile;
use crate::audit::chain::next;

async fn numbers(pages: &AuditPages, query: &str) -> (Vec<i64>, Option<i64>) {
    let answer = pages.list(query).await.unwrap();
    let seq = |record: &AuditRecord| record.0["seq"].as_i64().unwrap();
    (answer.records.iter().map(seq).collect(), answer.before)
}

#[tokio::test]
async fn records_are_listed_newest_first_after_a_cursor() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(AuditFile::new(folder.path().join("audit.jsonl")));
    let mut newest = None;
    for number in 1..=7 {
        let operator = if number % 2 == 0 { "even" } else { "odd" };
        let at = time(SystemTime::UNIX_EPOCH + Duration::from_secs(number));
        newest = Some(next(newest.as_ref(), json!({ "at": at, "operator": operator }).to_string()));
        assert!(log.append(newest.as_ref().unwrap()).await.unwrap());
    }
    let pages = AuditPages::new(log, vec!["events.replay"]);

    assert_eq!(numbers(&pages, "").await, (vec![7, 6, 5, 4, 3, 2, 1], None));
    assert_eq!(numbers(&pages, "limit=3").await, (vec![7, 6, 5], Some(5)));
    assert_eq!(numbers(&pages, "limit=3&before=5").await, (vec![4, 3, 2], Some(2)));
    assert_eq!(numbers(&pages, "operator=even").await, (vec![6, 4, 2], None));
    let range = "since=1970-01-01T00:00:03Z&until=1970-01-01T00:00:05Z";
    assert_eq!(numbers(&pages, range).await, (vec![4, 3], None));
}

/// Regression: a misspelt filter matched no record, and the empty list looked as if nothing had been changed.
#[tokio::test]
async fn filters_that_cannot_match_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(AuditFile::new(folder.path().join("audit.jsonl")));
    let pages = AuditPages::new(log, vec!["events.replay", "other"]);

    let rows = [
        ("limit=x", "limit is a number from 1 to 1000"),
        ("limit=0", "limit is a number from 1 to 1000"),
        ("limit=1001", "limit is a number from 1 to 1000"),
        ("before=0", "before is the number of a record"),
        ("since=never", "since is a time such as 2026-11-24T10:00:00Z, or 2h for two hours ago"),
        ("since=1h&until=2h", "is not before until"),
        ("operater=even", "`operater` is no parameter of this"),
        ("limit=1&limit=2", "`limit` is there more than once"),
        ("outcome=Done", "outcome is one of begun, done, failed, denied"),
        ("outcome=", "outcome is one of begun, done, failed, denied"),
        ("operation=events.reply", "operation is one of events.replay, other"),
        ("operator=%20", "operator is the name of a login"),
    ];

    for (query, expected) in rows {
        let refused = pages.list(query).await.unwrap_err();
        assert!(matches!(refused, PageError::Parameter(_)), "{query}");
        assert!(refused.to_string().contains(expected), "{query}: {refused}");
    }
    for query in
        ["operator=anybody", "operation=events.replay", "outcome=denied", "since=2h&until=1h", "limit=1000"]
    {
        assert_eq!(numbers(&pages, query).await, (vec![], None), "{query}");
    }
}

/// A file that counts how often it is gone through.
struct Counted {
    file: AuditFile,
    scans: AtomicUsize,
}

#[async_trait]
impl AuditLog for Counted {
    async fn open(&self) -> Result<(), AuditError> {
        self.file.open().await
    }

    async fn newest(&self) -> Result<Option<AuditEntry>, AuditError> {
        self.scans.fetch_add(1, Ordering::Relaxed);
        self.file.newest().await
    }

    async fn append(&self, entry: &AuditEntry) -> Result<bool, AuditError> {
        self.file.append(entry).await
    }

    async fn read(&self, after: i64, limit: usize) -> Result<Vec<AuditEntry>, AuditError> {
        self.scans.fetch_add(1, Ordering::Relaxed);
        self.file.read(after, limit).await
    }

    async fn scan_back(
        &self,
        before: Option<i64>,
        take: &mut (dyn FnMut(AuditEntry) -> bool + Send),
    ) -> Result<(), AuditError> {
        self.scans.fetch_add(1, Ordering::Relaxed);
        self.file.scan_back(before, take).await
    }
}

/// Regression: a request read the file from its beginning for each 500 scanned records, up to forty times.
#[tokio::test]
async fn request_scans_the_file_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let (mut text, mut newest) = (String::new(), None);
    for number in 1..=1700 {
        // Longer than a block, now and then.
        let padding = "x".repeat(if number % 100 == 0 { 20_000 } else { number % 7 });
        let operator = if number == 2 { "early" } else { "other" };
        let entry = next(newest.as_ref(), json!({ "operator": operator, "padding": padding }).to_string());
        let AuditEntry { seq, previous, record, hash } = &entry;
        let line = json!({ "seq": seq, "previous": previous, "record": record, "hash": hash });
        text.push_str(&format!("{line}\n"));
        newest = Some(entry);
    }
    // A line that a process did not finish.
    text.push_str("{\"seq\":1701");
    std::fs::write(&path, text).unwrap();
    let log = Arc::new(Counted { file: AuditFile::new(path), scans: AtomicUsize::new(0) });
    let pages = AuditPages::new(Arc::<Counted>::clone(&log), Vec::new());

    let early = numbers(&pages, "operator=early").await;
    let scans = log.scans.load(Ordering::Relaxed);
    let middle = numbers(&pages, "limit=1000&before=1201").await;

    assert_eq!((early, scans), ((vec![2], None), 1));
    assert_eq!(middle, ((201..=1200).rev().collect(), Some(201)));
}
