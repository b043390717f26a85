//! Connections to upstreams, kept between requests.
//!
//! Pingora connects. Its pool is not used: for each request it spawns a task that watches the idle connection, and waits until that
//! task gives the connection back.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use futures::FutureExt;
use http::header;
use kyc_model::{Problem, ProblemKind, Tenant};
use kyc_plugin_api::Target;
use pingora::Result;
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::protocols::Stream;
use pingora::protocols::http::v1::client::HttpSession;
use pingora_http::ResponseHeader;

use super::guarded_stream::GuardedStream;
use super::idle_connections::{ConnectionKey, IdleConnections};
use super::keep_alive::idle_limit;
use super::peer::peer;
use crate::strict::{ResponseFraming, check_response_head};
use crate::write_timeout::write_within;

/// Connects to upstreams, and keeps the connections that can serve another request of the same tenant.
pub(crate) struct ConnectionPool {
    connector: TransportConnector,
    idle: IdleConnections,
}

/// A connection for one request.
pub(crate) struct UpstreamConnection {
    pub(crate) session: HttpSession,
    /// Whether it served a request before: then the upstream may have closed it meanwhile.
    pub(crate) is_reused: bool,
    key: ConnectionKey,
    idle_timeout: Duration,
}

/// Which connections may serve an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionChoice {
    /// An idle one, else a new one.
    IdleFirst,
    /// Only a new one. For a second attempt: what closed one idle connection has probably closed the others, too.
    New,
}

// === impl ConnectionPool ===

impl ConnectionPool {
    /// Begins with an empty pool.
    pub(crate) fn new(mut options: ConnectorOptions) -> Self {
        let idle = IdleConnections::new(options.keepalive_pool_size);
        // Pingora's own pool is not used.
        options.keepalive_pool_size = 0;
        Self { connector: TransportConnector::new(Some(options)), idle }
    }

    /// Takes an idle connection of the tenant to the target, if `choice` allows one and there is one, or makes one.
    ///
    /// # Errors
    ///
    /// Pingora's, when no connection can be made in the target's time.
    pub(crate) async fn get(
        &self,
        address: SocketAddr,
        target: &Target,
        tenant: Option<&Tenant>,
        choice: ConnectionChoice,
    ) -> Result<UpstreamConnection> {
        let key = ConnectionKey::new(address, &target.base, tenant);
        let idle = match choice {
            ConnectionChoice::IdleFirst => self.idle.take(&key),
            ConnectionChoice::New => None,
        };
        let (stream, is_reused) = match idle {
            Some(stream) => (stream, true),
            // Boxed: what a handshake needs would be in the future of each call, which is copied once.
            None => (Box::pin(self.connect(address, target)).await?, false),
        };
        let mut session = HttpSession::new(guarded(stream));
        session.read_timeout = Some(target.timeouts.read);
        session.write_timeout = Some(target.timeouts.write);
        Ok(UpstreamConnection { session, is_reused, key, idle_timeout: target.timeouts.idle })
    }

    async fn connect(&self, address: SocketAddr, target: &Target) -> Result<Stream> {
        self.connector.new_stream(&peer(address, target)).await
    }

    /// Keeps a connection whose request was sent and whose response was read to its end, if the response allows another request.
    pub(crate) async fn release(&self, connection: UpstreamConnection) {
        if let Some(session) = self.keep(connection) {
            // Boxed, since it is rare.
            Box::pin(close(session)).await;
        }
    }

    /// Keeps a connection, or returns the session if it must be closed.
    fn keep(&self, connection: UpstreamConnection) -> Option<HttpSession> {
        let UpstreamConnection { mut session, key, idle_timeout, .. } = connection;
        // Takes `Connection` and `Keep-Alive` of the response into account, which the session does not do by itself.
        session.respect_keepalive();
        // Where Pingora and the strict reader disagree about the end, the next response may be smuggled.
        if !GuardedStream::of(session.stream()).is_some_and(GuardedStream::is_at_end) {
            return None;
        }
        let said = session.resp_header().and_then(|head| idle_limit(&head.headers));
        let idle_timeout = said.map_or(idle_timeout, |said| said.min(idle_timeout));
        if idle_timeout.is_zero() || !session.will_keepalive() {
            return Some(session);
        }
        // Waits only to shut down a connection on which something came after the response.
        if let Some(stream) = session.reuse().now_or_never().flatten() {
            self.idle.put(key, stream, idle_timeout);
        }
        None
    }
}

impl std::fmt::Debug for ConnectionPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionPool").finish_non_exhaustive()
    }
}

/// Checks the bytes of a response head, and tells the guard of the connection what follows.
///
/// # Errors
///
/// [`ProblemKind::UpstreamError`] when the head, or what came together with it of a chunked body, has more than one reading.
pub(crate) fn check_response(
    upstream: &HttpSession,
    head: &mut ResponseHeader,
    has_body: bool,
) -> Result<(), Problem> {
    let refused =
        |reason: String| Problem::new(ProblemKind::UpstreamError, format!("malformed response: {reason}"));
    let framing = check_response_head(&upstream.get_headers_raw_bytes(), head.status, head.version)
        .map_err(|violation| refused(violation.to_string()))?;
    // A response to HEAD, or a 304, may declare a chunked body that does not follow.
    let framing = match framing {
        ResponseFraming::Chunked if !has_body => ResponseFraming::Other,
        framing => framing,
    };
    // The caller must not wait for a body either.
    if framing == ResponseFraming::Contradictory {
        head.remove_header(&header::CONTENT_LENGTH);
        head.remove_header(&header::TRANSFER_ENCODING);
    }
    let Some(guard) = GuardedStream::of(upstream.stream()) else { return Ok(()) };
    if head.status.is_informational() {
        guard.begin_next_head();
        return Ok(());
    }
    guard.begin_body(framing).map_err(|malformed| refused(malformed.to_string()))
}

/// Shuts down a connection, which may wait for the upstream to read.
async fn close(mut session: HttpSession) {
    let limit = session.write_timeout;
    // It is closed anyway.
    let _ = write_within(limit, pin!(session.shutdown().map(Ok))).await;
}

fn guarded(stream: Stream) -> Stream {
    match GuardedStream::of(&stream) {
        Some(guard) => guard.begin_response(),
        None => return Box::new(GuardedStream::new(stream)),
    }
    stream
}
