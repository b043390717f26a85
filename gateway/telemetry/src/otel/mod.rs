//! Spans of requests, and their export over OTLP as the `OTEL_*` variables say.
//!
//! Off by default, and then a span is one look at a static. Spans hold what the access log holds: no path, no
//! header, no body.

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

/// Begins to record spans; they go where the environment says.
///
/// # Errors
///
/// What the exporter cannot use.
pub fn start(metrics: &Metrics) -> Result<(), EnvironmentError> {
    let provider = pipeline::provider(metrics)?;
    let tracer = provider.tracer(SCOPE);
    // The first one stays; there is one in a process.
    let _ = RUNNING.set(Running { tracer, provider });
    Ok(())
}

/// Sends what ended so far, but waits no longer than a collector may be expected to take.
pub fn end() {
    if let Some(running) = RUNNING.get() {
        // A collector that is away has nothing more to say here; the counters say what it did not take.
        let _ = running.provider.shutdown_with_timeout(LAST_WORDS);
    }
}

const LAST_WORDS: Duration = Duration::from_secs(1);
