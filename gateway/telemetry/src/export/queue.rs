//! Lines that wait for a collector.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::metrics::ExportMetrics;

/// Bounded in events and in bytes; what is on its way counts.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    max_events: usize,
    pub(super) metrics: ExportMetrics,
    /// Rings when a batch may be due.
    wake: Notify,
    /// Rings when nobody will bring more.
    end: Notify,
    /// Rings when all is gone.
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
    /// Somebody waits until all is gone.
    hurry: bool,
    closed: bool,
}

// === impl Queue ===

impl Queue {
    pub(super) fn new(max_events: usize, metrics: ExportMetrics) -> Self {
        let (state, wake, end, gone) = (Mutex::default(), Notify::new(), Notify::new(), Condvar::new());
        Self { state, max_events, metrics, wake, end, gone }
    }

    /// Takes a line, or counts it as dropped when there is no room.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        let events = state.events + state.taken.0;
        let bytes = state.bytes + state.taken.1 + line.len();
        let fits = line.len() <= LONGEST && events < self.max_events && bytes <= MEMORY;
        if state.closed || !fits {
            drop(state);
            self.metrics.dropped.inc();
            return;
        }
        state.push(line);
        let waiting = state.events;
        drop(state);
        self.metrics.waiting.inc();
        if waiting == 1 || waiting == BATCH {
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
        self.metrics.waiting.sub(i64::try_from(state.taken.0).unwrap_or(i64::MAX));
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
        drop(state);
        self.metrics.waiting.sub(i64::try_from(dropped).unwrap_or(i64::MAX));
        self.metrics.dropped.inc_by(dropped as u64);
    }

    /// Takes nothing any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
        self.end.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Returns when nobody will bring more.
    pub(super) async fn closed(&self) {
        while !self.is_closed() {
            self.end.notified().await;
        }
    }

    /// Waits until all is gone, but no longer than a collector may be expected to take.
    pub(super) fn flush_out(&self) {
        self.lock().hurry = true;
        self.wake.notify_one();
        let pending = |state: &mut State| state.taken.0 > 0 || !state.waiting.is_empty();
        let waited = self.gone.wait_timeout_while(self.lock(), LAST_WORDS, pending);
        waited.unwrap_or_else(PoisonError::into_inner).0.hurry = false;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn is_due(&self) -> bool {
        self.hurry || self.closed || self.events >= BATCH || self.bytes >= PAYLOAD
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
