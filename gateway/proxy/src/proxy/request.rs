//! The request phases, before an upstream is chosen.

use std::sync::Arc;

use kyc_model::ProblemKind;
use kyc_plugin_api::Flow;
use pingora::Result;
use pingora::proxy::Session;

use super::Proxy;
use crate::arrival::{check_announced, within};
use crate::body::{REPLAY_LIMIT, Whole};
use crate::exchange::Exchange;
use crate::rescue::{refuse, to_pingora};

impl Proxy {
    /// Finds the route and runs its request phases.
    pub(super) async fn filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<Flow> {
        let found = std::str::from_utf8(session.req_header().uri.path().as_bytes())
            .ok()
            .and_then(|path| self.routes.find(path))
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
        check_announced(&session.req_header().headers, route.max_body)?;
        let Some(wish) = exchange.cx.body_wish() else { return Ok(Flow::Next) };
        let wish = within(wish, route.max_body);
        let Whole { mut bytes, room } =
            self.buffers.read_whole(session, wish, &route.name, &exchange.cx).await?;
        exchange.room = Some(room);
        let read = bytes.len();
        let flow = route
            .chains
            .request_body_filter(session.req_header(), &mut bytes, &mut exchange.cx)
            .await
            .map_err(to_pingora)?;
        if matches!(flow, Flow::Next) && read > REPLAY_LIMIT {
            return Err(refuse(ProblemKind::BodyTooLarge, "a body over 64 KiB cannot be read and forwarded"));
        }
        exchange.body = Some(bytes);
        Ok(flow)
    }
}
