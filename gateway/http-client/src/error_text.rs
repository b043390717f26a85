//! What a failed call tells an operator.

use std::error::Error;
use std::io;

use rustls::{Error as TlsError, InvalidMessage};

/// The innermost cause: what went wrong, without the address that the outer ones show.
///
/// A cause whose own text does not say what to do is explained.
pub fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    loop {
        if speaks_no_tls(innermost) {
            return "the server does not speak TLS on this port: use its TLS port, or an address with http://"
                .to_owned();
        }
        match innermost.source() {
            Some(source) => innermost = source,
            None => return innermost.to_string(),
        }
    }
}

/// Bytes that are no TLS record, such as an HTTP answer: "received corrupt message of type InvalidContentType".
fn speaks_no_tls(error: &(dyn Error + 'static)) -> bool {
    // An `io::Error` hides what it holds from `source`, and may hold another one.
    let mut held = error;
    while let Some(inner) = held.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        held = inner;
    }
    let tls = held.downcast_ref::<TlsError>();
    matches!(tls, Some(TlsError::InvalidMessage(InvalidMessage::InvalidContentType)))
}
