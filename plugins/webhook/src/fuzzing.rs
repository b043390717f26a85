//! Entry points for the fuzz targets, to the code that parses bytes of notifications.

use http::HeaderValue;
use kyc_model::Secret;
use pingora_http::RequestHeader;

use crate::signature::Signature;

/// Parses a signature header and verifies it, which must fail: the fuzzer does not know the token.
///
/// # Panics
///
/// When the signature is accepted.
pub fn signature(field: &[u8], body: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(field) else { return };
    let Ok(mut head) = RequestHeader::build("POST", b"/", None) else { return };
    if head.insert_header("X-SHA2-Signature", value).is_err() {
        return;
    }
    if let Ok(signature) = Signature::from_head(&head) {
        let token = Secret::new("a token that nobody guesses".to_owned());
        assert!(signature.verify(&token, body).is_err(), "a forged signature is accepted");
    }
}
