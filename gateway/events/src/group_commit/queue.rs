//! How many changes wait for the writer, for metrics.

use kyc_telemetry::{MetricError, MetricsRegistry, names};

use super::Inbox;

/// Shows how many changes wait for the writer, also when that does not come back.
pub(crate) fn queue(metrics: &MetricsRegistry, inbox: &Inbox) -> Result<(), MetricError> {
    let inbox = inbox.clone();
    let help = "Changes that wait for a commit.";
    metrics.computed_gauge(names::EVENT_STORE_QUEUE, help, &[], move |gauges| {
        gauges.with(&[]).set(i64::try_from(inbox.waiting()).unwrap_or(i64::MAX));
    })
}
