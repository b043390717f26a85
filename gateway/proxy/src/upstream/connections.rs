//! Connections to upstreams, pooled between requests.
//!
//! Pingora's pool keeps each stream as it was released, so that a pooled connection still has its guard.

use std::time::Duration;

use http::header;
use kyc_model::{Problem, ProblemKind};
use pingora::Result;
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::protocols::Stream;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::upstreams::peer::{HttpPeer, Peer};
use pingora_http::ResponseHeader;
use tokio::time::timeout;

use super::guarded_stream::GuardedStream;
use crate::strict::{ResponseFraming, check_response_head};

/// Connects to upstreams, and keeps the connections that can serve another request of the same tenant.
pub(crate) struct ConnectionPool {
    connector: TransportConnector,
}

/// A connection for one request.
pub(crate) struct UpstreamConnection {
    pub(crate) session: HttpSession,
    /// Whether it served a request before: then the upstream may have closed it meanwhile.
    pub(crate) is_reused: bool,
}

// === impl ConnectionPool ===

impl ConnectionPool {
    /// Begins with an empty pool.
    pub(crate) fn new(options: ConnectorOptions) -> Self {
        Self { connector: TransportConnector::new(Some(options)) }
    }

    /// Takes a pooled connection to `peer`, or makes one.
    ///
    /// # Errors
    ///
    /// Pingora's, when no connection can be made in the peer's time.
    pub(crate) async fn get(&self, peer: &HttpPeer) -> Result<UpstreamConnection> {
        let (stream, is_reused) = self.connector.get_stream(peer).await?;
        let stream = guarded(stream);
        let mut session = HttpSession::new_with_options(stream, peer);
        // The session takes its time limits from these fields, not from the peer.
        session.read_timeout = peer.options.read_timeout;
        session.write_timeout = peer.options.write_timeout;
        Ok(UpstreamConnection { session, is_reused })
    }

    /// Returns a connection to the pool whose request was sent and whose response was read to its end, if the response allows
    /// another request.
    pub(crate) async fn release(&self, mut upstream: HttpSession, peer: &HttpPeer) {
        // Takes `Connection` and `Keep-Alive` of the response into account, which the session does not do by itself.
        upstream.respect_keepalive();
        // Where Pingora and the strict reader disagree about the end, the next response may be smuggled.
        if !GuardedStream::of(upstream.stream()).is_some_and(GuardedStream::is_at_end) {
            return;
        }
        let limit = upstream.write_timeout.unwrap_or(Duration::MAX);
        // A connection that cannot be reused is shut down, which may wait for the upstream to read.
        if let Ok(Some(stream)) = timeout(limit, upstream.reuse()).await {
            self.connector.release_stream(stream, peer.reuse_hash(), peer.idle_timeout());
        }
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

fn guarded(stream: Stream) -> Stream {
    match GuardedStream::of(&stream) {
        Some(guard) => guard.begin_response(),
        None => return Box::new(GuardedStream::new(stream)),
    }
    stream
}
