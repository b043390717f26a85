//! The bounded queue of log lines for a collector.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::settings::ExportSettings;
use crate::metrics::ExportMetrics;

/// A queue that is bounded in events and in bytes. The batch that is being sent counts, too.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    pub(super) metrics: ExportMetrics,
    /// Notified when a batch may be due.
    wake: Notify,
    /// Notified when a retry must be interrupted: see [`Queue::interrupted`].
    interrupt: Notify,
    /// Notified when the queue is empty.
    emptied: Condvar,
}

/// At most [`BATCH_EVENTS`] events and about [`BATCH_BYTES`] bytes.
#[derive(Debug, Default)]
struct Batch {
    lines: Vec<Box<[u8]>>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Lines are queued in batches, so that a long queue grows without a copy of its lines.
    waiting: VecDeque<Batch>,
    /// Events and bytes in `waiting`.
    events: usize,
    bytes: usize,
    /// Events and bytes of the batch that is being sent.
    in_flight: (usize, usize),
    /// A caller waits until the queue is empty, so batches are sent at once.
    flush_requested: bool,
    /// The batch in flight must be retried now, without the rest of its delay.
    retry_now: bool,
    closed: bool,
    /// New settings that the sender does not use yet.
    change: Option<ExportSettings>,
    max_events: usize,
}

// === impl Queue ===

impl Queue {
    pub(super) fn new(max_events: usize, metrics: ExportMetrics) -> Self {
        let state = Mutex::new(State { max_events, ..State::default() });
        Self { state, metrics, wake: Notify::new(), interrupt: Notify::new(), emptied: Condvar::new() }
    }

    /// Queues a line, or drops and counts it when the queue is full.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        let events = state.events + state.in_flight.0;
        let bytes = state.bytes + state.in_flight.1 + line.len();
        let fits = line.len() <= MAX_EVENT_BYTES && events < state.max_events && bytes <= MAX_QUEUE_BYTES;
        if state.closed || !fits {
            drop(state);
            self.metrics.dropped.inc();
            return;
        }
        let was_due = state.is_due();
        state.push(line);
        self.metrics.waiting.inc();
        // Wake the sender only when it may be waiting: for a first event, or for a batch that is now due.
        let wakes = state.events == 1 || (!was_due && state.is_due());
        drop(state);
        if wakes {
            self.wake.notify_one();
        }
    }

    /// Waits for the next batch: until there are [`BATCH_EVENTS`] events or the first one has waited for [`BATCH_INTERVAL`]. Returns `None` when
    /// the queue is closed and empty.
    pub(super) async fn next(&self) -> Option<Vec<Box<[u8]>>> {
        loop {
            let (is_empty, is_closed) = {
                let state = self.lock();
                (state.waiting.is_empty(), state.closed)
            };
            match (is_empty, is_closed) {
                (false, _) => break,
                (true, true) => return None,
                (true, false) => self.wake.notified().await,
            }
        }
        let gathered = async {
            while !self.lock().is_due() {
                self.wake.notified().await;
            }
        };
        // After the timeout the batch is sent although it is not full.
        let _ = timeout(BATCH_INTERVAL, gathered).await;
        let mut state = self.lock();
        let batch = state.waiting.pop_front().unwrap_or_default();
        state.events -= batch.lines.len();
        state.bytes -= batch.bytes;
        state.in_flight = (batch.lines.len(), batch.bytes);
        Some(batch.lines)
    }

    /// Ends the batch in flight, which was sent or dropped.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        self.metrics.waiting.sub(gauge(state.in_flight.0));
        state.in_flight = (0, 0);
        let is_empty = state.waiting.is_empty();
        drop(state);
        if is_empty {
            self.emptied.notify_all();
        }
    }

    /// Drops all queued events and counts them.
    pub(super) fn discard(&self) {
        let mut state = self.lock();
        let dropped = state.events;
        state.waiting.clear();
        (state.events, state.bytes) = (0, 0);
        self.metrics.waiting.sub(gauge(dropped));
        drop(state);
        self.metrics.dropped.inc_by(dropped as u64);
    }

    /// Accepts no more lines.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
        self.interrupt.notify_one();
    }

    /// Switches to another collector, also for queued events.
    pub(super) fn change(&self, settings: ExportSettings) {
        let mut state = self.lock();
        state.max_events = settings.max_events;
        state.change = Some(settings);
        drop(state);
        self.interrupt.notify_one();
    }

    /// Takes the settings of the new collector, if they changed since the last call.
    pub(super) fn take_change(&self) -> Option<ExportSettings> {
        self.lock().change.take()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits until a retry must be interrupted: the collector changed, the queue was closed, or a caller waits for a flush.
    pub(super) async fn interrupted(&self) {
        let is_interrupted = |state: &mut State| {
            std::mem::take(&mut state.retry_now) || state.closed || state.change.is_some()
        };
        while !is_interrupted(&mut self.lock()) {
            self.interrupt.notified().await;
        }
    }

    /// Waits until the queue is empty, at most [`FLUSH_TIMEOUT`]. Returns the number of events that are left.
    pub(super) fn wait_until_sent(&self) -> usize {
        {
            let mut state = self.lock();
            (state.flush_requested, state.retry_now) = (true, state.in_flight.0 > 0);
        }
        self.wake.notify_one();
        self.interrupt.notify_one();
        let pending = |state: &mut State| state.in_flight.0 > 0 || !state.waiting.is_empty();
        let waited = self.emptied.wait_timeout_while(self.lock(), FLUSH_TIMEOUT, pending);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.flush_requested = false;
        state.events + state.in_flight.0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn is_due(&self) -> bool {
        // A queue smaller than a batch would drop events while it waits for a full batch, so half of it is enough.
        let enough = BATCH_EVENTS.min(self.max_events / 2).max(1);
        self.flush_requested || self.closed || self.events >= enough || self.bytes >= BATCH_BYTES
    }

    fn push(&mut self, line: &[u8]) {
        let has_room =
            |batch: &Batch| batch.lines.len() < BATCH_EVENTS && batch.bytes + line.len() <= BATCH_BYTES;
        if !self.waiting.back().is_some_and(has_room) {
            self.waiting.push_back(Batch::default());
        }
        if let Some(batch) = self.waiting.back_mut() {
            batch.lines.push(line.into());
            batch.bytes += line.len();
            self.events += 1;
            self.bytes += line.len();
        }
    }
}

fn gauge(events: usize) -> i64 {
    i64::try_from(events).unwrap_or(i64::MAX)
}

/// The largest number of events in a batch, as in Serilog's Seq sink.
const BATCH_EVENTS: usize = 1000;
/// How long the first event of a batch waits for others.
const BATCH_INTERVAL: Duration = Duration::from_secs(1);
/// The largest size of a batch. Seq accepts 10 MiB, and encoding makes a line slightly longer.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// The largest size of one event, which is Seq's default limit.
const MAX_EVENT_BYTES: usize = 256 * 1024;
/// The largest size of all queued events.
const MAX_QUEUE_BYTES: usize = 32 * 1024 * 1024;
/// How long the process waits at its end for a collector.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
