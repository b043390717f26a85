//! The connections to upstreams: kept between requests, and guarded.

use http::header;
use pingora::Result;
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::protocols::Stream;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::upstreams::peer::{HttpPeer, Peer};
use pingora_http::ResponseHeader;

use super::guarded::{BodyFraming, GuardedStream};
use crate::strict::MalformedBody;

/// Makes connections to upstreams and keeps those that can serve another request of the same tenant.
pub(crate) struct Connections {
    connector: TransportConnector,
}

/// A connection for one request.
pub(crate) struct Connected {
    pub(crate) upstream: HttpSession,
    /// Whether it served another request before: then it may have been closed at the other end meanwhile.
    pub(crate) is_reused: bool,
}

// === impl Connections ===

impl Connections {
    /// Begins without connections.
    pub(crate) fn new(options: ConnectorOptions) -> Self {
        Self { connector: TransportConnector::new(Some(options)) }
    }

    /// Takes a kept connection to `peer`, or makes one.
    ///
    /// # Errors
    ///
    /// Pingora's, when no connection can be made in the peer's time.
    pub(crate) async fn get(&self, peer: &HttpPeer) -> Result<Connected> {
        let (stream, is_reused) = self.connector.get_stream(peer).await?;
        let stream = guarded(stream);
        let mut upstream = HttpSession::new_with_options(stream, peer);
        upstream.read_timeout = peer.options.read_timeout;
        upstream.write_timeout = peer.options.write_timeout;
        Ok(Connected { upstream, is_reused })
    }

    /// Keeps a connection whose request was sent whole and whose answer was read to its end, where the answer allows it.
    pub(crate) async fn keep(&self, mut upstream: HttpSession, peer: &HttpPeer) {
        upstream.respect_keepalive();
        if !GuardedStream::of(upstream.stream()).is_some_and(GuardedStream::is_at_end) {
            return;
        }
        if let Some(stream) = upstream.reuse().await {
            self.connector.release_stream(stream, peer.reuse_hash(), peer.idle_timeout());
        }
    }
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

/// Tells the connection that an interim answer was read.
pub(crate) fn interim_head_is_read(upstream: &HttpSession) {
    if let Some(guard) = GuardedStream::of(upstream.stream()) {
        guard.begin_next_head();
    }
}

/// Tells the connection that the final head of an answer was read.
///
/// # Errors
///
/// [`MalformedBody`] when what came with the head has more than one reading.
pub(crate) fn final_head_is_read(
    upstream: &HttpSession,
    head: &ResponseHeader,
    has_body: bool,
) -> Result<(), MalformedBody> {
    let framing = match has_body && head.headers.contains_key(header::TRANSFER_ENCODING) {
        true => BodyFraming::Chunked,
        false => BodyFraming::Other,
    };
    GuardedStream::of(upstream.stream()).map_or(Ok(()), |guard| guard.begin_body(framing))
}

fn guarded(stream: Stream) -> Stream {
    match GuardedStream::of(&stream) {
        Some(guard) => guard.begin_answer(),
        None => return Box::new(GuardedStream::new(stream)),
    }
    stream
}
