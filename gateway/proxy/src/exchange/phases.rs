//! Validation, routing and the request phases: all steps before the upstream request.

use std::sync::Arc;

use bytes::Bytes;
use http::header;
use kyc_model::ProblemKind;
use kyc_plugin_api::Flow;
use pingora::Result;
use pingora::protocols::http::ServerSession;

use super::proxy::Proxy;
use super::spans;
use super::state::Exchange;
use crate::access_log::{caller_request_id, method_label};
use crate::error::{refuse, to_pingora};
use crate::request::{BufferedBody, check_declared_length, limit_buffering, validate};
use crate::routing::CompiledRoute;
use crate::strict::max_forwards;

impl Proxy {
    /// Sets the limits of the session and refuses an ambiguous request.
    pub(super) fn validate(&self, session: &mut ServerSession, exchange: &mut Exchange) -> Result<()> {
        exchange.method = method_label(&session.req_header().method);
        exchange.caller_request_id = caller_request_id(&session.req_header().headers);
        // The method is needed for the access line even when validation fails.
        let validated = validate(session, &mut exchange.cx, &self.settings);
        // An invalid request must not join the trace in its fields: another parser may not see these fields.
        spans::begin(exchange, validated.is_ok().then(|| &session.req_header().headers));
        validated.map_err(|violation| {
            // The end of an ambiguous request is ambiguous, too, so the connection cannot be reused.
            session.set_keepalive(None);
            to_pingora(violation.into())
        })
    }

    /// Finds the route and runs its request phases.
    pub(super) async fn run_request_phases(
        &self,
        session: &mut ServerSession,
        exchange: &mut Exchange,
    ) -> Result<Flow> {
        let found = self
            .routes
            .find(session.req_header().uri.path())
            .ok_or_else(|| refuse(ProblemKind::RouteNotFound, "no route has this path"))?;
        exchange.route = found.route;
        exchange.pattern = found.pattern;
        exchange.cx.set_params(found.params);
        // A clone, because the plugins borrow the context of the same exchange mutably.
        let route = Arc::clone(&exchange.route);
        if !route.allows(&session.req_header().method) {
            return Err(refuse(ProblemKind::MethodNotAllowed, "the route does not allow this method"));
        }
        if let Flow::Respond(response) =
            route.chains.request_filter(session.req_header(), &mut exchange.cx).map_err(to_pingora)?
        {
            return Ok(Flow::Respond(response));
        }
        // Waiting (for a rate, say) comes before the body is read, so that a request that waits takes no memory.
        exchange.wait_for_plugins().await.map_err(to_pingora)?;
        if let Ok(Some(0)) = max_forwards(&session.req_header().method, &session.req_header().headers) {
            return Ok(Flow::Respond(describe_options(&route)));
        }
        // A declared length is refused before `100 Continue` is sent, so that the caller need not send the body.
        let buffering =
            exchange.cx.body_buffering().map(|buffering| limit_buffering(buffering, route.max_body));
        let limit = buffering.map_or(route.max_body, |buffering| Some(buffering.limit as u64));
        check_declared_length(&session.req_header().headers, limit)?;
        let Some(buffering) = buffering else { return Ok(Flow::Next) };
        let BufferedBody { mut bytes, memory } =
            self.buffers.read(session, buffering, &route.name, &exchange.cx).await?;
        exchange.body_memory = Some(memory);
        let flow = route
            .chains
            .request_body_filter(session.req_header(), &mut bytes, &mut exchange.cx)
            .await
            .map_err(to_pingora)?;
        exchange.buffered_body = Some(bytes);
        Ok(flow)
    }
}

/// Answers OPTIONS in the place of the upstream, for a request that must not be forwarded any more (RFC 9110 §7.6.2, §9.3.7).
fn describe_options(route: &CompiledRoute) -> http::Response<Bytes> {
    let mut response = http::Response::default();
    response.headers_mut().insert(header::ALLOW, route.allow.clone());
    response
}
