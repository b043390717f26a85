//! The access log: one line per request.

use std::net::SocketAddr;
use std::time::Duration;

use kyc_model::TraceContext;
use tracing::Level;

use super::json::Line;
use super::lines::write_line;

/// The fields of one access line.
///
/// No field holds a path, a query, a header value or a body: they can hold personal data or secrets. Two fields have text that
/// somebody else chose: `caller`, the name in a verified credential, and `caller_request_id`, which must look like an id.
#[derive(Debug)]
pub struct AccessRecord<'a> {
    /// The id of the request.
    pub request_id: &'a str,
    /// The caller's own id of the request, its `X-Request-Id`; absent unless it is 1 to 128 letters, digits and `-_.:/+=`.
    pub caller_request_id: Option<&'a str>,
    /// The name of the route; empty when none matched.
    pub route: &'a str,
    /// The name of the tenant; empty when none was found.
    pub tenant: &'a str,
    /// The name of the caller in its verified credential, escaped and bounded; empty without one.
    pub caller: &'a str,
    /// The address and port of the downstream peer.
    pub peer: Option<SocketAddr>,
    /// The name of the listener that accepted the connection.
    pub listener: &'a str,
    /// The method when it is a registered one, otherwise `other`.
    pub method: &'static str,
    /// The `operationId` of Onfido's API, `tokens` or `unlisted`; empty on routes without the plugin `onfido`.
    pub operation: &'static str,
    /// The status sent downstream.
    pub status: u16,
    /// The error code of a refusal or failure by the gateway itself; empty otherwise.
    pub code: &'static str,
    /// The trace and span of the request; absent while traces are off.
    pub trace: Option<TraceContext>,
    /// The time from the request head to the end of the response.
    pub duration: Duration,
    /// The time from the request head to the response head of the upstream; absent without one.
    pub upstream_duration: Option<Duration>,
    /// The bytes of the request body that came from downstream.
    pub request_bytes: u64,
    /// The bytes of the response body that were sent downstream.
    pub response_bytes: u64,
}

// === impl AccessRecord ===

impl AccessRecord<'_> {
    /// Writes the line. JSON goes directly to the sinks, because every request pays for this line; with the text format the line
    /// is an event with the target `access`.
    pub fn write(&self) {
        if write_line(|line| self.fill(line)) {
            return;
        }
        tracing::info!(
            target: TARGET,
            request_id = self.request_id,
            caller_request_id = self.caller_request_id,
            route = self.route,
            tenant = self.tenant,
            caller = self.caller,
            peer = self.peer.map(tracing::field::display),
            listener = self.listener,
            method = self.method,
            operation = self.operation,
            status = self.status,
            code = self.code,
            trace_id = self.trace.as_ref().map(TraceContext::trace_id),
            span_id = self.trace.as_ref().map(TraceContext::span_id),
            duration_us = micros(self.duration),
            upstream_us = self.upstream_duration.map(micros),
            request_bytes = self.request_bytes,
            response_bytes = self.response_bytes,
            "request"
        );
    }

    fn fill(&self, line: &mut Line<'_>) {
        line.begin(Level::INFO, TARGET);
        line.text("message", "request");
        line.text("request_id", self.request_id);
        if let Some(id) = self.caller_request_id {
            line.text("caller_request_id", id);
        }
        line.text("route", self.route);
        line.text("tenant", self.tenant);
        line.text("caller", self.caller);
        if let Some(peer) = self.peer {
            line.display("peer", &peer);
        }
        line.text("listener", self.listener);
        line.text("method", self.method);
        line.text("operation", self.operation);
        line.number("status", self.status);
        line.text("code", self.code);
        if let Some(trace) = &self.trace {
            line.text("trace_id", trace.trace_id());
            line.text("span_id", trace.span_id());
        }
        line.number("duration_us", micros(self.duration));
        if let Some(duration) = self.upstream_duration {
            line.number("upstream_us", micros(duration));
        }
        line.number("request_bytes", self.request_bytes);
        line.number("response_bytes", self.response_bytes);
        line.end();
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

const TARGET: &str = "access";

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::log::json::tests::{Memory, read};
    use crate::log::json::{JsonLines, with_line};

    #[test]
    fn direct_json_line_equals_the_logged_event() {
        let record = AccessRecord {
            request_id: "id",
            caller_request_id: Some("call-7"),
            route: "onfido",
            tenant: "a \"quoted\" one",
            caller: "cert-subject:O=\"A\"; secret:b",
            peer: Some("[2001:db8::1]:443".parse().unwrap()),
            listener: "main",
            method: "GET",
            operation: "find_applicant",
            status: 201,
            code: "",
            trace: TraceContext::new("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
            duration: Duration::from_micros(7),
            upstream_duration: Some(Duration::from_micros(5)),
            request_bytes: 1,
            response_bytes: 2,
        };
        let memory = Memory::default();

        let registry = tracing_subscriber::registry().with(JsonLines(memory.clone()));
        tracing::subscriber::with_default(registry, || record.write());
        let mut direct = String::new();
        with_line(|line| record.fill(line), |text| text.clone_into(&mut direct));

        let (mut event, mut direct) =
            (read(&memory), serde_json::from_str::<serde_json::Value>(&direct).unwrap());
        for line in [&mut event, &mut direct] {
            assert!(line.as_object_mut().unwrap().remove("timestamp").is_some());
        }
        assert_eq!(event, direct);
    }
}
