//! The connections to upstreams: kept between requests, and guarded.

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
use crate::strict::{AnswerFraming, check_answer_head};

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
        let limit = upstream.write_timeout.unwrap_or(Duration::MAX);
        // A connection that is not kept is shut down, which may wait for the upstream to read.
        if let Ok(Some(stream)) = timeout(limit, upstream.reuse()).await {
            self.connector.release_stream(stream, peer.reuse_hash(), peer.idle_timeout());
        }
    }
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

/// Checks the head that was read, and tells the connection what follows.
///
/// # Errors
///
/// [`ProblemKind::UpstreamError`] when the head, or what came together with it of a chunked body, has more than one reading.
pub(crate) fn check_answer(
    upstream: &HttpSession,
    head: &mut ResponseHeader,
    has_body: bool,
) -> Result<(), Problem> {
    let refused =
        |reason: String| Problem::new(ProblemKind::UpstreamError, format!("an answer with {reason}"));
    let framing = check_answer_head(&upstream.get_headers_raw_bytes(), head.status, head.version)
        .map_err(|violation| refused(violation.to_string()))?;
    let framing = match framing {
        AnswerFraming::Chunked if !has_body => AnswerFraming::Other,
        framing => framing,
    };
    if framing == AnswerFraming::Contradictory {
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
        Some(guard) => guard.begin_answer(),
        None => return Box::new(GuardedStream::new(stream)),
    }
    stream
}
