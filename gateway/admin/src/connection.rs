//! Serves the admin pages on one connection.
//!
//! Pingora passes an application the session of a request, but not its connection. So each connection has its own application,
//! which keeps the peer of a Unix socket, and marks the connection as busy during a request: only idle connections are closed to
//! make room for new ones.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderValue, Response, StatusCode, header};
use kyc_listener::{ConnectionActivity, ConnectionApp, ConnectionPermit};
use kyc_proxy::{ConnectionGuard, ProxySettings};
use kyc_telemetry::Metrics;
use pingora::apps::http_app::{HttpServer, ServeHttp};
use pingora::protocols::http::ServerSession;

use crate::audit::record::Peer;
use crate::service::Admin;

/// Creates the application of each connection of an admin listener.
pub struct AdminConnections {
    admin: Arc<Admin>,
    settings: &'static ProxySettings,
    listener: String,
    metrics: Metrics,
}

/// Answers the requests of one connection.
pub struct AdminConnection {
    admin: Arc<Admin>,
    /// The peer of a Unix socket; `None`: the address of the session.
    peer: Option<Peer>,
    activity: ConnectionActivity,
}

// === impl AdminConnections ===

impl fmt::Debug for AdminConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminConnections").finish_non_exhaustive()
    }
}

impl AdminConnections {
    /// Serves `admin`. `listener` is the name in metrics and access lines.
    pub fn new(admin: Admin, settings: &'static ProxySettings, listener: &str, metrics: &Metrics) -> Self {
        Self { admin: Arc::new(admin), settings, listener: listener.to_owned(), metrics: metrics.clone() }
    }

    /// Creates the application of a connection from `peer`.
    pub(super) fn app_for(
        &self,
        peer: Option<Peer>,
        connection: &ConnectionPermit,
    ) -> Arc<ConnectionGuard<HttpServer<AdminConnection>>> {
        let admin = Arc::clone(&self.admin);
        let serves = AdminConnection { admin, peer, activity: connection.activity() };
        let entry = HttpServer::new_app(serves);
        Arc::new(ConnectionGuard::new(entry, self.settings, &self.listener, &self.metrics))
    }
}

impl ConnectionApp for AdminConnections {
    type App = ConnectionGuard<HttpServer<AdminConnection>>;

    fn app(&self, connection: &ConnectionPermit) -> Arc<Self::App> {
        self.app_for(None, connection)
    }
}

// === impl AdminConnection ===

impl fmt::Debug for AdminConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminConnection").finish_non_exhaustive()
    }
}

#[async_trait]
impl ServeHttp for AdminConnection {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        kyc_proxy::end_head_guard(session);
        // HTTP/2 streams are independent of each other, so an HTTP/2 connection always counts as idle.
        let _busy = (!session.is_http2()).then(|| self.activity.begin_request());
        if let Some(refusal) = refuse_chunks(session) {
            return refusal;
        }
        let peer = self.peer.unwrap_or_else(|| {
            let address = session.client_addr().and_then(|address| address.as_inet());
            address.map_or(Peer::Unknown, |address| Peer::Address(*address))
        });
        self.admin.answer_to(peer, session).await
    }
}

/// Refuses a chunked body, because Pingora's lenient parser would have to find its end, and no admin page accepts a body. The
/// connection is closed, so that no part of the body is parsed as the next request.
fn refuse_chunks(session: &mut ServerSession) -> Option<Response<Vec<u8>>> {
    if !session.req_header().headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    session.set_keepalive(None);
    let body = b"{\"error\":\"requests of the admin listener must not have a body or Transfer-Encoding\"}\n"
        .to_vec();
    let length = body.len();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Some(response)
}
