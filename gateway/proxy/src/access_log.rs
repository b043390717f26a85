//! Counts a request and writes its access log line: once, also for a request that was refused before it reached the proxy.

use http::Method;
use kyc_telemetry::{AccessRecord, RouteMetrics};

/// Counts a request and writes its access log line.
pub(crate) fn record(metrics: &RouteMetrics, record: &AccessRecord<'_>) {
    let upstream_seconds = record.upstream_duration.map(|duration| duration.as_secs_f64());
    metrics.answered(record.tenant, record.status, record.duration.as_secs_f64(), upstream_seconds);
    if !record.code.is_empty() {
        metrics.refused(record.code);
    }
    record.write();
}

/// Returns the method as a metric label. Callers must not be able to create new labels, so unregistered methods share one.
pub(crate) fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// The status in the log for a caller that closed its connection before the response (nginx's 499).
pub(crate) const CLIENT_CLOSED_REQUEST: u16 = 499;
