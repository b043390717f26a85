//! Parses the header field `Retry-After`.

use std::time::{Duration, SystemTime};

use http::HeaderValue;

/// Parses `Retry-After` (RFC 9110 §10.2.3), which has seconds or a date. Returns `None` for a past date and for any other text.
pub fn parse_retry_after(value: &HeaderValue) -> Option<Duration> {
    let value = value.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).ok()
}
