//! Writes the responses that do not come from an upstream.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use kyc_model::{Problem, ProblemKind, REQUEST_ID_HEADER};
use kyc_plugin_api::Ctx;
use pingora::protocols::http::ServerSession;
use pingora::{Error, Result};
use pingora_http::{RequestHeader, ResponseHeader};

use super::error_response;
use crate::downstream::join_next_write;
use crate::error::to_pingora;
use crate::routing::CompiledRoute;
use crate::write_timeout::write_within;

/// The parts of a request that its response needs.
#[derive(Debug)]
pub(crate) struct Responder<'a> {
    pub(crate) route: &'a Arc<CompiledRoute>,
    pub(crate) cx: &'a mut Ctx,
    /// The request id, as it is sent upstream and downstream.
    pub(crate) request_id: &'a HeaderValue,
}

// === impl Responder ===

impl Responder<'_> {
    /// Writes a plugin's response.
    ///
    /// # Errors
    ///
    /// The caller has disconnected, or the head of the plugin is invalid.
    pub(crate) async fn respond(
        &mut self,
        session: &mut ServerSession,
        response: http::Response<Bytes>,
    ) -> Result<()> {
        let (mut head, body) = framed(response)?;
        self.finish_head(&mut head, session.req_header()).map_err(to_pingora)?;
        write(session, head, body).await
    }

    /// Writes the response for a problem.
    ///
    /// # Errors
    ///
    /// The caller has disconnected.
    pub(crate) async fn respond_problem(
        &mut self,
        session: &mut ServerSession,
        error: &Error,
        kind: ProblemKind,
    ) -> Result<()> {
        let (mut head, body) = self.problem_response(kind)?;
        if let Some(seconds) = error_response::retry_after(error, kind) {
            head.insert_header(header::RETRY_AFTER, seconds)?;
        }
        // If a plugin fails here, the error response is sent anyway.
        if self.finish_head(&mut head, session.req_header()).is_err() {
            tracing::error!(request_id = %self.cx.request_id(), "a plugin failed on an error response of the gateway");
        }
        write(session, head, body).await
    }

    /// Writes the response for a request whose head could not be read, so that no plugin sees it. The connection is closed.
    ///
    /// # Errors
    ///
    /// When the caller is gone.
    pub(crate) async fn refuse_head(&mut self, session: &mut ServerSession, kind: ProblemKind) -> Result<()> {
        let (mut head, body) = self.problem_response(kind)?;
        head.insert_header(REQUEST_ID_HEADER, self.request_id.clone())?;
        join_next_write(session.stream());
        session.write_error_response(head, body).await
    }

    /// The response for a kind of problem, before the response phase.
    fn problem_response(&self, kind: ProblemKind) -> Result<(ResponseHeader, Bytes)> {
        let (mut head, body) = error_response::build(kind, self.cx.request_id())?;
        // A 405 without `Allow` is invalid (RFC 9110 §15.5.6).
        if kind == ProblemKind::MethodNotAllowed {
            head.insert_header(header::ALLOW, self.route.allow.clone())?;
        }
        if kind == ProblemKind::Unauthenticated {
            for challenge in &self.route.challenges {
                head.append_header(header::WWW_AUTHENTICATE, challenge.clone())?;
            }
        }
        Ok((head, body))
    }

    /// Runs the response phase and adds the request's id.
    ///
    /// # Errors
    ///
    /// The first plugin's problem.
    pub(crate) fn finish_head(
        &mut self,
        head: &mut ResponseHeader,
        request: &RequestHeader,
    ) -> Result<(), Problem> {
        self.route.chains.response_filter(head, request, self.cx)?;
        head.insert_header(REQUEST_ID_HEADER, self.request_id.clone())
            .map_err(|_| Problem::new(ProblemKind::Internal, "the request id is no header value"))
    }
}

/// Frames the response of a plugin.
fn framed(response: http::Response<Bytes>) -> Result<(ResponseHeader, Bytes)> {
    let (parts, body) = response.into_parts();
    let mut head = ResponseHeader::build(parts.status, Some(parts.headers.len() + 2))?;
    // Appended one by one: a plugin may repeat a field, such as `Set-Cookie`.
    for (name, value) in &parts.headers {
        if !FRAMING.contains(name) {
            head.append_header(name.clone(), value.clone())?;
        }
    }
    // It has no body, and must not have a length either (RFC 9110 §8.6).
    if parts.status == StatusCode::NO_CONTENT {
        return Ok((head, Bytes::new()));
    }
    head.insert_header(header::CONTENT_LENGTH, body.len())?;
    Ok((head, body))
}

/// Returns whether no body follows the head (RFC 9110 §6.4.1).
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
    if !empty {
        join_next_write(session.stream());
    }
    let written = async {
        session.write_response_header(Box::new(head)).await?;
        session.write_response_body(body, true).await
    };
    write_within(limit, pin!(written)).await.map_err(Error::into_down)
}

/// Fields that frame the message: the gateway sets them, not a plugin.
const FRAMING: [header::HeaderName; 4] =
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_of_a_plugin_has_the_length_of_its_body_and_a_204_none() {
        let rows = [(200, "hello", Some("5")), (200, "", Some("0")), (204, "", None), (204, "hello", None)];

        for (status, body, length) in rows {
            let response = http::Response::builder().status(status).header("Content-Length", "9");
            let (head, left) = framed(response.body(Bytes::from_static(body.as_bytes())).unwrap()).unwrap();

            let declared = head.headers.get(header::CONTENT_LENGTH).map(|value| value.to_str().unwrap());
            assert_eq!(declared, length, "{status} {body:?}");
            assert_eq!(left.len(), length.map_or(0, |length| length.parse().unwrap()), "{status} {body:?}");
        }
    }
}
