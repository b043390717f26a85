//! The tracer of the process.

use std::sync::OnceLock;

use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

/// The tracer that records spans, and its provider.
pub(super) struct Running {
    pub(super) tracer: SdkTracer,
    pub(super) provider: SdkTracerProvider,
}

/// Empty while traces are off.
pub(super) static RUNNING: OnceLock<Running> = OnceLock::new();
