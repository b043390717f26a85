//! Builds the request head for the upstream: the caller's fields, what plugins change, and the credential.

use http::{HeaderName, Version, header};
use kyc_model::ProblemKind;
use pingora::Result;
use pingora::protocols::http::ServerSession;
use pingora_http::RequestHeader;

use super::state::Exchange;
use crate::error::{refuse, to_pingora};
use crate::upstream::{attach_credential, rewrite};

/// Builds the request head for the upstream. The credential is attached last, so that no plugin sees it.
///
/// # Errors
///
/// [`ProblemKind::Internal`] without a target, or with one that is no request target; the problem of a plugin.
pub(super) fn build_upstream_head(
    session: &mut ServerSession,
    exchange: &mut Exchange,
    private_headers: &[HeaderName],
) -> Result<RequestHeader> {
    let has_body = !session.is_body_empty();
    // The one copy of the head: the original stays for the phases of the response, and for a retry.
    let mut head = session.req_header().clone();
    let target =
        exchange.cx.target().ok_or_else(|| refuse(ProblemKind::Internal, "the request has no target"))?;
    let (id, trace) = (exchange.request_id.clone(), exchange.upstream.span.context());
    let body = exchange.buffered_body.as_ref();
    rewrite(&mut head, target, body, id, trace.as_ref(), private_headers).map_err(to_pingora)?;
    exchange.route.chains.upstream_request_filter(&mut head, &mut exchange.cx).map_err(to_pingora)?;
    if let Some(credential) = exchange.credential()? {
        attach_credential(&mut head, credential);
    }
    // The caller may speak HTTP/1.0 or HTTP/2.
    head.set_version(Version::HTTP_11);
    if has_body && exchange.buffered_body.is_none() && !head.headers.contains_key(header::CONTENT_LENGTH) {
        head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    Ok(head)
}
