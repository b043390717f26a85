//! Entry points for fuzzers of the readers of portals' responses.

use http::HeaderValue;

use crate::responses::delivery::Envelope;
use crate::responses::login::LoginResponse;

/// Reads a portal's response, as one to a login and as one to a delivery.
pub fn portal_answer(body: &[u8]) {
    let _ = LoginResponse::parse(body);
    let _ = Envelope::read(body).is_success();
}

/// Reads a `Retry-After` header field.
pub fn retry_after(field: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(field) {
        let _ = kyc_http_client::parse_retry_after(&value);
    }
}
