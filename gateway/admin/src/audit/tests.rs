//! Regression: a database failover right after a change lost its record "done", because all three tries were made without a pause.

use std::sync::Mutex as Guarded;
use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use kyc_events::AuditEntry;
use tokio::time::Instant;

use super::*;

/// Stores entries in memory; fails a number of times after the first one is stored.
#[derive(Default)]
struct Failing {
    entries: Guarded<Vec<AuditEntry>>,
    failures: AtomicUsize,
    /// Whether an append that returns an error stores the entry anyway.
    stores: bool,
}

impl Failing {
    fn outcomes(&self) -> Vec<String> {
        let outcome = |entry: &AuditEntry| {
            let record: serde_json::Value = serde_json::from_str(&entry.record).unwrap();
            record["outcome"].as_str().unwrap().to_owned()
        };
        self.entries.lock().unwrap().iter().map(outcome).collect()
    }
}

#[async_trait]
impl AuditLog for Failing {
    async fn open(&self) -> Result<(), AuditError> {
        Ok(())
    }

    async fn newest(&self) -> Result<Option<AuditEntry>, AuditError> {
        Ok(self.entries.lock().unwrap().last().cloned())
    }

    async fn append(&self, entry: &AuditEntry) -> Result<bool, AuditError> {
        let mut entries = self.entries.lock().unwrap();
        let fails = !entries.is_empty()
            && self
                .failures
                .try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok();
        if self.stores || !fails {
            entries.push(entry.clone());
        }
        if fails { Err(AuditError::Unavailable) } else { Ok(true) }
    }

    async fn read(&self, _after: i64, _limit: usize) -> Result<Vec<AuditEntry>, AuditError> {
        Ok(self.entries.lock().unwrap().clone())
    }
}

fn attempt() -> Attempt {
    Attempt {
        operator: Some("oncall".to_owned()),
        subject: None,
        way: Some("token"),
        role: Some("operator"),
        from: Peer::Unknown,
        operation: "events.discard".to_owned(),
        filter: serde_json::Map::new(),
        reason: Some("ticket 7".to_owned()),
    }
}

/// Begins and ends a change; returns the time that the end took, and the stored outcomes after two minutes.
async fn ended_on(log: Failing) -> (Duration, Vec<String>) {
    let log = Arc::new(log);
    let audit = Arc::new(Audit::new(Arc::<Failing>::clone(&log)));
    let begun = audit.begin(&attempt()).await.unwrap();

    let asked = Instant::now();
    let _tries_again = audit.end(&attempt(), begun, StatusCode::OK, Some(1)).await;
    let waited = asked.elapsed();

    // The clock is paused: it moves on as soon as all tasks wait for it.
    tokio::time::sleep(Duration::from_secs(120)).await;
    (waited, log.outcomes())
}

#[tokio::test(start_paused = true)]
async fn end_of_a_change_survives_a_failover() {
    let rows = [
        ("a store that fails for some seconds", 6, false, vec!["begun", "done"]),
        ("a store that says nothing of what it stored", 1, true, vec!["begun", "done"]),
        ("a store that is gone", 1000, false, vec!["begun"]),
    ];

    for (what, failures, stores, expected) in rows {
        let log = Failing { failures: AtomicUsize::new(failures), stores, ..Failing::default() };
        let (waited, outcomes) = ended_on(log).await;

        assert_eq!(
            (waited, outcomes),
            (Duration::ZERO, expected.into_iter().map(str::to_owned).collect()),
            "{what}"
        );
    }
}
