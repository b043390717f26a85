//! The field `Retry-After` of an answer.

use std::time::{Duration, SystemTime};

use http::HeaderValue;

/// `Retry-After` (RFC 9110 §10.2.3): seconds, or a date. A date that is over, and any other text, give nothing.
pub fn parse_retry_after(value: &HeaderValue) -> Option<Duration> {
    let value = value.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).ok()
}
