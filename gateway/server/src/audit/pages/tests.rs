use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::audit::AuditFile;
use crate::audit::chain::next;

async fn numbers(pages: &AuditPages, query: &str) -> (Vec<i64>, Option<i64>) {
    let answer = pages.list(query).await.unwrap();
    let records = answer["records"].as_array().unwrap().iter();
    (records.map(|record| record["seq"].as_i64().unwrap()).collect(), answer["before"].as_i64())
}

#[tokio::test]
async fn records_are_listed_from_the_newest_on_behind_a_cursor() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(AuditFile::new(folder.path().join("audit.jsonl")));
    let mut newest = None;
    for number in 1..=7 {
        let operator = if number % 2 == 0 { "even" } else { "odd" };
        let at = time(SystemTime::UNIX_EPOCH + Duration::from_secs(number));
        newest = Some(next(newest.as_ref(), json!({ "at": at, "operator": operator }).to_string()));
        assert!(log.append(newest.as_ref().unwrap()).await.unwrap());
    }
    let pages = AuditPages::new(log);

    assert_eq!(numbers(&pages, "").await, (vec![7, 6, 5, 4, 3, 2, 1], None));
    assert_eq!(numbers(&pages, "limit=3").await, (vec![7, 6, 5], Some(5)));
    assert_eq!(numbers(&pages, "limit=3&before=5").await, (vec![4, 3, 2], Some(2)));
    assert_eq!(numbers(&pages, "operator=even").await, (vec![6, 4, 2], None));
    let range = "since=1970-01-01T00:00:03Z&until=1970-01-01T00:00:05Z";
    assert_eq!(numbers(&pages, range).await, (vec![4, 3], None));
    for wrong in ["limit=x", "before=0", "since=never", "operater=even", "limit=1&limit=2"] {
        assert!(matches!(pages.list(wrong).await, Err(PageError::Parameter(_))), "{wrong}");
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

/// A request read the file from its beginning for each 500 records that it looked at, up to forty times.
#[tokio::test]
async fn a_request_goes_through_the_file_once() {
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
    let pages = AuditPages::new(Arc::<Counted>::clone(&log));

    let early = numbers(&pages, "operator=early").await;
    let scans = log.scans.load(Ordering::Relaxed);
    let middle = numbers(&pages, "limit=1000&before=1201").await;

    assert_eq!((early, scans), ((vec![2], None), 1));
    assert_eq!(middle, ((201..=1200).rev().collect(), Some(201)));
}
