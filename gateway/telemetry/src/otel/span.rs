//! A span of a trace; empty while traces are off.

use std::fmt::Write;
use std::str::FromStr;

use kyc_model::TraceContext;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::Span as SdkSpan;

use super::running::RUNNING;

/// A span, which ends when it is dropped. While traces are off it is empty and allocates nothing.
#[derive(Debug, Default)]
pub struct Span(Option<Box<SdkSpan>>);

// === impl Span ===

impl Span {
    /// Starts a span of the kind `server`, for a request of a caller.
    pub fn server(name: &'static str, parent: impl FnOnce() -> Option<TraceContext>) -> Self {
        Self::begin(SpanKind::Server, name, parent)
    }

    /// Starts a span of the kind `client`, for a call to another service.
    pub fn client(name: &'static str, parent: impl FnOnce() -> Option<TraceContext>) -> Self {
        Self::begin(SpanKind::Client, name, parent)
    }

    fn begin(kind: SpanKind, name: &'static str, parent: impl FnOnce() -> Option<TraceContext>) -> Self {
        let Some(running) = RUNNING.get() else { return Self(None) };
        let context = parent().and_then(|parent| span_context(&parent));
        let context =
            context.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        let span = running.tracer.span_builder(name).with_kind(kind);
        Self(Some(Box::new(span.start_with_context(&running.tracer, &context))))
    }

    /// Returns whether the span is recorded and sampled.
    pub fn is_recording(&self) -> bool {
        self.0.as_ref().is_some_and(|span| span.is_recording())
    }

    /// Changes the name.
    pub fn rename(&mut self, name: impl FnOnce() -> String) {
        if let Some(span) = self.0.as_mut().filter(|span| span.is_recording()) {
            span.update_name(name());
        }
    }

    /// Sets an attribute. Names are those of OpenTelemetry's semantic conventions.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(name, value));
        }
    }

    /// Sets the status `error` and the attribute `error.type`.
    pub fn fail(&mut self, reason: &'static str) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new("error.type", reason));
            span.set_status(Status::error(reason));
        }
    }

    /// The trace context for calls within this span; `None` while traces are off.
    pub fn context(&self) -> Option<TraceContext> {
        let context = self.0.as_ref()?.span_context();
        let mut parent = String::with_capacity(55);
        // Writing to a `String` does not fail.
        let _ = write!(
            parent,
            "00-{}-{}-{:02x}",
            context.trace_id(),
            context.span_id(),
            context.trace_flags().to_u8()
        );
        TraceContext::new(&parent, Some(context.trace_state().header().as_str()))
    }
}

fn span_context(context: &TraceContext) -> Option<SpanContext> {
    let flags = if context.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::default() };
    // An invalid `tracestate` is dropped and the parent stays valid (W3C Trace Context §3.3.1.1).
    let state = context.state().and_then(|state| TraceState::from_str(state).ok()).unwrap_or_default();
    Some(SpanContext::new(
        TraceId::from_hex(context.trace_id()).ok()?,
        SpanId::from_hex(context.span_id()).ok()?,
        flags,
        true,
        state,
    ))
}
