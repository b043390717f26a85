//! Spans of requests, and their export over OTLP as the `OTEL_*` variables say.
//!
//! Off by default; a span then costs one read of a static. Spans hold what the access log holds: no path, no header, no body.

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

/// Starts to record spans and to export them as the environment variables say.
///
/// # Errors
///
/// [`EnvironmentError`] when the exporter cannot be built.
pub fn start(metrics: &Metrics) -> Result<(), EnvironmentError> {
    let provider = pipeline::provider(metrics)?;
    let tracer = provider.tracer(SCOPE);
    // The first one stays; there is one in a process.
    let _ = RUNNING.set(Running { tracer, provider });
    Ok(())
}

/// Exports the spans that have ended, for at most a second.
pub fn end() {
    if let Some(running) = RUNNING.get() {
        // A failure is not reported here: the metrics count spans that were not exported.
        let _ = running.provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT);
    }
}

const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
