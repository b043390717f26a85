//! Exports log events to collectors: from a bounded queue in memory, in batches, on a thread of its own.
//!
//! A slow or unreachable collector delays no request: when the queue is full, new events are dropped and counted.

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
use sender::{Sender, Sent};

/// Exports JSON lines to one collector, in order.
#[derive(Debug)]
pub(crate) struct Exporter(Arc<Queue>);

// === impl Exporter ===

impl Exporter {
    /// Starts the thread.
    pub(crate) fn start(settings: ExportSettings, metrics: ExportMetrics) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(settings.max_events, metrics));
        let sender = Sender::new(settings).map_err(io::Error::other)?;
        // Events are written for the collector on a thread that runs when no other wants to: they can wait, requests
        // cannot. This thread takes a lock that requests take, too, so it runs like them.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .on_thread_start(yield_to_requests)
            .enable_all()
            .build()?;
        let worker = Arc::clone(&queue);
        thread::Builder::new()
            .name("export".to_owned())
            .spawn(move || runtime.block_on(deliver(&worker, sender)))?;
        Ok(Self(queue))
    }

    /// Queues a line, or counts it as dropped.
    pub(crate) fn take(&self, line: &[u8]) {
        self.0.push(line);
    }

    /// Switches to another collector, also for the events that wait.
    pub(crate) fn change(&self, settings: ExportSettings) {
        self.0.change(settings);
    }

    /// Waits until the queue is empty, up to a time limit. Returns how many events were not delivered.
    pub(crate) fn flush_out(&self) -> usize {
        self.0.flush_out()
    }

    /// Ends the thread after it has delivered the queue or given up.
    pub(crate) fn close(&self) {
        self.0.close();
    }
}

fn yield_to_requests() {
    // Linux takes a thread's id here. Where it is not allowed, the thread is one like the others.
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
            Sent::Taken { rejected } => {
                queue.metrics.delivered.inc_by((end - begin).saturating_sub(rejected) as u64);
                dropped(rejected);
                (begin, limit, refused) = (end, limit * 2, 0);
            }
            // One event that the collector does not want must not take the others with it; but where it wants none,
            // they are not tried one by one.
            Sent::Refused if end - begin > 1 && refused < MAX_SINGLE_REFUSALS => limit = (end - begin) / 2,
            Sent::Refused => {
                dropped(end - begin);
                refused += 1;
                begin = end;
                limit = if refused < MAX_SINGLE_REFUSALS { limit } else { batch.len() };
            }
            // Another collector judges anew.
            Sent::Changed => (limit, refused) = (batch.len(), 0),
            Sent::GivenUp => {
                dropped(batch.len() - begin);
                queue.abandon();
                return;
            }
        }
    }
}

/// After so many consecutive refusals the events are sent in whole batches again.
const MAX_SINGLE_REFUSALS: usize = 8;
/// The lowest scheduling priority.
const LOWEST_PRIORITY: i32 = 19;

#[cfg(test)]
mod tests;
