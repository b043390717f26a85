//! The access log: one line per request.

use std::net::SocketAddr;
use std::time::Duration;

use kyc_model::TraceContext;
use tracing::Level;

use super::json::Line;
use super::lines::write_line;

/// What the line about one request says. But for the caller, whose names others chose, nothing here comes from the
/// caller's bytes; no path, query, header value or body does.
#[derive(Debug)]
pub struct AccessRecord<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// The route's name; empty when none matched.
    pub route: &'a str,
    /// The tenant's name; empty when none was found.
    pub tenant: &'a str,
    /// Who called, as a verified credential names it, escaped and bounded; empty when nobody is known.
    pub caller: &'a str,
    /// Where the connection came from.
    pub peer: Option<SocketAddr>,
    /// The listener that it came in at.
    pub listener: &'a str,
    /// The method, when it is a registered one.
    pub method: &'static str,
    /// The status sent downstream.
    pub status: u16,
    /// The gateway's own refusal or failure; empty when it was none.
    pub code: &'static str,
    /// The request's span, while traces are recorded.
    pub trace: Option<TraceContext>,
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
    /// Writes the line: as JSON straight into the log's memory, since this is the one line that every request
    /// pays for; else as an event of the target `access`.
    pub fn write(&self) {
        if write_line(|line| self.fill(line)) {
            return;
        }
        tracing::info!(
            target: TARGET,
            request_id = self.request_id,
            route = self.route,
            tenant = self.tenant,
            caller = self.caller,
            peer = self.peer.map(tracing::field::display),
            listener = self.listener,
            method = self.method,
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
        line.text("route", self.route);
        line.text("tenant", self.tenant);
        line.text("caller", self.caller);
        if let Some(peer) = self.peer {
            line.display("peer", &peer);
        }
        line.text("listener", self.listener);
        line.text("method", self.method);
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
    fn both_ways_to_write_say_the_same() {
        let record = AccessRecord {
            request_id: "id",
            route: "onfido",
            tenant: "a \"quoted\" one",
            caller: "cert-subject:O=\"A\"; secret:b",
            peer: Some("[2001:db8::1]:443".parse().unwrap()),
            listener: "main",
            method: "GET",
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
