//! Spans of requests, and their export over OTLP as the `OTEL_*` variables say.
//!
//! Traces are off by default, and a span then costs one read of a static. Spans have the same fields as the access log: no path,
//! no header, no body.

mod env;
mod pipeline;
pub(crate) mod resource;
mod running;
mod span;

use std::time::Duration;

use opentelemetry::trace::TracerProvider;

pub use env::{Environment, EnvironmentError, read_environment};
pub use span::Span;

use crate::metrics::Metrics;
use resource::SCOPE;
use running::{RUNNING, Running};

/// Starts to record and export spans, as the `OTEL_*` variables configure it.
///
/// # Errors
///
/// [`EnvironmentError`] when the exporter cannot be built.
pub fn start(metrics: &Metrics) -> Result<(), EnvironmentError> {
    let provider = pipeline::provider(metrics)?;
    let tracer = provider.tracer(SCOPE);
    // A process has one tracer: a second call changes nothing.
    let _ = RUNNING.set(Running { tracer, provider });
    Ok(())
}

/// Exports the ended spans and stops the exporter. Waits at most a second.
pub fn end() {
    if let Some(running) = RUNNING.get() {
        // A failure is not reported here: the metrics count spans that were not exported.
        let _ = running.provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT);
    }
}

const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
