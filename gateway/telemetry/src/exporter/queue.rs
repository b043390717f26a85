//! The bounded queue of log lines for a collector.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::settings::ExportSettings;
use crate::metrics::ExportMetrics;

/// Bounded in events and in bytes; the batch that is being sent counts.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    pub(super) metrics: ExportMetrics,
    /// Notified when a batch may be due.
    wake: Notify,
    /// Notified when the collector changed, or the queue is closed.
    turn: Notify,
    /// Notified when the queue is empty.
    gone: Condvar,
}

/// At most [`BATCH`] events and about [`PAYLOAD`] bytes.
#[derive(Debug, Default)]
struct Batch {
    lines: Vec<Box<[u8]>>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    /// In batches, so that a long queue grows without being copied.
    waiting: VecDeque<Batch>,
    /// Events and bytes that wait.
    events: usize,
    bytes: usize,
    /// Events and bytes of the batch on its way.
    taken: (usize, usize),
    /// A caller waits until the queue is empty.
    hurry: bool,
    /// What waits for a collector that was away is to be tried once more, now.
    nudge: bool,
    closed: bool,
    /// New settings that the exporter has not taken over yet.
    change: Option<ExportSettings>,
    max_events: usize,
}

// === impl Queue ===

impl Queue {
    pub(super) fn new(max_events: usize, metrics: ExportMetrics) -> Self {
        let state = Mutex::new(State { max_events, ..State::default() });
        Self { state, metrics, wake: Notify::new(), turn: Notify::new(), gone: Condvar::new() }
    }

    /// Takes a line, or counts it as dropped when there is no room.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        let events = state.events + state.taken.0;
        let bytes = state.bytes + state.taken.1 + line.len();
        let fits = line.len() <= LONGEST && events < state.max_events && bytes <= MEMORY;
        if state.closed || !fits {
            drop(state);
            self.metrics.dropped.inc();
            return;
        }
        let was_due = state.is_due();
        state.push(line);
        self.metrics.waiting.inc();
        let wakes = state.events == 1 || (!was_due && state.is_due());
        drop(state);
        if wakes {
            self.wake.notify_one();
        }
    }

    /// The next batch, once there are [`BATCH`] events or the first one has waited for [`PERIOD`]; none at the
    /// end.
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
        // Late is as good as full.
        let _ = timeout(PERIOD, gathered).await;
        let mut state = self.lock();
        let batch = state.waiting.pop_front().unwrap_or_default();
        state.events -= batch.lines.len();
        state.bytes -= batch.bytes;
        state.taken = (batch.lines.len(), batch.bytes);
        Some(batch.lines)
    }

    /// Says that the batch is delivered or dropped.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        self.metrics.waiting.sub(gauge(state.taken.0));
        state.taken = (0, 0);
        let is_gone = state.waiting.is_empty();
        drop(state);
        if is_gone {
            self.gone.notify_all();
        }
    }

    /// Drops what waits.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        let dropped = state.events;
        state.waiting.clear();
        (state.events, state.bytes) = (0, 0);
        self.metrics.waiting.sub(gauge(dropped));
        drop(state);
        self.metrics.dropped.inc_by(dropped as u64);
    }

    /// Takes nothing any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
        self.turn.notify_one();
    }

    /// Sends to another collector from now on, also what waits.
    pub(super) fn change(&self, settings: ExportSettings) {
        let mut state = self.lock();
        state.max_events = settings.max_events;
        state.change = Some(settings);
        drop(state);
        self.turn.notify_one();
    }

    /// The other collector, once.
    pub(super) fn changed(&self) -> Option<ExportSettings> {
        self.lock().change.take()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Returns when the collector is another one, or nobody will bring more.
    pub(super) async fn turned(&self) {
        let has_turned =
            |state: &mut State| std::mem::take(&mut state.nudge) || state.closed || state.change.is_some();
        while !has_turned(&mut self.lock()) {
            self.turn.notified().await;
        }
    }

    /// Waits until all is gone, but no longer than a collector may be expected to take; says how many events are left.
    pub(super) fn flush_out(&self) -> usize {
        {
            let mut state = self.lock();
            (state.hurry, state.nudge) = (true, state.taken.0 > 0);
        }
        self.wake.notify_one();
        self.turn.notify_one();
        let pending = |state: &mut State| state.taken.0 > 0 || !state.waiting.is_empty();
        let waited = self.gone.wait_timeout_while(self.lock(), LAST_WORDS, pending);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.hurry = false;
        state.events + state.taken.0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn is_due(&self) -> bool {
        // A small queue must not wait to be full.
        let many = BATCH.min(self.max_events / 2).max(1);
        self.hurry || self.closed || self.events >= many || self.bytes >= PAYLOAD
    }

    fn push(&mut self, line: &[u8]) {
        let has_room = |batch: &Batch| batch.lines.len() < BATCH && batch.bytes + line.len() <= PAYLOAD;
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

/// Events of a batch, as in Serilog's Seq sink.
const BATCH: usize = 1000;
/// How long the first event of a batch waits for others.
const PERIOD: Duration = Duration::from_secs(1);
/// Bytes of a batch; Seq takes 10 MiB, and a line grows a little on its way.
const PAYLOAD: usize = 4 * 1024 * 1024;
/// What Seq takes of one event.
const LONGEST: usize = 256 * 1024;
/// Bytes of all events.
const MEMORY: usize = 32 * 1024 * 1024;
/// How long the end of the process waits for a collector.
const LAST_WORDS: Duration = Duration::from_secs(1);
