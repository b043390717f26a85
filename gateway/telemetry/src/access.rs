//! The access log: one line per request.

use std::time::Duration;

/// What the line about one request says; nothing here comes from the caller's bytes.
#[derive(Debug)]
pub struct AccessRecord<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// The route's name; empty when none matched.
    pub route: &'a str,
    /// The tenant's name; empty when none was found.
    pub tenant: &'a str,
    /// The method, when it is a registered one.
    pub method: &'static str,
    /// The status sent downstream.
    pub status: u16,
    /// The gateway's own refusal or failure; empty when it was none.
    pub code: &'static str,
    /// From the request head to the end of the answer.
    pub duration: Duration,
    /// Until the upstream's response head.
    pub upstream_duration: Option<Duration>,
    /// Body bytes from downstream.
    pub request_bytes: u64,
    /// Body bytes to downstream.
    pub response_bytes: u64,
}

// === impl AccessRecord ===

impl AccessRecord<'_> {
    /// Writes the line, as an event of the target `access`.
    pub fn write(&self) {
        tracing::info!(
            target: "access",
            request_id = self.request_id,
            route = self.route,
            tenant = self.tenant,
            method = self.method,
            status = self.status,
            code = self.code,
            duration_us = micros(self.duration),
            upstream_us = self.upstream_duration.map(micros),
            request_bytes = self.request_bytes,
            response_bytes = self.response_bytes,
            "request"
        );
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
