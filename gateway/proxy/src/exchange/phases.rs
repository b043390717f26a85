//! Admission and the request phases, before an upstream is chosen.

use std::sync::Arc;

use kyc_model::ProblemKind;
use kyc_plugin_api::Flow;
use pingora::Result;
use pingora::protocols::http::ServerSession;

use super::proxy::Proxy;
use super::spans;
use super::state::Exchange;
use crate::access_log::method_name;
use crate::error::{refuse, to_pingora};
use crate::request::{Whole, admit, check_declared_length, within};

impl Proxy {
    /// Sets the limits of the request and refuses one that has more than one reading.
    pub(super) fn admit(&self, session: &mut ServerSession, exchange: &mut Exchange) -> Result<()> {
        exchange.story.method = Some(method_name(&session.req_header().method));
        let admitted = admit(session, &mut exchange.cx, &self.settings);
        spans::begin(exchange, admitted.is_ok().then(|| &session.req_header().headers));
        admitted.map_err(|violation| {
            session.set_keepalive(None);
            to_pingora(violation.into())
        })
    }

    /// Finds the route and runs its request phases.
    pub(super) async fn filter(&self, session: &mut ServerSession, exchange: &mut Exchange) -> Result<Flow> {
        let found = self
            .routes
            .find(session.req_header().uri.path())
            .ok_or_else(|| refuse(ProblemKind::RouteNotFound, "no route has this path"))?;
        exchange.route = found.route;
        exchange.cx.set_params(found.params);
        let route = Arc::clone(&exchange.route);
        if !route.takes(&session.req_header().method) {
            return Err(refuse(ProblemKind::MethodNotAllowed, "the route does not take this method"));
        }
        if let Flow::Respond(answer) =
            route.chains.request_filter(session.req_header(), &mut exchange.cx).map_err(to_pingora)?
        {
            return Ok(Flow::Respond(answer));
        }
        exchange.wait().await.map_err(to_pingora)?;
        let wish = exchange.cx.body_wish().map(|wish| within(wish, route.max_body));
        let limit = wish.map_or(route.max_body, |wish| Some(wish.limit as u64));
        check_declared_length(&session.req_header().headers, limit)?;
        let Some(wish) = wish else { return Ok(Flow::Next) };
        let Whole { mut bytes, room } =
            self.buffers.read_whole(session, wish, &route.name, &exchange.cx).await?;
        exchange.room = Some(room);
        let flow = route
            .chains
            .request_body_filter(session.req_header(), &mut bytes, &mut exchange.cx)
            .await
            .map_err(to_pingora)?;
        exchange.body = Some(bytes);
        Ok(flow)
    }
}
