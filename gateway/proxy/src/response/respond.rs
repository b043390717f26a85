//! Writes the answers that do not come from an upstream.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use kyc_model::{Problem, ProblemKind};
use pingora::protocols::http::ServerSession;
use pingora::{Error, Result};
use pingora_http::{RequestHeader, ResponseHeader};

use super::error_response;
use crate::error::to_pingora;
use crate::exchange::Exchange;
use crate::upstream::REQUEST_ID_NAME;
use crate::write_timeout::write_within;

/// Writes a plugin's answer, and keeps the connection.
///
/// # Errors
///
/// When the caller is gone, or the plugin's head is none.
pub(crate) async fn respond(
    session: &mut ServerSession,
    exchange: &mut Exchange,
    response: http::Response<Bytes>,
) -> Result<()> {
    let (parts, body) = response.into_parts();
    let mut head = ResponseHeader::build(parts.status, Some(parts.headers.len() + 2))?;
    for (name, value) in &parts.headers {
        if !FRAMING.contains(name) {
            head.append_header(name.clone(), value.clone())?;
        }
    }
    head.insert_header(header::CONTENT_LENGTH, body.len())?;
    finish_head(&mut head, session.req_header(), exchange).map_err(to_pingora)?;
    write(session, head, body).await
}

/// Writes the answer for a problem; returns whether the connection may serve another request.
pub(crate) async fn respond_problem(
    session: &mut ServerSession,
    exchange: &mut Exchange,
    error: &Error,
    kind: ProblemKind,
) -> bool {
    let does_not_read = error.etype == pingora::ErrorType::WriteTimedout
        && *error.esource() == pingora::ErrorSource::Downstream;
    if does_not_read || session.response_written().is_some_and(|head| !head.status.is_informational()) {
        return false;
    }
    // After a malformed request nobody knows where the next one begins, and an unread body would have to be
    // read for nothing.
    let keep = (!exchange.upstream.is_wanted || exchange.arrival.is_whole())
        && !matches!(
            kind,
            ProblemKind::BadRequest
                | ProblemKind::HeaderTooLarge
                | ProblemKind::BodyTooLarge
                | ProblemKind::RequestTimeout
                | ProblemKind::MethodNotAllowed
        )
        && *error.esource() != pingora::ErrorSource::Downstream;
    if !keep {
        session.set_keepalive(None);
    }
    match write_problem(session, exchange, error, kind).await {
        Ok(()) => keep,
        Err(_) => false,
    }
}

async fn write_problem(
    session: &mut ServerSession,
    exchange: &mut Exchange,
    error: &Error,
    kind: ProblemKind,
) -> Result<()> {
    let (mut head, body) = error_response::answer(kind, exchange.cx.request_id())?;
    if kind == ProblemKind::MethodNotAllowed {
        head.insert_header(header::ALLOW, exchange.route.allow.clone())?;
    }
    if let Some(seconds) = error_response::retry_after(error, kind) {
        head.insert_header(header::RETRY_AFTER, seconds)?;
    }
    // A plugin that fails on its own refusal must not take the refusal away.
    if finish_head(&mut head, session.req_header(), exchange).is_err() {
        tracing::error!(request_id = %exchange.cx.request_id(), "a plugin failed on the gateway's own answer");
    }
    write(session, head, body).await
}

/// Runs the response phase and adds the request's id.
///
/// # Errors
///
/// The first plugin's problem.
pub(crate) fn finish_head(
    head: &mut ResponseHeader,
    request: &RequestHeader,
    exchange: &mut Exchange,
) -> Result<(), Problem> {
    exchange.route.chains.response_filter(head, request, &mut exchange.cx)?;
    head.insert_header(REQUEST_ID_NAME, exchange.request_id.clone())
        .map_err(|_| Problem::new(ProblemKind::Internal, "the request id is no header value"))
}

/// Says whether nothing follows the head (RFC 9110, section 6.4.1).
pub(crate) fn has_no_body(head: &ResponseHeader, method: &Method) -> bool {
    *method == Method::HEAD
        || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || head.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length == "0")
}

async fn write(session: &mut ServerSession, head: ResponseHeader, body: Bytes) -> Result<()> {
    let empty = body.is_empty() || session.req_header().method == Method::HEAD;
    // HTTP/2 ends a stream only with a body, even one of no bytes.
    let limit = session.get_write_timeout();
    let body = if empty { Bytes::new() } else { body };
    let written = async {
        session.write_response_header(Box::new(head)).await?;
        session.write_response_body(body, true).await
    };
    write_within(limit, written).await.map_err(Error::into_down)
}

/// Where a message ends is the gateway's business, not a plugin's.
const FRAMING: [header::HeaderName; 4] =
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE];
