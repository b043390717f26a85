//! Entries in memory: while the store fails, when it is back, and at the end.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use kyc_telemetry::MetricsRegistry;
use tokio::time::Instant;

use super::*;
use crate::tests::check;
use crate::{Command, StoreError, StoreMetrics, Writer};

/// A writer whose first batches fail.
struct FailingWriter {
    failures: usize,
    batches: Arc<AtomicUsize>,
    written: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Writer for FailingWriter {
    async fn write(&mut self, batch: &[Command]) -> Vec<Result<Effect, StoreError>> {
        if self.batches.fetch_add(1, Ordering::Relaxed) < self.failures {
            return vec![Err(StoreError::Unavailable); batch.len()];
        }
        for command in batch {
            if let Command::Note(entry) = command {
                self.written.lock().unwrap().push(entry.subject.clone());
            }
        }
        vec![Ok(Effect::Done); batch.len()]
    }
}

/// While the store failed, one entry at a time was tried, and all were written when it was back.
#[tokio::test(start_paused = true)]
async fn entries_are_written_when_the_store_is_back() {
    let metrics = StoreMetrics::new(&MetricsRegistry::default()).unwrap();
    let commit_queue = CommitQueue::new(metrics.clone());
    let (batches, written) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (counted, shown) = (Arc::clone(&batches), Arc::clone(&written));
    let new_writer = move || -> Box<dyn Writer> {
        Box::new(FailingWriter { failures: 3, batches: Arc::clone(&counted), written: Arc::clone(&shown) })
    };
    tokio::spawn(commit_queue.serve(new_writer));
    let unwritten = Unwritten::new(metrics.ledger.clone());

    let kept =
        (0..1000).filter(|number| unwritten.add(check("acme", &number.to_string()), &commit_queue)).count();
    let waiting = metrics.ledger.unwritten.get();
    let back = Instant::now();
    unwritten.drain(back + Duration::from_secs(60)).await;

    assert_eq!((kept, waiting), (1000, 1000));
    assert_eq!((unwritten.is_any(), metrics.ledger.unwritten.get()), (false, 0));
    let mut written = written.lock().unwrap().clone();
    written.sort_unstable();
    written.dedup();
    assert_eq!(written.len(), 1000);
    assert_eq!(metrics.ledger.lost.with(&["acme", "not_stored"]).get(), 0);
    // The pauses between the failures, and no more: entries wait for no others.
    assert_eq!(back.elapsed().as_millis(), (FIRST_PAUSE * 3).as_millis());
    // One entry alone, then many.
    let most = 2 * 1000 / ENTRIES_PER_BATCH + 10;
    assert!(batches.load(Ordering::Relaxed) < most, "{batches:?} batches");
}

/// The memory is bounded, and what is not written at the end is counted.
#[tokio::test(start_paused = true)]
async fn lost_entries_are_counted() {
    let metrics = StoreMetrics::new(&MetricsRegistry::default()).unwrap();
    let commit_queue = CommitQueue::new(metrics.clone());
    let unwritten = Unwritten::new(metrics.ledger.clone());

    let kept = (0..=MAX_ENTRIES)
        .filter(|number| unwritten.add(check("acme", &number.to_string()), &commit_queue))
        .count();
    let over = metrics.ledger.lost.with(&["acme", "not_stored"]).get();
    unwritten.drain(Instant::now() + Duration::from_secs(2)).await;

    assert_eq!((kept, over), (MAX_ENTRIES, 1));
    assert_eq!(metrics.ledger.lost.with(&["acme", "not_stored"]).get(), MAX_ENTRIES as u64 + 1);
}
