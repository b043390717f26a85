//! Exports log events to collectors (Seq, OpenTelemetry): from a bounded queue in memory, in batches, on a thread of its own.
//!
//! A slow or unreachable collector must not delay requests: when the queue is full, new events are dropped and counted.

mod clef;
pub(crate) mod client;
pub(crate) mod encoding;
mod line;
mod otlp;
mod queue;
mod sender;
pub(crate) mod settings;

use std::io;
use std::sync::Arc;
use std::thread;

pub use encoding::Encoding;
pub use settings::{ExportSettings, collector_url};

use crate::metrics::ExportMetrics;
use queue::Queue;
use sender::{SendResult, Sender};

/// Exports JSON lines to one collector, in order.
#[derive(Debug)]
pub(crate) struct Exporter(Arc<Queue>);

// === impl Exporter ===

impl Exporter {
    /// Starts the thread that sends.
    pub(crate) fn start(settings: ExportSettings, metrics: ExportMetrics) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(settings.max_events, metrics));
        let sender = Sender::new(settings).map_err(io::Error::other)?;
        // Encoding runs on threads with the lowest priority, because requests need the CPU first. The thread that sends keeps
        // the normal priority: it holds the lock of the queue, which requests take, too (priority inversion).
        let runtime = tokio::runtime::Builder::new_current_thread()
            .on_thread_start(lower_priority)
            .enable_all()
            .build()?;
        let worker = Arc::clone(&queue);
        thread::Builder::new()
            .name("export".to_owned())
            .spawn(move || runtime.block_on(deliver(&worker, sender)))?;
        Ok(Self(queue))
    }

    /// Queues a line, or drops and counts it when the queue is full.
    pub(crate) fn push(&self, line: &[u8]) {
        self.0.push(line);
    }

    /// Switches to another collector, also for queued events.
    pub(crate) fn change(&self, settings: ExportSettings) {
        self.0.change(settings);
    }

    /// Waits until the queue is empty, at most a second. Returns how many events were not sent.
    pub(crate) fn wait_until_sent(&self) -> usize {
        self.0.wait_until_sent()
    }

    /// Ends the thread after it has sent the queued events, or at the first failed attempt.
    pub(crate) fn close(&self) {
        self.0.close();
    }
}

fn lower_priority() {
    // Linux accepts a thread id here (setpriority(2)). If the call is not permitted, the thread keeps the normal priority.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), LOWEST_PRIORITY);
}

async fn deliver(queue: &Queue, mut sender: Sender) {
    while let Some(batch) = queue.next().await {
        deliver_batch(queue, &mut sender, batch.into()).await;
        queue.finish();
    }
}

async fn deliver_batch(queue: &Queue, sender: &mut Sender, batch: Arc<[Box<[u8]>]>) {
    let dropped = |events: usize| queue.metrics.dropped.inc_by(events as u64);
    let (mut begin, mut limit, mut refused) = (0, batch.len(), 0);
    while begin < batch.len() {
        let end = batch.len().min(begin + limit);
        match sender.send(&batch, begin..end, queue).await {
            SendResult::Accepted { rejected } => {
                queue.metrics.delivered.inc_by((end - begin).saturating_sub(rejected) as u64);
                dropped(rejected);
                (begin, limit, refused) = (end, limit * 2, 0);
            }
            // Split a refused batch in halves to drop only the events that the collector does not accept. After several single
            // refusals in a row it probably accepts none (a wrong URL): then do not send them one by one.
            SendResult::Refused if end - begin > 1 && refused < MAX_SINGLE_REFUSALS => {
                limit = (end - begin) / 2
            }
            SendResult::Refused => {
                dropped(end - begin);
                refused += 1;
                begin = end;
                limit = if refused < MAX_SINGLE_REFUSALS { limit } else { batch.len() };
            }
            // Another collector may accept the events, so begin again with the whole rest.
            SendResult::Changed => (limit, refused) = (batch.len(), 0),
            SendResult::Closed => {
                dropped(batch.len() - begin);
                queue.discard();
                return;
            }
        }
    }
}

/// The number of consecutive refusals of single events after which whole batches are sent again.
const MAX_SINGLE_REFUSALS: usize = 8;
/// The lowest scheduling priority (the highest nice value).
const LOWEST_PRIORITY: i32 = 19;

#[cfg(test)]
mod tests;
