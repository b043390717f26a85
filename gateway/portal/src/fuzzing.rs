//! Entry points for fuzzers to what reads portals' answers.

use http::HeaderValue;

use crate::answers::delivery::Envelope;
use crate::answers::login::LoginAnswer;

/// Reads what a portal answers to a login and to an event.
pub fn portal_answer(body: &[u8]) {
    let _ = LoginAnswer::parse(body);
    let _ = Envelope::read(body).is_success();
}

/// Reads a `Retry-After`.
pub fn retry_after(field: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(field) {
        let _ = kyc_http_client::parse_retry_after(&value);
    }
}
