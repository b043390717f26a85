//! The commit queue with writers that panic or hang, and what its batches are.

use async_trait::async_trait;
use kyc_telemetry::MetricsRegistry;
use uuid::Uuid;

use super::*;
use crate::tests::check;
use crate::{Binding, Dedup, Owner, Sealed};

/// A writer that panics at its first batch when the flag is set.
struct PanickingWriter(bool);

#[async_trait]
impl Writer for PanickingWriter {
    async fn write(&mut self, batch: &[Command]) -> Vec<Result<Effect, StoreError>> {
        assert!(!std::mem::take(&mut self.0), "the first batch");
        vec![Ok(Effect::Done); batch.len()]
    }
}

/// A writer that panicked was not replaced: every notification was answered 503, while /readyz was 200.
#[tokio::test]
async fn writer_that_panics_is_replaced() {
    let metrics = StoreMetrics::new(&MetricsRegistry::default()).unwrap();
    let commit_queue = CommitQueue::new(metrics.clone());
    let writers = std::sync::atomic::AtomicUsize::new(0);
    let new_writer = move || -> Box<dyn Writer> {
        Box::new(PanickingWriter(writers.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0))
    };
    tokio::spawn(commit_queue.serve(new_writer));

    let first = commit_queue.submit(Command::FreeShares).await;
    let second = commit_queue.submit(Command::FreeShares).await;

    assert!(matches!(first, Err(StoreError::Unavailable)), "{first:?}");
    assert!(matches!(second, Ok(Effect::Done)), "{second:?}");
    assert_eq!(metrics.failed.get(), 1);
}

/// A writer that never ends its first batch.
struct HangingWriter;

#[async_trait]
impl Writer for HangingWriter {
    async fn write(&mut self, _: &[Command]) -> Vec<Result<Effect, StoreError>> {
        std::future::pending().await
    }
}

fn event(tenant: &str, size: usize) -> NewEvent {
    NewEvent {
        uid: Uuid::now_v7(),
        owner: Owner { tenant: tenant.to_owned(), customer: None, binding: Binding::Name },
        dedup: Dedup { current: Vec::new(), previous: Vec::new() },
        kind: String::new(),
        resource: None,
        body: Sealed { key_id: 1, bytes: vec![0; size] },
        received: 0,
        trace: String::new(),
        dead: None,
        source: Source::Notification,
        completed: None,
    }
}

/// While commits were slow, the notifications of one tenant filled the queue, and those of all others were answered 503.
#[tokio::test(start_paused = true)]
async fn one_tenant_uses_at_most_half_of_the_queue() {
    for (size, events, half) in [(1 << 20, 70, 32), (1, 9000, 4096)] {
        let commit_queue = CommitQueue::new(StoreMetrics::new(&MetricsRegistry::default()).unwrap());
        let writer = tokio::spawn(commit_queue.serve(|| -> Box<dyn Writer> { Box::new(HangingWriter) }));
        let tenants = std::iter::repeat_n("acme", events).chain(["globex"]);

        let all = tenants.map(|tenant| commit_queue.accept(event(tenant, size)));
        let mut results = futures::future::join_all(all).await;
        let other = results.pop().unwrap();
        let queued = results.iter().filter(|result| matches!(result, Err(StoreError::Unavailable))).count();

        assert!(matches!(other, Err(StoreError::Unavailable)), "{other:?}: it was queued");
        assert_eq!(queued, half, "events of {size} bytes");
        writer.abort();
    }
}

/// 40 MiB of events are committed one after the other, although one tenant may have 32 MiB in the queue.
#[tokio::test]
async fn committed_events_release_their_queue_capacity() {
    let commit_queue = CommitQueue::new(StoreMetrics::new(&MetricsRegistry::default()).unwrap());
    tokio::spawn(commit_queue.serve(|| -> Box<dyn Writer> { Box::new(PanickingWriter(false)) }));

    for _ in 0..40 {
        let accepted = commit_queue.accept(event("acme", 1 << 20)).await;
        assert!(matches!(accepted, Ok(Accepted::Stored)), "{accepted:?}");
    }
}

/// When each batch began, in milliseconds, and how many commands it had.
type Batches = Arc<Mutex<Vec<(u128, usize)>>>;

/// A writer that reports its batches.
struct TimedWriter {
    created: tokio::time::Instant,
    batches: Batches,
}

#[async_trait]
impl Writer for TimedWriter {
    async fn write(&mut self, batch: &[Command]) -> Vec<Result<Effect, StoreError>> {
        self.batches.lock().unwrap().push((self.created.elapsed().as_millis(), batch.len()));
        vec![Ok(Effect::Done); batch.len()]
    }
}

/// A note that is submitted at this millisecond.
fn note(at: u64) -> (u64, Command) {
    (at, Command::Note(check("acme", &at.to_string())))
}

/// Submits the commands at their milliseconds. Returns the batches: when each began, and how many commands it had.
async fn batches(commands: impl IntoIterator<Item = (u64, Command)>) -> Vec<(u128, usize)> {
    let commit_queue = CommitQueue::new(StoreMetrics::new(&MetricsRegistry::default()).unwrap());
    let batches: Batches = Arc::default();
    let (created, written) = (tokio::time::Instant::now(), Arc::clone(&batches));
    let writer = tokio::spawn(commit_queue.serve(move || -> Box<dyn Writer> {
        Box::new(TimedWriter { created, batches: Arc::clone(&written) })
    }));
    let submitted = commands.into_iter().map(|(at, command)| {
        let commit_queue = commit_queue.clone();
        async move {
            tokio::time::sleep_until(created + Duration::from_millis(at)).await;
            match command {
                Command::Note(entry) => drop(commit_queue.note(entry, true).await.unwrap()),
                Command::Insert(event) => drop(commit_queue.accept(event).await.unwrap()),
                other => drop(commit_queue.submit(other).await.unwrap()),
            }
        }
    });
    futures::future::join_all(submitted).await;
    writer.abort();
    batches.lock().unwrap().clone()
}

/// In a busy gateway each note was a commit of its own, which cost as much as several calls.
#[tokio::test(start_paused = true)]
async fn notes_share_commits_in_a_busy_gateway() {
    // The first is written at once, and after a pause, too.
    assert_eq!(batches([note(0), note(3), note(9), note(15), note(150)]).await, [(0, 1), (50, 3), (150, 1)]);
    // As many as are enough do not wait.
    assert_eq!(batches((0..24).map(note)).await, [(0, 1), (16, 16), (66, 7)]);
}

#[tokio::test(start_paused = true)]
async fn other_commands_do_not_wait_for_notes() {
    let notification = (5, Command::Insert(event("acme", 1)));

    assert_eq!(batches([note(0), note(3), notification]).await, [(0, 1), (5, 2)]);
    assert_eq!(batches([note(0), note(3), (5, Command::FreeShares)]).await, [(0, 1), (5, 2)]);
    let other = |at| (at, Command::FreeShares);
    assert_eq!(batches([note(0), other(2), other(4)]).await, [(0, 1), (2, 1), (4, 1)]);
}
