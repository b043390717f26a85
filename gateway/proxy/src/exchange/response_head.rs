//! Makes the head of an upstream's final response the head for the caller.

use http::{Method, StatusCode, Version, header};
use pingora::Result;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::client::HttpSession;
use pingora_http::ResponseHeader;

use super::finish::log_credential_refused;
use super::proxy::Proxy;
use super::state::Exchange;
use crate::error::to_pingora;
use crate::hop_by_hop::strip_hop_by_hop;
use crate::response::has_no_body;
use crate::upstream::check_response;

impl Proxy {
    /// Checks the final response head of the upstream, and makes it the head for the caller.
    ///
    /// # Errors
    ///
    /// The head is refused, or a plugin's problem.
    pub(super) fn prepare_response_head(
        &self,
        session: &mut ServerSession,
        exchange: &mut Exchange,
        upstream: &HttpSession,
        head: &mut ResponseHeader,
        is_end: bool,
    ) -> Result<()> {
        let method = exchange.cx.target().map_or(&Method::GET, |target| &target.method);
        let is_complete = is_end || has_no_body(head, method);
        check_response(upstream, head, !is_complete).map_err(to_pingora)?;
        // An upstream may speak HTTP/1.0; the version of a message is that of its sender, which is the gateway here.
        head.set_version(Version::HTTP_11);
        if is_complete && session.req_header().version == Version::HTTP_10 {
            // A response without a body may declare chunks, which HTTP/1.0 does not have (RFC 9112 §6.1).
            head.remove_header(&header::TRANSFER_ENCODING);
        }
        if !is_complete && !head.headers.contains_key(header::CONTENT_LENGTH) {
            if session.req_header().version == Version::HTTP_10 {
                // HTTP/1.0 has no chunks: the end of the connection is the end of the body (RFC 9112 §6.3).
                head.remove_header(&header::TRANSFER_ENCODING);
                session.set_keepalive(None);
            } else {
                // A body that ends with the upstream's connection must not end the caller's.
                head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
            }
        }
        let status = head.status.as_u16();
        // Recorded before the plugins run, so that a failing plugin does not hide the status of the upstream.
        exchange.record_response_head(status, is_complete);
        // The caller was authenticated by the gateway, so these statuses concern the tenant's credential at the upstream.
        if matches!(head.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            self.metrics.upstreams().denied(exchange.tenant());
            log_credential_refused(exchange, status);
            exchange.report_refused_credential(head.status);
        }
        strip_hop_by_hop(head);
        if !exchange.request_body.is_complete() {
            // The rest of the request would be read for nothing.
            session.set_keepalive(None);
        }
        exchange.responder().finish_head(head, session.req_header()).map_err(to_pingora)
    }
}
