//! The metric of the queue's length.

use kyc_telemetry::{MetricError, MetricsRegistry, names};

use super::CommitQueue;

/// Registers the gauge of queued commands. It is computed at each scrape, so that it is correct while the writer hangs.
pub(crate) fn register_queue_length(
    metrics: &MetricsRegistry,
    commit_queue: &CommitQueue,
) -> Result<(), MetricError> {
    let commit_queue = commit_queue.clone();
    let help = "Commands in the queue of the writer.";
    metrics.computed_gauge(names::EVENT_STORE_QUEUE, help, &[], move |gauges| {
        gauges.with(&[]).set(i64::try_from(commit_queue.waiting()).unwrap_or(i64::MAX));
    })
}
