//! The text of a failed call for operators.

use std::error::Error;

use rustls::{Error as TlsError, InvalidMessage};

use crate::tls_failure::tls_error;

/// Returns the text of the innermost cause, without the URL that the outer errors contain.
///
/// A server without TLS gets a text of its own, because that of rustls does not say what to do.
pub fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    loop {
        if is_without_tls(innermost) {
            return "the server does not speak TLS on this port: use its TLS port, or an address with http://"
                .to_owned();
        }
        match innermost.source() {
            Some(source) => innermost = source,
            None => return innermost.to_string(),
        }
    }
}

/// Whether the server sent bytes that are not a TLS record, such as an HTTP response. The text of rustls would be "received corrupt
/// message of type InvalidContentType".
fn is_without_tls(error: &(dyn Error + 'static)) -> bool {
    matches!(tls_error(error), Some(TlsError::InvalidMessage(InvalidMessage::InvalidContentType)))
}
