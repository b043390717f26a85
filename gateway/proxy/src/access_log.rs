//! Where a request is counted and gets its access log line: once, whether it reached the proxy or was refused before.

use http::Method;
use kyc_telemetry::{AccessRecord, RouteMetrics};

/// Counts a request and writes its line.
pub(crate) fn record(metrics: &RouteMetrics, record: &AccessRecord<'_>) {
    let upstream_seconds = record.upstream_duration.map(|duration| duration.as_secs_f64());
    metrics.answered(record.tenant, record.status, record.duration.as_secs_f64(), upstream_seconds);
    if !record.code.is_empty() {
        metrics.refused(record.code);
    }
    record.write();
}

/// The method as a label. Labels must not grow with what callers send, so only registered methods are named.
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
