//! Log events for collectors: in memory, in batches, on a thread of their own.
//!
//! A collector that is slow, dead or wrong costs no request anything: what finds no room is dropped and counted.

mod clef;
mod encoding;
mod otlp;
mod queue;
mod sender;

use std::io;
use std::sync::Arc;
use std::thread;

pub use encoding::Encoding;
pub use sender::ExportSettings;
pub(crate) use sender::client;

use crate::metrics::ExportMetrics;
use queue::Queue;
use sender::{Sender, Sent};

/// Takes lines of JSON and brings them to one collector, in order.
#[derive(Debug)]
pub(crate) struct Exporter {
    pub(crate) settings: ExportSettings,
    queue: Arc<Queue>,
}

// === impl Exporter ===

impl Exporter {
    /// Starts the thread.
    pub(crate) fn start(settings: ExportSettings, metrics: ExportMetrics) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(settings.max_events, metrics));
        let sender = Sender::new(&settings).map_err(io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let worker = Arc::clone(&queue);
        thread::Builder::new().name("export".to_owned()).spawn(move || {
            yield_to_requests();
            runtime.block_on(deliver(&worker, sender));
        })?;
        Ok(Self { settings, queue })
    }

    /// Takes a line, or counts it as dropped.
    pub(crate) fn take(&self, line: &[u8]) {
        self.queue.push(line);
    }

    /// Waits until all is delivered, but not for long.
    pub(crate) fn flush_out(&self) {
        self.queue.flush_out();
    }

    /// Ends the thread once it has delivered what is there, or found that it cannot.
    pub(crate) fn close(&self) {
        self.queue.close();
    }
}

/// Lets this thread run when no other wants to: events can wait, requests cannot.
pub(crate) fn yield_to_requests() {
    // Linux takes a thread's id here. Where it is not allowed, the thread is one like the others.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), LOWEST);
}

async fn deliver(queue: &Queue, mut sender: Sender) {
    while let Some(batch) = queue.next().await {
        let mut rest = batch.as_slice();
        let mut limit = rest.len();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(limit.min(rest.len()));
            match sender.send(now, queue).await {
                Sent::Taken => {
                    queue.metrics.delivered.inc_by(now.len() as u64);
                    (rest, limit) = (later, limit * 2);
                }
                // One event that the collector does not want must not take the others with it.
                Sent::Refused if now.len() > 1 => limit = now.len() / 2,
                Sent::Refused => {
                    queue.metrics.dropped.inc();
                    rest = later;
                }
                Sent::GivenUp => {
                    queue.metrics.dropped.inc_by(rest.len() as u64);
                    queue.abandon();
                    break;
                }
            }
        }
        queue.finish();
    }
}

/// The lowest priority that there is.
const LOWEST: i32 = 19;

#[cfg(test)]
mod tests;
