//! Counts a request and writes its access log line: once, also for a request that was refused before it reached the proxy.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use kyc_model::REQUEST_ID_HEADER;
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

/// Returns the caller's own id of its request, if it has the form of an id: other text could be personal data or a secret. The
/// clone shares the bytes of the head.
pub(crate) fn caller_request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(REQUEST_ID)?;
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    let is_id = (1..=MAX_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(is_letter);
    is_id.then(|| id.clone())
}

const REQUEST_ID: HeaderName = HeaderName::from_static(REQUEST_ID_HEADER);
/// In bytes; UUIDs, ULIDs and trace ids are shorter.
const MAX_REQUEST_ID: usize = 128;

/// The status in the log for a caller that closed its connection before the response (nginx's 499).
pub(crate) const CLIENT_CLOSED_REQUEST: u16 = 499;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_in_the_form_of_an_id_is_taken_as_one() {
        let long = "x".repeat(129);
        for (text, is_taken) in [
            ("0190b1a4-7c3e-7d2a-9d0f-0a1b2c3d4e5f", true),
            ("Root=1-67891233-abcdef012345678912345678", true),
            ("a.b/c+d:1_2", true),
            ("a|b", false),
            ("Jane Doe", false),
            ("jane@example.com", false),
            ("\"quoted\"", false),
            ("", false),
            (&long, false),
        ] {
            let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_str(text).unwrap())]);
            assert_eq!(caller_request_id(&headers).is_some(), is_taken, "{text}");
        }
        assert!(caller_request_id(&HeaderMap::new()).is_none());
    }
}
