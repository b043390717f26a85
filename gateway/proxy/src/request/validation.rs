//! Validates a request head before any other use, and sets the limits of the session for the rest of the request.
//!
//! The order matters: the bytes as they arrived are checked first, because Pingora's parsed form no longer shows how they could
//! be read differently; then the parsed fields; then the target.

use std::sync::Arc;

use kyc_plugin_api::{ClientCertificate, Connection, Ctx};
use pingora::protocols::http::ServerSession;

use crate::downstream::{accept_head, guard_chunked_body};
use crate::request_parts::edit_parts;
use crate::settings::ProxySettings;
use crate::strict::{LineVerdict, RequestFraming, Violation, check_fields, check_raw_head, check_target};

/// Notes where the request came from.
pub(crate) fn set_connection(session: &ServerSession, cx: &mut Ctx) {
    let tls = session.digest().and_then(|digest| digest.ssl_digest.as_ref());
    let listener = Arc::clone(&cx.connection().listener);
    cx.set_connection(Connection {
        listener,
        peer: session.client_addr().and_then(|address| address.as_inet()).copied(),
        tls: tls.is_some(),
        certificate: tls.and_then(|tls| tls.extension.get::<Arc<ClientCertificate>>()).cloned(),
    });
}

/// Sets the limits of the session, and refuses a request that is ambiguous.
pub(crate) fn validate(
    session: &mut ServerSession,
    cx: &mut Ctx,
    settings: &ProxySettings,
) -> Result<(), Violation> {
    set_connection(session, cx);
    if session.get_keepalive().is_some() {
        // No timeout of Pingora's: the guarded stream bounds it with one timer per connection.
        session.set_keepalive(Some(0));
    }
    // Pingora's defaults are 60 s for reads and none for writes.
    session.set_read_timeout(Some(settings.read));
    session.set_write_timeout(Some(settings.write));
    // For a body that no one reads: without it, draining has no limit as long as bytes arrive.
    session.set_total_drain_timeout(Some(settings.read));
    let http2 = session.is_http2();
    if let Some(http1) = session.as_http1() {
        if accept_head(session.stream()) == Some(LineVerdict::Lenient) {
            return Err(Violation::RequestLine);
        }
        // The bytes as they arrived: Pingora's parsed head has lost repeated and contradictory framing fields.
        // Only chunked bodies: what ends after a declared length has one reading.
        if check_raw_head(&http1.get_headers_raw_bytes())? == RequestFraming::Chunked {
            guard_chunked_body(session.stream()).map_err(Violation::Body)?;
        }
        // Bytes behind the request do not end it: Pingora keeps them, and they begin the next one.
        session.set_pipelining_enabled(true);
    }
    let head = session.req_header_mut();
    check_fields(head, http2)?;
    check_target(head.raw_path())?;
    // The case of field names has no meaning (RFC 9110 §5.1); Pingora would carry a second map of them through every copy and
    // every edit.
    edit_parts(head, |_| ());
    Ok(())
}
